/**
 * model.spec: random talks of several users on one to three real servers and a Redis, compared with a small model:
 * registering, logging in with both generations, sending to all and privately at any cuts, repeating a mid,
 * acknowledging, looking back, breaking connections in the middle of a frame, not reading, restarting a server,
 * trimming, changing epochs. Counterexamples that were once found are in fixtures/counterexamples and run first.
 */
import { readFileSync, readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { type Step, World } from "./helpers/model.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";

let redis: SpecRedis;
before(async () => {
  redis = await startRedis({ settings: { appendfsync: "no" } });
});
after(() => redis.stop());

const index = fc.nat({ max: 50 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant("register" as const), user: index, node: index }) },
  {
    weight: 16,
    arbitrary: fc.record({
      do: fc.constant("login" as const),
      user: index,
      device: fc.nat({ max: 1 }),
      replay: fc.constantFrom("all" as const, "all" as const, "none" as const),
      presence: fc.constantFrom(true, true, true, false),
      token: fc.boolean(),
      node: index,
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("legacy" as const), user: index, node: index }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant("send" as const),
      session: index,
      to: index,
      count: fc.integer({ min: 1, max: 5 }),
      cuts: fc.array(fc.nat({ max: 400 }), { maxLength: 3 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("everybodySends" as const),
      to: index,
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("sendInTrouble" as const),
      session: index,
      to: index,
      count: fc.integer({ min: 1, max: 5 }),
      trouble: fc.constantFrom("links", "bells", "scripts"),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("repeat" as const), session: index, which: index }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("ack" as const), session: index, which: index }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("history" as const),
      session: index,
      to: index,
      at: index,
      limit: fc.integer({ min: 1, max: 12 }),
      forward: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("ping" as const), session: index }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("drop" as const),
      session: index,
      how: fc.constantFrom("logout", "end", "reset", "torn", "unanswered"),
      to: index,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("stall" as const), session: index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const), node: index }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("epoch" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("trim" as const), to: index }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("settle" as const) }) },
);

async function runSteps(steps: Step[], nodes = 1): Promise<void> {
  const world = await World.open(redis, nodes);
  try {
    await world.run(steps);
  } finally {
    await world.close();
  }
}

const folder = new URL("../fixtures/counterexamples/", import.meta.url);
for (const file of readdirSync(folder).sort()) {
  test(`[S-1] [D-1] counterexample ${file}`, async () => {
    await runSteps(JSON.parse(readFileSync(new URL(file, folder), "utf8")) as Step[]);
  });
}

test("[A-1] [L-3] [P-2] [S-1] [S-2] [S-4] [D-1] [D-2] [H-1] random talks agree with the model", async () => {
  const limitMs = Number(process.env.HAIYU_MODEL_MS ?? 240_000);
  const numRuns = Number(process.env.HAIYU_MODEL_RUNS ?? 300);
  const talk = fc.array(step, { minLength: 10, maxLength: 80, size: "max" });
  // More servers than one in half of them: a talk on three takes longer.
  const nodes = fc.constantFrom(1, 1, 1, 2, 2, 3);
  await fc.assert(fc.asyncProperty(talk, nodes, runSteps), {
    numRuns,
    // Shrinking goes on as long as it may; a failure stays one. A soak is over when its time is.
    interruptAfterTimeLimit: limitMs,
    markInterruptAsFailure: process.env.HAIYU_SOAK !== "yes",
    includeErrorInReport: true,
    // Who only wants to know whether it fails (the mutants) does not wait for the smallest counterexample.
    endOnFailure: process.env.HAIYU_SHRINK === "no",
    ...(process.env.HAIYU_SEED !== undefined && { seed: Number(process.env.HAIYU_SEED) }),
  });
});

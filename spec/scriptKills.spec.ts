/**
 * scriptKills: `send` and `tail` as real processes, killed at random points and started again: the lines that tail wrote
 * are the log, and what send said, however often it had to, is there once ([C-33], [C-35]). 12 kills of each; with
 * HAIYU_SOAK (npm run soak) 200.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { tailSaveMaxLines } from "../lib/limits.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { passwordFile, spawnClient } from "./helpers/script.ts";
import { type SpawnedProcess, type SpecServer, startSpecServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

const soaking = process.env.HAIYU_SOAK !== undefined;
const kills = soaking ? 200 : 12;
const deadlineMs = soaking ? 3_600_000 : 60_000;

let redis: SpecRedis;
let server: SpecServer;

before(async () => {
  redis = await startRedis();
  server = await startSpecServer({ redis });
});
after(async () => {
  await server.close();
  await redis.stop();
});

/** Kills the process when it has got so far, after a moment of its own; how much it wrote of whole lines. */
async function killedAt(
  spawned: SpawnedProcess,
  { far, jitterMs }: { far: () => boolean | Promise<boolean>; jitterMs: number },
): Promise<void> {
  await until(
    "it to get so far, or to end",
    async () => spawned.child.exitCode !== null || (await far()),
    deadlineMs,
  );
  await new Promise((resolve) => setTimeout(resolve, jitterMs));
  spawned.child.kill("SIGKILL");
  await inTime("its end", spawned.ended);
}

/** Whole lines only: a last one without its end was never written out. */
function linesOf(out: string): Data[] {
  return out
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Data);
}

/** All that is stored, oldest first. */
async function wholeLog(client: WireClient, conv: string): Promise<Data[]> {
  const messages: Data[] = [];
  for (let more = true; more;) {
    const from = String(messages.at(-1)?.id ?? "0-0");
    const page = await client.ask("HistoryMes", { conv, after: from, limit: 200 }, "HistoryResMes");
    messages.push(...(page.messages as Data[]));
    more = page.more === true;
  }
  return messages;
}

const seqOf = ({ id }: Data): number => Number(String(id).split("-")[1]);

// Where each kill comes: lines written or stored by then, and up to so many ms more.
const plan = fc.sample(fc.record({ lines: fc.nat(90), jitterMs: fc.nat(30) }), kills);

test(`[C-35] tail, killed ${kills} times: its outputs one behind the other are the log`, async (t) => {
  const alice = await newUser(server.port, 1100);
  const bob = await newUser(server.port, 1101);
  await registerUser(server.port, 1102);
  const state = scratchFolder();
  const args = ["tail", `1102@127.0.0.1:${server.port}`, "--password-file", passwordFile("pw1102"), "--json"];
  const cursor = ["--cursor", join(scratchFolder(), "cursor"), "--since", "0-0"];
  // So much is said while a tail starts and so much once it writes: 200 lives lag behind by less than a log keeps.
  const share = 60;
  let allowed = 0;
  let isTalking = true;
  const talk = async (): Promise<void> => {
    for (let n = 0; ; n++) {
      await until("leave to say more", () => n < allowed || !isTalking, deadlineMs);
      if (!isTalking) return;
      const said = { content: `n${n} ${"语".repeat(n % 50)}`, mid: `a${n}` };
      await alice.ask("SmsMes", { ...said, conv: n % 3 === 0 ? "u:1102" : "all" }, "SmsResMes");
      if (n % 5 === 0) await bob.ask("SmsMes", { ...said, conv: "u:1102" }, "SmsResMes");
    }
  };
  const talking = talk();
  const written: Data[][] = [];
  for (const { lines, jitterMs } of plan) {
    allowed += share;
    const tail = spawnClient([...args, ...cursor], state);
    tail.child.stdout?.once("data", () => (allowed += share));
    await killedAt(tail, { far: () => tail.output.out.split("\n").length > lines, jitterMs });
    assert.equal(tail.output.err, "");
    written.push(linesOf(tail.output.out));
  }
  isTalking = false;
  await talking;
  const last = spawnClient([...args, ...cursor, "--once"], state);
  assert.equal(await inTime("the last one's end", last.ended, deadlineMs), 0, last.output.err);
  written.push(linesOf(last.output.out));

  const looker = await WireClient.login(server.port, { userId: 1102, userPwd: "pw1102", device: "looker" });
  let repeated = 0;
  for (const conv of ["all", "u:1100", "u:1101"]) {
    const log = await wholeLog(looker, conv);
    const once: Data[] = [];
    for (const lines of written) {
      const own = lines.filter((line) => line.conv === conv);
      // What a kill left between a line and the file comes again, at the seam and nowhere else.
      const known = own.findIndex((line) => seqOf(line) > seqOf(once.at(-1) ?? { id: "0-0" }));
      const again = known < 0 ? own.length : known;
      const from = once.findIndex(({ id }) => id === own[0]?.id);
      assert.deepEqual(
        own.slice(0, again).map(({ id }) => id),
        once.slice(from, from + again).map(({ id }) => id),
        "what comes again came before, in one piece",
      );
      if (again > 0 && known > 0) assert.equal(from + again, once.length, "up to its end");
      repeated += again;
      once.push(...own.slice(again));
    }
    assert.deepEqual(
      once.map(({ id, content }) => [id, content]),
      log.map(({ id, content }) => [id, content]),
      `all of ${conv}, once, in order`,
    );
  }
  assert.ok(repeated <= kills * tailSaveMaxLines, `${repeated} lines came again`);
  if (soaking) t.diagnostic(`${written.flat().length} lines, ${repeated} of them came again`);
  const devices = await redis.client.hkeys("{u:1102}:tokens");
  assert.equal(devices.length, 2, `one device for all its lives: ${devices.join()}`);
});

test(`[C-33] send, killed ${kills} times and repeated each time: every line is there once, in order`, async () => {
  await registerUser(server.port, 1110);
  const looker = await newUser(server.port, 1111);
  const state = scratchFolder();
  const args = [
    "send",
    `1110@127.0.0.1:${server.port}`,
    "--password-file",
    passwordFile("pw1110"),
    "--to",
    "1111",
  ];
  let killed = 0;
  const wanted: string[] = [];
  for (let job = 0; killed < kills; job++) {
    const lines = Array.from({ length: 80 }, (_, index) => `job ${job} line ${index}`);
    wanted.push(...lines);
    for (let code: number | NodeJS.Signals = 1; code !== 0;) {
      const send = spawnClient([...args, "--mid", `job-${job}`], state);
      send.child.stdin?.on("error", () => undefined);
      send.child.stdin?.end(lines.map((line) => `${line}\n`).join(""));
      const point = killed < kills ? plan[killed] : undefined;
      if (point) {
        // So many more lines are stored; where it is done before that, it has earned its 0.
        const stored = looker.all("SmsMes").length + (point.lines % 30);
        const isFar = (): boolean => looker.all("SmsMes").length >= stored;
        await killedAt(send, { far: isFar, jitterMs: point.jitterMs });
        killed++;
      }
      code = await inTime("its end", send.ended, deadlineMs);
      assert.ok(code === 0 || code === "SIGKILL", `${code}: ${send.output.err}`);
    }
  }
  const log = await wholeLog(looker, "u:1110");
  assert.deepEqual(
    log.map(({ content }) => content),
    wanted,
  );
});

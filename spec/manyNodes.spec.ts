/**
 * manyNodes.spec: several servers as real processes on one Redis, restarted and killed while people talk: quick runs of
 * spec/bench/rolling.ts and spec/bench/storm.ts (clauses [K-4], [P-8], [C-5]).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ghosts } from "./bench/ghosts.ts";
import { rollingRestart } from "./bench/rolling.ts";
import { storm } from "./bench/storm.ts";
import { startRedis } from "./helpers/redis.ts";
import { startSpecServer } from "./helpers/server.ts";
import { WatchedClient } from "./helpers/watchedClient.ts";
import { registerUser } from "./helpers/wireClient.ts";

test("[K-4] [X-2] [P-8] [D-1] three servers restarted one after the other: nobody lacks or doubles a message, nobody is told anything", async () => {
  const result = await rollingRestart({ nodes: 3, clients: 24, rate: 40, pauseMs: 500 });
  const { stored, lost, doubled, gaps, comings, leavings, ends, silencesMs } = result;
  assert.ok(stored > 50, `${stored} stored`);
  assert.deepEqual({ lost, doubled, gaps }, { lost: 0, doubled: 0, gaps: 0 });
  assert.deepEqual({ comings, leavings }, { comings: 0, leavings: 0 });
  for (const { code, ms } of ends) assert.ok(code === 0 && ms < 10_000, `ended with ${code} in ${ms} ms`);
  assert.ok(Math.max(...silencesMs) <= 3000, `the longest silence was ${Math.max(...silencesMs)} ms`);
});

test("[C-5] everybody of a killed server is back on another one", async () => {
  const { backMs, refused } = await storm({ clients: 200, nodes: 2 });
  assert.equal(refused, 0);
  assert.ok(Math.max(...backMs) < 15_000, `the last one after ${Math.max(...backMs)} ms`);
});

test("[P-8] [P-2] servers killed, stopped and drained at random: the list is the live sessions, exactly", async () => {
  const { settledMs } = await ghosts({ kills: 6, every: 3, nodes: 3, clients: 20, seed: 5, stopMaxMs: 500 });
  assert.equal(settledMs.length, 2);
});

test("[C-5] a client that knows several servers takes the next one in turn, at the first time too", async () => {
  const redis = await startRedis();
  const servers = [await startSpecServer({ redis }), await startSpecServer({ redis })];
  const [one, two] = servers.map(({ port }) => port) as [number, number];
  await registerUser(one, 1);
  // Nobody listens at the first one.
  const fallbacks = [one, two].map((port) => ({ host: "127.0.0.1", port }));
  const watched = new WatchedClient({ port: 1, userId: 1, fallbacks });
  assert.equal((await watched.client.login()).code, 200);
  assert.equal(watched.states.filter(({ kind }) => kind === "offline").length, 0, "without a pause");
  await servers[0]?.close();
  const { nextTryMs } = await watched.becomes("offline");
  watched.clock.advance(nextTryMs);
  await watched.becomes("online");
  assert.equal((await watched.client.users()).total, 1);
  watched.client.close();

  const nowhere = new WatchedClient({ port: 1, userId: 1, fallbacks: [{ host: "127.0.0.1", port: 2 }] });
  await assert.rejects(nowhere.client.login());
  assert.equal(nowhere.states.filter(({ kind }) => kind === "connecting").length, 2, "each once");
  await servers[1]?.close();
  await redis.stop();
});

/**
 * lost.spec: a Redis that comes back without what it had said was stored (clauses [S-3], [D-2], [D-5]): no id is given
 * out twice, whoever lacks something is told, nobody hangs.
 */
import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
import { after, test } from "node:test";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

const running: { server: SpecServer; redis: SpecRedis }[] = [];
after(async () => {
  for (const { server, redis } of running) {
    await server.close();
    await redis.stop();
  }
});

let midCount = 0;

/** Sends until it is stored, as a client does: the same mid again after 503. */
async function send(client: WireClient, content: string, conv = "all"): Promise<string> {
  const mid = `m${++midCount}`;
  for (;;) {
    const { code, id } = await client.ask("SmsMes", { conv, content, mid }, "SmsResMes");
    if (code === 200) return String(id);
    assert.equal(code, 503);
  }
}

const seqOf = (id: unknown): number => Number(String(id).split("-")[1]);
const epochOf = (id: unknown): number => Number(String(id).split("-")[0]);
const contentsOf = (client: WireClient): unknown[] => client.all("SmsMes").map(({ content }) => content);

/** Redis is killed, and comes back with the files it had when `copy` was made (null: none at all). */
async function comeBackAs(redis: SpecRedis, copy: string | null): Promise<SpecRedis> {
  await redis.stop("SIGKILL");
  rmSync(`${redis.folder}/appendonlydir`, { recursive: true });
  if (copy) cpSync(`${copy}/appendonlydir`, `${redis.folder}/appendonlydir`, { recursive: true });
  return startRedis({ folder: redis.folder });
}

test("[D-5] [S-3] a tail that Redis lost is announced with its exact count, and its ids are not given out again", async () => {
  let redis = await startRedis();
  const server = await startSpecServer({ redis });
  const alice = await newUser(server.port, 1);
  const live = await newUser(server.port, 2);
  await registerUser(server.port, 3);
  const ids: string[] = [];
  for (let n = 1; n <= 6; n++) ids.push(await send(alice, `${n}`));
  const copy = scratchFolder();
  cpSync(redis.folder, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") });
  for (let n = 7; n <= 10; n++) ids.push(await send(alice, `${n}`));
  await live.next("SmsMes", ({ content }) => content === "10");
  live.say("AckMes", { conv: "all", id: ids[9] });

  redis = await comeBackAs(redis, copy);
  running.push({ server, redis });
  const login = (userId: number, device = "default"): Promise<WireClient> =>
    WireClient.login(server.port, { userId, userPwd: `pw${userId}`, device });
  let early: WireClient | null = null;
  // Redis may need a moment until the server has noticed that it is back.
  while (!early) early = await login(3, "early").catch(() => null);
  await early.next("GapMes");
  const next = await send(alice, "11");
  assert.equal(seqOf(next), 11);
  assert.ok(epochOf(next) > epochOf(ids[9]), `${next} after ${ids[9]}`);

  // Who had seen everything misses nothing.
  await live.next("SmsMes", ({ content }) => content === "11");
  assert.deepEqual(live.all("GapMes"), []);
  assert.equal(contentsOf(live).length, 11);
  // Who had not is told exactly what is missing, before the next message: at once, or later.
  const late = await login(3, "late");
  for (const [reader, before] of [
    [early, `${epochOf(ids[5])}-11`],
    [late, next],
  ] as const) {
    await reader.next("SmsMes", ({ content }) => content === "11");
    assert.deepEqual(contentsOf(reader), ["1", "2", "3", "4", "5", "6", "11"]);
    assert.deepEqual(reader.all("GapMes"), [
      { conv: "all", after: ids[5], before, count: 4, reason: "lost" },
    ]);
    const types = reader.heard
      .filter(({ type }) => type === "SmsMes" || type === "GapMes")
      .map(({ type }) => type);
    assert.equal(types.indexOf("GapMes"), 6);
    reader.destroy();
  }
  // History has no such ids either.
  const { messages } = await live.ask("HistoryMes", { conv: "all" }, "HistoryResMes");
  assert.deepEqual(
    (messages as Data[]).map(({ id }) => seqOf(id)),
    [1, 2, 3, 4, 5, 6, 11],
  );
  alice.destroy();
  live.destroy();
});

test("[D-5] [S-3] a Redis that comes back empty: ids go on, live sessions go on, new ones are told", async () => {
  let redis = await startRedis();
  const server = await startSpecServer({ redis });
  const alice = await newUser(server.port, 1);
  const live = await newUser(server.port, 2);
  const ids: string[] = [];
  for (let n = 1; n <= 5; n++) ids.push(await send(alice, `${n}`));
  const privately = await send(alice, "just you", "u:2");
  await live.next("SmsMes", ({ content }) => content === "just you");

  redis = await comeBackAs(redis, null);
  running.push({ server, redis });
  const next = await send(alice, "6");
  assert.deepEqual([seqOf(next), epochOf(next) > epochOf(ids[4])], [6, true]);
  const nextPrivately = await send(alice, "you again", "u:2");
  assert.deepEqual([seqOf(nextPrivately), epochOf(nextPrivately) > epochOf(privately)], [2, true]);
  await live.next("SmsMes", ({ content }) => content === "you again");
  assert.deepEqual(contentsOf(live), ["1", "2", "3", "4", "5", "just you", "6", "you again"]);
  assert.deepEqual(live.all("GapMes"), []);
  // Accounts are gone with it; a new one starts at the head it finds.
  const carol = await newUser(server.port, 3);
  const seventh = await send(alice, "7");
  assert.equal((await carol.next("SmsMes")).data.id, seventh);
  for (const client of [alice, live, carol]) client.destroy();
});

test("[D-8] [D-2] a cursor beyond the log does not swallow what comes after", async () => {
  const redis = await startRedis();
  const server = await startSpecServer({ redis });
  running.push({ server, redis });
  const alice = await newUser(server.port, 1);
  await registerUser(server.port, 2);
  const id = await send(alice, "1", "u:2");
  await redis.client.hset("{u:2}:cursors", "default|dm:1:2", `${epochOf(id)}-50`);
  const bob = await WireClient.login(server.port, { userId: 2, userPwd: "pw2" });
  await send(alice, "2", "u:2");
  await bob.next("SmsMes", ({ content }) => content === "2");
  assert.deepEqual(contentsOf(bob), ["2"]);
  alice.destroy();
  bob.destroy();
});

/**
 * redisTrouble.spec: a Redis that is there and refuses, forgets or loses: scripts flushed, clients killed, memory full,
 * disk failing, loading, read-only, a torn append-only file. What cannot be done is answered 503, what can goes on, and
 * afterwards everything is as if nothing had been.
 */
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { toldOf } from "./helpers/online.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { Talker, assertDenseIds, hearsAll, sendUntilStored } from "./helpers/throughFaults.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

const ends: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const end of ends.reverse()) await end();
});

async function own(settings: Record<string, string> = {}): Promise<{ redis: SpecRedis; server: SpecServer }> {
  const redis = await startRedis({ settings });
  ends.push(() => redis.stop());
  const server = await startSpecServer({ redis });
  ends.push(() => server.close());
  return { redis, server };
}

/** Redis is killed and comes back on the same files. */
async function again(redis: SpecRedis, settings: Record<string, string> = {}): Promise<SpecRedis> {
  await redis.stop("SIGKILL");
  const next = await startRedis({ folder: redis.folder, settings });
  ends.push(() => next.stop());
  return next;
}

async function codeOf(port: number, type: string, data: Data): Promise<unknown> {
  const client = await WireClient.connect(port);
  const startMs = performance.now();
  const { code } = await client.ask(type, data, type.replace("Mes", "ResMes"));
  assert.ok(performance.now() - startMs < 5000, `${type} after ${performance.now() - startMs} ms`);
  client.destroy();
  return code;
}

interface Town {
  alice: WireClient;
  bob: WireClient;
  legacy: WireClient;
  leaver: WireClient;
  port: number;
}

async function people({ port }: SpecServer): Promise<Town> {
  const [alice, bob] = [await newUser(port, 1), await newUser(port, 2)];
  await registerUser(port, 3);
  const legacy = await WireClient.login(port, { userId: 3, userPwd: "pw3", v: undefined });
  const leaver = await newUser(port, 4);
  await bob.hears("all", () => toldOf(bob, [1, 2, 3, 4]).flatMap(({ online }) => online).length >= 4);
  assert.equal((await sendUntilStored(alice, { content: "before", mid: "before" })).data.code, 200);
  await hearsAll(bob, 1, ["before"]);
  return { alice, bob, legacy, leaver, port };
}

/** Nothing can be written: said by 503, frozen, and still readable. */
async function refusesToWrite({ alice, bob, leaver, port }: Town): Promise<void> {
  const sms = { content: "after", mid: "after" };
  const startMs = performance.now();
  assert.equal((await alice.ask("SmsMes", sms, "SmsResMes")).code, 503);
  assert.ok(performance.now() - startMs < 5000, `answered after ${performance.now() - startMs} ms`);
  assert.equal(await codeOf(port, "LoginMes", { userId: 2, userPwd: "pw2", v: 2, device: "other" }), 503);
  assert.equal(
    await codeOf(port, "RegisterMes", { user: { userId: 6, userPwd: "x", userName: "six" } }),
    506,
  );
  leaver.destroy();
  // A read may meet the moment in which the server looks for another Redis.
  await until("history", async () => {
    bob.say("HistoryMes", { conv: "all" });
    const { type, data } = await bob.next(undefined, ({ code }) => code === 200 || code === 503);
    if (type !== "HistoryResMes") return false;
    assert.deepEqual(
      (data.messages as Data[]).map(({ content }) => content),
      ["before"],
    );
    return true;
  });
  await bob.settled();
  assert.equal((await bob.ask("UsersMes", {}, "UsersResMes")).total, 4);
  assert.deepEqual(
    toldOf(bob, [1, 2, 3, 4]).flatMap(({ offline }) => offline),
    [],
  );
}

/** It can be written again: everything works, and nobody but who left is gone. */
async function worksAgain({ alice, bob, legacy, port }: Town): Promise<void> {
  const startMs = performance.now();
  await sendUntilStored(alice, { content: "after", mid: "after" });
  await hearsAll(bob, 1, ["before", "after"]);
  assert.ok(performance.now() - startMs < 2000, `works after ${performance.now() - startMs} ms`);
  await hearsAll(legacy, 1, ["before", "after"]);
  assert.equal(await codeOf(port, "LoginMes", { userId: 2, userPwd: "pw2", v: 2, device: "other" }), 200);
  assert.equal(
    await codeOf(port, "RegisterMes", { user: { userId: 6, userPwd: "x", userName: "six" } }),
    200,
  );
  await bob.hears("who left", () => toldOf(bob, [4]).some(({ offline }) => offline.length > 0));
  assert.deepEqual(
    toldOf(bob, [1, 2, 3, 4]).flatMap(({ offline }) => offline),
    [4],
  );
  assert.deepEqual(bob.all("GapMes"), []);
  for (const client of [alice, bob, legacy]) {
    assert.equal(client.isClosed, false);
    client.destroy();
  }
}

describe("trouble of Redis", { concurrency: 4 }, () => {
  test("[S-3] [S-4] [S-7] scripts flushed and connections killed while many send: stored once, read once, in order", async () => {
    const { redis, server } = await own();
    const [alice, bob] = [await newUser(server.port, 1), await newUser(server.port, 2)];
    const second = await startSpecServer({ redis });
    ends.push(() => second.close());
    const far = await newUser(second.port, 3);
    const talkers = [new Talker(alice, "all", "a"), new Talker(far, "all", "f"), new Talker(far, "u:2", "p")];
    const killing = ["normal", "pubsub"] as const;
    for (let round = 0; round < 12; round++) {
      const lines = talkers.map(({ lines }) => lines.length);
      await until("each to say a line", () =>
        talkers.every(({ lines: said }, index) => said.length > (lines[index] ?? 0)),
      );
      if (round % 3 === 2) await redis.client.script("FLUSH");
      else await redis.client.call("CLIENT", "KILL", "TYPE", killing[round % 3] ?? "", "SKIPME", "yes");
    }
    for (const talker of talkers) {
      await talker.end();
      assert.ok(talker.longestMs < 5000, `answered after ${talker.longestMs} ms`);
    }
    const [a, f, p] = talkers.map(({ contents }) => contents) as [string[], string[], string[]];
    await hearsAll(bob, 1, a);
    await hearsAll(far, 1, a);
    await hearsAll(alice, 3, f);
    await bob.hears("the last of the private ones", () =>
      bob.all("SmsMes").some(({ content }) => content === p.at(-1)),
    );
    const heard = (conv: string, userId: number): unknown[] =>
      bob
        .all("SmsMes")
        .filter((one) => one.conv === conv && one.userId === userId)
        .map(({ content }) => content);
    assert.deepEqual(heard("all", 3), f);
    assert.deepEqual(heard("u:3", 3), p);
    assertDenseIds((await redis.client.xrange("{c:all}:log", "-", "+")).map(([id]) => id));
    for (const client of [alice, bob, far]) client.destroy();
  });

  test("[S-7] [A-4] [P-7] [H-1] no memory left: what would need some is 503, presence freezes, reading goes on", async () => {
    const { redis, server } = await own({ "maxmemory-policy": "noeviction" });
    const town = await people(server);
    await redis.client.config("SET", "maxmemory", "1");
    await refusesToWrite(town);
    await redis.client.config("SET", "maxmemory", "0");
    await worksAgain(town);
  });

  test("[S-7] [A-4] [P-7] [H-1] snapshots that fail and stop writes: 503, presence freezes, reading goes on", async () => {
    const { redis, server } = await own({
      "stop-writes-on-bgsave-error": "yes",
      "enable-protected-configs": "yes",
    });
    const town = await people(server);
    const folder = join(scratchFolder(), "gone");
    mkdirSync(folder);
    await redis.client.config("SET", "save", "3600 1000000");
    await redis.client.config("SET", "dir", folder);
    rmSync(folder, { recursive: true });
    await redis.client.bgsave();
    await until("the snapshot to fail", async () =>
      (await redis.client.info("persistence")).includes("rdb_last_bgsave_status:err"),
    );
    await refusesToWrite(town);
    await redis.client.config("SET", "dir", redis.folder);
    await redis.client.bgsave();
    await until("the snapshot", async () =>
      (await redis.client.info("persistence")).includes("rdb_last_bgsave_status:ok"),
    );
    await worksAgain(town);
  });

  /** Whether Redis has answered so, in this life. */
  const hasSaid = async ({ client }: SpecRedis, name: string): Promise<boolean> =>
    (await client.info("errorstats")).includes(`errorstat_${name}:`);

  test("[S-7] [A-4] [P-7] [H-1] READONLY, a Redis that became a replica: 503, no storm of new connections, and back", async () => {
    const { redis, server } = await own();
    const town = await people(server);
    const connections = async (): Promise<number> =>
      Number(/total_connections_received:(\d+)/.exec(await redis.client.info("stats"))?.[1]);
    const before = await connections();
    // The port of nobody: it keeps its data and waits for a master.
    await redis.client.replicaof("127.0.0.1", 1);
    const startMs = performance.now();
    await refusesToWrite(town);
    await until("two seconds", () => performance.now() - startMs > 2000);
    const made = (await connections()) - before;
    assert.ok(made <= 10, `${made} connections in ${performance.now() - startMs} ms`);
    assert.ok(await hasSaid(redis, "READONLY"), "it was met");
    await redis.client.replicaof("NO", "ONE");
    await worksAgain(town);
  });

  test("[S-7] [A-4] [D-9] a Redis that loads for seconds after its start: 503 meanwhile, and everything within 2 s after", async () => {
    const { redis, server } = await own();
    const town = await people(server);
    const filler = redis.client.pipeline();
    for (let n = 0; n < 4000; n++) filler.set(`filler:${n}`, "x".repeat(500));
    await filler.exec();
    await redis.stop("SIGKILL");
    const starting = startRedis({
      folder: redis.folder,
      settings: { "key-load-delay": "1000", loglevel: "warning" },
    });
    const { alice, port } = town;
    assert.equal((await alice.ask("SmsMes", { content: "after", mid: "after" }, "SmsResMes")).code, 503);
    assert.equal(await codeOf(port, "LoginMes", { userId: 2, userPwd: "pw2", v: 2, device: "other" }), 503);
    const loaded = await starting;
    ends.push(() => loaded.stop());
    town.leaver.destroy();
    await worksAgain(town);
  });

  test("[S-7] [D-9] LOADING, on connections that stand: 503 meanwhile, and everything within 2 s after", async () => {
    const { redis, server } = await own({
      "enable-debug-command": "yes",
      "loading-process-events-interval-bytes": "1024",
    });
    const town = await people(server);
    const filler = redis.client.pipeline();
    for (let n = 0; n < 2000; n++) filler.set(`filler:${n}`, "x".repeat(500));
    await filler.exec();
    await redis.client.config("SET", "key-load-delay", "2500");
    const other = redis.client.duplicate();
    const loading = other.call("DEBUG", "RELOAD");
    await until("it to load", async () =>
      /^LOADING/.test(String(await redis.client.get("x").catch((error: Error) => error.message))),
    );
    assert.equal((await town.alice.ask("SmsMes", { content: "x", mid: "loading" }, "SmsResMes")).code, 503);
    await redis.client.config("SET", "key-load-delay", "0").catch(() => undefined);
    await loading;
    other.disconnect();
    town.leaver.destroy();
    await worksAgain(town);
  });

  test("[R-3] [S-3] [D-5] an append-only file with a torn end: what is left goes on, the epoch goes up, no id comes twice", async () => {
    let { redis, server } = await own();
    const [alice, bob] = [await newUser(server.port, 1), await newUser(server.port, 2)];
    const ids: string[] = [];
    const say = async (content: string): Promise<void> => {
      ids.push(String((await sendUntilStored(alice, { content, mid: content })).data.id));
    };
    const contents: string[] = [];
    for (const [round, tear] of (
      [
        (path: string) => appendFileSync(path, "*3\r\n$3\r\nSET\r\n$5\r\nhel"),
        (path: string) => truncateSync(path, statSync(path).size - 9),
        (path: string) => truncateSync(path, statSync(path).size - 1),
      ] as const
    ).entries()) {
      for (const part of ["a", "b"]) {
        contents.push(`${part}${round}`);
        await say(`${part}${round}`);
        await hearsAll(bob, 1, contents);
      }
      await redis.stop("SIGKILL");
      const folder = join(redis.folder, "appendonlydir");
      const files = readdirSync(folder).filter((file) => file.endsWith(".incr.aof"));
      const newest = files
        .sort((left, right) => Number(left.split(".")[2]) - Number(right.split(".")[2]))
        .at(-1);
      tear(join(folder, newest ?? ""));
      redis = await again(redis, { "aof-load-truncated": "yes" });
    }
    contents.push("last");
    await say("last");
    await hearsAll(bob, 1, contents);
    assert.equal(new Set(ids).size, ids.length, "no id twice");
    assertDenseIds(ids);
    const epochs = ids.map((id) => Number(id.split("-")[0]));
    for (const round of [2, 4, 6])
      assert.ok((epochs[round] ?? 0) > (epochs[round - 1] ?? 0), `${epochs.join(" ")}`);
    // A newcomer is given what is left, and told of the rest.
    const late = await WireClient.login(server.port, { userId: 2, userPwd: "pw2", device: "late" });
    await late.next("SmsMes", ({ content }) => content === "last");
    const told =
      late.all("SmsMes").length + late.all("GapMes").reduce((sum, { count }) => sum + Number(count), 0);
    assert.equal(told, contents.length, "each is there, or counted as lost");
    for (const client of [alice, bob, late]) client.destroy();
  });
});

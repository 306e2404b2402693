/**
 * outage.spec: Redis is away for seconds, killed or stopped. Everybody is answered, nobody is told that anybody left,
 * sockets stay open, and when it is back everything goes on: nothing lost, nothing twice, no storm.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, describe, test } from "node:test";
import { promisify } from "node:util";
import { Appender } from "../lib/appender.ts";
import { systemClock } from "../lib/clock.ts";
import { CodedError } from "../lib/codes.ts";
import { Meter } from "../lib/meter.ts";
import { connectRedis } from "../lib/redis.ts";
import { parseRedisUrl } from "../lib/redisUrl.ts";
import { SmsDao } from "../lib/smsDao.ts";
import { toldOf } from "./helpers/online.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, spawnServer, startSpecServer } from "./helpers/server.ts";
import { Talker, assertDenseIds, hearsAll, sendUntilStored } from "./helpers/throughFaults.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

/** A Redis that can be away. */
interface Away {
  redis: SpecRedis;
  go(): Promise<void>;
  comeBack(): Promise<void>;
}

const ends: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const end of ends.reverse()) await end();
});

async function killable(): Promise<Away> {
  const away: Away = {
    redis: await startRedis(),
    go: () => away.redis.stop("SIGKILL"),
    comeBack: async () => {
      away.redis = await startRedis({ folder: away.redis.folder });
    },
  };
  ends.push(() => away.redis.stop());
  return away;
}

async function stoppable(): Promise<Away> {
  const redis = await startRedis();
  const signal = async (name: NodeJS.Signals): Promise<void> => void redis.process.kill(name);
  ends.push(() => redis.stop());
  return { redis, go: () => signal("SIGSTOP"), comeBack: () => signal("SIGCONT") };
}

async function serve(redis: { url: string }): Promise<SpecServer> {
  const server = await startSpecServer({ redis });
  ends.push(() => server.close());
  return server;
}

const waitsFor = (ms: number, sinceMs: number): Promise<boolean> =>
  until(`${ms} ms`, () => performance.now() - sinceMs >= ms, ms + 10_000);

/** What is answered to a log-in or registration on a connection of its own, and after how long. */
async function knock(port: number, type: string, data: Data): Promise<{ code: unknown; waitedMs: number }> {
  const client = await WireClient.connect(port);
  const startMs = performance.now();
  const { code } = await client.ask(type, data, type.replace("Mes", "ResMes"));
  client.destroy();
  return { code, waitedMs: performance.now() - startMs };
}

async function goesThrough(away: Away, outageMs: number): Promise<void> {
  const [one, two] = [await serve(away.redis), await serve(away.redis)];
  const [alice, bob, far] = [
    await newUser(one.port, 1),
    await newUser(one.port, 2),
    await newUser(two.port, 3),
  ];
  await registerUser(one.port, 4);
  const legacy = await WireClient.login(one.port, { userId: 4, userPwd: "pw4", v: undefined });
  const leaver = await newUser(one.port, 5);
  await bob.hears(
    "all of them",
    () => toldOf(bob, [1, 2, 3, 4, 5]).flatMap(({ online }) => online).length >= 5,
  );
  const [toAll, privately] = [new Talker(alice, "all", "all"), new Talker(far, "u:2", "private")];
  await bob.next("SmsMes", ({ conv }) => conv === "u:3");

  await away.go();
  const goneMs = performance.now();
  await until("the first 503", () => toAll.codes.includes(503) || performance.now() - goneMs > 5000);
  leaver.destroy();
  legacy.say("SmsMes", { content: "into the void" });
  const knocks = await Promise.all([
    knock(one.port, "LoginMes", { userId: 2, userPwd: "pw2", v: 2, device: "other" }),
    knock(one.port, "LoginMes", { userId: 2, userPwd: "pw2" }),
    knock(one.port, "RegisterMes", { user: { userId: 6, userPwd: "x", userName: "six" } }),
  ]);
  assert.deepEqual(
    knocks.map(({ code }) => code),
    [503, 505, 506],
  );
  for (const { waitedMs } of knocks) assert.ok(waitedMs < 5000, `${waitedMs} ms`);
  // What needs no Redis is as ever.
  await bob.settled();
  assert.equal((await bob.ask("UsersMes", {}, "UsersResMes")).total, 5);
  assert.equal((await bob.ask("HistoryMes", { conv: "all" }, "ErrorMes")).code, 503);
  await waitsFor(outageMs, goneMs);
  const left = (): number[] =>
    [bob, far].flatMap((client) => toldOf(client, [1, 2, 3, 4, 5])).flatMap(({ offline }) => offline);
  assert.deepEqual(left(), [], "presence is frozen");

  await away.comeBack();
  const backMs = performance.now();
  const heard = bob.all("SmsMes").length;
  await bob.hears(
    "both again",
    () =>
      new Set(
        bob
          .all("SmsMes")
          .slice(heard)
          .map(({ conv }) => conv),
      ).size === 2,
  );
  assert.ok(
    performance.now() - backMs < 2000,
    `heard again ${performance.now() - backMs} ms after it was back`,
  );
  await toAll.end();
  await privately.end();
  assert.ok(toAll.codes.includes(503) && privately.codes.includes(503), "there was an outage");
  assert.ok(Math.max(toAll.longestMs, privately.longestMs) < 5000, "each was answered in time");

  // Nothing lost, nothing twice, in order: live, on the other node, later, and in the log.
  await hearsAll(bob, 1, toAll.contents);
  await hearsAll(bob, 3, privately.contents);
  await hearsAll(far, 1, toAll.contents);
  await hearsAll(legacy, 1, toAll.contents);
  const late = await WireClient.login(one.port, { userId: 4, userPwd: "pw4", device: "late" });
  await hearsAll(late, 1, toAll.contents);
  assertDenseIds(far.all("SmsMes").map(({ id }) => id));
  assertDenseIds(privately.lines.map(({ data }) => data.id));
  // Only who has left is told as gone, once; everybody else was online all the while.
  await until("both to be told who left", () => left().length >= 2);
  await Promise.all([bob.settled(), far.settled()]);
  assert.deepEqual(left(), [5, 5]);
  for (const client of [alice, bob, far, legacy]) {
    assert.equal(client.isClosed, false);
    assert.deepEqual(client.all("GapMes"), []);
  }
  assert.equal(bob.heard.filter(({ type }) => type === "LoginResMes").length, 1);
  assert.ok(
    legacy.heard.every(({ type }) => type !== "SmsResMes" && type !== "ErrorMes"),
    "a legacy session hears nothing of it",
  );
  for (const client of [alice, bob, far, legacy, late]) client.destroy();
}

describe("Redis is away", { concurrency: true }, () => {
  test("[S-7] [S-4] [A-4] [P-7] [D-1] [D-9] killed for 3 s: all are answered, nobody leaves, nothing is lost or doubled", async () => {
    await goesThrough(await killable(), 3000);
  });

  test("[S-7] [S-4] [A-4] [P-7] [D-1] [D-9] stopped for 6 s: all are answered, nobody leaves, nothing is lost or doubled", async () => {
    await goesThrough(await stoppable(), 6000);
  });

  test("[S-7] [K-6] a flood while Redis is away costs no memory, and every message of it is answered once", async () => {
    const away = await stoppable();
    const server = await spawnServer(["--redis", away.redis.url]);
    ends.push(async () => assert.equal(await server.kill("SIGTERM"), 0));
    const users = [11, 12, 13, 14];
    const flooders = await Promise.all(
      users.map((userId) => newUser(server.port, userId, { replay: "none" })),
    );
    const watcher = await newUser(server.port, 10, { replay: "none" });
    const before = await rssMiB(server.child.pid ?? 0);
    await away.go();
    const goneMs = performance.now();
    const each = 2000;
    const content = "x".repeat(2000);
    for (const client of flooders) {
      for (let n = 0; n < each; n++) client.say("SmsMes", { content, mid: `${n}` });
    }
    let most = 0;
    await until("3 s", async () => {
      await watcher.settled();
      most = Math.max(most, await rssMiB(server.child.pid ?? 0));
      return performance.now() - goneMs > 3000;
    });
    assert.ok(most - before < 100, `${most} MiB, ${before} before`);
    await away.comeBack();
    let stored = 0;
    for (const client of flooders) {
      await client.hears("every answer", () => client.all("SmsResMes").length === each);
      const answers = client.all("SmsResMes");
      assert.deepEqual(
        answers.map(({ mid }) => mid),
        Array.from({ length: each }, (_, n) => `${n}`),
      );
      assert.ok(
        answers.every(({ code }) => code === 200 || code === 503),
        "stored, or not known to be",
      );
      stored += answers.filter(({ code }) => code === 200).length;
    }
    // What was answered 503 may have been stored, once: the script ran when Redis went on.
    const length = await away.redis.client.xlen("{c:all}:log");
    assert.ok(length >= stored && length <= each * users.length, `${length} stored, ${stored} answered so`);
    const probe = await sendUntilStored(watcher, { content: "after it", mid: "after" });
    assert.equal(
      probe.data.id,
      (await away.redis.client.xrevrange("{c:all}:log", "+", "-", "COUNT", 1))[0]?.[0],
    );
    for (const client of [...flooders, watcher]) client.destroy();
  });

  test("[S-7] what waits for its append is bounded, and each has its answer within 5 s", async () => {
    const away = await stoppable();
    const journal = { write: () => undefined };
    const store = await connectRedis({ address: parseRedisUrl(away.redis.url), journal, role: "store" });
    ends.push(() => store.close());
    const clock = systemClock;
    const appender = new Appender({
      smsDao: new SmsDao(store),
      clock,
      journal,
      meter: new Meter(),
      grown: () => undefined,
    });
    await away.go();
    const startMs = performance.now();
    const refusals: unknown[] = [];
    const answers: Promise<unknown>[] = [];
    for (let n = 0; n < 21_000; n++) {
      const message = { sender: 1, device: "d", mid: `${n}`, name: "", sex: "", content: "x" };
      try {
        answers.push(
          appender.append(`dm:1:${2 + (n % 50)}`, message, startMs + 4500).catch((error: unknown) => error),
        );
      } catch (error) {
        refusals.push(error);
      }
    }
    assert.equal(refusals.length, 1000, "beyond 20,000 it says so at once");
    assert.equal(appender.waitingCount, 20_000);
    for (const error of [...refusals, ...(await Promise.all(answers))]) {
      assert.ok(error instanceof CodedError && error.code === 503, String(error));
    }
    assert.ok(performance.now() - startMs < 5000, `${performance.now() - startMs} ms`);
    assert.equal(appender.waitingCount, 0);
    await away.comeBack();
  });

  test("[D-9] when Redis is back there is no storm: a few commands for each who is there", async () => {
    const away = await killable();
    const server = await serve(away.redis);
    const userIds = Array.from({ length: 40 }, (_, index) => 100 + index);
    const clients = await Promise.all(userIds.map((userId) => newUser(server.port, userId)));
    for (const [index, client] of clients.entries()) {
      await sendUntilStored(client, { conv: `u:${userIds[(index + 1) % 40]}`, content: "hello", mid: "1" });
    }
    await away.go();
    // Answered before Redis is back, so that their appends are not counted.
    for (const client of clients) client.say("SmsMes", { content: "lost?", mid: "2" });
    for (const client of clients) {
      const { data } = await client.next("SmsResMes", ({ mid }) => mid === "2");
      assert.equal(data.code, 503);
    }
    await away.comeBack();
    const backMs = performance.now();
    await waitsFor(2000, backMs);
    const stats = await away.redis.client.info("commandstats");
    const calls = [...stats.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)].filter(
      ([, name]) => !["ping", "info"].includes(name ?? ""),
    );
    const sum = calls.reduce((total, [, , count]) => total + Number(count), 0);
    // The newest log-in, latest peers, the conversation, its receipt, the cursors; what scripts call counts too.
    assert.ok(
      sum > 40 && sum < 40 * 15,
      `${sum} commands for 40 sessions: ${calls.map(([line]) => line).join(" ")}`,
    );
    for (const client of clients) client.destroy();
  });
});

async function rssMiB(pid: number): Promise<number> {
  const { stdout } = await promisify(execFile)("ps", ["-o", "rss=", "-p", String(pid)]);
  return Number(stdout) / 1024;
}

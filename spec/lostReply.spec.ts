/**
 * lostReply.spec: Redis has done it, but its reply never came: the link broke in between. What is done again for that
 * reason must not be there twice, and nobody is told what is not so.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { came, left, toldOf } from "./helpers/online.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { RedisGate } from "./helpers/redisGate.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { Talker, assertDenseIds, hearsAll } from "./helpers/throughFaults.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
let gate: RedisGate;
let server: SpecServer;
/** A second server, whose links to Redis are sound. */
let other: SpecServer;

before(async () => {
  redis = await startRedis();
  gate = await RedisGate.before(redis);
  server = await startSpecServer({ redis: gate });
  other = await startSpecServer({ redis });
});
after(async () => {
  await server.close();
  await other.close();
  gate.close();
  await redis.stop();
});

const login = (userId: number, fields: Data = {}): Promise<WireClient> =>
  WireClient.login(server.port, { userId, userPwd: `pw${userId}`, ...fields });

/** The replies of commands that look so are lost while `work` is done; it was so at least once. */
async function withLostReply<T>(
  what: RegExp,
  work: () => Promise<T>,
  times = 1,
): Promise<{ result: T; waitedMs: number }> {
  const before = gate.repliesLost;
  gate.loseReply(what, times);
  const startMs = performance.now();
  const result = await work();
  const waitedMs = performance.now() - startMs;
  assert.ok(gate.repliesLost > before, "a reply was lost");
  return { result, waitedMs };
}

/** The server's link for commands is there again. */
async function linked(): Promise<void> {
  const probe = await WireClient.connect(server.port);
  await until(
    "the link",
    async () => (await probe.ask("LoginMes", { userId: 9, userPwd: "x", v: 2 }, "LoginResMes")).code === 500,
  );
  probe.destroy();
}

test("[S-4] [S-7] a message whose append lost its reply is stored once and answered 200", async () => {
  const [alice, bob] = [await newUser(server.port, 101), await newUser(server.port, 102)];
  for (const [index, conv] of ["all", "u:102"].entries()) {
    for (const times of [1, 2]) {
      const sms = { conv, content: `once ${index} ${times}`, mid: `m${index}${times}` };
      const send = (): Promise<Data> => alice.ask("SmsMes", sms, "SmsResMes");
      const { result, waitedMs } = await withLostReply(/:mids/, send, times);
      assert.equal(result.code, 200);
      assert.ok(waitedMs < 5000, `${waitedMs} ms`);
      assert.equal((await send()).id, result.id);
      await bob.next("SmsMes", ({ content }) => content === sms.content);
    }
  }
  await bob.settled();
  assert.equal(bob.all("SmsMes").length, 4);
  assertDenseIds((await redis.client.xrange("{c:all}:log", "-", "+")).map(([id]) => id));
  for (const client of [alice, bob]) client.destroy();
});

test("[S-4] [D-1] a legacy message whose append lost its reply is stored once", async () => {
  await registerUser(server.port, 111);
  const old = await login(111, { v: undefined });
  const bob = await newUser(server.port, 112);
  await withLostReply(/:mids/, async () => {
    old.say("SmsMes", { content: "an old line" });
    await bob.next("SmsMes", ({ content }) => content === "an old line");
  });
  old.say("SmsMes", { content: "the next" });
  await bob.next("SmsMes", ({ content }) => content === "the next");
  assert.deepEqual(
    bob.all("SmsMes").map(({ content }) => content),
    ["an old line", "the next"],
  );
  for (const client of [old, bob]) client.destroy();
});

test("[S-7] [D-1] the first private message of two whose note lost its reply is answered 200, and both know of it", async () => {
  const alice = await newUser(server.port, 121);
  await registerUser(server.port, 122);
  const sms = { conv: "u:122", content: "first", mid: "1" };
  const { result } = await withLostReply(/\{u:121\}:convs/, () => alice.ask("SmsMes", sms, "SmsResMes"));
  assert.equal(result.code, 200);
  const bob = await login(122);
  assert.equal((await bob.next("SmsMes")).data.content, "first");
  for (const client of [alice, bob]) client.destroy();
});

test("[A-1] [A-4] a registration whose reply was lost is answered 200, not that the id is taken", async () => {
  const client = await WireClient.connect(server.port);
  const user = { userId: 131, userPwd: "pw131", userName: "u" };
  const register = (): Promise<Data> => client.ask("RegisterMes", { user }, "RegisterResMes");
  const { result, waitedMs } = await withLostReply(/EVAL[^]*\r\nusers\r\n/, register);
  assert.equal(result.code, 200);
  assert.ok(waitedMs < 5000, `${waitedMs} ms`);
  assert.equal((await register()).code, 505);
  const login = await client.ask("LoginMes", { userId: 131, userPwd: "pw131", v: 2 }, "LoginResMes");
  assert.equal(login.code, 200);
  client.destroy();
});

test("[L-4] a log-in by token whose reply was lost locks nobody out, and every token given works", async () => {
  const first = await newUser(server.port, 141);
  let token = String(first.heard[0]?.data.token);
  const client = await WireClient.connect(server.port);
  const attempt = (): Promise<Data> => client.ask("LoginMes", { userId: 141, token, v: 2 }, "LoginResMes");
  for (let round = 0; round < 3; round++) {
    const { result, waitedMs } = await withLostReply(/:tokens/, attempt);
    assert.ok(waitedMs < 5000, `${waitedMs} ms`);
    if (result.code === 200) token = String(result.token);
    else assert.equal(result.code, 503);
    if (result.code === 200) break;
    await linked();
  }
  const again = await WireClient.connect(server.port);
  for (let round = 0; round < 2; round++) {
    const dialled = await WireClient.connect(server.port);
    const { code, token: next } = await dialled.ask("LoginMes", { userId: 141, token, v: 2 }, "LoginResMes");
    assert.equal(code, 200);
    token = String(next);
    dialled.destroy();
  }
  for (const one of [first, client, again]) one.destroy();
});

test("[D-2] cursors whose reply was lost are where they were moved to, and move on", async () => {
  const [alice, bob] = [await newUser(server.port, 151), await newUser(server.port, 152)];
  const ids: string[] = [];
  for (const mid of ["1", "2"]) {
    ids.push(String((await alice.ask("SmsMes", { content: mid, mid }, "SmsResMes")).id));
    await bob.next("SmsMes", ({ id }) => id === ids.at(-1));
    await withLostReply(/\{u:152\}:cursors/, async () => {
      const before = gate.repliesLost;
      bob.say("AckMes", { conv: "all", id: ids.at(-1) });
      await until("its reply to be lost", () => gate.repliesLost > before);
    });
    await until(
      "the cursor",
      async () => (await redis.client.hget("{u:152}:cursors", "default|all")) === ids.at(-1),
    );
    await linked();
  }
  bob.destroy();
  const again = await login(152);
  assert.deepEqual((again.heard[0]?.data.convs as Data[])[0]?.cursor, ids[1]);
  for (const client of [alice, again]) client.destroy();
});

test("[P-2] [P-3] counts of who is online are right though replies were lost: each comes once and leaves once", async () => {
  const watchers = [await newUser(server.port, 161), await newUser(other.port, 162)];
  await registerUser(server.port, 163);
  const beat = /\bbeat\r\n.*\r\n163\r\n/s;
  for (let round = 1; round <= 2; round++) {
    const { result: client } = await withLostReply(beat, async () => {
      const before = gate.repliesLost;
      const one = await login(163);
      await until("its reply to be lost", () => gate.repliesLost > before);
      return one;
    });
    for (const watcher of watchers) {
      await watcher.hears("that it came", () => toldOf(watcher, [163]).length === 2 * round - 1);
    }
    assert.equal(await redis.client.hget("{online}:users", "163"), "1");
    await linked();
    await withLostReply(beat, async () => {
      const before = gate.repliesLost;
      client.destroy();
      await until("its reply to be lost", () => gate.repliesLost > before);
    });
    for (const watcher of watchers) {
      await watcher.hears("that it left", () => toldOf(watcher, [163]).length === 2 * round);
      assert.deepEqual(toldOf(watcher, [163]).slice(-2), [came(163), left(163)]);
    }
    assert.equal(await redis.client.hexists("{online}:users", "163"), 0);
    await linked();
  }
  for (const watcher of watchers) watcher.destroy();
});

test("[S-4] [S-7] [D-1] whatever replies are lost, however often: every line is stored once, read once, in order", async () => {
  const [alice, bob] = [await newUser(server.port, 171), await newUser(server.port, 172)];
  const far = await newUser(other.port, 173);
  let round = 0;
  const losses = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 3, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(losses, async (pauses) => {
      const name = `r${++round}`;
      const heard = [bob, far].map((client) => client.all("SmsMes").length);
      const talkers = [new Talker(alice, "all", `${name}a`), new Talker(far, "u:172", `${name}p`)];
      for (const lines of pauses) {
        const wanted = (talkers[0]?.lines.length ?? 0) + lines;
        await until("some lines", () => (talkers[0]?.lines.length ?? 0) >= wanted);
        const before = gate.repliesLost;
        gate.loseReply(/./s);
        await until("a reply to be lost", () => gate.repliesLost > before);
      }
      for (const talker of talkers) {
        await talker.end();
        assert.ok(talker.longestMs < 5000, `answered after ${talker.longestMs} ms`);
      }
      const [toAll, privately] = talkers.map(({ contents }) => contents);
      const since = (client: WireClient, index: number, userId: number): unknown[] =>
        client
          .all("SmsMes")
          .slice(heard[index])
          .filter((one) => one.userId === userId)
          .map(({ content }) => content);
      for (const [client, index, userId, contents] of [
        [bob, 0, 171, toAll],
        [bob, 0, 173, privately],
        [far, 1, 171, toAll],
      ] as const) {
        await client.hears("the last line", () => since(client, index, userId).includes(contents?.at(-1)));
        assert.deepEqual(since(client, index, userId), contents);
      }
    }),
    { numRuns: 2, endOnFailure: true },
  );
  assertDenseIds((await redis.client.xrange("{c:all}:log", "-", "+")).map(([id]) => id));
  const late = await login(172, { device: "late" });
  await hearsAll(
    late,
    171,
    bob
      .all("SmsMes")
      .filter(({ userId }) => userId === 171)
      .map(({ content }) => String(content)),
  );
  for (const client of [alice, bob, far, late]) client.destroy();
});

/**
 * login: what a log-in is answered, in both dialects: who is online, what is unread, which bounds there are (clauses
 * [L-1], [L-2], [L-3], [L-6]). Tokens and devices are in devices.spec.ts.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as limits from "../lib/limits.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

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

/** One log-in attempt; the answer. */
async function attempt(fields: Data, port = server.port): Promise<Data> {
  const client = await WireClient.connect(port);
  const answer = await client.ask("LoginMes", fields, "LoginResMes");
  client.destroy();
  return answer;
}

/** A modern log-in that has to go well; its LoginResMes. */
async function answerOf(userId: number, fields: Data = {}): Promise<Data> {
  const answer = await attempt({ userId, userPwd: `pw${userId}`, v: 2, ...fields });
  assert.equal(answer.code, 200);
  return answer;
}

async function sendMany(client: WireClient, conv: string, count: number, label: string): Promise<void> {
  const before = client.all("SmsResMes").length;
  for (let n = 1; n <= count; n++)
    client.say("SmsMes", { conv, content: `${label} ${n}`, mid: `${label}${n}` });
  await client.hears(`${count} answers`, () => client.all("SmsResMes").length === before + count);
  for (const { code } of client.all("SmsResMes")) assert.equal(code, 200);
}

function unreadOf(answer: Data, conv: string): unknown {
  return (answer.convs as Data[]).find((one) => one.conv === conv)?.unread;
}

test("[L-1] a legacy log-in is answered code, UsersId, error: everybody online, oneself included", async () => {
  const modern = await newUser(server.port, 3001);
  const hidden = await newUser(server.port, 3002, { presence: false });
  await registerUser(server.port, 3003);
  const legacy = await WireClient.login(server.port, { userId: 3003, userPwd: "pw3003", v: undefined });
  const data = legacy.heard[0]?.data ?? {};
  assert.equal(legacy.heard[0]?.type, "LoginResMes");
  assert.deepEqual(Object.keys(data), ["code", "UsersId", "error"]);
  assert.deepEqual([data.code, data.error], [200, ""]);
  const ids = data.UsersId as number[];
  assert.ok(ids.includes(3001) && ids.includes(3003), `online: ${ids.join(" ")}`);
  assert.ok(!ids.includes(3002), "who does not want to be shown is not");
  assert.equal(new Set(ids).size, ids.length, "nobody stands there twice");
  for (const client of [modern, hidden, legacy]) client.destroy();
});

test("[L-2] unknown is 500, wrong is 403, UsersId null; the connection may try again", async () => {
  await registerUser(server.port, 3010);
  const client = await WireClient.connect(server.port);
  const ask = (fields: Data): Promise<Data> => client.ask("LoginMes", fields, "LoginResMes");
  assert.deepEqual(await ask({ userId: 3019, userPwd: "p" }), {
    code: 500,
    UsersId: null,
    error: "用户不存在。。",
  });
  assert.deepEqual(await ask({ userId: 3010, userPwd: "p" }), {
    code: 403,
    UsersId: null,
    error: "密码错误",
  });
  // Without a password nobody comes in, nor with an empty one or an empty token.
  for (const fields of [{}, { userPwd: "" }, { v: 2 }, { v: 2, token: "" }]) {
    assert.equal((await ask({ userId: 3010, ...fields })).code, 403);
  }
  const { code } = await ask({ userId: 3010, userPwd: "pw3010", v: 2 });
  assert.equal(code, 200);
  client.destroy();
});

test("[L-3] [L-6] a modern log-in is answered exactly so, and limits has its bounds", async () => {
  await registerUser(server.port, 3020, "名字");
  const watcher = await newUser(server.port, 3021);
  const startedMs = Date.now();
  const answer = await answerOf(3020);
  assert.deepEqual(Object.keys(answer).sort(), [
    "code",
    "convs",
    "error",
    "limits",
    "more",
    "online",
    "stored",
    "time",
    "token",
    "userName",
  ]);
  assert.deepEqual([answer.code, answer.error, answer.userName, answer.more], [200, "", "名字", false]);
  assert.match(String(answer.token), /^[\w-]{40,128}$/);
  const { time } = answer as { time: number };
  assert.ok(time >= startedMs && time <= Date.now(), `time ${time} is now`);
  assert.ok(Number(answer.online) >= 2, "the watcher and oneself");
  assert.deepEqual(answer.limits, {
    frameMaxBytes: 65_536,
    contentMaxUnits: 4000,
    userNameMaxCodePoints: 32,
    midMaxChars: 64,
    deviceMaxChars: 32,
    devicesPerUserMax: 16,
    historyPageMaxMessages: 200,
    usersPageMaxUsers: 500,
    replayMaxMessages: 1000,
    pingSilenceMaxMs: 15_000,
    answerDeadlineMs: 5000,
  });
  for (const [name, value] of Object.entries(answer.limits as Data)) {
    assert.equal((limits as Data)[name], value, `${name} is in lib/limits.ts`);
  }
  watcher.destroy();
});

test("[L-3] convs: all, and private ones with unread; others' messages only are counted, exactly to 1,000", async () => {
  const alice = await newUser(server.port, 3030, { device: "laptop" });
  const bob = await newUser(server.port, 3031);
  const carol = await newUser(server.port, 3032);
  assert.deepEqual(
    ((await answerOf(3030, { device: "phone" })).convs as Data[]).map(({ conv, unread }) => [conv, unread]),
    [["all", 0]],
  );
  await sendMany(bob, "all", 3, "room");
  await sendMany(alice, "all", 2, "own");
  await sendMany(bob, "u:3030", 700, "b");
  await sendMany(alice, "u:3031", 300, "a");
  await sendMany(alice, "u:3032", 5, "c");
  const answer = await answerOf(3030, { device: "phone" });
  assert.equal(unreadOf(answer, "all"), 3);
  assert.equal(unreadOf(answer, "u:3031"), 700, "1,000 behind: 700 of them are bob's");
  assert.equal(unreadOf(answer, "u:3032"), undefined, "one's own are never unread");
  const [all, withBob] = answer.convs as Data[];
  assert.deepEqual(Object.keys(withBob ?? {}).sort(), [
    "conv",
    "cursor",
    "delivered",
    "head",
    "unread",
    "userName",
  ]);
  assert.deepEqual([all?.userName, withBob?.userName], ["", "user3031"]);
  const heads = bob.all("SmsResMes").concat(alice.all("SmsResMes"));
  const newest = heads.filter(({ conv }) => conv === "u:3031").at(-1);
  assert.deepEqual([withBob?.head, withBob?.cursor], [newest?.id, "0-0"]);

  await sendMany(alice, "u:3031", 1, "late");
  assert.equal(unreadOf(await answerOf(3030, { device: "phone" }), "u:3031"), 1001, "the difference of seqs");
  // The cursor counts, and each device has its own.
  alice.say("AckMes", { conv: "u:3031", id: heads.find(({ mid }) => mid === "b650")?.id });
  await alice.settled();
  assert.equal(unreadOf(await answerOf(3030, { device: "laptop" }), "u:3031"), 50);
  for (const client of [alice, bob, carol]) client.destroy();
});

test("[L-3] more than 200 conversations with unread: the answer says more", async () => {
  await registerUser(server.port, 3040);
  const put = redis.client.pipeline();
  for (let peer = 3_040_001; peer <= 3_040_200; peer++) {
    put.hset("users", String(peer), JSON.stringify({ userId: peer, userPwd: "p", userName: "n".repeat(32) }));
    put.zadd("{u:3040}:convs", peer, String(peer));
    put.xadd(`{c:dm:3040:${peer}}:log`, "1790000000-1", "sender", String(peer), "content", "hi");
  }
  await put.exec();
  const answer = await answerOf(3040);
  assert.equal(answer.more, true);
  const convs = answer.convs as Data[];
  assert.equal(convs.length, 200);
  assert.equal(convs[0]?.conv, "all");
  assert.equal(convs[1]?.conv, "u:3040200", "the latest first");
});

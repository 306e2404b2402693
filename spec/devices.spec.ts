/**
 * devices: who may come in again, and how: tokens, the sixteen devices of a user, and the newer session of a device
 * that replaces the older one, on whatever server of the same Redis (clauses [L-4], [L-5], [L-7]).
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
let server: SpecServer;
let twin: SpecServer;

before(async () => {
  redis = await startRedis();
  server = await startSpecServer({ redis, node: "one" });
  twin = await startSpecServer({ redis, node: "two" });
});
after(async () => {
  await server.close();
  await twin.close();
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

test("[L-4] each log-in gives a new token; the one before is good until the new one was used", async () => {
  await registerUser(server.port, 3050);
  const byToken = (token: unknown): Promise<Data> =>
    attempt({ userId: 3050, token, v: 2, device: "a", userPwd: "passed over" });
  const first = (await answerOf(3050, { device: "a" })).token;
  const second = (await byToken(first)).token;
  assert.notEqual(second, first);
  // The answer with the second one was lost, and the next one too: the first one comes again and again.
  await byToken(first);
  const third = (await byToken(first)).token;
  assert.equal(typeof third, "string");
  const { code, token: fourth } = await byToken(third);
  assert.equal(code, 200);
  assert.equal((await byToken(first)).code, 403, "its successor was used");
  assert.equal((await byToken(second)).code, 403, "nobody ever came with it, and it was passed by");
  const fifth = (await byToken(third)).token;
  assert.equal(typeof fifth, "string", "the one before is still good");
  assert.equal((await byToken(fourth)).code, 403, "it was passed by");
  // A log-in by password gives a new one as well, and leaves the one before.
  const sixth = (await answerOf(3050, { device: "a" })).token;
  const seventh = (await byToken(fifth)).token;
  assert.equal(typeof seventh, "string");
  assert.equal((await byToken(sixth)).code, 403);
  assert.equal((await byToken(seventh)).code, 200);
});

test("[L-4] a token fits its user and its device only, and for 30 days", async () => {
  await registerUser(server.port, 3060);
  await registerUser(server.port, 3061);
  const { token } = await answerOf(3060, { device: "a" });
  await answerOf(3060, { device: "b" });
  await answerOf(3061, { device: "a" });
  for (const fields of [
    { userId: 3060, device: "b", token },
    { userId: 3060, device: "c", token },
    { userId: 3060, token },
    { userId: 3061, device: "a", token },
    { userId: 3060, device: "a", token: `${String(token)}x` },
    { userId: 3060, device: "a", token: "" },
  ]) {
    assert.deepEqual(await attempt({ v: 2, ...fields }), { code: 403, error: "密码错误" });
  }
  const stored = async (): Promise<{ expires: number; hash: string }> =>
    JSON.parse((await redis.client.hget("{u:3060}:tokens", "a")) ?? "{}") as {
      expires: number;
      hash: string;
    };
  const lifeMs = (await stored()).expires - Date.now();
  assert.ok(Math.abs(lifeMs - 30 * 86_400_000) < 60_000, `it is good for ${lifeMs} ms`);
  const over = { ...(await stored()), expires: Date.now() - 1 };
  await redis.client.hset("{u:3060}:tokens", "a", JSON.stringify(over));
  assert.equal((await attempt({ userId: 3060, v: 2, device: "a", token })).code, 403);
  // A legacy log-in knows no tokens.
  const { token: good } = await answerOf(3060, { device: "legacy" });
  assert.equal((await attempt({ userId: 3060, token: good })).code, 403);
});

test("[L-5] the 17th device drops the one unused for the longest time, its token and its cursors", async () => {
  const sender = await newUser(server.port, 3070);
  await registerUser(server.port, 3071);
  for (const mid of ["m1", "m2"]) {
    await sender.ask("SmsMes", { conv: "u:3071", content: mid, mid }, "SmsResMes");
  }
  const tokens: unknown[] = [];
  for (let n = 0; n < 16; n++) {
    const client = await WireClient.login(server.port, { userId: 3071, userPwd: "pw3071", device: `d${n}` });
    tokens.push(client.heard[0]?.data.token);
    const { data } = await client.next("SmsMes", ({ content }) => content === "m2");
    client.say("AckMes", { conv: "u:3070", id: data.id });
    await client.settled();
    client.destroy();
  }
  // Beside the cursors lies the number of each device's newest log-in.
  const fields = async (): Promise<string[]> =>
    (await redis.client.hkeys("{u:3071}:cursors")).filter((field) => !field.endsWith("|"));
  await until("the cursors of 16 devices", async () => (await fields()).length === 16);
  // The first one is used again, so the second one is now the oldest.
  tokens[0] = (await attempt({ userId: 3071, v: 2, device: "d0", token: tokens[0] })).token;
  assert.equal(typeof tokens[0], "string");
  // d1 is also the beginning of the names d10 to d15, which stay.
  await answerOf(3071, { device: "d16" });
  assert.deepEqual(
    (await redis.client.hkeys("{u:3071}:tokens")).sort(),
    ["d0", ...Array.from({ length: 15 }, (_, index) => `d${index + 2}`)].sort(),
  );
  assert.deepEqual(
    (await fields()).sort(),
    ["d0", ...Array.from({ length: 14 }, (_, index) => `d${index + 2}`)]
      .map((device) => `${device}|dm:3070:3071`)
      .sort(),
  );
  assert.equal((await attempt({ userId: 3071, v: 2, device: "d1", token: tokens[1] })).code, 403);
  assert.equal((await attempt({ userId: 3071, v: 2, device: "d2", token: tokens[2] })).code, 200);
  const { convs } = await answerOf(3071, { device: "d1" });
  assert.equal((convs as Data[]).find(({ conv }) => conv === "u:3070")?.unread, 2, "it begins anew");
  sender.destroy();
});

test("[L-5] a device that is logged in is not dropped, however long ago that was", async () => {
  await registerUser(server.port, 3072);
  const login = (device: string): Promise<WireClient> =>
    WireClient.login(server.port, { userId: 3072, userPwd: "pw3072", device });
  const here = await login("here");
  const token = here.heard[0]?.data.token;
  await until("it is noted", async () =>
    ((await redis.client.hget("{u:3072}:seen", "here")) ?? "").startsWith("on"),
  );
  for (let n = 0; n < 16; n++) {
    const client = await login(`d${n}`);
    await client.end();
    await until("it is noted", async () =>
      ((await redis.client.hget("{u:3072}:seen", `d${n}`)) ?? "").startsWith("off"),
    );
  }
  const named = await redis.client.hkeys("{u:3072}:tokens");
  assert.ok(named.includes("here"), `kept: ${named.join(" ")}`);
  here.destroy();
  assert.equal((await attempt({ userId: 3072, v: 2, device: "here", token })).code, 200);
});

test("[L-5] absent device is default; legacy sessions are the device legacy", async () => {
  await registerUser(server.port, 3080);
  const { token } = await answerOf(3080);
  assert.equal((await attempt({ userId: 3080, v: 2, device: "default", token })).code, 200);
  await attempt({ userId: 3080, userPwd: "pw3080" });
  const opened = server.events.filter(({ event, userId }) => event === "session_opened" && userId === 3080);
  assert.deepEqual(
    opened.map(({ device }) => device),
    ["default", "default", "legacy"],
  );
});

for (const where of ["the same server", "another server"]) {
  test(`[L-7] [P-3] a newer session of the device on ${where} replaces the older one, and nobody sees a gap`, async () => {
    const userId = where === "the same server" ? 3090 : 3091;
    const port = where === "the same server" ? server.port : twin.port;
    const watchers = [
      await newUser(server.port, userId + 10, { presence: false }),
      await newUser(server.port, userId + 20),
      await newUser(twin.port, userId + 30),
    ];
    const older = await newUser(server.port, userId, { device: "a" });
    const sibling = await WireClient.login(server.port, { userId, userPwd: `pw${userId}`, device: "b" });
    sibling.destroy();
    for (const watcher of watchers.slice(1)) {
      await watcher.hears("the older one", () => presenceOf(watcher, userId).includes("came"));
    }
    const newer = await WireClient.login(port, { userId, userPwd: `pw${userId}`, device: "a" });
    const { data } = await older.next("GoAwayMes");
    assert.deepEqual(data, { code: 409, reason: "replaced" });
    assert.equal(await inTime("the end", older.closed), "end");
    assert.equal(older.heard.at(-1)?.type, "GoAwayMes", "nothing comes after it");
    assert.equal((await newer.ask("SmsMes", { content: "hi", mid: "m" }, "SmsResMes")).code, 200);
    // Whoever comes after the change has settled in Redis is told after what would have been a gap.
    const [here, there] = where === "the same server" ? ["one", "two"] : ["two", "one"];
    const counted = async (node: string): Promise<string | null> =>
      redis.client.hget(`{online}:node:${node}`, String(userId));
    await until("one session in Redis", async () => {
      return (await counted(here))?.startsWith("[1,") && (await counted(there)) === null;
    });
    const fence = await newUser(port, userId + 40);
    for (const watcher of watchers.slice(1)) {
      await watcher.hears("the fence", () => presenceOf(watcher, userId + 40).includes("came"));
      assert.deepEqual(presenceOf(watcher, userId), ["came"]);
    }
    for (const client of [...watchers, newer, fence]) client.destroy();
  });
}

test("[L-7] legacy sessions of one user run in parallel, beside modern ones", async () => {
  const modern = await newUser(server.port, 3095);
  const fields = { userId: 3095, userPwd: "pw3095", v: undefined };
  const first = await WireClient.login(server.port, fields);
  const second = await WireClient.login(twin.port, fields);
  const speaker = await newUser(server.port, 3096);
  speaker.say("SmsMes", { content: "to all of you", mid: "m" });
  for (const client of [modern, first, second]) {
    await client.next("SmsMes", ({ content }) => content === "to all of you");
  }
  assert.deepEqual(modern.all("GoAwayMes"), []);
  for (const client of [modern, first, second, speaker]) client.destroy();
});

/** What a session was told of a user, in order. */
function presenceOf(client: WireClient, userId: number): ("came" | "left")[] {
  return client
    .all("PresenceMes")
    .flatMap(({ online, offline }) => [
      ...(online as Data[]).filter((one) => one.userId === userId).map(() => "came" as const),
      ...(offline as number[]).filter((id) => id === userId).map(() => "left" as const),
    ]);
}

test("[L-7] a log-in while the doorbells are cut off is replaced from another server all the same", async () => {
  await registerUser(server.port, 3097);
  const login = (port: number): Promise<WireClient> =>
    WireClient.login(port, { userId: 3097, userPwd: "pw3097", device: "a" });
  const listeners = async (): Promise<number> =>
    Number((await redis.client.pubsub("NUMSUB", "{u:3097}:bell"))[1]);
  const older = await until("a log-in that hears no doorbell", async () => {
    await redis.client.client("KILL", "TYPE", "PUBSUB");
    const client = await login(server.port);
    const isDeaf = (await listeners()) === 0;
    if (!isDeaf) client.destroy();
    return isDeaf && client;
  });
  await until("the doorbell to be back", async () => (await listeners()) >= 1);
  const newer = await login(twin.port);
  assert.equal((await older.next("GoAwayMes")).data.code, 409);
  newer.destroy();
});

/**
 * halfOpen.spec: links between server and Redis that are dead without anybody having said so, or that come and go: the
 * server notices, answers all the while, and makes good what it missed.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { RedisGate } from "./helpers/redisGate.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { hearsAll, sendUntilStored } from "./helpers/throughFaults.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
let gate: RedisGate;
let server: SpecServer;
let straight: SpecServer;

before(async () => {
  redis = await startRedis();
  gate = await RedisGate.before(redis);
  server = await startSpecServer({ redis: gate });
  straight = await startSpecServer({ redis });
});
after(async () => {
  await server.close();
  await straight.close();
  gate.close();
  await redis.stop();
});

test("[K-6] [S-1] [S-2] a link for doorbells that breaks while it subscribes anew harms nothing: bells ring again later", async () => {
  const [far, near] = [await newUser(straight.port, 3001), await newUser(server.port, 3002)];
  gate.loseReply(/\bsubscribe\r\n.*bell/s, 3);
  gate.cut("bell");
  await until("three links that broke while they subscribed", () => gate.repliesLost === 3);
  await until(
    "subscribers of the user's bell",
    async () => {
      const [, count] = (await redis.client.pubsub("NUMSUB", "{u:3002}:bell")) as [string, number];
      return count === 1;
    },
    3000,
  );
  const startMs = performance.now();
  far.say("SmsMes", { conv: "u:3002", content: "you hear me", mid: "1" });
  await near.next("SmsMes", ({ content }) => content === "you hear me");
  assert.ok(performance.now() - startMs < 1000, "by its bell, not by a sweep");
  for (const client of [far, near]) client.destroy();
});

test("[S-7] [D-1] a dead link for commands is noticed in time to answer 200 from a fresh one", async () => {
  const [alice, bob, far] = [
    await newUser(server.port, 3011),
    await newUser(server.port, 3012),
    await newUser(straight.port, 3013),
  ];
  await registerUser(server.port, 3014);
  const taken = gate.taken("store");
  gate.halfOpen("store");
  const { codes, longestMs } = await sendUntilStored(alice, { content: "through it", mid: "1" });
  assert.ok(longestMs < 5000, `answered after ${longestMs} ms`);
  assert.deepEqual(codes, [200]);
  assert.equal(gate.taken("store"), taken + 1, "on a fresh link");
  assert.ok(
    server.events.some(
      ({ event, reason }) => event === "redis_connection_failed" && /timeout/i.test(String(reason)),
    ),
    "the journal says why",
  );
  await sendUntilStored(far, { content: "from afar", mid: "1" });
  await hearsAll(bob, 3011, ["through it"]);
  await hearsAll(far, 3011, ["through it"]);
  await hearsAll(bob, 3013, ["from afar"]);
  (await WireClient.login(server.port, { userId: 3014, userPwd: "pw3014" })).destroy();
  for (const client of [alice, bob, far]) client.destroy();
});

test("[A-4] [S-7] while a link is dead, log-ins and registrations are answered within 5 s", async () => {
  await registerUser(server.port, 3021);
  gate.halfOpen("store");
  const startMs = performance.now();
  const ask = async (type: string, data: Data): Promise<unknown> => {
    const client = await WireClient.connect(server.port);
    const { code } = await client.ask(type, data, type.replace("Mes", "ResMes"));
    assert.ok(performance.now() - startMs < 5000, `${type} after ${performance.now() - startMs} ms`);
    client.destroy();
    return code;
  };
  const codes = await Promise.all([
    ask("LoginMes", { userId: 3021, userPwd: "pw3021", v: 2 }),
    ask("LoginMes", { userId: 3021, userPwd: "pw3021" }),
    ask("RegisterMes", { user: { userId: 3022, userPwd: "x", userName: "x" } }),
  ]);
  assert.deepEqual(codes, [503, 505, 506]);
  await until("a log-in", async () => {
    const client = await WireClient.connect(server.port);
    const { code } = await client.ask("LoginMes", { userId: 3021, userPwd: "pw3021", v: 2 }, "LoginResMes");
    client.destroy();
    return code === 200;
  });
});

test("[S-1] [D-9] a dead link for doorbells: what another server stores is read by the sweep, and the link is made anew", async () => {
  const [near, far] = [await newUser(server.port, 3031), await newUser(straight.port, 3032)];
  const taken = gate.taken("bell");
  gate.halfOpen("bell");
  const deadMs = performance.now();
  for (let n = 0; gate.taken("bell") === taken; n++) {
    assert.ok(performance.now() - deadMs < 5000, "nobody noticed that the link is dead");
    const sentMs = performance.now();
    await sendUntilStored(far, { content: `line ${n}`, mid: `${n}` });
    await near.next("SmsMes", ({ content }) => content === `line ${n}`);
    assert.ok(performance.now() - sentMs < 2000, `read after ${performance.now() - sentMs} ms`);
  }
  // Who logs in over such a link waits no longer than it may, and hears what comes.
  gate.halfOpen("bell");
  const startMs = performance.now();
  const newcomer = await newUser(server.port, 3033);
  assert.ok(performance.now() - startMs < 5000, `logged in after ${performance.now() - startMs} ms`);
  await until("a fresh link", () => gate.taken("bell") === taken + 2, 5000);
  gate.bury();
  await until("all bells", async () => {
    const counts = (await redis.client.pubsub(
      "NUMSUB",
      "{c:all}:bell",
      "{online}:bell",
      "{u:3031}:bell",
      "{u:3033}:bell",
    )) as unknown[];
    return JSON.stringify(counts.filter((_, index) => index % 2 === 1)) === "[2,2,1,1]";
  });
  for (const [userId, client] of [
    [3031, near],
    [3033, newcomer],
  ] as const) {
    const sentMs = performance.now();
    await sendUntilStored(far, { conv: `u:${userId}`, content: "privately", mid: `p${userId}` });
    await client.next("SmsMes", ({ content }) => content === "privately");
    assert.ok(performance.now() - sentMs < 2000, "by its bell, not by a sweep");
  }
  for (const client of [near, far, newcomer]) client.destroy();
});

test("[D-9] [P-2] bells that cannot be heard at all: all is read within 2 s, presence within a few, private when they can", async () => {
  const [near, far] = [await newUser(server.port, 3041), await newUser(straight.port, 3042)];
  gate.refuse("bell");
  gate.cut("bell");
  const sentMs = performance.now();
  await sendUntilStored(far, { content: "unheard", mid: "1" });
  await near.next("SmsMes", ({ content }) => content === "unheard");
  assert.ok(performance.now() - sentMs < 2000, `read after ${performance.now() - sentMs} ms`);
  await sendUntilStored(far, { conv: "u:3041", content: "unheard too", mid: "2" });
  const newcomer = await newUser(straight.port, 3043);
  await near.hears("who came", (heard) =>
    heard.some(
      ({ type, data }) => type === "PresenceMes" && JSON.stringify(data.online).includes('"userId":3043,'),
    ),
  );
  gate.admit("bell");
  await near.next("SmsMes", ({ content }) => content === "unheard too");
  for (const client of [near, far, newcomer]) client.destroy();
});

test("[D-1] [D-9] Redis goes in the middle of a log-in: who was let in gets everything when it is back", async () => {
  const alice = await newUser(straight.port, 3051);
  await registerUser(server.port, 3052);
  // Far enough behind that the place to begin at has to be asked for, after the answer to the log-in.
  for (let n = 0; n < 1100; n++) alice.say("SmsMes", { content: `${n}`, mid: `${n}` });
  await alice.hears("all answers", () => alice.all("SmsResMes").length === 1100);
  const head = String(alice.all("SmsResMes").at(-1)?.id);
  // The script that asks has one key, the head and 1000.
  gate.loseReply(new RegExp(`:log\\r\\n.*${head}\\r\\n\\$4\\r\\n1000\\r\\n`, "s"));
  const lost = gate.repliesLost;
  const bob = await WireClient.login(server.port, { userId: 3052, userPwd: "pw3052" });
  await bob.hears("the newest 1,000", () => bob.all("SmsMes").length >= 1000);
  assert.equal(gate.repliesLost, lost + 1);
  assert.deepEqual(
    bob.all("SmsMes").map(({ content }) => content),
    Array.from({ length: 1000 }, (_, n) => `${100 + n}`),
  );
  assert.deepEqual(
    bob.all("GapMes").map(({ reason }) => reason),
    ["skipped"],
  );
  alice.say("SmsMes", { content: "live", mid: "live" });
  await bob.next("SmsMes", ({ content }) => content === "live");
  for (const client of [alice, bob]) client.destroy();
});

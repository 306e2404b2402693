/**
 * throttle: how often somebody may try (clause ), and the table of codes on the wire ([E-1]). The counters run by
 * the clock of Redis, so a spec that would have to wait for them puts their end into Redis by hand.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { type Data, WireClient, registerUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
let strict: SpecServer;
let lenient: SpecServer;

before(async () => {
  redis = await startRedis();
  strict = await startSpecServer({ redis, rate: 50 });
  lenient = await startSpecServer({ redis, rate: 0 });
});
after(async () => {
  await strict.close();
  await lenient.close();
  await redis.stop();
});

const modern = (userId: number, userPwd: string): Data => ({ userId, userPwd, v: 2 });

async function login(client: WireClient, fields: Data): Promise<Data> {
  return client.ask("LoginMes", fields, "LoginResMes");
}

/** The pause of an account is over, as if it had been waited for. */
async function endPause(userId: number): Promise<void> {
  assert.equal(await redis.client.hset(`{u:${userId}}:throttle`, "until", "0"), 0, "there is a pause");
}

test("[A-5] from the fifth failed log-in on an account pauses, longer each time", async () => {
  await registerUser(lenient.port, 2001);
  await registerUser(lenient.port, 2002);
  const client = await WireClient.connect(strict.port, "127.0.0.11");
  for (let failure = 1; failure <= 4; failure++) {
    assert.equal((await login(client, modern(2001, "wrong"))).code, 403);
  }
  // Four cost nothing: the fifth is looked at at once.
  assert.equal((await login(client, modern(2001, "wrong"))).code, 403);
  for (const pauseMs of [1000, 2000, 4000, 8000]) {
    const refused = await login(client, modern(2001, "pw2001"));
    assert.deepEqual(Object.keys(refused).sort(), ["code", "error", "retryMs"]);
    assert.equal(refused.code, 429);
    const { retryMs } = refused as { retryMs: number };
    assert.ok(retryMs > pauseMs / 2 && retryMs <= pauseMs, `a pause of ${retryMs} ms, wanted ${pauseMs}`);
    await endPause(2001);
    assert.equal((await login(client, modern(2001, "wrong"))).code, 403, "after the pause it is looked at");
  }
  // It is the account that pauses, from wherever it is tried, in whatever dialect; others do not.
  const elsewhere = await WireClient.connect(strict.port, "127.0.0.12");
  assert.equal((await login(elsewhere, modern(2001, "pw2001"))).code, 429);
  const legacy = await login(elsewhere, { userId: 2001, userPwd: "pw2001" });
  assert.deepEqual(legacy, { code: 505, UsersId: null, error: "服务器内部错误..." });
  assert.equal((await login(client, modern(2002, "pw2002"))).code, 200);

  await endPause(2001);
  assert.equal((await login(elsewhere, modern(2001, "pw2001"))).code, 200);
  const afterwards = await WireClient.connect(strict.port, "127.0.0.12");
  for (let failure = 1; failure <= 5; failure++) {
    assert.equal(
      (await login(afterwards, modern(2001, "wrong"))).code,
      403,
      "a success forgets the failures",
    );
  }
  for (const one of [client, elsewhere, afterwards]) one.destroy();
});

test("[A-5] a pause ends by itself, and is at most a quarter of an hour", async () => {
  await registerUser(lenient.port, 2010);
  const client = await WireClient.connect(strict.port, "127.0.0.13");
  for (let failure = 1; failure <= 5; failure++) await login(client, modern(2010, "wrong"));
  await redis.client.hset("{u:2010}:throttle", "until", "0", "failures", "1000");
  await login(client, modern(2010, "wrong"));
  const { code, retryMs } = await login(client, modern(2010, "pw2010"));
  assert.equal(code, 429);
  assert.ok(Number(retryMs) > 14 * 60_000 && Number(retryMs) <= 15 * 60_000, `${String(retryMs)} ms`);
  const lifeMs = await redis.client.pttl("{u:2010}:throttle");
  assert.ok(lifeMs > Number(retryMs) && lifeMs <= 60 * 60_000, `forgotten in ${lifeMs} ms`);
  client.destroy();
});

test("[A-5] a wrong token is a failure like a wrong password, an unknown user too", async () => {
  await registerUser(lenient.port, 2020);
  const client = await WireClient.connect(strict.port, "127.0.0.14");
  for (let failure = 1; failure <= 5; failure++) {
    assert.equal((await login(client, { userId: 2020, token: "none", v: 2 })).code, 403);
    assert.equal((await login(client, modern(2029, "any"))).code, 500);
  }
  assert.equal((await login(client, modern(2020, "pw2020"))).code, 429);
  assert.equal((await login(client, modern(2029, "any"))).code, 429);
  client.destroy();
});

test("[A-5] an address that failed a hundred times within a minute waits for its end, whoever it tries", async () => {
  await registerUser(lenient.port, 2030);
  const client = await WireClient.connect(strict.port, "127.0.0.15");
  for (let attempt = 0; attempt < 100; attempt++) {
    // A new victim each time: no account has failures enough.
    assert.equal((await login(client, modern(3_000_000 + attempt, "any"))).code, 500);
  }
  const { code, retryMs } = await login(client, modern(2030, "pw2030"));
  assert.equal(code, 429);
  assert.ok(Number(retryMs) > 0 && Number(retryMs) <= 60_000, `${String(retryMs)} ms`);
  const neighbour = await WireClient.connect(strict.port, "127.0.0.16");
  assert.equal((await login(neighbour, modern(2030, "pw2030"))).code, 200);
  const lifeMs = await redis.client.pttl("{ip:127.0.0.15}:login");
  assert.ok(lifeMs > 0 && lifeMs <= 60_000, `the counter ends in ${lifeMs} ms`);
  client.destroy();
  neighbour.destroy();
});

test("[A-5] [L-4] a token that fits passes all throttling; one that does not is counted, and throttled", async () => {
  await registerUser(lenient.port, 2070);
  const first = await WireClient.connect(strict.port, "127.0.0.21");
  const { token } = await login(first, { ...modern(2070, "pw2070"), device: "home" });
  const stranger = await WireClient.connect(strict.port, "127.0.0.22");
  for (let failure = 1; failure <= 6; failure++) await login(stranger, modern(2070, "wrong"));
  await redis.client.set("{ip:127.0.0.23}:login", "100", "PX", 60_000);
  const owner = await WireClient.connect(strict.port, "127.0.0.23");
  const byToken = { userId: 2070, v: 2, device: "home" };
  assert.equal((await login(owner, { ...byToken, token: "none" })).code, 429, "not this one");
  assert.equal((await login(owner, { ...byToken, userId: 2079, token })).code, 429, "nor for another");
  assert.equal((await login(owner, { ...byToken, token })).code, 200);
  for (const one of [first, stranger, owner]) one.destroy();
});

test("[A-5] registrations are counted by address; an id that is taken is said before", async () => {
  const client = await WireClient.connect(strict.port, "127.0.0.17");
  const register = async (who: WireClient, userId: number): Promise<Data> =>
    who.ask("RegisterMes", { user: { userId, userPwd: "p", userName: "n" } }, "RegisterResMes");
  assert.equal((await register(client, 2040)).code, 200);
  assert.equal(await redis.client.get("{ip:127.0.0.17}:register"), "1");
  const lifeMs = await redis.client.pttl("{ip:127.0.0.17}:register");
  assert.ok(lifeMs > 0 && lifeMs <= 60_000, `the counter ends in ${lifeMs} ms`);
  // 598 more, without making them.
  await redis.client.incrby("{ip:127.0.0.17}:register", 598);
  assert.equal((await register(client, 2041)).code, 200);
  const refused = await register(client, 2042);
  assert.deepEqual(Object.keys(refused).sort(), ["code", "error", "retryMs"]);
  assert.equal(refused.code, 429);
  const { retryMs } = refused as { retryMs: number };
  assert.ok(retryMs > 0 && retryMs <= 60_000, `${retryMs} ms`);
  assert.equal((await register(client, 2040)).code, 505);
  const neighbour = await WireClient.connect(strict.port, "127.0.0.18");
  assert.equal((await register(neighbour, 2042)).code, 200, "nothing was made when it was refused");
  client.destroy();
  neighbour.destroy();
});

test("[A-5] with --rate 0 nothing is throttled and nothing is counted", async () => {
  await registerUser(lenient.port, 2050);
  await redis.client.set("{ip:127.0.0.19}:register", "600", "PX", 60_000);
  await redis.client.set("{ip:127.0.0.19}:login", "100", "PX", 60_000);
  const client = await WireClient.connect(lenient.port, "127.0.0.19");
  const user = { userId: 2051, userPwd: "p", userName: "n" };
  assert.equal((await client.ask("RegisterMes", { user }, "RegisterResMes")).code, 200);
  for (let failure = 1; failure <= 12; failure++) {
    assert.equal((await login(client, modern(2050, "wrong"))).code, 403);
  }
  assert.equal((await login(client, modern(2050, "pw2050"))).code, 200);
  assert.equal(await redis.client.exists("{u:2050}:throttle"), 0);
  assert.equal(await redis.client.get("{ip:127.0.0.19}:login"), "100");
  assert.equal(await redis.client.get("{ip:127.0.0.19}:register"), "600");
  client.destroy();
});

test("[E-1] each refusal has its code", async () => {
  await registerUser(lenient.port, 2060);
  const client = await WireClient.connect(lenient.port);
  const user = { userId: 2061, userPwd: "p", userName: "n" };
  const long = "x".repeat(4001);
  const cases: [string, Data, string, number][] = [
    ["SmsMes", { content: "hi", mid: "m" }, "ErrorMes", 401],
    ["RegisterMes", { user: { ...user, userId: "2061" } }, "RegisterResMes", 400],
    ["RegisterMes", { user: { ...user, userName: "n".repeat(33) } }, "RegisterResMes", 413],
    ["RegisterMes", { user }, "RegisterResMes", 200],
    ["RegisterMes", { user }, "RegisterResMes", 505],
    ["LoginMes", modern(2069, "p"), "LoginResMes", 500],
    ["LoginMes", modern(2060, "p"), "LoginResMes", 403],
    ["LoginMes", modern(2060, "pw2060"), "LoginResMes", 200],
    ["LoginMes", modern(2060, "pw2060"), "ErrorMes", 400],
    ["SmsMes", { content: long, mid: "m1" }, "SmsResMes", 413],
    ["SmsMes", { content: "", mid: "m2" }, "SmsResMes", 400],
    ["SmsMes", { conv: "u:2069", content: "hi", mid: "m3" }, "SmsResMes", 404],
    ["SmsMes", { content: "hi", mid: "m4" }, "SmsResMes", 200],
    ["HistoryMes", { conv: "r:1" }, "ErrorMes", 404],
  ];
  for (const [type, data, answer, code] of cases) {
    const told = await client.ask(type, data, answer);
    assert.equal(told.code, code, `${type} ${JSON.stringify(data).slice(0, 60)}`);
    // The text is there for people whenever something went wrong, and empty when nothing did.
    assert.equal(typeof told.error, "string");
    assert.equal(told.error === "", code === 200);
  }
  const newer = await WireClient.login(lenient.port, modern(2060, "pw2060"));
  assert.equal((await client.next("GoAwayMes")).data.code, 409);
  newer.destroy();
});

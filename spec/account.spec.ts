/**
 * account: making accounts and proving who one is, on the wire and in Redis (clauses to, [E-2]). Passwords
 * of these specs are unlike anything else, so that they can be searched for.
 */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Redis } from "ioredis";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, registerUser } from "./helpers/wireClient.ts";

// A hash that takes long enough for other things to happen meanwhile.
const slowArgon = { memoryKiB: 32 * 1024, passes: 4 };

let redis: SpecRedis;
let server: SpecServer;
let slowServer: SpecServer;

before(async () => {
  redis = await startRedis();
  server = await startSpecServer({ redis });
  slowServer = await startSpecServer({ redis, argon: slowArgon });
});
after(async () => {
  await server.close();
  await slowServer.close();
  await redis.stop();
});

async function register(port: number, user: Data): Promise<Data> {
  const client = await WireClient.connect(port);
  const answer = await client.ask("RegisterMes", { user }, "RegisterResMes");
  client.destroy();
  return answer;
}

async function login(port: number, fields: Data): Promise<Data> {
  const client = await WireClient.connect(port);
  const answer = await client.ask("LoginMes", fields, "LoginResMes");
  client.destroy();
  return answer;
}

async function recordOf(userId: number): Promise<Data> {
  return JSON.parse((await redis.client.hget("users", String(userId))) ?? "null") as Data;
}

test("[A-1] of fifty registrations of one id at once exactly one gets 200, the others 505", async () => {
  const users = Array.from({ length: 50 }, (_, index) => ({
    userId: 1001,
    userPwd: `pw-${index}`,
    userName: `one of ${index}`,
  }));
  const answers = await Promise.all(users.map((user) => register(server.port, user)));
  assert.equal(answers.filter(({ code }) => code === 200).length, 1);
  assert.equal(answers.filter(({ code }) => code === 505).length, 49);
  // The account is the one of who was told so.
  const winner = users[answers.findIndex(({ code }) => code === 200)];
  assert.equal((await recordOf(1001)).userName, winner?.userName);
  assert.equal((await login(server.port, { userId: 1001, userPwd: winner?.userPwd, v: 2 })).code, 200);
});

test("[A-1] an id that exists is refused before anything is hashed", async () => {
  await registerUser(server.port, 1010);
  const order: string[] = [];
  const newcomers = Array.from({ length: 12 }, async (_, index) => {
    const answer = await register(slowServer.port, { userId: 1011 + index, userPwd: "p", userName: "n" });
    assert.equal(answer.code, 200);
    order.push("new");
  });
  // Their hashes fill the queue; who would have to hash as well would be answered last.
  const known = await register(slowServer.port, { userId: 1010, userPwd: "p", userName: "n" });
  order.push("known");
  await Promise.all(newcomers);
  assert.deepEqual(known, { code: 505, error: "用户已存在。。" });
  assert.ok(order.indexOf("known") < 6, `answered in the order ${order.join(" ")}`);
});

test("[A-2] [A-3] a record holds an argon2id hash, and nothing but its five fields", async () => {
  const user = {
    userId: 1030,
    userPwd: "pw",
    userName: "小明",
    sex: "f",
    userStatus: "x",
    since: "9-9",
    pwd: "y",
  };
  assert.equal((await register(server.port, user)).code, 200);
  const record = await recordOf(1030);
  assert.deepEqual(Object.keys(record).sort(), ["pwd", "sex", "since", "userId", "userName"]);
  assert.deepEqual([record.userId, record.userName, record.sex, record.since], [1030, "小明", "f", "0-0"]);
  assert.match(String(record.pwd), /^\$argon2id\$v=19\$m=64,t=1,p=1\$[^$]+\$[^$]+$/);
});

test("[A-2] no password and no token is anywhere in Redis, its files, or the journal", async () => {
  const secrets = ["geheim-eins-71", "geheim-falsch-72", "geheim-drei-73"];
  const [good, wrong, other] = secrets;
  const control = "kontrolle-74";
  await register(server.port, { userId: 1040, userPwd: good, userName: control });
  await register(server.port, { userId: 1040, userPwd: other, userName: control });
  const { token } = await login(server.port, { userId: 1040, userPwd: good, v: 2 });
  assert.equal(typeof token, "string");
  secrets.push(String(token));
  assert.equal((await login(server.port, { userId: 1040, userPwd: wrong, v: 2 })).code, 403);
  assert.equal((await login(server.port, { userId: 1040, userPwd: wrong })).code, 403);
  assert.equal((await login(server.port, { userId: 1040, userPwd: good })).code, 200);
  assert.equal((await login(server.port, { userId: 1040, v: 2, token: "geheim-schein-75" })).code, 403);
  assert.equal((await login(server.port, { userId: 1040, v: 2, token })).code, 200);
  // Once more in other fields: what is passed over must not be kept either.
  await login(server.port, { userId: 1040, userPwd: good, userName: "geheim-name-76", v: 2 });

  const places = {
    redis: await everythingIn(redis.client),
    files: filesBelow(redis.folder)
      .map((path) => readFileSync(path, "latin1"))
      .join("\n"),
    journal: JSON.stringify(server.events),
  };
  assert.ok(places.redis.includes(control) && places.files.includes(control), "the search would find a name");
  assert.ok(places.journal.includes("login_failed"), "the journal tells failures");
  for (const [place, text] of Object.entries(places)) {
    for (const secret of [...secrets, "geheim-schein-75", "geheim-name-76"]) {
      assert.ok(!text.includes(secret), `${secret} is in ${place}`);
    }
  }
});

test("[A-3] a plain record put in by hand logs in, is upgraded, and logs in again", async () => {
  const plain = JSON.stringify({ userId: 100, userPwd: "123456", userName: "scott" });
  await redis.client.hset("users", "100", plain);
  assert.equal((await login(server.port, { userId: 100, userPwd: "12345", v: 2 })).code, 403);
  assert.equal(await redis.client.hget("users", "100"), plain, "a failed log-in changes nothing");

  const first = await login(server.port, { userId: 100, userPwd: "123456", userName: "" });
  assert.equal(first.code, 200);
  const record = await recordOf(100);
  assert.deepEqual(Object.keys(record).sort(), ["pwd", "sex", "since", "userId", "userName"]);
  assert.match(String(record.pwd), /^\$argon2id\$/);
  assert.equal(record.userName, "scott");
  assert.equal((await login(server.port, { userId: 100, userPwd: "123456", v: 2 })).userName, "scott");
  assert.equal((await login(server.port, { userId: 100, userPwd: "123457", v: 2 })).code, 403);
  assert.equal((await login(server.port, { userId: 100, userPwd: record.pwd, v: 2 })).code, 403);
  assert.deepEqual(await recordOf(100), record, "it is upgraded once");
});

test("[A-3] [M-2] a record put in by hand shows no control characters in its name, which may be absent", async () => {
  const named = { userId: 102, userPwd: "x", userName: "ev\u001b[31mil\n\u202e" };
  await redis.client.hset("users", "102", JSON.stringify(named));
  await redis.client.hset("users", "103", JSON.stringify({ userId: 103, userPwd: "x" }));
  const nameOf = async (userId: number): Promise<unknown> =>
    (await login(server.port, { userId, userPwd: "x", v: 2 })).userName;
  assert.equal(await nameOf(102), "ev\ufffd[31mil\ufffd\ufffd");
  assert.equal(await nameOf(103), "");
});

test("[A-3] many log-ins at once during the upgrade all come in, and it is done once", async () => {
  await redis.client.hset("users", "1050", JSON.stringify({ userId: 1050, userPwd: "p", userName: "n" }));
  const one = (index: number): Promise<Data> =>
    login(server.port, { userId: 1050, userPwd: "p", ...(index % 2 && { v: 2, device: `d${index}` }) });
  const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => one(index)));
  assert.deepEqual(
    answers.map(({ code }) => code),
    answers.map(() => 200),
  );
  const upgrades = server.events.filter(
    ({ event, userId }) => event === "password_migrated" && userId === 1050,
  );
  assert.equal(upgrades.length, 1);
  assert.equal((await login(server.port, { userId: 1050, userPwd: "p", v: 2 })).code, 200);
});

test("[A-3] a record that was changed during its upgrade is not overwritten", async () => {
  await redis.client.hset("users", "1060", JSON.stringify({ userId: 1060, userPwd: "p", userName: "n" }));
  const changed = JSON.stringify({ userId: 1060, userPwd: "changed", userName: "by hand" });
  const monitor = await redis.client.monitor();
  const seen: string[] = [];
  monitor.on("monitor", (_time: string, args: string[]) => seen.push(args.join(" ")));
  const busy = Array.from({ length: 6 }, (_, index) =>
    register(slowServer.port, { userId: 1061 + index, userPwd: "p", userName: "n" }),
  );
  const answer = login(slowServer.port, { userId: 1060, userPwd: "p", v: 2 });
  // The record was read; its new hash waits behind the others.
  await until("the record to be read", () => seen.some((line) => /^hget users 1060$/i.test(line)));
  await redis.client.hset("users", "1060", changed);
  assert.equal((await answer).code, 200, "the password was right when it was looked at");
  await Promise.all(busy);
  const isUpgrade = (line: string): boolean => /^eval/i.test(line) && / users 1060 /.test(line);
  await until("the attempt to upgrade", () => seen.some(isUpgrade));
  monitor.disconnect();
  const put = seen.findIndex((line) => line.startsWith("hset users 1060"));
  assert.ok(
    put >= 0 && put < seen.findIndex(isUpgrade),
    "the record was changed between its reading and its upgrade",
  );
  assert.equal(await redis.client.hget("users", "1060"), changed);
});

test("[A-4] [E-2] while Redis is gone or hangs, everybody is answered; when it is back, it works", async () => {
  await Promise.all([
    withoutRedis({
      rate: 0,
      takeAway: (away) => away.stop("SIGKILL"),
      bringBack: async (away) => startRedis({ folder: away.folder }),
    }),
    withoutRedis({
      rate: 50,
      takeAway: (away) => void away.process.kill("SIGSTOP"),
      bringBack: (away) => {
        away.process.kill("SIGCONT");
        return away;
      },
    }),
  ]);
});

async function withoutRedis({
  rate,
  takeAway,
  bringBack,
}: {
  rate: number;
  takeAway: (away: SpecRedis) => void | Promise<void>;
  bringBack: (away: SpecRedis) => SpecRedis | Promise<SpecRedis>;
}): Promise<void> {
  const away = await startRedis();
  const lonely = await startSpecServer({ redis: away, rate });
  await registerUser(lonely.port, 1);
  const [newcomer, legacy, modern] = await Promise.all([1, 2, 3].map(() => WireClient.connect(lonely.port)));
  assert.ok(newcomer && legacy && modern, "three connections");
  const tryOld = async (): Promise<Data[]> =>
    Promise.all([
      newcomer.ask("RegisterMes", { user: { userId: 2, userPwd: "p", userName: "n" } }, "RegisterResMes"),
      legacy.ask("LoginMes", { userId: 1, userPwd: "pw1" }, "LoginResMes"),
    ]);
  const tryModern = async (): Promise<Data> =>
    modern.ask("LoginMes", { userId: 1, userPwd: "pw1", v: 2 }, "LoginResMes");
  await takeAway(away);
  const [[refusedNewcomer, refusedLegacy], refusedModern] = await Promise.all([tryOld(), tryModern()]);
  assert.deepEqual(refusedNewcomer, { code: 506, error: "注册时发生未知错误." });
  assert.deepEqual(refusedLegacy, { code: 505, UsersId: null, error: "服务器内部错误..." });
  assert.equal(refusedModern.code, 503);
  const back = await bringBack(away);
  // The same three connections, since nobody was thrown out.
  await until("the log-in to work again", async () => (await tryModern()).code === 200);
  const answers = await tryOld();
  assert.deepEqual(
    answers.map(({ code }) => code),
    [200, 200],
  );
  await lonely.close();
  await back.stop();
}

test("[E-2] the texts of the first generation, letter for letter", async () => {
  await registerUser(server.port, 1070);
  const again = { userId: 1070, userPwd: "p", userName: "n" };
  assert.deepEqual(await register(server.port, again), { code: 505, error: "用户已存在。。" });
  const wrong = { userId: 1070, userPwd: "wrong" };
  const unknown = { userId: 1079, userPwd: "p" };
  assert.deepEqual(await login(server.port, wrong), { code: 403, UsersId: null, error: "密码错误" });
  assert.deepEqual(await login(server.port, unknown), { code: 500, UsersId: null, error: "用户不存在。。" });
  assert.deepEqual(await login(server.port, { ...wrong, v: 2 }), { code: 403, error: "密码错误" });
  assert.deepEqual(await login(server.port, { ...unknown, v: 2 }), { code: 500, error: "用户不存在。。" });
});

/** All keys and values of a Redis, as text. */
async function everythingIn(client: Redis): Promise<string> {
  const reading: Record<string, [string, ...string[]]> = {
    string: ["GET"],
    hash: ["HGETALL"],
    zset: ["ZRANGE", "0", "-1"],
    stream: ["XRANGE", "-", "+"],
  };
  const lines: string[] = [];
  for (const key of await client.keys("*")) {
    const [command, ...range] = reading[await client.type(key)] ?? [];
    assert.ok(command, `${key} is of a type that is not searched`);
    lines.push(`${key} ${JSON.stringify(await client.call(command, key, ...range))}`);
  }
  return lines.join("\n");
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

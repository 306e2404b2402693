/**
 * presence: who is online and how it is told (clauses [P-1] to [P-4]). The servers here have a clock that is moved by
 * hand: a window ends when the spec says so, and until then everything that happened is in it.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ManualClock } from "./helpers/manualClock.ts";
import { type Told, came, left, toldOf, usersOf } from "./helpers/online.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

const windowMs = 50;
const clock = new ManualClock();
let redis: SpecRedis;
let one: SpecServer;
let two: SpecServer;

before(async () => {
  redis = await startRedis();
  one = await startSpecServer({ redis, clock, node: "one" });
  two = await startSpecServer({ redis, clock, node: "two" });
});
after(async () => {
  await one.close();
  await two.close();
  await redis.stop();
});

/** Ends windows until the client was told so. */
async function hearsOf(client: WireClient, userId: number, last: Told): Promise<void> {
  const key = JSON.stringify(last);
  await until(`to be told ${key}`, () => {
    if (JSON.stringify(toldOf(client, [userId]).at(-1)) === key) return true;
    clock.advance(windowMs);
    return false;
  });
}

/** Somebody comes; when everybody was told so, they were told all that was before. */
async function fence(userId: number, watchers: WireClient[], port = one.port): Promise<void> {
  const newcomer = await newUser(port, userId);
  for (const watcher of watchers) await hearsOf(watcher, userId, came(userId));
  newcomer.destroy();
}

async function closed(server: SpecServer, userId: number): Promise<void> {
  await until(`the session of ${userId} to be closed`, () =>
    server.events.some((entry) => entry.event === "session_closed" && entry.userId === userId),
  );
}

test("[P-1] right after LoginResMes come all who are online, oneself included", async () => {
  const first = await newUser(one.port, 4001);
  const second = await newUser(one.port, 4002);
  await second.next("PresenceMes");
  assert.deepEqual(
    second.heard.slice(0, 2).map(({ type }) => type),
    ["LoginResMes", "PresenceMes"],
  );
  const { online, offline, total, more } = second.all("PresenceMes")[0] ?? {};
  assert.deepEqual(online, [
    { userId: 4001, userName: "user4001" },
    { userId: 4002, userName: "user4002" },
  ]);
  assert.deepEqual([offline, total, more], [[], 2, false]);
  assert.equal(second.heard[0]?.data.online, 2);
  await hearsOf(first, 4002, came(4002));
  assert.deepEqual(toldOf(first, [4001]), [came(4001)], "one is told once that one is there");
  first.destroy();
  second.destroy();
});

test("[P-2] changes are told when a window ends, not before; who came and left within it is in neither list", async () => {
  const watcher = await newUser(one.port, 4010);
  const steady = await newUser(one.port, 4011);
  await hearsOf(watcher, 4011, came(4011));
  const before = watcher.all("PresenceMes").length;

  const flitting = await newUser(one.port, 4012);
  const staying = await newUser(one.port, 4013);
  await flitting.end();
  steady.destroy();
  await closed(one, 4011);
  const again = await WireClient.login(one.port, { userId: 4011, userPwd: "pw4011" });
  await watcher.settled();
  assert.equal(watcher.all("PresenceMes").length, before, "the window is not over");
  clock.advance(windowMs - 1);
  await watcher.settled();
  assert.equal(watcher.all("PresenceMes").length, before, "nor is it 1 ms before its end");

  await hearsOf(watcher, 4013, came(4013));
  const told = toldOf(watcher, [4011, 4012, 4013]).slice(1);
  assert.deepEqual(told, [came(4013)]);
  await fence(4014, [watcher]);
  assert.deepEqual(toldOf(watcher, [4011, 4012]), [came(4011)], "nor is it told later");
  for (const client of [watcher, staying, again]) client.destroy();
});

const waysToLeave: [string, (client: WireClient) => void | Promise<void>][] = [
  ["LogoutMes", (client) => client.say("LogoutMes", {})],
  ["an end of its stream", (client) => void client.socket.end()],
  ["a reset", (client) => void client.socket.resetAndDestroy()],
  ["a broken frame", (client) => client.bytes(Buffer.alloc(4))],
  [
    "silence after a ping",
    async (client) => {
      await client.settled();
      clock.advance(16_000);
    },
  ],
];

test("[P-2] [K-2] [K-3] who leaves is told to all, on all servers, however it left", async () => {
  const watchers = [await newUser(one.port, 4020), await newUser(two.port, 4021)];
  for (const [index, [how, leave]] of waysToLeave.entries()) {
    const userId = 4022 + index;
    const leaving = await newUser(one.port, userId);
    for (const watcher of watchers) await hearsOf(watcher, userId, came(userId));
    await leave(leaving);
    for (const watcher of watchers) {
      await hearsOf(watcher, userId, left(userId));
      assert.deepEqual(toldOf(watcher, [userId]), [came(userId), left(userId)], how);
    }
    await inTime(`the end after ${how}`, leaving.closed);
    const { users } = await usersOf(watchers[1] as WireClient, { after: userId - 1, limit: 1 });
    assert.deepEqual(
      users.filter((user) => user.userId === userId),
      [],
    );
  }
  for (const watcher of watchers) watcher.destroy();
});

test("[K-3] LogoutMes: with the end of the window the user is in no list, nor in Redis", async () => {
  const watcher = await newUser(one.port, 4030);
  const client = await newUser(one.port, 4031);
  await hearsOf(watcher, 4031, came(4031));
  assert.equal(await redis.client.hget("{online}:users", "4031"), "1");
  client.say("LogoutMes", {});
  assert.equal(await inTime("the end", client.closed), "end");
  await until("the list in Redis", async () => {
    // The window before may still be being written: then this one opens after it.
    clock.advance(windowMs);
    return (await redis.client.hget("{online}:users", "4031")) === null;
  });
  await until("the list here", async () => {
    return (await usersOf(watcher, { after: 4030, limit: 1 })).users[0]?.userId !== 4031;
  });
  watcher.destroy();
});

test("[P-3] a user with several sessions is one entry: told when the first comes, and when the last has gone", async () => {
  const watchers = [await newUser(one.port, 4040), await newUser(two.port, 4041)];
  await registerUser(one.port, 4042);
  const login = (port: number, fields: Data): Promise<WireClient> =>
    WireClient.login(port, { userId: 4042, userPwd: "pw4042", ...fields });
  const sessions = [
    await login(one.port, { device: "a" }),
    await login(one.port, { device: "b" }),
    await login(two.port, { device: "c" }),
    await login(two.port, { v: undefined }),
  ];
  await fence(4043, watchers);
  const { users } = await usersOf(watchers[0] as WireClient, { after: 4041, limit: 1 });
  assert.deepEqual(users, [{ userId: 4042, userName: "user4042" }]);
  for (const [index, session] of sessions.entries()) {
    for (const watcher of watchers) assert.deepEqual(toldOf(watcher, [4042]), [came(4042)]);
    session.destroy();
    if (index < sessions.length - 1) {
      await fence(4044 + index, watchers);
      await fence(4047 + index, watchers, two.port);
    }
  }
  for (const watcher of watchers) {
    await hearsOf(watcher, 4042, left(4042));
    assert.deepEqual(toldOf(watcher, [4042]), [came(4042), left(4042)]);
    watcher.destroy();
  }
});

test("[P-4] a session with presence: false is not shown and not told", async () => {
  const watcher = await newUser(one.port, 4060);
  const hidden = await newUser(one.port, 4061, { presence: false });
  await fence(4062, [watcher]);
  await hidden.settled();
  assert.deepEqual(hidden.all("PresenceMes"), []);
  assert.deepEqual(toldOf(watcher, [4061]), []);
  const { users } = await usersOf(hidden, { after: 4060, limit: 1 });
  assert.notEqual(users[0]?.userId, 4061);
  // Nor does it hide the user's other device, or take it away when it goes.
  const shown = await WireClient.login(one.port, { userId: 4061, userPwd: "pw4061", device: "shown" });
  await hearsOf(watcher, 4061, came(4061));
  await hidden.end();
  await closed(one, 4061);
  await fence(4063, [watcher]);
  assert.deepEqual(toldOf(watcher, [4061]), [came(4061)]);
  await shown.end();
  await hearsOf(watcher, 4061, left(4061));
  watcher.destroy();
});

test("[P-2] an id of 16 digits is told to other servers as it is", async () => {
  const watcher = await newUser(two.port, 4070);
  const largest = Number.MAX_SAFE_INTEGER;
  const client = await newUser(one.port, largest);
  await hearsOf(watcher, largest, came(largest));
  client.destroy();
  await hearsOf(watcher, largest, left(largest));
  watcher.destroy();
});

/**
 * presenceNodes: presence over several servers of one Redis when something goes wrong: one is killed, one is taken
 * for dead, an answer of Redis is overtaken by what was published after it (clause [P-2]).
 */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { hasEnded, newNodeName } from "../lib/nodeName.ts";
import { type RedisStore, connectRedis } from "../lib/redis.ts";
import { parseRedisUrl } from "../lib/redisUrl.ts";
import { PresenceBoard } from "../lib/presence.ts";
import { PresenceDao } from "../lib/presenceDao.ts";
import { Session } from "../lib/session.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { type Told, came, left, toldOf } from "./helpers/online.ts";
import { type SpecRedis, startRedis, sweptSince } from "./helpers/redis.ts";
import { type SpecServer, spawnServer, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { WireClient, newUser } from "./helpers/wireClient.ts";

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

test("[P-2] the users of a killed server are told as gone when its lease has run out", async () => {
  const watcher = await newUser(one.port, 4080);
  const killed = await spawnServer(["--redis", redis.url]);
  const client = await newUser(killed.port, 4081);
  await hearsOf(watcher, 4081, came(4081));
  await killed.kill("SIGKILL");
  const node = (await redis.client.zrange("{online}:nodes", "0", "-1")).find(
    (name) => !/^(one|two)$/.test(name),
  );
  assert.ok(node, "its lease is there");
  const leaseMs = Number(await redis.client.zscore("{online}:nodes", node)) - Date.now();
  assert.ok(leaseMs > 5000 && leaseMs <= 10_000, `a lease of ${leaseMs} ms`);
  await fence(4082, [watcher]);
  assert.deepEqual(toldOf(watcher, [4081]), [came(4081)], "it may be only slow");
  // As if 10 s had gone by for Redis, and for those who are alive.
  await redis.client.zadd("{online}:nodes", 1, node);
  await sweptSince(redis.client);
  await until("to be told", () => {
    clock.advance(1000);
    return toldOf(watcher, [4081]).length === 2;
  });
  assert.deepEqual(toldOf(watcher, [4081]), [came(4081), left(4081)]);
  assert.equal(await redis.client.exists(`{online}:node:${node}`), 0, "nothing is left of it");
  client.destroy();
  watcher.destroy();
});

test("[P-2] the next server on this machine knows at once that a killed one has no users any more", async () => {
  const watcher = await newUser(one.port, 4085);
  const killed = await spawnServer(["--redis", redis.url]);
  const client = await newUser(killed.port, 4086);
  await hearsOf(watcher, 4086, came(4086));
  await killed.kill("SIGKILL");
  const next = await spawnServer(["--redis", redis.url]);
  const newcomer = await newUser(next.port, 4087);
  await newcomer.next("PresenceMes");
  assert.deepEqual(toldOf(newcomer, [4085, 4086]), [came(4085)]);
  await hearsOf(watcher, 4086, left(4086));
  assert.equal(await next.kill("SIGTERM"), 0);
  for (const one of [client, watcher, newcomer]) one.destroy();
});

test("[P-2] only a process of this very place whose pid has ended, or is another's by now, is known to have ended", async () => {
  const gone = await spawnServer(["--redis", redis.url, "--node", "web-1"]);
  const name = String(gone.events()[0]?.node);
  assert.match(name, /^web-1\.[0-9a-f]{8}\.\d+\.\d+\.[0-9a-f]{6}$/);
  assert.equal(hasEnded(name), false, "it runs");
  await gone.kill("SIGKILL");
  assert.equal(hasEnded(name), true);
  // A machine, or a container, of the same host name; a pid says nothing about it.
  const elsewhere = name.replace(/\.[0-9a-f]{8}\./, ".00000000.");
  assert.equal(hasEnded(elsewhere), false);
  const own = newNodeName();
  assert.equal(hasEnded(own), false);
  assert.notEqual(newNodeName(), own);
  assert.equal(hasEnded(own.replace(/\.\d+(\.[0-9a-f]{6})$/, ".1$1")), true, "the pid was given out again");
  for (const other of ["one", "", `vm-${gone.child.pid}-abcdef`, newNodeName("…").slice(1)]) {
    assert.equal(hasEnded(other), false, other);
  }
});

test("[P-8] [K-4] who is back on another server within a lease has not left when its server goes away; who is not has", async () => {
  const watcher = await newUser(one.port, 4100);
  const leaving = await startSpecServer({ redis, clock, node: "three" });
  const clients = [await newUser(leaving.port, 4101), await newUser(leaving.port, 4102)];
  for (const userId of [4101, 4102]) await hearsOf(watcher, userId, came(userId));
  await leaving.close();
  assert.equal(await redis.client.zscore("{online}:nodes", "three"), null);
  const leaseMs = Number(await redis.client.zscore("{online}:nodes", "three.left")) - Date.now();
  assert.ok(leaseMs > 5000 && leaseMs <= 10_000, `a lease of ${leaseMs} ms`);
  for (const client of clients) assert.equal(client.all("GoAwayMes").length, 1);
  const back = await WireClient.login(two.port, { userId: 4101, userPwd: "pw4101" });
  await fence(4103, [watcher]);
  for (const userId of [4101, 4102]) assert.deepEqual(toldOf(watcher, [userId]), [came(userId)]);
  // As if 10 s had gone by for Redis, and for those who are alive.
  await redis.client.zadd("{online}:nodes", 1, "three.left");
  await sweptSince(redis.client);
  await until("the lease to run out", () => {
    clock.advance(1000);
    return toldOf(watcher, [4102]).length === 2;
  });
  await fence(4104, [watcher]);
  assert.deepEqual(toldOf(watcher, [4101]), [came(4101)]);
  assert.deepEqual(toldOf(watcher, [4102]), [came(4102), left(4102)]);
  assert.deepEqual(await redis.client.keys("{online}:node:three*"), []);
  for (const client of [watcher, back]) client.destroy();
});

test("[P-8] the last server to go leaves nobody in the list, nor those who left with others before it", async () => {
  const ownRedis = await startRedis();
  const servers = [
    await startSpecServer({ redis: ownRedis, node: "first" }),
    await startSpecServer({ redis: ownRedis, node: "last" }),
  ];
  const clients: WireClient[] = [];
  for (const [index, { port }] of servers.entries()) clients.push(await newUser(port, 4110 + index));
  await until("both", async () => (await ownRedis.client.hlen("{online}:users")) === 2);
  await servers[0]?.close();
  assert.equal(await ownRedis.client.hlen("{online}:users"), 2);
  await servers[1]?.close();
  assert.equal(await ownRedis.client.hlen("{online}:users"), 0);
  assert.equal(await ownRedis.client.zcard("{online}:nodes"), 0);
  for (const client of clients) client.destroy();
  await ownRedis.stop();
});

test("[P-2] a server that was taken for dead registers its sessions anew", async () => {
  const watcher = await newUser(two.port, 4090);
  const client = await newUser(one.port, 4091);
  await hearsOf(watcher, 4091, came(4091));
  // What a sweep of another server does when this one was stopped for more than its lease.
  await redis.client.zadd("{online}:nodes", 1, "one");
  await sweptSince(redis.client);
  const sweeper = new ManualClock();
  const third = await startSpecServer({ redis, clock: sweeper, node: "three" });
  await until("the sweep", async () => {
    sweeper.advance(1000);
    return (await redis.client.zscore("{online}:nodes", "one")) === null;
  });
  clock.advance(3000);
  await until("it to be back", async () => {
    clock.advance(windowMs);
    return (await redis.client.hget("{online}:users", "4091")) === "1";
  });
  await hearsOf(watcher, 4091, came(4091));
  client.destroy();
  await hearsOf(watcher, 4091, left(4091));
  await third.close();
  watcher.destroy();
});

/** A PresenceDao whose answers wait, when they are to, until the spec lets them go. */
class HeldDao extends PresenceDao {
  #held: Promise<void> | null = null;
  #letGo: () => void = () => undefined;
  /** Calls that Redis has answered, and whose answers wait. */
  waiting = 0;
  /** How often the whole list was read, and the lease renewed. */
  reads = 0;
  beats = 0;

  hold(): void {
    this.#held = new Promise((resolve) => (this.#letGo = resolve));
  }

  letGo(): void {
    this.#held = null;
    this.waiting = 0;
    this.#letGo();
  }

  override async beat(...args: Parameters<PresenceDao["beat"]>): ReturnType<PresenceDao["beat"]> {
    const answer = await super.beat(...args);
    this.beats++;
    return this.#after(answer);
  }

  override async readAll(): ReturnType<PresenceDao["readAll"]> {
    this.reads++;
    return this.#after(await super.readAll());
  }

  async #after<T>(answer: T): Promise<T> {
    if (this.#held) {
      this.waiting++;
      await this.#held;
    }
    return answer;
  }
}

function sessionOf(userId: number): Session {
  const output = {
    backlogBytes: 0,
    write: () => undefined,
    whenDrained: (callback: () => void) => callback(),
    close: () => undefined,
  };
  const facts = {
    userId,
    userName: "n",
    sex: "",
    device: "d",
    since: null,
    replay: "all",
    presence: true,
  } as const;
  return new Session({ ...facts, address: "" }, output, null);
}

test("[P-2] an answer that was overtaken by a later change brings nobody back", async () => {
  const journal = { write: () => undefined };
  const ownRedis = await startRedis();
  const store = await connectRedis({ address: parseRedisUrl(ownRedis.url), journal, role: "spec" });
  const heldDao = new HeldDao(store, "held");
  const otherDao = new PresenceDao(store, "other");
  const ownClock = new ManualClock();
  const board = new PresenceBoard({ presenceDao: heldDao, clock: ownClock, journal });
  const published: string[] = [];
  const subscriber = ownRedis.client.duplicate();
  subscriber.on("message", (_channel: string, json: string) => {
    published.push(json);
    board.changed(json);
  });
  await subscriber.subscribe("{online}:bell");
  await board.open();
  await otherDao.join([]);

  // The user is on both; leaves here, then there, and the answer to the first comes last.
  const session = sessionOf(1);
  board.came(session);
  ownClock.advance(windowMs);
  await until("the first change", () => published.length === 1);
  await otherDao.beat([{ userId: 1, count: 1, userName: "n" }]);
  heldDao.hold();
  board.left(session, false);
  ownClock.advance(windowMs);
  await until("an answer that waits", () => heldDao.waiting === 1);
  await otherDao.beat([{ userId: 1, count: 0, userName: "n" }]);
  await until("the second change", () => published.length === 2);
  heldDao.letGo();
  await fenced(2);
  assert.deepEqual([...board.userIds()], [2]);

  // The list was read before a user came elsewhere, and arrives after that was told.
  heldDao.hold();
  const reading = board.missed();
  await until("an answer that waits", () => heldDao.waiting === 1);
  await otherDao.beat([{ userId: 3, count: 1, userName: "n" }]);
  await until("the change", () => [...board.userIds()].includes(3));
  heldDao.letGo();
  await reading;
  assert.deepEqual([...board.userIds()], [2, 3]);

  async function fenced(userId: number): Promise<void> {
    await otherDao.beat([{ userId, count: 1, userName: "n" }]);
    await until("the fence", () => {
      ownClock.advance(windowMs);
      return [...board.userIds()].includes(userId);
    });
  }
  await board.leave();
  subscriber.disconnect();
  await store.close();
  await ownRedis.stop();
});

test("[P-2] a change that is still on its way at a beat is no hole; one that has not come by the next beat is", async () => {
  const journal = { write: () => undefined };
  const ownRedis = await startRedis();
  const store = await connectRedis({ address: parseRedisUrl(ownRedis.url), journal, role: "spec" });
  const dao = new HeldDao(store, "held");
  const otherDao = new PresenceDao(store, "other");
  const ownClock = new ManualClock();
  const board = new PresenceBoard({ presenceDao: dao, clock: ownClock, journal });
  await board.open();
  await otherDao.join([]);
  const beat = async (): Promise<void> => {
    const before = dao.beats;
    ownClock.advance(3000);
    await until("the beat", () => dao.beats > before);
  };
  await beat();
  const { reads } = dao;
  await otherDao.beat([{ userId: 1, count: 1, userName: "n" }]);
  await beat();
  assert.equal(dao.reads, reads, "it may be on its way");
  board.changed(JSON.stringify({ version: 1, online: [{ userId: "1", userName: "n" }] }));
  await beat();
  await beat();
  assert.equal(dao.reads, reads, "it has come");
  await otherDao.beat([{ userId: 2, count: 1, userName: "n" }]);
  await beat();
  await beat();
  await until("the list to be read", () => [...board.userIds()].includes(2));
  assert.equal(dao.reads, reads + 1);
  // Another Redis, or one that has lost its end.
  await ownRedis.client.flushall();
  await otherDao.join([{ userId: 3, count: 1, userName: "n" }]);
  await until("what is left", () => {
    ownClock.advance(3000);
    return [...board.userIds()].join() === "3";
  });
  await board.leave();
  await store.close();
  await ownRedis.stop();
});

describe("leases that ran out", () => {
  let ownRedis: SpecRedis;
  let store: RedisStore;
  let dao: PresenceDao;
  const journal = { write: () => undefined };
  const nodes = (): Promise<string[]> => ownRedis.client.zrange("{online}:nodes", "0", "-1");

  before(async () => {
    ownRedis = await startRedis();
    store = await connectRedis({ address: parseRedisUrl(ownRedis.url), journal, role: "spec" });
    dao = new PresenceDao(store, "own");
  });
  after(async () => {
    await store.close();
    await ownRedis.stop();
  });
  beforeEach(async () => {
    await ownRedis.client.flushall();
    for (const node of ["own", "other"]) {
      await new PresenceDao(store, node).join([{ userId: 1, count: 1, userName: "n" }]);
    }
    // As if 10 s had gone by for both.
    await ownRedis.client.zadd("{online}:nodes", 1, "own", 1, "other");
  });

  test("[P-7] take nobody out where nobody looked: sweeps that waited in a Redis that stood still", async () => {
    await sweptSince(ownRedis.client, { lastMs: 3_100 });
    // Those that waited come right behind one another.
    assert.deepEqual(await dao.sweep(), []);
    assert.deepEqual(await dao.sweep(), []);
    await sweptSince(ownRedis.client, { sinceMs: 9_000 });
    assert.deepEqual(await dao.sweep(), [], "not all the lease long");
    assert.deepEqual(await nodes(), ["other", "own"]);
    await sweptSince(ownRedis.client, { sinceMs: 10_000, lastMs: 2_000 });
    assert.deepEqual(await dao.sweep(), ["other", "own"]);
    assert.equal(await ownRedis.client.hlen("{online}:users"), 0);
  });

  test("[P-7] count neither in a Redis that nobody has swept yet nor where its clock went back", async () => {
    assert.deepEqual(await dao.sweep(), []);
    await sweptSince(ownRedis.client, { lastMs: -60_000 });
    assert.deepEqual(await dao.sweep(), []);
    const [since, last] = String(await ownRedis.client.get("{online}:swept")).split("|");
    assert.equal(since, last, "it begins anew");
  });

  test("[P-8] of nodes known to have ended count at once", async () => {
    assert.deepEqual(await dao.sweep(["other", "unknown"]), ["other"]);
    assert.deepEqual(await nodes(), ["own"]);
  });

  test("[P-7] [P-8] are no reason for a node that leaves to take out those that it did not hear of", async () => {
    await sweptSince(ownRedis.client, { lastMs: 12_000 });
    await dao.leave();
    assert.deepEqual((await nodes()).sort(), ["other", "own.left"]);
    await sweptSince(ownRedis.client);
    await new PresenceDao(store, "other").leave();
    assert.deepEqual(await nodes(), [], "the last one of those that were looked at");
  });
});

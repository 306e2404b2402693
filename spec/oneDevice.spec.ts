/**
 * oneDevice.spec: the same (user, device) is there once over all servers (clause [L-7]), though servers do not hear of
 * one another, and whoever logs in at the same moment.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Meter } from "../lib/meter.ts";
import { type Output, type Presence, type Reading, Session } from "../lib/session.ts";
import { UserMgr } from "../lib/userMgr.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { RedisGate } from "./helpers/redisGate.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { WireClient, newUser } from "./helpers/wireClient.ts";

/** Time of the first server stands still: its sweeps and beats come only where a spec says so. */
const clock = new ManualClock();
let redis: SpecRedis;
let gate: RedisGate;
let one: SpecServer;
let two: SpecServer;

before(async () => {
  redis = await startRedis();
  gate = await RedisGate.before(redis);
  one = await startSpecServer({ redis: gate, clock, node: "one" });
  two = await startSpecServer({ redis, node: "two" });
});
after(async () => {
  await one.close();
  await two.close();
  gate.close();
  await redis.stop();
});

const login = (port: number, userId: number): Promise<WireClient> =>
  WireClient.login(port, { userId, userPwd: `pw${userId}`, device: "d" });

/** It is told 409, as the last thing, and then the server ends. */
async function assertReplaced(client: WireClient): Promise<void> {
  assert.equal(await inTime("the end of the older session", client.closed), "end");
  assert.deepEqual(client.heard.at(-1), {
    ...client.heard.at(-1),
    type: "GoAwayMes",
    data: { code: 409, reason: "replaced" },
  });
}

test("[L-7] a server that could not hear of a newer log-in learns of it when it hears again", async () => {
  const older = await newUser(one.port, 1, { device: "d" });
  const sibling = await WireClient.login(one.port, { userId: 1, userPwd: "pw1", device: "other" });
  gate.refuse("bell");
  gate.cut("bell");
  await until("nobody to listen", async () => (await redis.client.pubsub("NUMSUB", "{u:1}:bell"))[1] === 0);
  const newer = await login(two.port, 1);
  await older.settled();
  assert.equal(older.isClosed, false, "it has not heard of it");
  gate.admit("bell");
  await until("the older one's end", () => older.isClosed || void clock.advance(100));
  await assertReplaced(older);
  for (const client of [newer, sibling]) {
    await client.settled();
    client.destroy();
  }
});

test("[L-7] [D-2] a ring that was lost on a link that stays up is made good when the older one's cursor is written", async () => {
  const older = await newUser(one.port, 2, { device: "d" });
  const speaker = await newUser(two.port, 3);
  await speaker.ask("SmsMes", { conv: "u:2", content: "hello", mid: "m" }, "SmsResMes");
  const { id } = (await older.next("SmsMes", ({ content }) => content === "hello")).data;
  // A log-in that no server was told of: its number stands beside the cursors.
  const number = Number(await redis.client.hget("{u:2}:cursors", "d|"));
  assert.ok(number > Date.UTC(2020) * 1000, "microseconds of Redis' clock");
  await redis.client.hset("{u:2}:cursors", "d|", String(number + 1));
  await older.settled();
  older.say("AckMes", { conv: "u:3", id });
  await until("the older one's end", () => older.isClosed || void clock.advance(100));
  await assertReplaced(older);
  assert.equal(await redis.client.hget("{u:2}:cursors", "d|dm:2:3"), id, "what it had acknowledged counts");
  speaker.destroy();
});

test("[L-7] of log-ins on several servers in the same moment the last one stays, and every other one is told", async () => {
  await newUser(two.port, 4).then((client) => client.end());
  for (let round = 1; round <= 20; round++) {
    const clients = await Promise.all(
      [one, two, one, two].map(async ({ port }) => {
        const client = await WireClient.connect(port);
        client.say("LoginMes", { v: 2, userId: 4, userPwd: "pw4", device: "d" });
        return client;
      }),
    );
    for (const client of clients) assert.equal((await client.next("LoginResMes")).data.code, 200);
    await until("one session", () => clients.filter(({ isClosed }) => !isClosed).length <= 1);
    const [last] = clients.filter(({ isClosed }) => !isClosed);
    assert.ok(last, `one of them stays (round ${round})`);
    for (const client of clients) if (client !== last) await assertReplaced(client);
    await last.settled();
    assert.equal(last.isClosed, false);
    for (const client of clients) client.destroy();
  }
});

test("[L-7] a ring of an earlier log-in that comes late ends nothing", async () => {
  const client = await newUser(one.port, 5, { device: "d" });
  const number = Number(await redis.client.hget("{u:5}:cursors", "d|"));
  await redis.client.publish("{u:5}:bell", `three device 5 d ${number - 1}`);
  // What is published after it is heard after it.
  const speaker = await newUser(two.port, 6);
  speaker.say("SmsMes", { conv: "u:5", content: "fence", mid: "m" });
  await client.next("SmsMes", ({ content }) => content === "fence");
  assert.deepEqual(client.all("GoAwayMes"), []);
  for (const each of [client, speaker]) each.destroy();
});

test("[L-7] a newer log-in that is heard of before one's own number is there: LoginResMes, then GoAwayMes", async () => {
  const said: string[] = [];
  const output: Output = {
    backlogBytes: 0,
    write: (bytes) => void said.push(bytes.toString().includes("GoAwayMes") ? "GoAwayMes" : "other"),
    whenDrained: (callback) => callback(),
    close: (reason) => void said.push(`closed: ${reason}`),
  };
  const counted: string[] = [];
  let answer: (login: number) => void = () => undefined;
  const ignored = (): void => undefined;
  const userMgr = new UserMgr({
    loginDao: {
      claim: () => new Promise((resolve) => (answer = resolve)),
      newest: () => Promise.resolve([]),
    },
    doorbell: { release: ignored },
    reading: { stop: ignored } as Partial<Reading> as Reading,
    presence: {
      came: () => void counted.push("came"),
      left: (_session, moved) => void counted.push(moved ? "moved" : "left"),
    } as Partial<Presence> as Presence,
    lastSeen: { came: ignored, left: ignored },
    clock,
    journal: { write: ignored },
    meter: new Meter(),
  });
  const facts = { userId: 7, userName: "7", sex: "", device: "d", since: null, address: "" };
  const session = new Session({ ...facts, replay: "all", presence: true }, output, null);
  const claimed = userMgr.claim(session);
  userMgr.replacedElsewhere(7, "other", 99);
  userMgr.replacedElsewhere(8, "d", 99);
  userMgr.replacedElsewhere(7, "d", 12);
  answer(11);
  await claimed;
  userMgr.add(session);
  assert.deepEqual([session.closed, counted], [true, ["came", "moved"]]);
  assert.deepEqual(said, [], "its answer comes first");
  session.answered();
  assert.deepEqual(said, ["GoAwayMes", "closed: replaced"]);
});

test("[L-7] a log-in whose side has ended by the time it is looked into is answered, and replaces nobody", async () => {
  const staying = await newUser(two.port, 8, { device: "d" });
  // What a server finds when it goes on after it hung: a client has asked, and has gone elsewhere meanwhile.
  const ghost = await WireClient.connect(one.port);
  ghost.say("LoginMes", { userId: 8, userPwd: "pw8", device: "d", v: 2 });
  ghost.socket.end();
  assert.equal((await ghost.next("LoginResMes")).data.code, 200);
  assert.equal(await inTime("its end", ghost.closed), "end");
  // A ring of that log-in would have come before this one.
  const friend = await newUser(one.port, 9);
  await friend.ask("SmsMes", { conv: "u:8", content: "still there?", mid: "m1" }, "SmsResMes");
  await staying.next("SmsMes", ({ content }) => content === "still there?");
  friend.destroy();
  await staying.settled();
  assert.deepEqual([staying.isClosed, staying.all("GoAwayMes")], [false, []]);
  staying.destroy();
});

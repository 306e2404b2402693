/**
 * receipts: what the sender of a private message is told of the other side's acknowledgements, on one server and on two,
 * and with hints between them lost (clauses [B-1], [B-2]).
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as limits from "../lib/limits.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { RedisGate } from "./helpers/redisGate.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

// Of both servers: cursors are written when the spec says so.
const clock = new ManualClock();
let redis: SpecRedis;
let server: SpecServer;
let twin: SpecServer;

before(async () => {
  redis = await startRedis();
  server = await startSpecServer({ redis, node: "one", clock });
  twin = await startSpecServer({ redis, node: "two", clock });
});
after(async () => {
  await server.close();
  await twin.close();
  await redis.stop();
});

let mids = 0;
/** Says something privately; the id it was stored under. */
async function tell(client: WireClient, to: number, content = "x"): Promise<string> {
  const { code, id } = await client.ask(
    "SmsMes",
    { conv: `u:${to}`, content, mid: `m${++mids}` },
    "SmsResMes",
  );
  assert.equal(code, 200);
  return String(id);
}

function login(userId: number, fields: Data = {}, port = server.port): Promise<WireClient> {
  return WireClient.login(port, { userId, userPwd: `pw${userId}`, ...fields });
}

/** The next receipt of this conversation up to this id. */
async function receipt(client: WireClient, from: number, id: string): Promise<void> {
  await client.next("DeliveredMes", (data) => data.conv === `u:${from}` && data.id === id);
}

/** Acknowledges, and has it written. */
async function ack(
  client: WireClient,
  from: number,
  id: string,
  written: ManualClock = clock,
): Promise<void> {
  client.say("AckMes", { conv: `u:${from}`, id });
  await client.ask("UsersMes", { limit: 1 }, "UsersResMes");
  written.advance(limits.cursorFlushMs);
}

/** Waits for a message and acknowledges it. */
async function read(
  client: WireClient,
  from: number,
  id: string,
  written: ManualClock = clock,
): Promise<void> {
  // Ids of two conversations may be the same.
  const isIt = ({ conv, id: heardId }: Data): boolean => conv === `u:${from}` && heardId === id;
  await client.hears(id, (heard) => heard.some(({ type, data }) => type === "SmsMes" && isIt(data)));
  await ack(client, from, id, written);
}

/** What LoginResMes said of the conversation. */
function deliveredAtLogin(client: WireClient, peer: number): unknown {
  const convs = client.heard[0]?.data.convs as Data[];
  return convs.find(({ conv }) => conv === `u:${peer}`)?.delivered;
}

test("[B-1] the sender is told what the other side has acknowledged, not what it was sent", async () => {
  const alice = await newUser(server.port, 500);
  const bob = await newUser(server.port, 501);
  const first = await tell(alice, 501);
  const second = await tell(alice, 501);
  const third = await tell(alice, 501);
  await bob.next("SmsMes", ({ id }) => id === third);
  await ack(bob, 500, second);
  await receipt(alice, 501, second);
  // Beyond what it was sent it is clamped, here to the third, as the cursor is.
  await ack(bob, 500, `${third.split("-")[0]}-99`);
  await receipt(alice, 501, third);
  // An older one moves nothing, and tells nothing.
  await ack(bob, 500, first);
  const fourth = await tell(alice, 501);
  await read(bob, 500, fourth);
  await receipt(alice, 501, fourth);
  assert.deepEqual(
    alice.all("DeliveredMes").map(({ id }) => id),
    [second, third, fourth],
  );
  assert.deepEqual(bob.all("DeliveredMes"), [], "the one who acknowledges is told nothing of it");
  assert.equal(await redis.client.hget("{u:501}:received", "dm:500:501"), fourth);
});

test("[B-1] the furthest of the other side's devices counts; one's own do not; none in all, none with oneself", async () => {
  const alice = await newUser(server.port, 510);
  const pad = await login(510, { device: "pad" });
  await registerUser(server.port, 511);
  const phone = await login(511, { device: "phone" });
  const first = await tell(alice, 511);
  await read(pad, 511, first);
  const toMyself = await tell(alice, 510);
  await read(pad, 510, toMyself);
  const { id: toAll } = await alice.ask("SmsMes", { content: "all", mid: "all510" }, "SmsResMes");
  await phone.next("SmsMes", ({ id }) => id === toAll);
  phone.say("AckMes", { conv: "all", id: toAll });
  // The phone's acknowledgement of a private one is the only one that counts.
  await read(phone, 510, first);
  await receipt(alice, 511, first);
  await receipt(pad, 511, first);
  const second = await tell(alice, 511);
  await read(phone, 510, second);
  await receipt(alice, 511, second);
  // A device that is behind the other tells nothing new.
  const desk = await login(511, { device: "desk" });
  await read(desk, 510, first);
  await until(
    "the cursor",
    async () => (await redis.client.hget("{u:511}:cursors", "desk|dm:510:511")) === first,
  );
  const third = await tell(alice, 511);
  await read(phone, 510, third);
  await receipt(alice, 511, third);
  assert.deepEqual(
    alice.all("DeliveredMes").map(({ conv, id }) => [conv, id]),
    [first, second, third].map((id) => ["u:511", id]),
  );
});

test("[B-1] [G-9] a first-generation reader's cursor is an acknowledgement where it moves", async () => {
  const alice = await newUser(server.port, 520);
  await registerUser(server.port, 521);
  const legacy = await login(521, { v: undefined });
  const id = await tell(alice, 521, "hello");
  await legacy.hears("the message", (heard) =>
    heard.some(({ data }) => String(data.content).includes("hello")),
  );
  // The socket's word that the bytes were taken starts the 5 s.
  await until("the receipt", () => {
    clock.advance(limits.cursorFlushMs);
    return alice.all("DeliveredMes").length > 0;
  });
  assert.deepEqual(alice.all("DeliveredMes"), [{ conv: "u:521", id }]);
  assert.ok(
    legacy.heard.every(({ type }) => type !== "DeliveredMes"),
    "a legacy session is told no receipts",
  );
});

test("[B-2] every session of the sender is told, on whatever server it is", async () => {
  const alice = await newUser(server.port, 530);
  const pad = await login(530, { device: "pad", replay: "none", presence: false }, twin.port);
  const bob = await newUser(twin.port, 531);
  const id = await tell(alice, 531);
  await bob.next("SmsMes", (data) => data.id === id);
  await ack(bob, 530, id);
  await receipt(alice, 531, id);
  await receipt(pad, 531, id);
  assert.ok(
    limits.clientPrivateAckMs + limits.cursorFlushMs <= 2_000,
    "a client's acknowledgement takes 2 s at most",
  );
});

test("[B-2] [L-3] at log-in: in convs where something is unread, and by DeliveredMes for the others", async () => {
  const alice = await newUser(server.port, 540);
  const bob = await newUser(server.port, 541);
  const carol = await newUser(server.port, 542);
  await registerUser(server.port, 543);
  const toBob = await tell(alice, 541);
  const toCarol = await tell(alice, 542);
  await tell(alice, 543);
  await read(bob, 540, toBob);
  await read(carol, 540, toCarol);
  await receipt(alice, 541, toBob);
  await receipt(alice, 542, toCarol);
  // From bob and dan something is unread, from carol nothing.
  await tell(bob, 540);
  const dan = await login(543);
  await tell(dan, 540);
  alice.destroy();
  const again = await login(540);
  assert.equal(deliveredAtLogin(again, 541), toBob);
  assert.equal(deliveredAtLogin(again, 543), "0-0", "nothing yet");
  await receipt(again, 542, toCarol);
  await again.settled();
  assert.deepEqual(again.all("DeliveredMes"), [{ conv: "u:542", id: toCarol }], "nothing twice");
  assert.equal(again.heard[0]?.type, "LoginResMes", "nothing comes before the answer");
  const all = (again.heard[0]?.data.convs as Data[]).find(({ conv }) => conv === "all");
  assert.equal(all?.delivered, undefined);
});

test("[B-2] an acknowledgement right before the end of its session is told too", async () => {
  const alice = await newUser(server.port, 550);
  const bob = await newUser(server.port, 551);
  const id = await tell(alice, 551);
  await bob.next("SmsMes", (data) => data.id === id);
  bob.say("AckMes", { conv: "u:550", id });
  bob.say("LogoutMes", {});
  await bob.closed;
  clock.advance(limits.cursorFlushMs);
  await receipt(alice, 551, id);
});

test("[B-2] the answer of Redis was lost: the receipt comes all the same, once", async () => {
  const gate = await RedisGate.before(redis);
  const behind = await startSpecServer({ redis: gate, node: "behind", clock });
  try {
    const alice = await newUser(behind.port, 560);
    const bob = await newUser(behind.port, 561);
    const id = await tell(alice, 561);
    gate.loseReply(/\{u:561\}:received/);
    await read(bob, 560, id);
    await until("the journal's word", () => behind.events.some(({ event }) => event === "cursors_kept_back"));
    await until("the receipt", () => {
      clock.advance(limits.cursorFlushMs);
      return alice.all("DeliveredMes").length > 0;
    });
    assert.equal(gate.repliesLost, 1);
    await alice.settled();
    assert.equal(alice.all("DeliveredMes").length, 1);
  } finally {
    await behind.close();
    gate.close();
  }
});

test("[B-2] a hint between servers that was lost is made up for by the sweep", async () => {
  const gate = await RedisGate.before(redis);
  const ownClock = new ManualClock();
  const deaf = await startSpecServer({ redis: gate, node: "deaf", clock: ownClock });
  try {
    const alice = await newUser(deaf.port, 570);
    const bob = await newUser(server.port, 571);
    const id = await tell(alice, 571);
    // Its subscriber hears nothing any more, and has not noticed yet.
    gate.halfOpen("bell");
    await read(bob, 570, id);
    await until(
      "the acknowledgement",
      async () => (await redis.client.hget("{u:571}:received", "dm:570:571")) === id,
    );
    await alice.ask("UsersMes", { limit: 1 }, "UsersResMes");
    assert.deepEqual(alice.all("DeliveredMes"), []);
    ownClock.advance(limits.receiptsSweepMs);
    await receipt(alice, 571, id);
  } finally {
    await deaf.close();
    gate.close();
  }
});

test("[B-2] a hint between servers that was lost is made up for by the next one", async () => {
  const alice = await newUser(server.port, 580);
  const bob = await newUser(twin.port, 581);
  const first = await tell(alice, 581);
  await bob.next("SmsMes", ({ id }) => id === first);
  // As if it had been rung and lost: it is written, and nobody heard.
  await redis.client.hset("{u:581}:received", "dm:580:581", first);
  const second = await tell(alice, 581);
  await read(bob, 580, second);
  await receipt(alice, 581, second);
});

test("[B-2] what somebody else publishes on a bell never makes a receipt go back", async () => {
  const alice = await newUser(server.port, 590);
  const bob = await newUser(server.port, 591);
  const id = await tell(alice, 591);
  await read(bob, 590, id);
  await receipt(alice, 591, id);
  for (const text of [
    "x received 590 dm:590:591 0-1",
    "x received 590 dm:590:591 nonsense",
    "x received",
    "x received 590 all 1-1",
  ]) {
    await redis.client.publish("{u:590}:bell", text);
  }
  const next = await tell(alice, 591);
  await read(bob, 590, next);
  await receipt(alice, 591, next);
  assert.deepEqual(
    alice.all("DeliveredMes").map(({ id: told }) => told),
    [id, next],
  );
});

test("[B-2] a session that does not read is told when it does, the latest only", async () => {
  const alice = await newUser(server.port, 600);
  const bob = await newUser(server.port, 601);
  const talker = await newUser(server.port, 602);
  alice.socket.pause();
  const filler = "f".repeat(4000);
  for (let n = 0; n < 2_000; n++) talker.say("SmsMes", { content: filler, mid: `fill${n}` });
  await talker.next("SmsResMes", ({ mid }) => mid === "fill1999");
  const pad = await login(600, { device: "pad", replay: "none" });
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) {
    const id = await tell(pad, 601);
    ids.push(id);
    await read(bob, 600, id);
    await receipt(pad, 601, id);
  }
  alice.socket.resume();
  await inTime("the last receipt", receipt(alice, 601, String(ids[2])));
  const told = alice.all("DeliveredMes").map(({ id }) => id);
  assert.ok(told.length <= ids.length, `told ${told.length} times`);
  assert.equal(told.at(-1), ids[2]);
});

/**
 * chatClientSends: what a client says and hears over links that fail: unanswered messages are said again with the same
 * mid and stored once, in order; what came is handed on once and acknowledged; whatever is cut, wherever.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { ChatClient } from "../lib/chatClient.ts";
import * as limits from "../lib/limits.ts";
import { FrameTap } from "./helpers/frames.ts";
import { type Direction, Gate } from "./helpers/gate.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { WatchedClient } from "./helpers/watchedClient.ts";
import { WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

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

/** A gate before a server, and what goes up through it, by connection. */
async function tappedGate(port: number): Promise<{ gate: Gate; saidOn: (connection: number) => FrameTap }> {
  const gate = await Gate.to(port);
  const taps = new Map<number, FrameTap>();
  const saidOn = (connection: number): FrameTap => {
    const tap = taps.get(connection) ?? new FrameTap();
    taps.set(connection, tap);
    return tap;
  };
  gate.tap = (direction, chunk, connection) => {
    if (direction === "up") saidOn(connection).take(chunk);
  };
  return { gate, saidOn };
}

/** Contents of a private conversation with oneself, as Redis has them. */
async function storedOf(userId: number): Promise<string[]> {
  const client = await WireClient.login(server.port, { userId, userPwd: `pw${userId}`, device: "looker" });
  const { messages } = await client.ask("HistoryMes", { conv: `u:${userId}`, limit: 200 }, "HistoryResMes");
  client.destroy();
  return (messages as { content: string }[]).map(({ content }) => content);
}

test("[C-5] an answer that was lost: said again with the same mid, stored once, in order", async () => {
  await registerUser(server.port, 100);
  const { gate, saidOn } = await tappedGate(server.port);
  const { client, clock } = await WatchedClient.login({ port: gate.port, userId: 100 });
  gate.drop("down");
  const outcomes = ["a", "b", "c"].map((content) => client.send({ conv: "u:100", content }));
  await until("the first to be stored", async () => (await redis.client.xlen("{c:dm:100:100}:log")) === 1);
  assert.equal(client.unsent, 3);
  assert.deepEqual(
    saidOn(1)
      .all("SmsMes")
      .map(({ content }) => content),
    ["a"],
    "one is on its way at a time",
  );
  gate.cut();
  gate.flow();
  await until("the link to be lost", () => client.state.kind === "offline");
  // Said without a link: it waits behind the others.
  outcomes.push(client.send({ conv: "u:100", content: "d" }));
  clock.advance(limits.clientReconnectFirstMs);
  const stored = await inTime("the answers", Promise.all(outcomes));
  assert.deepEqual(
    stored.map(({ kind }) => kind),
    ["stored", "stored", "stored", "stored"],
  );
  const again = saidOn(2).all("SmsMes");
  assert.deepEqual(
    again.map(({ content }) => content),
    ["a", "b", "c", "d"],
  );
  assert.equal(again[0]?.mid, saidOn(1).all("SmsMes")[0]?.mid);
  assert.equal(new Set(again.map(({ mid }) => mid)).size, 4, "each has a mid of its own");
  assert.deepEqual(await storedOf(100), ["a", "b", "c", "d"]);
  assert.equal(client.unsent, 0);
  client.close();
});

test("[C-5] [S-9] 429: the same message again after retryMs, not before; those behind it wait", async () => {
  const strict = await startSpecServer({ redis, rate: 1 });
  await registerUser(server.port, 110);
  const { gate, saidOn } = await tappedGate(strict.port);
  const down = new FrameTap();
  const upTap = gate.tap;
  gate.tap = (direction, chunk, connection) => {
    if (direction === "down") down.take(chunk);
    upTap(direction, chunk, connection);
  };
  const { client, clock } = await WatchedClient.login({ port: gate.port, userId: 110, random: () => 0 });
  const said = (): unknown[] =>
    saidOn(1)
      .all("SmsMes")
      .map(({ content }) => content);
  const contents = Array.from({ length: 7 }, (_, index) => `${index}`);
  const outcomes = contents.map((content) => client.send({ conv: "u:110", content }));
  const refused = await until("a 429", () => down.all("SmsResMes").find(({ code }) => code === 429));
  const retryMs = Number(refused.retryMs);
  assert.ok(retryMs > 0, `${retryMs} ms`);
  const saidUntilThen = said().length;
  await client.users({ limit: 1 });
  clock.advance(retryMs - 1);
  await client.users({ limit: 1 });
  assert.equal(said().length, saidUntilThen);
  clock.advance(1);
  await until("the message to be said again", () => said().length === saidUntilThen + 1);
  assert.equal(said().at(-1), said().at(-2));
  const all = Promise.all(outcomes).then(() => true);
  let done = false;
  void all.then(() => (done = true));
  await until("all to be stored", () => done || void clock.advance(50));
  assert.deepEqual(await storedOf(110), contents);
  client.close();
  await strict.close();
});

test("[C-5] [S-7] 503: the same mid again, until it is stored", async (t) => {
  await registerUser(server.port, 120);
  const { gate, saidOn } = await tappedGate(server.port);
  const { client, clock } = await WatchedClient.login({ port: gate.port, userId: 120, random: () => 1 });
  const said = (): unknown[] => saidOn(1).all("SmsMes");
  t.after(() => redis.client.config("SET", "maxmemory", "0"));
  await redis.client.config("SET", "maxmemory", "1");
  const outcome = client.send({ conv: "u:120", content: "patience", mid: "p" });
  await client.users({ limit: 1 });
  clock.advance(limits.clientRetryMs * 2);
  await until("the second try", () => said().length >= 2);
  await client.users({ limit: 1 });
  await redis.client.config("SET", "maxmemory", "0");
  let done = false;
  void outcome.then(() => (done = true));
  await until("it to be stored", () => done || void clock.advance(100));
  assert.equal((await outcome).kind, "stored");
  assert.ok(
    said().every((one) => (one as { mid: string }).mid === "p"),
    "always the same mid",
  );
  assert.deepEqual(await storedOf(120), ["patience"]);
  client.close();
});

test("[C-5] what is refused for good settles so, and those behind it are said; nothing poisons the link", async () => {
  await registerUser(server.port, 130);
  const gate = await Gate.to(server.port);
  const { client } = await WatchedClient.login({ port: gate.port, userId: 130 });
  const outcomes = await inTime(
    "all outcomes",
    Promise.all([
      client.send({ content: "" }),
      client.send({ content: "x", mid: "not a mid" }),
      client.send({ conv: "u:999130", content: "x" }),
      client.send({ conv: "nowhere", content: "x" }),
      client.send({ content: "x".repeat(limits.contentMaxUnits + 1) }),
      client.send({ content: "\u0001".repeat(100_000) }),
      client.send({ content: "x", mid: "m".repeat(100_000) }),
      client.send({ content: "x", conv: "u:" + "1".repeat(100_000) }),
      client.send({ conv: "u:130", content: "\u0001".repeat(limits.contentMaxUnits) }),
    ]),
  );
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.kind === "refused" ? outcome.code : outcome.kind)),
    [400, 400, 404, 404, 413, 413, 413, 413, "stored"],
  );
  assert.equal(gate.taken, 1, "the link was never lost");
  client.close();
});

test("[D-2] what was handed on is acknowledged every 5 s, at 500 messages, and at the end", async () => {
  const speaker = await newUser(server.port, 140);
  await registerUser(server.port, 141);
  const { gate, saidOn } = await tappedGate(server.port);
  const watched = await WatchedClient.login({ port: gate.port, userId: 141, device: "d" });
  const { client, clock } = watched;
  const acks = (): unknown[] =>
    saidOn(1)
      .all("AckMes")
      .map(({ conv, id }) => [conv, String(id).split("-")[1]]);
  const say = async (upTo: number): Promise<void> => {
    for (let line = watched.messages.length + 1; line <= upTo; line++) {
      speaker.say("SmsMes", { conv: "u:141", content: `${line}`, mid: `${line}` });
    }
    await until("the messages", () => watched.messages.length === upTo);
    await watched.settled();
  };
  await say(499);
  assert.deepEqual(acks(), [], "no time went by");
  await say(500);
  assert.deepEqual(acks(), [["u:140", "500"]]);
  await say(503);
  clock.advance(limits.clientAckMs);
  await watched.settled();
  assert.deepEqual(acks().slice(1), [["u:140", "503"]]);
  clock.advance(limits.clientAckMs);
  await watched.settled();
  assert.equal(acks().length, 2, "nothing new, no ack");
  await say(504);
  client.close();
  await until("the connection to end", () => gate.links === 0);
  assert.deepEqual(acks().slice(2), [["u:140", "504"]]);
  const again = await WireClient.login(server.port, { userId: 141, userPwd: "pw141", device: "d" });
  await again.settled();
  assert.deepEqual(again.all("SmsMes"), [], "all of it was safe");
  again.destroy();
  speaker.destroy();
});

test("[D-2] autoAck: false acknowledges by ack() alone; without one the messages come again", async () => {
  const speaker = await newUser(server.port, 150);
  await registerUser(server.port, 151);
  const options = { port: server.port, userId: 151, device: "d", autoAck: false };
  const first = await WatchedClient.login(options);
  for (const mid of ["1", "2"]) speaker.say("SmsMes", { conv: "u:151", content: mid, mid });
  await until("both", () => first.messages.length === 2);
  first.clock.advance(limits.clientAckMs);
  first.client.ack("u:150", first.messages[0]?.id ?? "");
  await first.settled();
  first.client.logout();
  const second = await WatchedClient.login(options);
  await second.settled();
  await until("the second one", () => second.messages.length > 0);
  await second.settled();
  assert.deepEqual(second.contentsOf(150), ["2"]);
  second.client.close();
  speaker.destroy();
});

test("[D-2] an acknowledgement that was lost with its link is made good; nothing is handed on twice", async () => {
  const speaker = await newUser(server.port, 160);
  await registerUser(server.port, 161);
  const { gate, saidOn } = await tappedGate(server.port);
  const watched = await WatchedClient.login({ port: gate.port, userId: 161, device: "d" });
  const { client, clock } = watched;
  speaker.say("SmsMes", { conv: "u:161", content: "once", mid: "1" });
  await until("the message", () => watched.messages.length === 1);
  await watched.settled();
  gate.drop("up");
  clock.advance(limits.clientAckMs);
  await until("the ack to be said", () => saidOn(1).all("AckMes").length === 1);
  gate.cut();
  gate.flow();
  clock.advance((await watched.becomes("offline")).nextTryMs);
  await watched.becomes("online");
  // What follows it in its conversation has come: so has the repetition.
  speaker.say("SmsMes", { conv: "u:161", content: "fence", mid: "2" });
  await until("the fence", () => watched.messages.length > 1);
  assert.deepEqual(watched.contentsOf(160), ["once", "fence"]);
  client.close();
  await until("the connection to end", () => gate.links === 0);

  // The same with nothing new behind it.
  const other = await WatchedClient.login({ port: gate.port, userId: 161, device: "e" });
  await until("both", () => other.messages.length === 2);
  gate.drop("up");
  other.clock.advance(limits.clientAckMs);
  await until("the ack to be said", () => saidOn(3).all("AckMes").length === 1);
  gate.cut();
  gate.flow();
  other.clock.advance((await other.becomes("offline")).nextTryMs);
  await other.becomes("online");
  await other.settled();
  await until("the ack to be said again", () => {
    other.clock.advance(limits.clientAckMs);
    return saidOn(4).all("AckMes").length > 0;
  });
  await other.settled();
  assert.equal(other.messages.length, 2);
  other.client.close();
  const last = await WireClient.login(server.port, { userId: 161, userPwd: "pw161", device: "e" });
  await last.settled();
  assert.deepEqual(last.all("SmsMes"), []);
  last.destroy();
  speaker.destroy();
});

test("[P-1] [P-2] online is who is there, over reconnects too; only changes after the list are news", async () => {
  await registerUser(server.port, 170);
  const other = await newUser(server.port, 171);
  const gate = await Gate.to(server.port);
  const watched = await WatchedClient.login({ port: gate.port, userId: 170 });
  const { client, clock, presence } = watched;
  await until("the list", () => client.online.has(171) && client.online.has(170));
  assert.equal(client.online.get(171), "user171");
  assert.ok(
    presence.every(({ initial }) => initial),
    "the list is no news",
  );
  gate.cut();
  other.destroy();
  clock.advance((await watched.becomes("offline")).nextTryMs);
  await watched.becomes("online");
  await until("that 171 has left", () => client.online.has(170) && !client.online.has(171));
  const told = presence.length;
  const third = await newUser(server.port, 172);
  await until("the news", () => client.online.get(172) === "user172");
  assert.ok(
    presence.slice(told).some(({ initial, online }) => !initial && online[0]?.userId === 172),
    "that is news",
  );
  third.destroy();
  client.close();
});

interface Cut {
  who: 0 | 1;
  direction: Direction;
  bytes: number;
}
const cutArbitrary: fc.Arbitrary<Cut> = fc.record({
  who: fc.constantFrom(0 as const, 1 as const),
  direction: fc.constantFrom("up" as const, "down" as const),
  bytes: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 4_000 })),
});

/** One who chats through a gate, with nothing but a token to come back with. */
async function chatter(userId: number): Promise<{ gate: Gate; watched: WatchedClient }> {
  await registerUser(server.port, userId);
  const login = { userId, userPwd: `pw${userId}`, device: "d" };
  const first = await WireClient.connect(server.port);
  const { token } = await first.ask("LoginMes", { v: 2, ...login }, "LoginResMes");
  first.destroy();
  const gate = await Gate.to(server.port);
  const watched = new WatchedClient({
    port: gate.port,
    userId,
    device: "d",
    replay: "all",
    token: String(token),
  });
  const { code } = await watched.client.login();
  assert.equal(code, 200);
  watched.hurry();
  return { gate, watched };
}

let nextUserId = 1_000;
test("[C-5] [D-1] [L-4] two who chat over links cut anywhere: every message arrives, once, in order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(cutArbitrary, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 5, max: 25 }),
      async (cuts, count) => {
        const ids: [number, number] = [nextUserId++, nextUserId++];
        const both = [await chatter(ids[0]), await chatter(ids[1])] as const;
        const waiting = [...cuts];
        const arm = (): void => {
          const cut = waiting.shift();
          if (cut) both[cut.who].gate.cutAfter(cut.direction, cut.bytes);
        };
        let madeBefore = 0;
        arm();
        const contents = Array.from({ length: count }, (_, index) => `${index}`);
        const sent = both.flatMap(({ watched }, index) =>
          contents.flatMap((content) => [
            watched.client.send({ conv: `u:${ids[1 - index]}`, content: `private ${content}` }),
            watched.client.send({ content: `all ${content}` }),
          ]),
        );
        let settled = 0;
        for (const one of sent) void one.then(({ kind }) => (settled += kind === "stored" ? 1 : 0));
        const heard = (index: 0 | 1, what: string): string[] =>
          both[index].watched.contentsOf(ids[1 - index] ?? 0).filter((content) => content.startsWith(what));
        await until(
          "all messages",
          () => {
            const made = both[0].gate.cuts + both[1].gate.cuts;
            if (made > madeBefore) arm();
            madeBefore = made;
            for (const { watched } of both) {
              if (watched.client.state.kind === "ended") {
                throw new Error(`ended: ${JSON.stringify(watched.client.state)}`);
              }
            }
            return (
              settled === sent.length &&
              both.every((_, index) => heard(index as 0 | 1, "").length >= 2 * count)
            );
          },
          20_000,
        );
        for (const index of [0, 1] as const) {
          for (const what of ["private", "all"]) {
            assert.deepEqual(
              heard(index, what),
              contents.map((content) => `${what} ${content}`),
            );
          }
        }
        for (const { gate, watched } of both) {
          watched.client.close();
          gate.close();
        }
      },
    ),
    { numRuns: 15 },
  );
});

test("[C-5] without reconnect the first end of the link is the end", async () => {
  await registerUser(server.port, 180);
  const gate = await Gate.to(server.port);
  const watched = await WatchedClient.login({ port: gate.port, userId: 180, reconnect: false });
  gate.stall("down");
  const outcome = watched.client.send({ content: "x", mid: "x" });
  gate.cut();
  assert.deepEqual(await watched.becomes("ended"), { kind: "ended", reason: "closed" });
  assert.deepEqual(await outcome, { kind: "unknown", mid: "x" });
  assert.equal(watched.clock.waiting, 0);
});

test("[C-5] no more than so many messages wait for an answer", async () => {
  const client = new ChatClient({ host: "127.0.0.1", port: server.port, userId: 1 });
  const outcomes = Array.from({ length: limits.clientOutgoingMax }, () => client.send({ content: "x" }));
  const { kind } = await client.send({ content: "one too many" });
  assert.equal(kind, "refused");
  client.close();
  const kinds = new Set((await Promise.all(outcomes)).map((outcome) => outcome.kind));
  assert.deepEqual([...kinds], ["unknown"]);
});

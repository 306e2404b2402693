/**
 * receiptsClient: a client acknowledges private messages soon, knows how far its own were received, and does without
 * where the server knows no receipts (clauses [C-8], [B-1] to [B-3]).
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { after, before, test } from "node:test";
import { DeliveredMarks } from "../lib/deliveredMarks.ts";
import * as limits from "../lib/limits.ts";
import { FrameTap } from "./helpers/frames.ts";
import { Gate } from "./helpers/gate.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { WatchedClient } from "./helpers/watchedClient.ts";
import { frameOf, registerUser } from "./helpers/wireClient.ts";

const clock = new ManualClock();
let redis: SpecRedis;
let server: SpecServer;

before(async () => {
  redis = await startRedis();
  server = await startSpecServer({ redis, clock });
});
after(async () => {
  await server.close();
  await redis.stop();
});

async function storedId(watched: WatchedClient, conv: string): Promise<string> {
  const outcome = await watched.client.send({ conv, content: "x" });
  assert.equal(outcome.kind, "stored");
  return outcome.kind === "stored" ? outcome.id : "";
}

test("[C-8] private messages are acknowledged within 1 s, those to everybody as before", async () => {
  await registerUser(server.port, 800);
  await registerUser(server.port, 801);
  const tap = new FrameTap();
  const gate = await Gate.to(server.port);
  gate.tap = (direction, chunk) => {
    if (direction === "up") tap.take(chunk);
  };
  const alice = await WatchedClient.login({ port: server.port, userId: 800 });
  const bob = await WatchedClient.login({ port: gate.port, userId: 801 });
  const toAll = await storedId(alice, "all");
  await storedId(alice, "u:801");
  const last = await storedId(alice, "u:801");
  await until("both", () => bob.messages.length === 3);
  assert.ok(limits.clientPrivateAckMs < 1_000, "soon enough");
  bob.clock.advance(limits.clientPrivateAckMs - 1);
  await bob.settled();
  assert.deepEqual(tap.all("AckMes"), []);
  bob.clock.advance(1);
  await bob.settled();
  assert.deepEqual(tap.all("AckMes"), [{ conv: "u:800", id: last }]);
  bob.clock.advance(limits.clientAckMs);
  await bob.settled();
  assert.deepEqual(tap.all("AckMes")[1], { conv: "all", id: toAll });
  // The next one is not waited for by the one before.
  const next = await storedId(alice, "u:801");
  await until("the next one", () => bob.messages.length === 4);
  bob.clock.advance(limits.clientPrivateAckMs);
  await bob.settled();
  assert.deepEqual(tap.all("AckMes")[2], { conv: "u:800", id: next });
  gate.close();
});

test("[B-1] [B-2] [B-3] a client is told of each receipt once, and what it missed at its next log-in", async () => {
  await registerUser(server.port, 810);
  await registerUser(server.port, 811);
  const gate = await Gate.to(server.port);
  const told: string[] = [];
  const delivered = ({ id }: { id: string }): number => told.push(id);
  const alice = new WatchedClient({ port: gate.port, userId: 810, events: { delivered } });
  await alice.client.login();
  const bob = await WatchedClient.login({ port: server.port, userId: 811 });
  const received = async (id: string): Promise<void> => {
    await until("the message", () => bob.messages.some((message) => message.id === id));
    bob.clock.advance(limits.clientPrivateAckMs);
    await bob.settled();
    clock.advance(limits.cursorFlushMs);
    await until(
      "its being written",
      async () => (await redis.client.hget("{u:811}:received", "dm:810:811")) === id,
    );
  };
  const first = await storedId(alice, "u:811");
  assert.equal(alice.client.delivered.of("u:811"), null);
  await received(first);
  await until("the receipt", () => alice.client.delivered.of("u:811") === first);
  assert.equal((await alice.client.why({ conv: "u:811", id: first })).devices[0]?.acked, true);
  await assert.rejects(alice.client.why({ conv: "u:811", id: "1-1" }), { code: 404 });
  const second = await storedId(alice, "u:811");
  gate.cut();
  await alice.becomes("offline");
  await received(second);
  alice.clock.advance(limits.clientReconnectMaxMs);
  await alice.becomes("online");
  await until("the receipt", () => alice.client.delivered.covers("u:811", second));
  assert.deepEqual(told, [first, second]);
  gate.close();
});

test("[C-8] a server that knows no receipts is one without", async () => {
  const old = createServer((socket) => {
    const tap = new FrameTap();
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      tap.take(chunk);
      for (const { type } of tap.frames.splice(0)) {
        const convs = [{ conv: "u:1", userName: "one", head: "5-1", cursor: "5-0", unread: 1 }];
        if (type === "LoginMes") socket.write(frameOf("LoginResMes", { code: 200, error: "", convs }));
        if (type === "WhyMes")
          socket.write(frameOf("ErrorMes", { code: 400, error: "unknown type", of: "WhyMes" }));
      }
    });
  }).listen(0, "127.0.0.1");
  await once(old, "listening");
  const alice = await WatchedClient.login({ port: (old.address() as AddressInfo).port, userId: 820 });
  assert.equal(alice.client.delivered.of("u:1"), null);
  assert.equal(alice.client.delivered.covers("u:1", "5-1"), false);
  await assert.rejects(alice.client.why({ conv: "u:1", id: "5-1" }), { code: 400 });
  alice.client.close();
  old.close();
});

test("[B-2] marks only go up, by epoch and seq as numbers", () => {
  const marks = new DeliveredMarks();
  const noted = ["0-0", "5-9", "5-10", "5-9", "5-10", "6-1", "5-99", "x", "10-2"].map((id) =>
    marks.note("u:1", id),
  );
  assert.deepEqual(noted, [false, true, true, false, false, true, false, false, true]);
  assert.equal(marks.of("u:1"), "10-2");
  assert.equal(marks.of("u:2"), null);
  assert.equal(marks.covers("u:1", "9-99"), true);
  assert.equal(marks.covers("u:1", "10-3"), false);
});

/**
 * deadlines: what a connection has to have said by when, on a live server whose clock is moved by hand. Connections
 * are looked at once a second, so each test moves the clock by whole seconds in all.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Deadlines } from "../lib/deadlines.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { ServerSockets } from "./helpers/serverSockets.ts";
import { inTime } from "./helpers/wait.ts";
import { WireClient, frameOf, newUser, registerUser } from "./helpers/wireClient.ts";

const clock = new ManualClock();
let redis: SpecRedis;
let server: SpecServer;
let sockets: ServerSockets;

before(async () => {
  sockets = new ServerSockets();
  redis = await startRedis();
  server = await startSpecServer({ redis, clock });
});
after(async () => {
  sockets.stop();
  await server.close();
  await redis.stop();
});

const ping = frameOf("PingMes", { n: 1 });

/** Connected, as far as the server too knows. */
async function connected(): Promise<WireClient> {
  const client = await WireClient.connect(server.port);
  await sockets.of(client);
  return client;
}

/** Says a frame that is answered, whatever the state: the connection is open. */
async function assertOpen(client: WireClient): Promise<void> {
  client.bytes(frameOf("NoSuchMes", {}));
  await client.next("ErrorMes");
}

async function assertClosed(client: WireClient): Promise<void> {
  assert.equal(await inTime("the server's end", client.closed), "end");
}

test("[F-7] the first frame has to be whole within 10 s of connecting", async () => {
  const silent = await connected();
  const half = await connected();
  const prompt = await connected();
  half.bytes(ping.subarray(0, -1));
  await sockets.hasRead(half, ping.length - 1);
  clock.advance(9_999);
  await assertOpen(prompt);
  assert.equal(silent.isClosed || half.isClosed, false);
  clock.advance(1);
  await assertClosed(silent);
  await assertClosed(half);
  assert.deepEqual([...silent.heard, ...half.heard], []);
  await assertOpen(prompt);
  prompt.destroy();
});

test("[F-7] the first frame begun early and finished at 9,999 ms is in time", async () => {
  const client = await connected();
  client.bytes(ping.subarray(0, 5));
  await sockets.hasRead(client, 5);
  clock.advance(9_999);
  client.bytes(ping.subarray(5));
  assert.equal((await client.next("ErrorMes")).data.code, 401);
  clock.advance(1);
  await assertOpen(client);
  client.destroy();
});

test("[F-7] the log-in has to be done within 30 s, whatever else is said", async () => {
  await registerUser(server.port, 100);
  const login = { userId: 100, userPwd: "pw100", v: 2 };
  const talker = await connected();
  const last = await connected();
  for (const stepMs of [9_000, 9_000, 9_000, 2_999]) {
    clock.advance(stepMs);
    await assertOpen(talker);
    assert.equal((await last.ask("LoginMes", { ...login, userPwd: "x" }, "LoginResMes")).code, 403);
  }
  assert.equal((await last.ask("LoginMes", login, "LoginResMes")).code, 200);
  clock.advance(1);
  await assertClosed(talker);
  clock.advance(60_000);
  await assertOpen(last);
  last.destroy();
});

test("[F-7] a started frame has to be whole within 15 s, however steadily its bytes drip", async () => {
  const dripping = await newUser(server.port, 110);
  const half = await newUser(server.port, 111);
  const slow = await newUser(server.port, 112);
  const readBefore = new Map<WireClient, number>();
  for (const client of [dripping, half, slow]) {
    readBefore.set(client, (await sockets.of(client)).bytesRead);
    client.bytes(ping.subarray(0, 4));
    await sockets.hasRead(client, (readBefore.get(client) ?? 0) + 4);
  }
  for (const [index, stepMs] of [5_000, 5_000, 4_999].entries()) {
    clock.advance(stepMs);
    dripping.bytes(ping.subarray(4 + index, 5 + index));
    await sockets.hasRead(dripping, (readBefore.get(dripping) ?? 0) + 5 + index);
  }
  assert.equal(dripping.isClosed || half.isClosed, false);
  slow.bytes(ping.subarray(4));
  assert.equal((await slow.next("PongMes")).data.n, 1);
  clock.advance(1);
  await assertClosed(half);
  await assertClosed(dripping);
  await assertOpen(slow);
  // Each frame has its own 15 s: the next one begins with its own first byte.
  slow.bytes(Buffer.concat([ping, ping.subarray(0, 7)]));
  await slow.next("PongMes");
  clock.advance(14_000);
  slow.bytes(Buffer.concat([ping.subarray(7), ping.subarray(0, 7)]));
  await slow.next("PongMes");
  clock.advance(14_000);
  await assertOpenInsideFrame(slow, ping.subarray(7));
  slow.destroy();
});

async function assertOpenInsideFrame(client: WireClient, rest: Buffer): Promise<void> {
  client.bytes(rest);
  await client.next("PongMes");
}

test("[F-7] a started frame has 15 s before log-in too", async () => {
  const client = await connected();
  await assertOpen(client);
  client.bytes(ping.subarray(0, 4));
  await sockets.hasRead(client, frameOf("NoSuchMes", {}).length + 4);
  clock.advance(15_000);
  await assertClosed(client);
});

test("[K-2] a modern session that has ever pinged is closed after 15 s of silence", async () => {
  const pinged = await newUser(server.port, 120);
  const alive = await newUser(server.port, 121);
  const neverPinged = await newUser(server.port, 122);
  for (const client of [pinged, alive]) await client.settled();
  clock.advance(14_000);
  // Anything said is no silence, not only PingMes.
  await assertOpen(alive);
  clock.advance(999);
  await assertOpen(alive);
  assert.equal(pinged.isClosed, false);
  clock.advance(1);
  await assertClosed(pinged);
  await assertOpen(alive);
  clock.advance(14_999);
  await assertOpen(alive);
  clock.advance(15_001);
  await assertClosed(alive);
  clock.advance(600_000);
  await assertOpen(neverPinged);
  neverPinged.destroy();
});

test("[D-6] [K-2] a reader that takes nothing and pings is not silent: it is we who do not listen", async () => {
  const reader = await newUser(server.port, 140);
  const speaker = await newUser(server.port, 141);
  await reader.settled();
  reader.socket.pause();
  const theirs = await sockets.of(reader);
  let mid = 0;
  while (!theirs.isPaused()) {
    await speaker.ask("SmsMes", { content: "x".repeat(4000), mid: `${++mid}` }, "SmsResMes");
    reader.bytes(ping);
  }
  for (let seconds = 0; seconds < 40; seconds++) {
    clock.advance(1_000);
    reader.bytes(ping);
    speaker.bytes(ping);
    await speaker.next("PongMes");
  }
  assert.equal(theirs.destroyed, false);
  reader.socket.resume();
  await reader.hears("all that was said", () => reader.all("SmsMes").length === mid);
  assert.deepEqual(
    reader.all("SmsMes").map((message) => message.mid),
    Array.from({ length: mid }, (_, index) => `${index + 1}`),
  );
  // Listened to again, it has to say something like anybody else.
  await reader.settled();
  clock.advance(15_000);
  await assertClosed(reader);
  speaker.destroy();
});

test("[K-2] what a session hears is no sign of life of it", async () => {
  const silent = await newUser(server.port, 130);
  const speaker = await newUser(server.port, 131);
  await silent.settled();
  clock.advance(14_000);
  speaker.say("SmsMes", { content: "anybody there?", mid: "a" });
  await silent.next("SmsMes");
  clock.advance(1_000);
  await assertClosed(silent);
  speaker.destroy();
});

test("[K-5] who has taken no more for certain has vanished after 60 s, however the bytes fall that were sent while the kernel was asked", () => {
  const deadlines = new Deadlines(0);
  deadlines.heardFrame = true;
  const now = { hasSession: true, waitsForUs: false, pings: false, isPaused: false, backlogBytes: 0 };
  const overdue = (atMs: number): unknown => deadlines.overdue(atMs, { ...now, takenBytes: 2_000 });
  // 1,000 bytes have arrived, and no more ever do; what is known for certain is less, and at times more again.
  deadlines.arrived(5_000, { bytes: 700, atMostBytes: 1_100, tries: 1 });
  for (let atMs = 6_000; atMs < 65_000; atMs += 1_000) {
    deadlines.arrived(atMs, { bytes: 700 + (atMs % 7_000) / 25, atMostBytes: 1_300, tries: 3 });
    assert.equal(overdue(atMs), null, `after ${atMs} ms`);
  }
  deadlines.arrived(65_000, { bytes: 1_000, atMostBytes: 1_000, tries: 4 });
  assert.equal(overdue(65_000), "vanished");
});

test("[D-6] [K-5] who answers, takes more or says something has not vanished", () => {
  const now = { hasSession: true, waitsForUs: false, pings: false, isPaused: false, backlogBytes: 0 };
  for (const sign of ["answers", "takes", "says"]) {
    const deadlines = new Deadlines(0);
    deadlines.heardFrame = true;
    let bytes = 10;
    for (let atMs = 5_000; atMs < 600_000; atMs += 1_000) {
      const isTime = atMs % 55_000 === 0;
      if (isTime && sign === "says") deadlines.heardMs = atMs;
      if (isTime && sign === "takes") bytes++;
      const tries = isTime && sign === "answers" ? 0 : 5;
      deadlines.arrived(atMs, { bytes, atMostBytes: bytes, tries });
      assert.equal(deadlines.overdue(atMs, { ...now, takenBytes: 2_000 }), null, `${sign}, ${atMs} ms`);
    }
  }
});

/**
 * vanished: peers that go without a word, no FIN and no reset, while lines are written to them, as the kernel sees it, on
 * a live server whose clock is moved by hand.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { socketTableBytesPerSecondMax } from "../lib/limits.ts";
import { looked, reappear, unacknowledged, vanish } from "./helpers/kernelTable.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { ServerSockets } from "./helpers/serverSockets.ts";
import { until } from "./helpers/wait.ts";
import { WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

const clock = new ManualClock();
const sockets = new ServerSockets();
let redis: SpecRedis;
let server: SpecServer;
let speaker: WireClient;

before(async () => {
  redis = await startRedis();
  server = await startSpecServer({ redis, clock });
  speaker = await newUser(server.port, 1);
});
after(async () => {
  sockets.stop();
  await server.close();
  await redis.stop();
});

/** Seconds of the server go by, and it has looked at what has arrived. */
async function pass(seconds: number): Promise<void> {
  clock.advance(seconds * 1_000);
  speaker.say("PingMes", { n: 1 });
  await speaker.next("PongMes");
  await looked();
}

let said = 0;
let lastId = "";

/** Says a line to all; its text. */
async function say(chars = 0): Promise<string> {
  const mid = `${++said}`;
  const content = mid.padEnd(chars, ".");
  const { code, id } = await speaker.ask("SmsMes", { content, mid }, "SmsResMes");
  assert.equal(code, 200);
  lastId = String(id);
  return content;
}

/** Logs in; `v` as in LoginMes: undefined is the first generation. */
const login = (userId: number, v: 2 | undefined): Promise<WireClient> =>
  WireClient.login(server.port, { userId, userPwd: `pw${userId}`, v, ...(v && { device: "legacy" }) });

const linesOf = (client: WireClient): string[] => client.all("SmsMes").map(({ content }) => String(content));

/** Waits until the reader has heard these and no others, while the pauses of its bursts go by. */
async function hears(reader: WireClient, lines: string[]): Promise<void> {
  await until("the last line", () => {
    clock.advance(2);
    return linesOf(reader).length >= lines.length;
  });
  assert.deepEqual(linesOf(reader), lines);
}

/** Seconds go by until the reader's cursor is at the last line that was said. */
async function settles(userId: number): Promise<void> {
  await until("the cursor to move", async () => {
    await pass(1);
    return (await redis.client.hget(`{u:${userId}}:cursors`, "legacy|all")) === lastId;
  });
}

/** How the server has ended the session of a user; undefined: it has not. */
const endOf = (userId: number): unknown =>
  server.events.findLast((one) => one.event === "session_closed" && one.userId === userId)?.reason;

/** Logs in again, and hears these lines and what is said now. */
async function assertComeAgain(userId: number, v: 2 | undefined, lines: string[]): Promise<void> {
  const again = await login(userId, v);
  await hears(again, [...lines, await say()]);
  again.destroy();
}

for (const [reader, userId, v] of [
  ["a first-generation reader", 10, undefined],
  ["a modern one that does not ping", 20, 2],
] as const) {
  test(`[G-9] [K-5] ${reader} vanishes while lines are written to it: gone after 60 s, and each of them comes again`, async () => {
    await registerUser(server.port, userId);
    const session = await login(userId, v);
    await hears(session, [await say(), await say()]);
    if (v) session.say("AckMes", { conv: "all", id: lastId });
    await settles(userId);

    vanish(session);
    const lines = [await say()];
    await until("the kernel to try in vain", async () => (await unacknowledged(session)).tries > 0);
    let seconds = 0;
    let tableBytes = 0;
    while (endOf(userId) === undefined && seconds < 120) {
      const step = seconds < 55 ? 5 : 1;
      await pass(step);
      seconds += step;
      lines.push(await say());
      tableBytes = Math.max(tableBytes, readFileSync("/proc/self/net/tcp").length);
    }
    assert.equal(endOf(userId), "vanished");
    // Looked after when it was not heard for 5 s, at the end of a step of 5 s, and as often as such a table is read.
    const lookS = Math.ceil(tableBytes / socketTableBytesPerSecondMax) + 1;
    assert.ok(seconds >= 60 && seconds <= 70 + 2 * lookS, `ended after ${seconds} s, looks every ${lookS} s`);
    await until("the others to be told", async () => {
      await pass(1);
      return speaker.all("PresenceMes").some(({ offline }) => (offline as number[]).includes(userId));
    });
    session.destroy();
    await assertComeAgain(userId, v, lines);
  });

  test(`[G-9] [K-5] ${reader} is away for 50 s and there again: all comes, once, and it stays`, async () => {
    await registerUser(server.port, userId + 1);
    const session = await login(userId + 1, v);
    const lines = [await say()];
    await hears(session, lines);
    vanish(session);
    lines.push(await say());
    await until("the kernel to try in vain", async () => (await unacknowledged(session)).tries > 0);
    for (let seconds = 0; seconds < 50; seconds += 5) {
      await pass(5);
      lines.push(await say());
    }
    reappear(session);
    await hears(session, lines);
    for (let seconds = 0; seconds < 90; seconds += 5) await pass(5);
    lines.push(await say());
    await hears(session, lines);
    if (v) session.say("AckMes", { conv: "all", id: lastId });
    await settles(userId + 1);
    session.destroy();
    await assertComeAgain(userId + 1, v, []);
  });
}

/** Logs in and takes nothing more, while lines are said: more than its kernel takes, and less than ours does. */
async function stall(userId: number, v: 2 | undefined): Promise<{ session: WireClient; lines: string[] }> {
  await registerUser(server.port, userId);
  const session = await login(userId, v);
  session.socket.pause();
  const lines: string[] = [];
  while ((await unacknowledged(session)).bytes === 0 || lines.length < 40) {
    lines.push(await say(4_000));
    clock.advance(2);
  }
  return { session, lines };
}

for (const [reader, userId, v] of [
  ["a first-generation reader", 30, undefined],
  ["a modern one", 31, 2],
] as const) {
  test(`[D-6] [K-5] ${reader} that takes nothing and says nothing, but whose kernel answers, is slow and not gone`, async () => {
    const { session, lines } = await stall(userId, v);
    for (let seconds = 0; seconds < 100; seconds += 5) {
      // It answers the probes of ours, but not two within half a second, and this clock runs ahead.
      await until("its kernel to answer", async () => (await unacknowledged(session)).tries === 0);
      await pass(5);
    }
    assert.equal((await sockets.of(session)).writableLength, 0, "our kernel has it all");
    assert.equal(endOf(userId), undefined);
    session.socket.resume();
    await hears(session, lines);
    session.destroy();
  });
}

test("[G-9] what a reader's kernel has never taken is not settled, however long ago it was written", async () => {
  const { session, lines } = await stall(40, undefined);
  for (let seconds = 0; seconds < 30; seconds += 5) await pass(5);
  const theirs = await sockets.of(session);
  const acknowledged = theirs.bytesWritten - (await unacknowledged(session)).bytes;
  session.socket.resetAndDestroy();
  await until("the end", () => endOf(40) !== undefined);

  const again = await login(40, undefined);
  const fence = await say();
  await until("the line behind them", () => {
    clock.advance(2);
    return linesOf(again).includes(fence);
  });
  const come = linesOf(again);
  const settled = lines.length - (come.length - 1);
  assert.deepEqual(come, [...lines.slice(settled), fence]);
  assert.ok(settled * 4_000 <= acknowledged, `${settled} lines, ${acknowledged} bytes acknowledged`);
  again.destroy();
});

test("[G-9] [R-13] of a client behind a proxy it is the proxy's socket that is asked after", async () => {
  await registerUser(server.port, 50);
  const ownClock = new ManualClock();
  const trusting = await startSpecServer({ redis, clock: ownClock, trustProxy: ["127.0.0.1"] });
  const session = await WireClient.connect(trusting.port);
  session.bytes(Buffer.from("PROXY TCP4 203.0.113.9 192.0.2.1 54321 8889\r\n"));
  session.say("LoginMes", { userId: 50, userPwd: "pw50" });
  await session.next("LoginResMes");
  const line = await say();
  await until("the line", () => {
    ownClock.advance(2);
    return linesOf(session).includes(line);
  });
  await until("the cursor to move", async () => {
    ownClock.advance(1_000);
    await looked();
    return (await redis.client.hget("{u:50}:cursors", "legacy|all")) === lastId;
  });
  session.destroy();
  await trusting.close();
});

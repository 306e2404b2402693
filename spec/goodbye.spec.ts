/**
 * goodbye: how connections end: by LogoutMes, with the server, with a peer that has vanished.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type { Journal } from "../lib/journal.ts";
import { PresenceBoard } from "../lib/presence.ts";
import { PresenceDao } from "../lib/presenceDao.ts";
import { connectRedis } from "../lib/redis.ts";
import { parseRedisUrl } from "../lib/redisUrl.ts";
import { type Output, Session } from "../lib/session.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
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

test("[K-3] LogoutMes: the user leaves the list at once, though it keeps its side open, then the server closes", async () => {
  const watcher = await newUser(server.port, 100);
  const leaver = await newUser(server.port, 101);
  await watcher.hears("user 101", () =>
    watcher.all("PresenceMes").some(({ online }) => JSON.stringify(online).includes('"userId":101,')),
  );
  // It does not see the server's end, so it does not end its own side.
  leaver.socket.pause();
  leaver.say("LogoutMes", {});
  await watcher.hears("that 101 has left", () =>
    watcher.all("PresenceMes").some(({ offline }) => (offline as number[]).includes(101)),
  );
  const { users } = await watcher.ask("UsersMes", { limit: 500 }, "UsersResMes");
  assert.equal(
    (users as { userId: number }[]).some(({ userId }) => userId === 101),
    false,
  );
  leaver.socket.resume();
  assert.equal(await inTime("the server's end", leaver.closed), "end");
  watcher.destroy();
});

test("[K-3] [M-5] what was asked before LogoutMes is answered, what comes after it is not looked at", async () => {
  const client = await newUser(server.port, 110, { presence: false });
  client.say("SmsMes", { conv: "u:110", content: "a", mid: "a" });
  client.say("LogoutMes", {});
  client.say("SmsMes", { conv: "u:110", content: "b", mid: "b" });
  assert.equal(await client.closed, "end");
  assert.deepEqual(
    client.all("SmsResMes").map(({ mid, code }) => [mid, code]),
    [["a", 200]],
  );
  const again = await WireClient.login(server.port, { userId: 110, userPwd: "pw110", presence: false });
  await again.ask("SmsMes", { conv: "u:110", content: "c", mid: "c" }, "SmsResMes");
  assert.equal(await redis.client.xlen("{c:dm:110:110}:log"), 2);
  again.destroy();
});

test("[K-4] [G-8] a server that goes away: GoAwayMes 503 to modern sessions, legacy ones end after their bytes", async () => {
  const leaving = await startSpecServer({ redis });
  const speaker = await newUser(leaving.port, 200, { replay: "none" });
  await registerUser(leaving.port, 201);
  await registerUser(leaving.port, 202);
  const legacy = await WireClient.login(leaving.port, { userId: 201, userPwd: "pw201", v: undefined });
  const modern = await WireClient.login(leaving.port, { userId: 202, userPwd: "pw202", replay: "none" });
  const stranger = await WireClient.connect(leaving.port);
  assert.equal((await stranger.ask("PingMes", { n: 1 }, "ErrorMes")).code, 401);
  // More than a burst, less than what makes a reader slow: all of it is the session's when the modern one has it.
  const lines = 24;
  for (let line = 0; line < lines; line++) {
    speaker.say("SmsMes", { content: `${line} ` + "x".repeat(3900), mid: `l${line}` });
  }
  await modern.hears("the last line", () => modern.all("SmsMes").length === lines);
  await leaving.close();

  for (const client of [speaker, modern]) {
    assert.equal(await inTime("the end", client.closed), "end");
    const { type, data } = client.heard.at(-1) ?? {};
    assert.deepEqual([type, data?.code, typeof data?.reason], ["GoAwayMes", 503, "string"]);
    assert.ok(Number(data?.retryMs) > 0, "Number(data?.retryMs) > 0");
    assert.equal(client.all("GoAwayMes").length, 1);
  }
  assert.equal(await inTime("the end", stranger.closed), "end");
  assert.equal(await inTime("the end", legacy.closed), "end");
  assert.deepEqual(legacy.all("GoAwayMes"), []);
  assert.deepEqual(
    legacy
      .all("SmsMes")
      .filter(({ userId }) => userId === 200)
      .map(({ content }) => Number(String(content).split(" ")[0])),
    Array.from({ length: lines }, (_, line) => line),
  );
  await assert.rejects(WireClient.connect(leaving.port), { code: "ECONNREFUSED" });
});

test("[K-4] [X-2] a server that goes away: its clients come back one by one, and what they acknowledged is stored", async () => {
  const leaving = await startSpecServer({ redis });
  const speaker = await newUser(server.port, 230);
  const readers: WireClient[] = [];
  for (let n = 0; n < 12; n++) readers.push(await newUser(leaving.port, 231 + n, { device: "d" }));
  const { id } = await speaker.ask("SmsMes", { content: "last words", mid: "m" }, "SmsResMes");
  for (const reader of readers) {
    await reader.next("SmsMes", (data) => data.id === id);
    reader.say("AckMes", { conv: "all", id });
    await reader.settled();
  }
  await leaving.close();
  const retriesMs = readers.map((reader) => Number(reader.all("GoAwayMes")[0]?.retryMs));
  assert.ok(new Set(retriesMs).size > 6, `spread: ${retriesMs.join(" ")}`);
  assert.ok(
    retriesMs.every((retryMs) => retryMs >= 500 && retryMs <= 1000),
    `few, and so soon: ${retriesMs.join(" ")}`,
  );
  for (const [index] of readers.entries()) {
    assert.equal(await redis.client.hget(`{u:${231 + index}}:cursors`, "d|all"), id);
  }
  speaker.destroy();
});

test("[K-4] [X-2] [G-9] a server that goes away: a first-generation reader's cursor is stored as well", async () => {
  const clock = new ManualClock();
  const leaving = await startSpecServer({ redis, clock });
  await registerUser(server.port, 250);
  const legacy = await WireClient.login(leaving.port, { userId: 250, userPwd: "pw250", v: undefined });
  const speaker = await newUser(server.port, 251);
  const { id } = await speaker.ask("SmsMes", { content: "last words", mid: "m" }, "SmsResMes");
  await legacy.next("SmsMes", ({ content }) => content === "last words");
  // A round later the server knows that its bytes were taken.
  await speaker.settled();
  // Long enough ago for a reader that ends its side in good order, and not for the clock alone.
  clock.advance(2_500);
  await leaving.close();
  assert.equal(await legacy.closed, "end");
  assert.equal(await redis.client.hget("{u:250}:cursors", "legacy|all"), id);
  speaker.destroy();
});

test("[K-4] a server that goes away is not held up by those who do not read", async () => {
  const clock = new ManualClock();
  const leaving = await startSpecServer({ redis, clock });
  const clients = [await newUser(leaving.port, 210), await WireClient.connect(leaving.port)];
  for (const client of clients) client.socket.pause();
  let ended = false;
  const closing = leaving.close().then(() => (ended = true));
  await until("the server's end", () => ended || void clock.advance(100));
  await closing;
  assert.ok(clock.monotonicMs() <= 9_000, `${clock.monotonicMs()} ms`);
  for (const client of clients) client.destroy();
});

test("[K-4] [P-2] who leaves while presence is being closed keeps nothing running, and no ghost in the list", async (t) => {
  const journal: Journal = { write: () => undefined };
  const clock = new ManualClock();
  const store = await connectRedis({ address: parseRedisUrl(redis.url), journal, role: "store" });
  t.after(() => store.close());
  const presence = new PresenceBoard({ presenceDao: new PresenceDao(store, "leaving"), clock, journal });
  await presence.open();
  const facts = { userId: 220, userName: "220", sex: "", device: "d", since: null, address: "" };
  const output: Output = {
    backlogBytes: 0,
    write: () => undefined,
    whenDrained: (callback) => callback(),
    close: () => undefined,
  };
  const [one, other] = [220, 221].map(
    (userId) => new Session({ ...facts, userId, replay: "all", presence: true }, output, null),
  );
  assert.ok(one && other, "one && other");
  presence.came(one);
  presence.came(other);
  clock.advance(1_000);
  // A window is being written to Redis now.
  presence.left(one, false);
  const closed = presence.leave();
  presence.left(other, false);
  await closed;
  assert.equal(clock.waiting, 0);
  presence.left(one, true);
  assert.equal(clock.waiting, 0);
  assert.equal(await redis.client.exists("{online}:node:leaving"), 0);
});

/** What the kernel is timing for the server's end of this client's connection, from /proc/net/tcp: kind, ms left. */
function kernelTimer(client: WireClient): { kind: number; leftMs: number } {
  const hexPort = (port: number): string => port.toString(16).toUpperCase().padStart(4, "0");
  const local = `0100007F:${hexPort(server.port)}`;
  const remote = `0100007F:${hexPort(client.socket.localPort ?? 0)}`;
  const line = readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((one) => one.trim().split(/\s+/))
    .find((fields) => fields[1] === local && fields[2] === remote);
  const [kind = "", left = ""] = line?.[5]?.split(":") ?? [];
  return { kind: parseInt(kind, 16), leftMs: parseInt(left, 16) * 10 };
}

test("[K-5] an idle connection is watched by TCP keepalive, first asked within 8 s", async () => {
  const stranger = await WireClient.connect(server.port);
  await stranger.ask("PingMes", { n: 1 }, "ErrorMes");
  const session = await newUser(server.port, 300, { presence: false });
  const keepaliveTimer = 2;
  for (const client of [stranger, session]) {
    const { leftMs } = await until("a keepalive timer", () => {
      const timer = kernelTimer(client);
      return timer.kind === keepaliveTimer && timer;
    });
    // Ten probes a second apart follow (libuv's): 8 s + 10 s is less than the 20 s of the clause.
    assert.ok(leftMs > 0 && leftMs <= 8_500, `${leftMs} ms`);
    client.destroy();
  }
});

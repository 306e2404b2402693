/**
 * loginQueue: many log-ins by password at once: they wait their turn, and nobody is refused for good (clause [L-9]).
 */
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { after, before, test } from "node:test";
import type { CodedError } from "../lib/codes.ts";
import { usersKey } from "../lib/keys.ts";
import * as limits from "../lib/limits.ts";
import { PasswordHasher } from "../lib/password.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { ServerSockets } from "./helpers/serverSockets.ts";
import { WatchedClient } from "./helpers/watchedClient.ts";
import { WireClient, frameOf, registerUser } from "./helpers/wireClient.ts";

const cheap = { memoryKiB: 64, passes: 1 };
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

const here = { patient: false, isWanted: () => true };
const codeOf = ({ code }: { code?: unknown }): unknown => code;

test("[L-9] 1,000 log-ins by password at once, of both generations, all come in at their first try", async () => {
  const pwd = await new PasswordHasher(cheap).hash("pw", here);
  const ids = Array.from({ length: 1000 }, (_, index) => 1000 + index);
  const records = ids.flatMap((userId) => [
    String(userId),
    JSON.stringify({ userId, userName: `u${userId}`, sex: "", pwd, since: "0-0" }),
  ]);
  await redis.client.hset(usersKey, ...records);
  const clients = await Promise.all(ids.map(() => WireClient.connect(server.port)));
  const answers = await Promise.all(
    clients.map((client, index) => {
      const generation = index % 2 === 0 ? { v: 2, presence: false } : {};
      return client.ask("LoginMes", { userId: ids[index], userPwd: "pw", ...generation }, "LoginResMes");
    }),
  );
  assert.deepEqual(new Set(answers.map(codeOf)), new Set([200]));
  for (const client of clients) client.destroy();
});

test("[L-9] a wait that would be too long is 503 with the moment when a place is free; who cannot come back waits", async () => {
  const hasher = new PasswordHasher(cheap);
  const slotMs = limits.hashGuessMs / availableParallelism();
  const fitting = availableParallelism() + Math.ceil(limits.hashWaitMaxMs / slotMs);
  const refusals: CodedError[] = [];
  const eager = Array.from({ length: fitting + 2000 }, () =>
    hasher.hash("pw", here).catch((error: CodedError) => void refusals.push(error)),
  );
  const patient = Array.from({ length: fitting + 500 }, () => hasher.hash("pw", { ...here, patient: true }));
  const gone = hasher.hash("pw", { patient: true, isWanted: () => false });
  await assert.rejects(gone, /gone/);
  await Promise.all([...eager, ...patient]);
  assert.equal(refusals.length, 2000);
  const waits = refusals.map(({ retryMs = 0 }) => retryMs);
  assert.deepEqual(new Set(refusals.map(codeOf)), new Set([503]));
  // One after the other, as places get free.
  for (let n = 1; n < 1000; n++) {
    assert.ok(Math.abs((waits[n] ?? 0) - n * slotMs) < 1000, `the ${n}th is told ${waits[n]} ms`);
  }
  assert.ok(Math.max(...waits) <= limits.hashRetryMaxMs, "nobody is sent away for longer");
});

test("[L-9] [F-7] who waits for a hash is not late", async () => {
  const clock = new ManualClock();
  const sockets = new ServerSockets();
  const slow = await startSpecServer({ redis, clock, argon: { memoryKiB: 64 * 1024, passes: 16 } });
  const idle = await WireClient.connect(slow.port);
  const client = await WireClient.connect(slow.port);
  const frame = frameOf("RegisterMes", { user: { userId: 1, userPwd: "pw1", userName: "u1" } });
  client.bytes(frame);
  idle.say("NoSuchMes", {});
  await idle.next("ErrorMes");
  await sockets.hasRead(client, frame.length);
  clock.advance(limits.loginDeadlineMs + 1000);
  await idle.closed;
  assert.deepEqual(client.heard, []);
  assert.equal((await client.next("RegisterResMes")).data.code, 200);
  client.say("NoSuchMes", {});
  await client.next("ErrorMes");
  client.destroy();
  sockets.stop();
  await slow.close();
});

test("[C-5] [L-9] a client tries a first log-in again on 503, as long as its caller wants to wait", async (t) => {
  await registerUser(server.port, 3);
  t.after(() => redis.client.config("SET", "maxmemory", "0"));
  await redis.client.config("SET", "maxmemory", "1");
  const hasty = new WatchedClient({ port: server.port, userId: 3, loginWaitMs: 0 });
  assert.equal((await hasty.client.login()).code, 503);
  const watched = new WatchedClient({ port: server.port, userId: 3 });
  const login = watched.client.login();
  watched.clock.advance((await watched.becomes("offline")).nextTryMs);
  const { nextTryMs } = await watched.becomes("offline");
  await redis.client.config("SET", "maxmemory", "0");
  watched.clock.advance(nextTryMs);
  assert.equal((await login).code, 200);
  assert.deepEqual(
    watched.states.map(({ kind }) => kind),
    ["connecting", "offline", "connecting", "offline", "connecting", "online"],
  );
  watched.client.close();
});

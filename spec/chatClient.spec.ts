/**
 * chatClient: the protocol engine of a client when its link fails: said at once, tried again with growing, jittered
 * pauses, and given up where the server says so. A gate stands between it and a real server.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { ChatClient, type ClientState } from "../lib/chatClient.ts";
import * as limits from "../lib/limits.ts";
import { register } from "../lib/registration.ts";
import { FrameTap } from "./helpers/frames.ts";
import { Gate } from "./helpers/gate.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { WatchedClient } from "./helpers/watchedClient.ts";
import { WireClient, registerUser } from "./helpers/wireClient.ts";

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

/** A gate before the server, and a tap for what goes up on each of its connections. */
async function tappedGate(): Promise<{ gate: Gate; up: (connection: number) => FrameTap }> {
  const gate = await Gate.to(server.port);
  const taps = new Map<number, FrameTap>();
  const up = (connection: number): FrameTap => {
    const tap = taps.get(connection) ?? new FrameTap();
    taps.set(connection, tap);
    return tap;
  };
  gate.tap = (direction, chunk, connection) => {
    if (direction === "up") up(connection).take(chunk);
  };
  return { gate, up };
}

test("[C-5] a lost link is said at once, and it comes back by itself with its token", async () => {
  await registerUser(server.port, 100);
  const { gate, up } = await tappedGate();
  const watched = await WatchedClient.login({ port: gate.port, userId: 100, device: "d" });
  const { token } = watched.client;
  gate.cut();
  // No clock moves: nothing but the end of the link says it.
  const { nextTryMs, reason } = await watched.becomes("offline");
  assert.equal(typeof reason, "string");
  watched.clock.advance(nextTryMs - 1);
  assert.equal(watched.client.state.kind, "offline");
  watched.clock.advance(1);
  await watched.becomes("online");
  assert.deepEqual(
    watched.states.map(({ kind }) => kind),
    ["connecting", "online", "offline", "connecting", "online"],
  );
  const [first] = up(1).all("LoginMes");
  const [second] = up(2).all("LoginMes");
  assert.deepEqual([first?.userPwd, first?.token, first?.device], ["pw100", undefined, "d"]);
  assert.deepEqual([second?.userPwd, second?.token, second?.device], [undefined, token, "d"]);
  assert.notEqual(watched.client.token, token, "each log-in gives a new one");
  watched.client.close();
});

test("[C-5] the pauses between tries double up to a ceiling, and are jittered", async () => {
  await registerUser(server.port, 110);
  const jitters = [0, 1, 0.5, 0.25, 0.999, 0.1, 0.7, 0, 1];
  let asked = 0;
  const gate = await Gate.to(server.port);
  const watched = await WatchedClient.login({
    port: gate.port,
    userId: 110,
    random: () => jitters[asked++ % jitters.length] ?? 0,
  });
  const pausesOf = async (tries: number): Promise<number[]> => {
    const pauses: number[] = [];
    for (let attempt = 0; attempt < tries; attempt++) {
      const { nextTryMs } = await watched.becomes("offline");
      pauses.push(nextTryMs);
      watched.clock.advance(nextTryMs - 1);
      assert.equal(watched.client.state.kind, "offline", "not before its time");
      watched.clock.advance(1);
      assert.equal(watched.client.state.kind, "connecting");
    }
    return pauses;
  };
  gate.refuse();
  gate.cut();
  const pauses = await pausesOf(jitters.length);
  const ceilings = jitters.map((_, attempt) => Math.min(15_000, 250 * 2 ** attempt));
  assert.deepEqual([limits.clientReconnectFirstMs, limits.clientReconnectMaxMs], [250, 15_000]);
  assert.deepEqual(
    pauses,
    jitters.map((jitter, attempt) => Math.round((ceilings[attempt] ?? 0) * (0.5 + jitter / 2))),
  );
  assert.equal(asked, jitters.length, "each pause has a jitter of its own");
  // Once it was there again, the pauses are short again.
  await gate.accept();
  watched.clock.advance((await watched.becomes("offline")).nextTryMs);
  await watched.becomes("online");
  gate.cut();
  const { nextTryMs } = await watched.becomes("offline");
  assert.ok(nextTryMs <= 250, `${nextTryMs} ms`);
  watched.client.close();
});

test("[C-5] a server that cannot be reached the first time is said, and not tried again", async () => {
  await registerUser(server.port, 115);
  const gate = await Gate.to(server.port);
  gate.refuse();
  const watched = new WatchedClient({ port: gate.port, userId: 115 });
  await assert.rejects(watched.client.login(), { message: "ECONNREFUSED" });
  assert.equal(watched.client.state.kind, "ended");
  assert.equal(watched.clock.waiting, 0);
  // By a name that stands for two addresses the reason is as clear.
  const named = new WatchedClient({ port: gate.port, userId: 115, host: "localhost" });
  await assert.rejects(named.client.login(), { message: "ECONNREFUSED" });
  await assert.rejects(
    register({ host: "127.0.0.1", port: gate.port }, { userId: 116, userPwd: "p", userName: "n" }),
    { message: "ECONNREFUSED" },
  );
});

test("[L-7] [C-5] after 409 it does not come back", async () => {
  await registerUser(server.port, 120);
  const gate = await Gate.to(server.port);
  const watched = await WatchedClient.login({ port: gate.port, userId: 120, device: "d" });
  const other = await WatchedClient.login({ port: gate.port, userId: 120, device: "d" });
  assert.deepEqual(await watched.becomes("ended"), { kind: "ended", reason: "replaced", code: 409 });
  assert.equal(watched.clock.waiting, 0, "it waits for nothing");
  watched.clock.advance(600_000);
  assert.equal(gate.taken, 2);
  assert.equal(other.client.state.kind, "online");
  other.client.close();
});

test("[L-4] a token that is refused is tried once, then the password; without one that is the end", async () => {
  await registerUser(server.port, 130);
  const { gate, up } = await tappedGate();
  const watched = await WatchedClient.login({ port: gate.port, userId: 130, device: "d" });
  const { token } = watched.client;
  assert.ok(token, "a token was given");
  await redis.client.del("{u:130}:tokens");
  gate.cut();
  watched.clock.advance((await watched.becomes("offline")).nextTryMs);
  await watched.becomes("online");
  assert.equal(up(2).all("LoginMes")[0]?.token, token);
  assert.equal(up(3).all("LoginMes")[0]?.userPwd, "pw130");
  watched.client.close();

  await redis.client.del("{u:130}:tokens");
  const tokenOnly = new ChatClient({ host: "127.0.0.1", port: gate.port, userId: 130, device: "d", token });
  assert.equal((await tokenOnly.login()).code, 403);
  assert.deepEqual(tokenOnly.state, { kind: "ended", reason: "refused", code: 403 });
});

test("[C-5] 503 at a log-in is not the end: it tries again, and does not fall back to anything", async (t) => {
  await registerUser(server.port, 140);
  const { gate, up } = await tappedGate();
  const watched = await WatchedClient.login({ port: gate.port, userId: 140 });
  t.after(() => redis.client.config("SET", "maxmemory", "0"));
  await redis.client.config("SET", "maxmemory", "1");
  gate.cut();
  watched.clock.advance((await watched.becomes("offline")).nextTryMs);
  const again = await watched.becomes("offline");
  assert.equal(watched.states.filter(({ kind }) => kind === "offline").length, 2);
  await redis.client.config("SET", "maxmemory", "0");
  watched.clock.advance(again.nextTryMs);
  await watched.becomes("online");
  assert.ok(up(3).all("LoginMes")[0]?.token, "the token was not thrown away");
  watched.client.close();
});

test("[C-5] [A-5] 429 at a log-in is tried again after retryMs, not before", async () => {
  const strict = await startSpecServer({ redis, rate: 100 });
  await registerUser(strict.port, 145);
  const stranger = await WireClient.connect(strict.port);
  let retryMs = 0;
  for (let failures = 0; failures < 20 && retryMs === 0; failures++) {
    const answer = await stranger.ask("LoginMes", { userId: 145, userPwd: "wrong", v: 2 }, "LoginResMes");
    retryMs = Number(answer.retryMs ?? 0);
  }
  assert.ok(retryMs > 0, "the account is throttled");
  const watched = new WatchedClient({ port: strict.port, userId: 145, random: () => 1 });
  const login = watched.client.login();
  const { nextTryMs, reason } = await watched.becomes("offline");
  // Well above what a first try would wait, jitter and all.
  assert.ok(nextTryMs > 500, `${nextTryMs} ms`);
  assert.match(reason, /slow down/);
  watched.client.close();
  await assert.rejects(login, { message: "closed" });
  // Nobody waits for longer than they said.
  const hasty = new WatchedClient({ port: strict.port, userId: 145, loginWaitMs: 1 });
  assert.equal((await hasty.client.login()).code, 429);
  stranger.destroy();
  await strict.close();
});

test("[K-4] [C-5] GoAwayMes 503: it comes back after retryMs, and not all of its clients at once", async () => {
  const leaving = await startSpecServer({ redis });
  const gate = await Gate.to(leaving.port);
  const down = [new FrameTap(), new FrameTap(), new FrameTap()];
  gate.tap = (direction, chunk, connection) => {
    if (direction === "down") down[connection - 1]?.take(chunk);
  };
  const all: WatchedClient[] = [];
  for (const jitter of [0, 0.5, 1]) {
    const userId = 150 + all.length;
    await registerUser(server.port, userId);
    all.push(await WatchedClient.login({ port: gate.port, userId, random: () => jitter }));
  }
  await leaving.close();
  gate.retarget(server.port);
  for (const [index, watched] of all.entries()) {
    const { nextTryMs } = await watched.becomes("offline");
    const retryMs = Number(down[index]?.all("GoAwayMes")[0]?.retryMs);
    assert.ok(retryMs >= limits.restartRetryMs, `${retryMs} ms`);
    assert.equal(nextTryMs, Math.round(retryMs * (1 + index / 4)));
    watched.clock.advance(nextTryMs);
    await watched.becomes("online");
    watched.client.close();
  }
});

test("[C-5] a server that falls silent is noticed in time, one that answers pings is left alone", async () => {
  await registerUser(server.port, 160);
  const gate = await Gate.to(server.port);
  const watched = await WatchedClient.login({ port: gate.port, userId: 160 });
  for (let pings = 1; pings <= 12; pings++) {
    const passed = gate.passed("down");
    watched.clock.advance(limits.clientPingMs);
    await until("the answer to a ping", () => gate.passed("down") > passed);
    await watched.settled();
  }
  assert.equal(watched.client.state.kind, "online", "after a minute");
  gate.stall();
  watched.clock.advance(limits.clientSilenceMaxMs - 1);
  assert.equal(watched.client.state.kind, "online");
  watched.clock.advance(limits.clientPingMs + 1);
  const { reason, nextTryMs } = await watched.becomes("offline");
  assert.equal(reason, "silent");
  // The gate takes the connection, but nobody answers the log-in.
  watched.clock.advance(nextTryMs);
  await until("the next connection", () => gate.taken === 2);
  watched.clock.advance(limits.clientConnectDeadlineMs - 1);
  assert.equal(watched.client.state.kind, "connecting");
  watched.clock.advance(1);
  assert.equal((await watched.becomes("offline")).reason, "no answer");
  gate.flow();
  watched.clock.advance((await watched.becomes("offline")).nextTryMs);
  await watched.becomes("online");
  watched.client.close();
});

test("[C-5] a first log-in and a registration that nobody answers fail, and leave nothing running", async () => {
  const gate = await Gate.to(server.port);
  const asked = new Set<number>();
  gate.tap = (direction, _chunk, connection) => direction === "up" && asked.add(connection);
  gate.stall("down");
  const watched = new WatchedClient({ port: gate.port, userId: 165 });
  const login = assert.rejects(watched.client.login(), { message: "no answer" });
  const clock = new ManualClock();
  const registration = assert.rejects(
    register({ host: "127.0.0.1", port: gate.port }, { userId: 165, userPwd: "p", userName: "n" }, clock),
    { message: "no answer" },
  );
  await until("both to have asked", () => asked.size === 2);
  // As long as a password may wait for its turn ([L-9]), and no longer.
  watched.clock.advance(limits.clientPasswordDeadlineMs - 1);
  assert.equal(watched.client.state.kind, "connecting");
  watched.clock.advance(1);
  clock.advance(limits.clientPasswordDeadlineMs);
  await inTime("the log-in to fail", login);
  await inTime("the registration to fail", registration);
  assert.deepEqual([watched.clock.waiting, clock.waiting], [0, 0]);
});

test("[C-5] history() and users() are answered in order; they fail when the link ends, and without one", async () => {
  await registerUser(server.port, 170);
  const gate = await Gate.to(server.port);
  const { client, clock } = await WatchedClient.login({ port: gate.port, userId: 170 });
  await client.send({ conv: "u:170", content: "to myself" });
  const [page, one, none] = await Promise.all([
    client.history({ conv: "u:170" }),
    client.users({ limit: 1, after: 169 }),
    assert.rejects(client.history({ conv: "u:999170" }), { code: 404 }),
    assert.rejects(client.history({ conv: "u:170", limit: 0 }), { code: 400 }),
  ]);
  assert.deepEqual([page.messages.map(({ content }) => content), none], [["to myself"], undefined]);
  assert.equal(one.users[0]?.userId, 170);
  gate.stall("down");
  const pages = [client.history({ conv: "all" }), client.users(), client.history({ conv: "u:170" })];
  const failed = Promise.all(pages.map((one) => assert.rejects(one, Error)));
  gate.cut();
  await inTime("all to fail", failed);
  assert.equal(client.state.kind, "offline");
  await assert.rejects(client.history({ conv: "all" }), { message: "not connected" });
  await assert.rejects(client.users(), { message: "not connected" });
  client.close();
  assert.equal(clock.waiting, 0);
});

test("[C-5] a closed one settles everything as unknown, and is inert", async () => {
  await registerUser(server.port, 180);
  const gate = await Gate.to(server.port);
  const watched = await WatchedClient.login({ port: gate.port, userId: 180 });
  const { client, clock, states } = watched;
  gate.stall("down");
  const sent = ["a", "b"].map((content) => client.send({ content, mid: content }));
  const page = assert.rejects(client.users(), { message: "closed" });
  client.close();
  assert.deepEqual(await inTime("the outcomes", Promise.all(sent)), [
    { kind: "unknown", mid: "a" },
    { kind: "unknown", mid: "b" },
  ]);
  await page;
  assert.deepEqual(client.state, { kind: "ended", reason: "closed" });
  const told = states.length;
  gate.flow();
  client.close();
  client.logout();
  client.acknowledge();
  client.ack("all", "1-1");
  assert.deepEqual(await client.send({ content: "c", mid: "c" }), { kind: "unknown", mid: "c" });
  await assert.rejects(client.login(), { message: "closed" });
  await assert.rejects(client.users(), { message: "not connected" });
  await until("its connection to end", () => gate.links === 0);
  clock.advance(600_000);
  assert.deepEqual([states.length, gate.taken, clock.waiting, client.unsent], [told, 1, 0, 0]);
});

test("[C-5] a server that does not end its side is not waited for when one is closed", async () => {
  await registerUser(server.port, 185);
  const gate = await Gate.to(server.port);
  const watched = await WatchedClient.login({ port: gate.port, userId: 185 });
  gate.stall();
  watched.client.logout();
  assert.equal(watched.clock.waiting, 1);
  watched.clock.advance(limits.clientExitDeadlineMs);
  assert.equal(watched.clock.waiting, 0);
  gate.cut();
});

test("[C-5] it may be closed from within any of its events, at any step", async () => {
  await registerUser(server.port, 190);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 6 }), async (step) => {
      const gate = await Gate.to(server.port);
      const watched = new WatchedClient({ port: gate.port, userId: 190 });
      const { client, clock, states } = watched;
      watched.onState = (state: ClientState) => {
        if (states.length === step) client.close();
        else if (state.kind === "online") setImmediate(() => gate.cut());
        else if (state.kind === "offline") setImmediate(() => clock.advance(state.nextTryMs));
      };
      const login = client.login().then(
        () => "ok",
        (error: Error) => error.message,
      );
      await watched.becomes("ended");
      assert.equal(await login, step <= 2 ? "closed" : "ok");
      assert.deepEqual(await client.send({ content: "x", mid: "x" }), { kind: "unknown", mid: "x" });
      await until("its connection to end", () => gate.links === 0 && clock.waiting === 0);
      assert.equal(states.length, step + 1);
      gate.close();
    }),
    { numRuns: 12, examples: [[1], [2], [3], [4], [5], [6]] },
  );
});

test("[C-5] login() of one that is online gives what the log-in said", async () => {
  await registerUser(server.port, 195);
  const { client } = await WatchedClient.login({ port: server.port, userId: 195 });
  assert.equal(await inTime("the answer", client.login()), client.info);
  client.close();
});

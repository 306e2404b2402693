/**
 * journal: what a trouble says over and over is one line a second, whoever says it; while Redis is away presence asks
 * less and less often.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createJournal } from "../lib/journal.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { startRedis } from "./helpers/redis.ts";
import { startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser } from "./helpers/wireClient.ts";

test("[journal] an outage is one line a second for each event and reason, with how many there were", () => {
  const clock = new ManualClock();
  const lines: Record<string, unknown>[] = [];
  const sink = { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) > 0 };
  const journal = createJournal("n", sink, clock);
  for (let n = 0; n < 1000; n++) {
    journal.write("append_failed", { conv: `dm:1:${n}`, reason: "gone" });
    journal.write("append_failed", { conv: `dm:1:${n}`, reason: "timeout" });
    journal.write("session_opened", { userId: n });
    clock.advance(5);
  }
  const of = (reason: string): unknown[] =>
    lines.filter((line) => line.reason === reason).map(({ times }) => times);
  assert.deepEqual(of("gone"), [undefined, 200, 200, 200, 200]);
  assert.deepEqual(of("timeout"), [undefined, 200, 200, 200, 200]);
  assert.equal(
    lines.filter(({ event }) => event === "session_opened").length,
    1000,
    "events are not troubles",
  );
  for (let n = 0; n < 100_000; n++) journal.write("read_failed", { reason: `reason ${n}` });
  assert.equal(lines.length, 1010 + 100_000, "reasons of all kinds are kept, not remembered");
});

test("[P-7] while Redis is away presence asks less and less often, and at once when it is back", async (t) => {
  const clock = new ManualClock();
  const first = await startRedis();
  const server = await startSpecServer({ redis: first, clock });
  const [leaving, watcher] = [await newUser(server.port, 1), await newUser(server.port, 2)];
  await watcher.hears("who is there", () =>
    JSON.stringify(watcher.all("PresenceMes")).includes('"userId":1,'),
  );
  await first.stop();
  leaving.destroy();
  await until("that it left", () => server.events.some(({ event }) => event === "session_closed"));
  const asked = (): number => server.events.filter(({ event }) => event === "presence_frozen").length;
  for (let step = 0; step < 400; step++) {
    clock.advance(50);
    // The answer of a connection that is not there comes with the next turns.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(asked() >= 5 && asked() <= 20, `${asked()} times in 20 s`);
  const again = await startRedis({ folder: first.folder });
  t.after(() => again.stop());
  await until("that it is told", () => {
    clock.advance(50);
    return watcher.all("PresenceMes").some(({ offline }) => (offline as number[]).includes(1));
  });
  watcher.destroy();
  await server.close();
});

test("[journal] [A-3] a record that cannot be read is told of, once a minute for each user, and nothing of it", async () => {
  const clock = new ManualClock();
  const redis = await startRedis();
  const server = await startSpecServer({ redis, clock });
  await redis.client.hset("users", { 5: "geheim {", 6: "[7]" });
  const client = await WireClient.connect(server.port);
  const told = (): unknown[] =>
    server.events.filter(({ event }) => event === "user_unreadable").map(({ userId }) => userId);
  const tries = async (): Promise<void> => {
    for (const userId of [5, 5, 6, 7, 5]) {
      const { code } = await client.ask("LoginMes", { userId, userPwd: "x", v: 2 }, "LoginResMes");
      assert.equal(code, 500);
    }
  };
  await tries();
  assert.deepEqual(told(), [5, 6]);
  clock.advance(60_000);
  const again = await WireClient.connect(server.port);
  await again.ask("LoginMes", { userId: 5, userPwd: "x", v: 2 }, "LoginResMes");
  assert.deepEqual(told(), [5, 6, 5]);
  assert.doesNotMatch(JSON.stringify(server.events), /geheim/);
  for (const one of [client, again]) one.destroy();
  await server.close();
  await redis.stop();
});

test("[journal] nothing secret and nothing that was said stands in it, whatever goes well or wrong", async () => {
  const redis = await startRedis();
  const server = await startSpecServer({ redis });
  const [word, secret] = ["was-said-here", "pw-geheim"];
  await redis.client.hset("users", "3", JSON.stringify({ userId: 3, userPwd: secret, userName: "plain" }));
  const alice = await newUser(server.port, 1);
  const bob = await newUser(server.port, 2);
  const other = await WireClient.login(server.port, { userId: 3, userPwd: secret });
  for (const fields of [
    { content: word, mid: "a" },
    { content: word, mid: `${word}-key`, conv: "u:2" },
    { content: word, mid: "c", conv: `u:${word}` },
    { content: word.repeat(1000), mid: "d" },
  ] as Data[]) {
    await alice.ask("SmsMes", fields, "SmsResMes");
  }
  await bob.hears("both", () => bob.all("SmsMes").length >= 2);
  const stranger = await WireClient.connect(server.port);
  const logins: Data[] = [
    { userId: 3, userPwd: `${secret}-wrong` },
    { userId: 3, token: `${secret}-token` },
    { userId: 99, userPwd: secret },
  ];
  for (const fields of logins) await stranger.ask("LoginMes", { ...fields, v: 2 }, "LoginResMes");
  await stranger.ask(
    "RegisterMes",
    { user: { userId: 3, userPwd: secret, userName: "n" } },
    "RegisterResMes",
  );
  for (const bytes of [`\0\0\0\x20{"type":"SmsMes","data":"${word}`, "\0\0\0\x02no", `\xff\xff${secret}`]) {
    const broken = await WireClient.connect(server.port);
    broken.bytes(Buffer.from(bytes, "latin1"));
    await broken.closed;
  }
  // What cannot be done is told with its reason, which may be Redis' own words.
  await redis.client.config("SET", "maxmemory", "1");
  await alice.ask("SmsMes", { content: word, mid: "full" }, "SmsResMes");
  await stranger.ask("LoginMes", { userId: 3, userPwd: secret, v: 2 }, "LoginResMes");
  await redis.client.config("SET", "maxmemory", "0");
  const tokens = [alice, bob, other].map((client) => String(client.heard[0]?.data.token));
  for (const client of [alice, bob, other, stranger]) client.destroy();
  await server.close();
  const kinds = new Set(server.events.map(({ event }) => event));
  for (const kind of [
    "session_opened",
    "login_failed",
    "broken_frame",
    "redis_call_failed",
    "password_migrated",
  ])
    assert.ok(kinds.has(kind), `${kind} was told: ${[...kinds].join(" ")}`);
  const told = JSON.stringify(server.events);
  for (const hidden of [word, secret, "argon2", "pw1", "pw2", ...tokens]) {
    assert.ok(!told.includes(hidden), `${hidden} stands in the journal`);
  }
  assert.ok(
    tokens.every((token) => token.length > 20),
    "tokens were looked for",
  );
  await redis.stop();
});

/**
 * faults: handlers that fail for real, by what somebody put into Redis: in a real process, which has to outlive it.
 * The connection it happens to is answered or ended; everybody else goes on.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bystanders } from "./helpers/bystanders.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpawnedServer, spawnServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
let server: SpawnedServer;
let bystanders: Bystanders;

before(async () => {
  redis = await startRedis();
  server = await spawnServer(["--redis", redis.url]);
  bystanders = await Bystanders.meet(server.port, 1);
});
after(async () => {
  bystanders.leave();
  assert.equal(await server.kill("SIGTERM"), 0, server.output.err);
  await redis.stop();
});

/** The bystanders go on, in the same process. */
async function assertOthersGoOn(): Promise<void> {
  await bystanders.assertUndisturbed();
  assert.equal(server.child.exitCode, null);
}

test("[K-6] a log-in that meets a key of a wrong type is refused, and works when the key is gone", async () => {
  await registerUser(server.port, 400);
  await redis.client.set("{u:400}:convs", "not a sorted set");
  for (const v of [2, undefined]) {
    const client = await WireClient.connect(server.port);
    const login = { userId: 400, userPwd: "pw400", v };
    assert.equal((await client.ask("LoginMes", login, "LoginResMes")).code, v === 2 ? 503 : 505);
    assert.equal((await client.ask("LoginMes", login, "LoginResMes")).code, v === 2 ? 503 : 505);
    client.destroy();
  }
  await assertOthersGoOn();
  await redis.client.del("{u:400}:convs");
  (await WireClient.login(server.port, { userId: 400, userPwd: "pw400" })).destroy();
});

test("[K-6] [S-7] a message that meets a log of a wrong type is answered 503, and others go on", async () => {
  const client = await newUser(server.port, 410, { presence: false });
  await registerUser(server.port, 411);
  await redis.client.set("{c:dm:410:411}:log", "not a stream");
  const sms = { conv: "u:411", content: "x", mid: "a" };
  client.say("SmsMes", sms);
  client.say("HistoryMes", { conv: "u:411" });
  await assertOthersGoOn();
  assert.equal((await client.next("SmsResMes")).data.code, 503);
  const { data } = await client.next("ErrorMes");
  assert.deepEqual([data.code, data.of], [503, "HistoryMes"]);
  await redis.client.del("{c:dm:410:411}:log");
  assert.equal((await client.ask("SmsMes", sms, "SmsResMes")).code, 200);
  client.destroy();
});

/** An id that no second ever gave: it cannot be read as two integers of this protocol. */
const foreignId = "18446744073709551615-1";

test("[K-6] a handler that fails costs its connection: history with an entry that cannot be read", async () => {
  const client = await newUser(server.port, 420, { presence: false });
  await registerUser(server.port, 421);
  await redis.client.xadd("{c:dm:420:421}:log", foreignId, "content", "x");
  client.say("PingMes", { n: 1 });
  client.say("HistoryMes", { conv: "u:421" });
  await inTime("the end", client.closed);
  assert.equal(client.all("PongMes").length, 1);
  assert.equal(client.all("HistoryResMes").length, 0);
  assert.ok(
    server.events().some(({ event }) => event === "connection_failed"),
    'server.events().some(({ event }) => event === "connection_failed")',
  );
  await assertOthersGoOn();
  const again = await WireClient.login(server.port, { userId: 420, userPwd: "pw420" });
  await again.settled();
  again.destroy();
});

test("[K-6] a log that cannot be read keeps nobody from the others, live or at log-in", async () => {
  await registerUser(server.port, 430);
  const peer = await newUser(server.port, 431, { presence: false });
  const live = await newUser(server.port, 432, { presence: false });
  peer.say("SmsMes", { conv: "u:432", content: "before", mid: "a" });
  await live.next("SmsMes", ({ content }) => content === "before");
  await redis.client.xadd("{c:dm:431:432}:log", foreignId, "content", "x");
  await redis.client.publish("{u:432}:bell", "elsewhere conv dm:431:432");
  await until("that it could not be read", () =>
    server.events().some(({ event, conv }) => event === "read_failed" && conv === "dm:431:432"),
  );
  await registerUser(server.port, 433);
  const other = await WireClient.login(server.port, { userId: 433, userPwd: "pw433", presence: false });
  other.say("SmsMes", { conv: "u:432", content: "from another", mid: "a" });
  await live.next("SmsMes", ({ content }) => content === "from another");
  await live.settled();
  await assertOthersGoOn();
  for (const client of [peer, live, other]) client.destroy();
});

test("[K-6] a bell that nobody of this house rang does no harm", async () => {
  const listener = await newUser(server.port, 440);
  const garbage = [
    "",
    "garbage",
    "x conv",
    "x conv dm:1:",
    "x conv dm:a:b",
    "x device",
    "{}",
    "[",
    "null",
    "1",
  ];
  garbage.push('{"version":1e9,"online":1}', '{"version":999999999,"online":[null],"offline":[null]}');
  for (const bell of ["{c:all}:bell", "{u:440}:bell", "{online}:bell"]) {
    for (const text of garbage) assert.ok((await redis.client.publish(bell, text)) > 0, bell);
  }
  await assertOthersGoOn();
  const newcomer = await newUser(server.port, 441);
  await listener.hears("user 441", () =>
    listener.all("PresenceMes").some(({ online }) => JSON.stringify(online).includes('"userId":441,')),
  );
  for (const client of [listener, newcomer]) client.destroy();
});

test("[K-6] records of users that cannot be read are no users, and no fault", async () => {
  const records = [
    "",
    "garbage",
    "null",
    "[]",
    "7",
    "{}",
    '{"pwd":7}',
    '{"pwd":"$argon2id$garbage"}',
    '{"userPwd":""}',
  ];
  for (const [index, record] of records.entries()) {
    const userId = 450 + index;
    await redis.client.hset("users", userId, record);
    const client = await WireClient.connect(server.port);
    const { code } = await client.ask("LoginMes", { userId, userPwd: "", v: 2 }, "LoginResMes");
    assert.ok(code === 500 || code === 403, `${record}: ${String(code)}`);
    assert.equal((await client.ask("PingMes", { n: 1 }, "ErrorMes")).code, 401);
    client.destroy();
  }
  await assertOthersGoOn();
});

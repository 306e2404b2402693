/**
 * send.spec: what becomes of a SmsMes (clauses [S-1] to [S-9]).
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

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

const send = (client: WireClient, fields: Data): Promise<Data> => client.ask("SmsMes", fields, "SmsResMes");
const contentsOf = (client: WireClient): unknown[] => client.all("SmsMes").map(({ content }) => content);

test("[S-1] a message to all reaches everyone but the session that sent it", async () => {
  const [alice, bob, carol] = [
    await newUser(server.port, 1001),
    await newUser(server.port, 1002),
    await newUser(server.port, 1003),
  ];
  await send(alice, { content: "one", mid: "1" });
  await send(alice, { conv: "all", content: "two", mid: "2" });
  await send(bob, { content: "fence", mid: "3" });
  for (const client of [alice, carol]) await client.next("SmsMes", ({ content }) => content === "fence");
  await carol.settled();
  assert.deepEqual(contentsOf(carol), ["one", "two", "fence"]);
  assert.deepEqual(contentsOf(alice), ["fence"]);
  await bob.hears("two", () => contentsOf(bob).includes("two"));
  for (const client of [alice, bob, carol]) client.destroy();
});

test("[S-2] a private message reaches that user and nobody else; an unknown user is 404", async () => {
  const [alice, bob, carol] = [
    await newUser(server.port, 1011),
    await newUser(server.port, 1012),
    await newUser(server.port, 1013),
  ];
  assert.equal((await send(alice, { conv: "u:1012", content: "secret", mid: "1" })).conv, "u:1012");
  const { data } = await bob.next("SmsMes");
  assert.deepEqual(
    { conv: data.conv, userId: data.userId, content: data.content, mid: data.mid },
    { conv: "u:1011", userId: 1011, content: "secret", mid: "1" },
  );
  const { code, mid } = await send(alice, { conv: "u:1999", content: "?", mid: "2" });
  assert.deepEqual({ code, mid }, { code: 404, mid: "2" });
  for (const conv of ["u:0", "u:-1", "u:01012", "u:9007199254740993", "r:x", "u:", "ALL"]) {
    assert.equal((await send(alice, { conv, content: "?", mid: "3" })).code, 404, conv);
  }
  await send(alice, { content: "fence", mid: "4" });
  await carol.next("SmsMes", ({ content }) => content === "fence");
  assert.deepEqual(contentsOf(carol), ["fence"]);
  assert.equal(await redis.client.exists("{c:dm:1011:1999}:log"), 0);
  for (const client of [alice, bob, carol]) client.destroy();
});

test("[S-3] 200 says how it was stored, seq is dense, time is Redis' own", async () => {
  const alice = await newUser(server.port, 1021);
  await registerUser(server.port, 1022);
  const beforeMs = Date.now();
  const answers: Data[] = [];
  for (let n = 1; n <= 5; n++)
    answers.push(await send(alice, { conv: "u:1022", content: `${n}`, mid: `${n}` }));
  assert.deepEqual(
    answers.map(({ id }) => String(id).split("-")[1]),
    ["1", "2", "3", "4", "5"],
  );
  // The epoch is no clock: it stays while Redis does.
  assert.equal(new Set(answers.map(({ id }) => String(id).split("-")[0])).size, 1);
  for (const { stored, time, code } of answers) {
    assert.deepEqual({ code, stored }, { code: 200, stored: "disk" });
    assert.ok(
      Number(time) >= beforeMs - 1000 && Number(time) <= Date.now() + 1000,
      "Number(time) >= beforeMs - 1000 && Number(time) <= Date.now() + 1000",
    );
  }
  const entries = await redis.client.xrange("{c:dm:1021:1022}:log", "-", "+");
  assert.deepEqual(
    entries.map(([id]) => id),
    answers.map(({ id }) => id),
  );
  alice.destroy();
});

test("[S-3] everysec is memory; another life of Redis is another epoch, and seq goes on", async () => {
  const settings = { appendfsync: "everysec" };
  const first = await startRedis({ settings });
  const firstServer = await startSpecServer({ redis: first });
  const alice = await newUser(firstServer.port, 1);
  const one = await send(alice, { content: "1", mid: "1" });
  assert.equal(one.stored, "memory");
  alice.destroy();
  await firstServer.close();
  await first.stop("SIGTERM");

  const second = await startRedis({ settings, folder: first.folder });
  const secondServer = await startSpecServer({ redis: second });
  const again = await WireClient.login(secondServer.port, { userId: 1, userPwd: "pw1" });
  const two = await send(again, { content: "2", mid: "2" });
  const [epochOne, seqOne] = String(one.id).split("-").map(Number);
  const [epochTwo, seqTwo] = String(two.id).split("-").map(Number);
  assert.ok(Number(epochTwo) > Number(epochOne), `${String(two.id)} after ${String(one.id)}`);
  assert.deepEqual([seqOne, seqTwo], [1, 2]);
  // The same mid over another epoch is still the same message.
  assert.equal((await send(again, { content: "1", mid: "1" })).id, one.id);
  again.destroy();
  await secondServer.close();
  await second.stop();
});

test("[S-3] what 200 promises follows what this Redis is set to now", async () => {
  const own = await startRedis();
  const clock = new ManualClock();
  const ownServer = await startSpecServer({ redis: own, clock });
  const alice = await newUser(ownServer.port, 1);
  assert.equal((await send(alice, { content: "1", mid: "1" })).stored, "disk");
  await own.client.config("SET", "appendfsync", "everysec");
  clock.advance(10_000);
  await until("the new promise", () => ownServer.events.some(({ stored }) => stored === "memory"));
  assert.equal((await send(alice, { content: "2", mid: "2" })).stored, "memory");
  alice.destroy();
  const closing = ownServer.close();
  await until("the drain", () => {
    clock.advance(100);
    return ownServer.events.some(({ event }) => event === "stopped");
  });
  await closing;
  await own.stop();
});

test("[S-4] the same (sender, conv, mid) is one message, however and wherever it is repeated", async () => {
  const alice = await newUser(server.port, 1031);
  const bob = await newUser(server.port, 1032);
  const first = await send(alice, { content: "once", mid: "m" });
  const sameFacts = ({ code, id, time, mid }: Data): Data => ({ code, id, time, mid });
  const second = await startSpecServer({ redis });
  const phone = await WireClient.login(second.port, { userId: 1031, userPwd: "pw1031", device: "phone" });
  for (const client of [alice, phone]) {
    assert.deepEqual(sameFacts(await send(client, { content: "once", mid: "m" })), sameFacts(first));
  }
  // Many at once, in one write and on two nodes.
  for (let n = 0; n < 10; n++)
    for (const client of [alice, phone]) client.say("SmsMes", { content: "b", mid: "burst" });
  const ids = new Set<unknown>();
  for (let n = 0; n < 10; n++) {
    for (const client of [alice, phone]) ids.add((await client.next("SmsResMes")).data.id);
  }
  assert.equal(ids.size, 1);
  // Another conversation, another sender: other messages.
  const other = await send(alice, { conv: "u:1032", content: "once", mid: "m" });
  const bobs = await send(bob, { content: "once", mid: "m" });
  assert.equal(new Set([first.id, other.id, bobs.id]).size >= 2, true);
  assert.notEqual(bobs.id, first.id);
  await send(alice, { content: "fence", mid: "fence" });
  await bob.next("SmsMes", ({ content }) => content === "fence");
  assert.deepEqual(contentsOf(bob).sort(), ["b", "fence", "once", "once"].sort());
  for (const client of [alice, bob, phone]) client.destroy();
  await second.close();
});

test("[S-4] a mid is known for 72 hours, over the turn of days", async () => {
  const alice = await newUser(server.port, 1041);
  const first = await send(alice, { content: "old", mid: "old" });
  const [today] = await redis.client.keys("{c:all}:mids:1041:*");
  const day = Number(today?.split(":").at(-1));
  assert.ok(
    (await redis.client.ttl(today ?? "")) > 72 * 3600,
    '(await redis.client.ttl(today ?? "")) > 72 * 3600',
  );
  for (const back of [1, 2, 3]) {
    await redis.client.rename(`{c:all}:mids:1041:${day - back + 1}`, `{c:all}:mids:1041:${day - back}`);
    assert.equal((await send(alice, { content: "old", mid: "old" })).id, first.id, `${back} days later`);
  }
  alice.destroy();
});

test("[S-5] who speaks is taken from the session; what is relayed is built anew", async () => {
  const alice = await newUser(server.port, 1051);
  const bob = await newUser(server.port, 1052);
  await send(alice, {
    content: "it is me",
    mid: "1",
    userId: 1052,
    userName: "bob",
    userPwd: "x",
    id: "1-1",
    time: 5,
    sex: "forged",
    extra: { deep: true },
    __proto__: null,
  });
  const { data } = await bob.next("SmsMes");
  assert.deepEqual(Object.keys(data).sort(), [
    ...["content", "conv", "id", "mid", "sex", "time", "userId", "userName", "userPwd", "userStatus"],
  ]);
  assert.deepEqual(
    { userId: data.userId, userName: data.userName, userPwd: data.userPwd, sex: data.sex },
    { userId: 1051, userName: "user1051", userPwd: "", sex: "" },
  );
  assert.notEqual(data.id, "1-1");
  alice.destroy();
  bob.destroy();
});

test("[S-6] no readable mid is ErrorMes 400; empty content 400, over 4,000 units 413; nothing is stored", async () => {
  const alice = await newUser(server.port, 1061);
  const length = await redis.client.xlen("{c:all}:log");
  for (const mid of [undefined, "", "with space", "x".repeat(65), 7, "中"]) {
    const { code, of } = await alice.ask("SmsMes", { content: "x", mid }, "ErrorMes");
    assert.deepEqual({ code, of }, { code: 400, of: "SmsMes" }, String(mid));
  }
  assert.equal((await send(alice, { content: "", mid: "1" })).code, 400);
  assert.equal((await send(alice, { content: "x".repeat(4001), mid: "2" })).code, 413);
  assert.equal((await send(alice, { content: 7, mid: "3" })).code, 400);
  assert.equal(await redis.client.xlen("{c:all}:log"), length);
  const most = "😀".repeat(2000);
  assert.equal((await send(alice, { content: most, mid: "x".repeat(64) })).code, 200);
  alice.destroy();
});

test("[S-7] while Redis does not answer, the sender has 503 within 5 s, and the same mid again is one message", async () => {
  const own = await startRedis();
  const ownServer = await startSpecServer({ redis: own });
  const alice = await newUser(ownServer.port, 1);
  await registerUser(ownServer.port, 2);
  own.process.kill("SIGSTOP");
  const startMs = performance.now();
  const [toAll, privately] = await Promise.all([
    send(alice, { content: "stuck", mid: "1" }),
    alice.next("SmsResMes", ({ mid }) => mid === "2"),
    alice.say("SmsMes", { conv: "u:2", content: "stuck too", mid: "2" }),
  ]);
  const waitedMs = performance.now() - startMs;
  assert.equal(toAll.code, 503);
  assert.equal(privately.data.code, 503);
  assert.ok(waitedMs < 5000, `${waitedMs} ms`);
  own.process.kill("SIGCONT");
  let answer: Data = {};
  while (answer.code !== 200) answer = await send(alice, { content: "stuck", mid: "1" });
  assert.equal(await own.client.xlen("{c:all}:log"), 1);
  alice.destroy();
  await ownServer.close();
  await own.stop();
});

test("[S-8] the sender's other devices get the message, live and later, to all and private", async () => {
  const laptop = await newUser(server.port, 1081, { device: "laptop" });
  const phone = await WireClient.login(server.port, { userId: 1081, userPwd: "pw1081", device: "phone" });
  await registerUser(server.port, 1082);
  await send(laptop, { content: "mine", mid: "1" });
  await send(laptop, { conv: "u:1082", content: "mine too", mid: "2" });
  assert.equal((await phone.next("SmsMes")).data.content, "mine");
  const { data } = await phone.next("SmsMes");
  assert.deepEqual([data.content, data.conv, data.userId], ["mine too", "u:1082", 1081]);
  const watch = await WireClient.login(server.port, { userId: 1081, userPwd: "pw1081", device: "watch" });
  await watch.next("SmsMes", ({ content }) => content === "mine");
  await watch.next("SmsMes", ({ content }) => content === "mine too");
  await laptop.settled();
  assert.deepEqual(contentsOf(laptop), []);
  for (const client of [laptop, phone, watch]) client.destroy();
});

test("[S-9] beyond the rate a modern session gets 429 with retryMs; a legacy one loses nothing", async () => {
  const rate = 40;
  const strict = await startSpecServer({ redis, rate });
  const alice = await newUser(strict.port, 1091);
  const old = await WireClient.connect(strict.port);
  await registerUser(strict.port, 1092);
  await old.ask("LoginMes", { userId: 1092, userPwd: "pw1092" }, "LoginResMes");
  const burst = rate * 4;
  for (let n = 0; n <= burst + 9; n++) alice.say("SmsMes", { content: `${n}`, mid: `${n}` });
  const codes: unknown[] = [];
  for (let n = 0; n <= burst + 9; n++) {
    const { data } = await alice.next("SmsResMes");
    codes.push(data.code);
    if (data.code === 429)
      assert.ok(
        Number(data.retryMs) > 0 && Number(data.retryMs) <= 1000,
        "Number(data.retryMs) > 0 && Number(data.retryMs) <= 1000",
      );
  }
  const refused = codes.filter((code) => code === 429).length;
  assert.ok(refused >= 5 && refused <= 10, `${refused} refused`);
  for (let n = 0; n < burst + 10; n++) old.say("SmsMes", { content: `old ${n}` });
  await alice.hears("every line of the old one", (heard) => {
    return heard.some(({ type, data }) => type === "SmsMes" && data.content === `old ${burst + 9}`);
  });
  const olds = contentsOf(alice).filter((content) => String(content).startsWith("old"));
  assert.deepEqual(
    olds,
    Array.from({ length: burst + 10 }, (_, n) => `old ${n}`),
  );
  alice.destroy();
  old.destroy();
  await strict.close();
});

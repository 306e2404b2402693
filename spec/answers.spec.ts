/**
 * answers: every message type in every state: who answers, with which code, about what; that a refusal changes
 * nothing; that answers come in the order of what was asked.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import {
  type Data,
  WireClient,
  frameOf,
  frameOfPayload,
  newUser,
  registerUser,
} from "./helpers/wireClient.ts";

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

/** A frame whose data is this text, JSON or not. */
function frameOfText(type: string, data: string): Buffer {
  return frameOfPayload(Buffer.from(JSON.stringify({ type, data })));
}

/** How much is stored, whatever it is: keys, messages, users. */
async function storedFacts(): Promise<unknown> {
  const { client } = redis;
  const keys = (await client.keys("*")).filter((key) => !key.startsWith("{online}")).sort();
  return [keys, await client.xlen("{c:all}:log"), await client.hlen("users")];
}

/** Types a client cannot use: of the server, unknown, and such that a table of plain objects would know. */
const foreignTypes = [
  "LoginResMes",
  "PresenceMes",
  "SmsResMes",
  "PongMes",
  "ErrorMes",
  "GoAwayMes",
  "NoSuchMes",
  "smsmes",
  "",
  "constructor",
  "__proto__",
  "toString",
  "hasOwnProperty",
];

const wellFormed: [string, Data][] = [
  ["SmsMes", { content: "x", mid: "m" }],
  ["SmsMes", { content: "x" }],
  ["NotifyUserStatusMes", { userId: 1, status: 0 }],
  ["AckMes", { conv: "all", id: "1-1" }],
  ["HistoryMes", { conv: "all" }],
  ["UsersMes", {}],
  ["PingMes", { n: 1 }],
  ["LogoutMes", {}],
];

test("[L-8] before log-in all but RegisterMes and LoginMes is 401; the connection stays and works", async () => {
  const client = await WireClient.connect(server.port);
  const factsBefore = await storedFacts();
  const types = [...wellFormed.map(([type]) => type), ...foreignTypes];
  for (const [type, data] of [...wellFormed, ...foreignTypes.map((type): [string, Data] => [type, {}])]) {
    client.say(type, data);
  }
  // Nor does anybody learn before log-in which fields a message has.
  for (const type of types) client.bytes(frameOfText(type, "no JSON"));
  for (const type of [...types, ...types]) {
    const { type: answer, data } = await client.next();
    assert.deepEqual([answer, data.code, data.of], ["ErrorMes", 401, type]);
  }
  assert.deepEqual(await storedFacts(), factsBefore);
  await registerUser(server.port, 100);
  const login = { userId: 100, userPwd: "pw100", v: 2 };
  assert.equal((await client.ask("LoginMes", login, "LoginResMes")).code, 200);
  await client.settled();
  client.destroy();
});

const user = { userId: 200, userPwd: "pw200", userName: "two hundred" };
const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

const badRegistrations: [string, number][] = [
  ["no JSON", 400],
  ["null", 400],
  ["[]", 400],
  ["{}", 400],
  [JSON.stringify({ user: null }), 400],
  [JSON.stringify({ user: [user] }), 400],
  [JSON.stringify({ user: { ...user, userId: "200" } }), 400],
  [JSON.stringify({ user: { ...user, userId: 0 } }), 400],
  [JSON.stringify({ user: { ...user, userId: 1.5 } }), 400],
  [JSON.stringify({ user: { ...user, userId: 2 ** 53 } }), 400],
  [JSON.stringify({ user: { ...user, userName: "" } }), 400],
  [JSON.stringify({ user: { ...user, userName: "x".repeat(33) } }), 413],
  [JSON.stringify({ user: { ...user, userPwd: "x".repeat(257) } }), 413],
  [`{"user":${JSON.stringify(user)},"more":${nested(8)}}`, 400],
];

test("[M-4] [M-1] RegisterMes is always answered by RegisterResMes, and a refused one makes nobody", async () => {
  const client = await WireClient.connect(server.port);
  for (const [data, code] of badRegistrations) {
    client.bytes(frameOfText("RegisterMes", data));
    const answer = await client.next();
    assert.deepEqual([answer.type, answer.data.code], ["RegisterResMes", code], data);
  }
  assert.equal(await redis.client.hexists("users", "200"), 0);
  client.bytes(frameOfText("RegisterMes", `{"user":${JSON.stringify(user)},"more":${nested(7)}}`));
  assert.equal((await client.next("RegisterResMes")).data.code, 200);
  assert.equal((await client.ask("RegisterMes", { user }, "RegisterResMes")).code, 505);
  client.destroy();
});

const badLogins: [string, number][] = [
  ["no JSON", 400],
  ['"text"', 400],
  ["{}", 400],
  [JSON.stringify({ userId: null, userPwd: "x" }), 400],
  [JSON.stringify({ userId: -1, userPwd: "x" }), 400],
  [JSON.stringify({ userId: 200, userPwd: 200 }), 400],
  [JSON.stringify({ userId: 200, userPwd: "x".repeat(257) }), 413],
  [JSON.stringify({ userId: 200, userPwd: "pw200", v: 3 }), 400],
  [JSON.stringify({ userId: 200, userPwd: "pw200", v: 2, device: "no blanks" }), 400],
  [JSON.stringify({ userId: 200, userPwd: "pw200", v: 2, replay: "some" }), 400],
  [JSON.stringify({ userId: 200, userPwd: "pw200", v: 2, presence: "yes" }), 400],
  [`{"userId":200,"userPwd":"pw200","v":2,"more":${nested(8)}}`, 400],
];

test("[M-4] [M-1] LoginMes is always answered by LoginResMes, and a refused one changes nothing", async () => {
  const client = await WireClient.connect(server.port);
  for (const [data, code] of badLogins) {
    client.bytes(frameOfText("LoginMes", data));
    const answer = await client.next();
    assert.deepEqual([answer.type, answer.data.code], ["LoginResMes", code], data);
    // Where the second generation can be told by its `v`, the answer is its own.
    const modern = data.includes('"v":') && !data.includes(nested(8));
    assert.equal("UsersId" in answer.data, !modern, data);
  }
  assert.equal((await client.ask("PingMes", { n: 1 }, "ErrorMes")).code, 401);
  client.destroy();
});

/** Type, data as text, then the answer: its type, code, and `of` or `mid`. */
const refused: [string, string, string, number, string][] = [
  ["LoginMes", '{"userId":300,"userPwd":"pw300","v":2}', "ErrorMes", 400, "LoginMes"],
  ["LoginMes", "no JSON", "ErrorMes", 400, "LoginMes"],
  ["RegisterMes", '{"user":{"userId":301,"userPwd":"a","userName":"b"}}', "ErrorMes", 400, "RegisterMes"],
  ["RegisterMes", "[]", "ErrorMes", 400, "RegisterMes"],
  ["SmsMes", "no JSON", "ErrorMes", 400, "SmsMes"],
  ["SmsMes", '{"content":"no mid"}', "ErrorMes", 400, "SmsMes"],
  ["SmsMes", '{"content":"x","mid":""}', "ErrorMes", 400, "SmsMes"],
  ["SmsMes", '{"content":"x","mid":7}', "ErrorMes", 400, "SmsMes"],
  ["SmsMes", '{"content":"x","mid":"a b"}', "ErrorMes", 400, "SmsMes"],
  ["SmsMes", '{"content":"","mid":"m1"}', "SmsResMes", 400, "m1"],
  ["SmsMes", '{"content":null,"mid":"m2"}', "SmsResMes", 400, "m2"],
  ["SmsMes", '{"mid":"m3"}', "SmsResMes", 400, "m3"],
  ["SmsMes", `{"content":"${"x".repeat(4001)}","mid":"m4"}`, "SmsResMes", 413, "m4"],
  ["SmsMes", '{"content":"x","mid":"m5","conv":7}', "SmsResMes", 400, "m5"],
  ["SmsMes", '{"content":"x","mid":"m6","conv":"everyone"}', "SmsResMes", 404, "m6"],
  ["SmsMes", '{"content":"x","mid":"m7","conv":"u:399"}', "SmsResMes", 404, "m7"],
  ["NotifyUserStatusMes", "no JSON", "ErrorMes", 400, "NotifyUserStatusMes"],
  ["NotifyUserStatusMes", '{"status":"online"}', "ErrorMes", 400, "NotifyUserStatusMes"],
  ["AckMes", '{"conv":"all"}', "ErrorMes", 400, "AckMes"],
  ["AckMes", '{"conv":"all","id":"1"}', "ErrorMes", 400, "AckMes"],
  ["AckMes", '{"conv":"u:399","id":"1-1"}', "ErrorMes", 404, "AckMes"],
  ["HistoryMes", "{}", "ErrorMes", 400, "HistoryMes"],
  ["HistoryMes", '{"conv":"all","limit":201}', "ErrorMes", 400, "HistoryMes"],
  ["HistoryMes", '{"conv":"all","before":"1-1","after":"1-1"}', "ErrorMes", 400, "HistoryMes"],
  ["HistoryMes", '{"conv":"u:399"}', "ErrorMes", 404, "HistoryMes"],
  ["UsersMes", '{"limit":0}', "ErrorMes", 400, "UsersMes"],
  ["UsersMes", '{"after":"0"}', "ErrorMes", 400, "UsersMes"],
  ["PingMes", "{}", "ErrorMes", 400, "PingMes"],
  ["PingMes", '{"n":-1}', "ErrorMes", 400, "PingMes"],
  ["PingMes", `{"n":1,"more":${nested(8)}}`, "ErrorMes", 400, "PingMes"],
  ["LogoutMes", "no JSON", "ErrorMes", 400, "LogoutMes"],
  ["LogoutMes", "[]", "ErrorMes", 400, "LogoutMes"],
  ...foreignTypes.map((type): [string, string, string, number, string] => [
    type,
    "{}",
    "ErrorMes",
    400,
    type,
  ]),
];

test("[M-4] [M-1] [L-8] after log-in each refusal names its message; the connection stays, nothing is stored", async () => {
  const client = await newUser(server.port, 300, { presence: false });
  const factsBefore = await storedFacts();
  for (const [type, data, answerType, code, about] of refused) {
    client.bytes(frameOfText(type, data));
    const answer = await client.next();
    const told = [answer.type, answer.data.code, answer.data.of ?? answer.data.mid];
    assert.deepEqual(told, [answerType, code, about], `${type} ${data.slice(0, 80)}`);
    assert.equal(typeof answer.data.error, "string");
  }
  assert.deepEqual(await storedFacts(), factsBefore);
  const { code } = await client.ask("SmsMes", { content: "still here", mid: "m8" }, "SmsResMes");
  assert.equal(code, 200);
  client.destroy();
});

test("[M-4] an unknown type that is very long is named no longer than it has to be", async () => {
  const client = await newUser(server.port, 310, { presence: false });
  client.say("x".repeat(60_000), {});
  const { data, bytes } = await client.next("ErrorMes");
  assert.equal(data.code, 400);
  assert.match(String(data.of), /^x+$/);
  assert.ok(bytes < 1024, `${bytes} bytes`);
  client.destroy();
});

interface Ask {
  type: string;
  data: Data;
  /** The answer, told apart from all others; null: there is none. */
  answer: string | null;
}

/** What a session may ask, by the number of the ask. */
const asks: ((n: number) => Ask)[] = [
  (n) => ({ type: "PingMes", data: { n }, answer: `PongMes ${n}` }),
  (n) => ({ type: "SmsMes", data: { content: "x", mid: `o${n}` }, answer: `SmsResMes 200 o${n}` }),
  (n) => ({
    type: "SmsMes",
    data: { content: "x", mid: `o${n}`, conv: "u:100" },
    answer: `SmsResMes 200 o${n}`,
  }),
  (n) => ({ type: "SmsMes", data: { content: "", mid: `o${n}` }, answer: `SmsResMes 400 o${n}` }),
  (n) => ({
    type: "SmsMes",
    data: { content: "x", mid: `o${n}`, conv: "u:98765" },
    answer: `SmsResMes 404 o${n}`,
  }),
  () => ({ type: "SmsMes", data: { content: "no mid" }, answer: "ErrorMes 400 SmsMes" }),
  () => ({ type: "HistoryMes", data: { conv: "all", limit: 200 }, answer: "HistoryResMes 200 all" }),
  () => ({ type: "HistoryMes", data: { conv: "u:100" }, answer: "HistoryResMes 200 u:100" }),
  () => ({ type: "HistoryMes", data: { conv: "u:98765" }, answer: "ErrorMes 404 HistoryMes" }),
  () => ({ type: "UsersMes", data: {}, answer: "UsersResMes 200" }),
  () => ({ type: "AckMes", data: { conv: "all", id: "1-1" }, answer: null }),
  () => ({ type: "AckMes", data: { conv: "u:98765", id: "1-1" }, answer: "ErrorMes 404 AckMes" }),
  () => ({ type: "NotifyUserStatusMes", data: { userId: 1, status: 1 }, answer: null }),
  () => ({ type: "LoginMes", data: {}, answer: "ErrorMes 400 LoginMes" }),
  () => ({ type: "NoSuchMes", data: {}, answer: "ErrorMes 400 NoSuchMes" }),
];
const answerTypes = ["PongMes", "SmsResMes", "HistoryResMes", "UsersResMes", "ErrorMes"];

function toldBy({ type, data }: { type: string; data: Data }): string {
  return [type, data.n, data.code, data.mid, data.of, data.conv]
    .filter((part) => part !== undefined)
    .join(" ");
}

test("[M-5] [K-1] answers come in the order of their requests, slow ones among fast ones, at any cuts", async () => {
  await registerUser(server.port, 400);
  await registerUser(server.port, 401);
  // A private message names its conversation in the answer as well.
  const expected = (ask: Ask): string | null =>
    ask.type === "SmsMes" && ask.answer?.includes(" 200 ")
      ? `${ask.answer} ${String(ask.data.conv ?? "all")}`
      : ask.answer;
  let n = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: asks.length - 1 }), { minLength: 1, maxLength: 60 }),
      fc.array(fc.nat({ max: 4000 }), { maxLength: 4 }),
      async (kinds, cuts) => {
        const client = await WireClient.login(server.port, {
          userId: 400,
          userPwd: "pw400",
          replay: "none",
          presence: false,
        });
        const asked = kinds.map((kind) => (asks[kind] as (n: number) => Ask)(n++));
        const bytes = Buffer.concat(asked.map(({ type, data }) => frameOf(type, data)));
        const at = [
          0,
          ...cuts.map((cut) => cut % bytes.length).sort((left, right) => left - right),
          bytes.length,
        ];
        at.forEach((end, index) => client.bytes(bytes.subarray(at[index - 1] ?? 0, end)));
        await client.settled();
        const told = client.heard.filter(({ type }) => answerTypes.includes(type)).slice(0, -1);
        assert.deepEqual(
          told.map(toldBy),
          asked.map(expected).filter((answer) => answer !== null),
        );
        client.destroy();
      },
    ),
    { numRuns: 60 },
  );
});

test("[M-5] LoginMes and a SmsMes in one write: the log-in first, then the message", async () => {
  await registerUser(server.port, 500);
  for (const v of [2, undefined]) {
    const client = await WireClient.connect(server.port);
    const watcher = await WireClient.login(server.port, { userId: 401, userPwd: "pw401", replay: "none" });
    const content = `at once ${String(v)}`;
    client.bytes(
      Buffer.concat([
        frameOf("LoginMes", { userId: 500, userPwd: "pw500", v }),
        frameOf("SmsMes", { content, mid: "once" }),
      ]),
    );
    const { type, data } = await client.next();
    assert.deepEqual([type, data.code], ["LoginResMes", 200]);
    await watcher.next("SmsMes", (message) => message.content === content && message.userId === 500);
    if (v === 2) assert.equal((await client.next("SmsResMes")).data.code, 200);
    assert.deepEqual(client.all("ErrorMes"), []);
    client.destroy();
    watcher.destroy();
  }
});

test("[M-5] RegisterMes and LoginMes of the same user in one write: both succeed, in this order", async () => {
  const client = await WireClient.connect(server.port);
  const login = { userId: 510, userPwd: "pw510", v: 2, presence: false };
  client.bytes(
    Buffer.concat([
      frameOf("RegisterMes", { user: { userId: 510, userPwd: "pw510", userName: "new" } }),
      frameOf("LoginMes", login),
      frameOf("PingMes", { n: 5 }),
    ]),
  );
  await client.next("PongMes");
  assert.deepEqual(client.heard.map(toldBy), ["RegisterResMes 200", "LoginResMes 200", "PongMes 5"]);
  client.destroy();
});

test("[M-5] a failed log-in and a good one in one write are answered in order", async () => {
  const client = await WireClient.connect(server.port);
  await registerUser(server.port, 520);
  const login = { userId: 520, v: 2, presence: false };
  client.bytes(
    Buffer.concat([
      frameOf("LoginMes", { ...login, userPwd: "wrong" }),
      frameOf("PingMes", { n: 1 }),
      frameOf("LoginMes", { ...login, userPwd: "pw520" }),
      frameOf("LoginMes", { ...login, userPwd: "pw520" }),
      frameOf("PingMes", { n: 2 }),
    ]),
  );
  await client.next("PongMes");
  assert.deepEqual(client.heard.map(toldBy), [
    "LoginResMes 403",
    "ErrorMes 401 PingMes",
    "LoginResMes 200",
    "ErrorMes 400 LoginMes",
    "PongMes 2",
  ]);
  client.destroy();
});

test("[K-1] PongMes carries the n of its PingMes, whatever it is", async () => {
  const client = await newUser(server.port, 530, { presence: false });
  for (const n of [0, 1, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
    assert.deepEqual(await client.ask("PingMes", { n }, "PongMes"), { n });
  }
  client.destroy();
});

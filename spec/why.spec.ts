/**
 * why: what a sender may learn of a message of its own, and of whose devices what; nobody else learns anything (clauses
 * [B-3], [B-4]).
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { deviceKind } from "../lib/deviceKind.ts";
import * as limits from "../lib/limits.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

const clock = new ManualClock();
let redis: SpecRedis;
let server: SpecServer;
let twin: SpecServer;

before(async () => {
  redis = await startRedis();
  server = await startSpecServer({ redis, node: "one", clock });
  twin = await startSpecServer({ redis, node: "two", clock });
});
after(async () => {
  await server.close();
  await twin.close();
  await redis.stop();
});

let mids = 0;
/** Says something; SmsResMes. */
async function say(client: WireClient, conv: string): Promise<Data> {
  const answer = await client.ask("SmsMes", { conv, content: "x", mid: `m${++mids}` }, "SmsResMes");
  assert.equal(answer.code, 200);
  return answer;
}

function login(userId: number, fields: Data = {}, port = server.port): Promise<WireClient> {
  return WireClient.login(port, { userId, userPwd: `pw${userId}`, ...fields });
}

function why(client: WireClient, conv: string, id: unknown): Promise<Data> {
  return client.ask("WhyMes", { conv, id }, "WhyResMes");
}

async function devicesOf(client: WireClient, conv: string, id: unknown): Promise<Data[]> {
  return (await why(client, conv, id)).devices as Data[];
}

/** Reads up to a message, and has that written. */
async function ack(client: WireClient, conv: string, id: unknown): Promise<void> {
  await client.hears("the message", (heard) => heard.some(({ data }) => data.id === id));
  client.say("AckMes", { conv, id });
  await client.ask("UsersMes", { limit: 1 }, "UsersResMes");
  clock.advance(limits.cursorFlushMs);
}

test("[B-3] the sender learns id, time, and how safely it is stored", async () => {
  const alice = await newUser(server.port, 700);
  const { id, time } = await say(alice, "all");
  assert.deepEqual(await why(alice, "all", id), {
    code: 200,
    error: "",
    conv: "all",
    id,
    time,
    stored: "disk",
    devices: [],
  });
  const toMyself = await say(alice, "u:700");
  assert.deepEqual(await devicesOf(alice, "u:700", toMyself.id), [], "there is no other side");
});

test("[B-3] others' messages, and those that are not there, are 404 alike", async () => {
  const alice = await newUser(server.port, 710);
  const bob = await newUser(server.port, 711);
  const carol = await newUser(server.port, 712);
  const { id: toAll } = await say(alice, "all");
  const { id: toBob } = await say(alice, "u:711");
  const [epoch] = String(toBob).split("-");
  const refused = async (client: WireClient, conv: string, id: unknown): Promise<void> => {
    const { code, of, error } = await client.ask("WhyMes", { conv, id }, "ErrorMes");
    assert.deepEqual([code, of], [404, "WhyMes"]);
    assert.doesNotMatch(String(error), /711|alice|user710/, "the text tells nothing either");
  };
  await refused(bob, "all", toAll);
  await refused(bob, "u:710", toBob);
  await refused(carol, "u:710", toBob);
  await refused(carol, "u:711", toBob);
  await refused(alice, "u:711", `${epoch}-99`);
  await refused(alice, "u:711", "0-0");
  await refused(alice, "u:799", toBob);
  await refused(alice, "u:712", toBob);
  await refused(alice, "r:room", toBob);
  await redis.client.xdel("{c:dm:710:711}:log", String(toBob));
  await refused(alice, "u:711", toBob);
  assert.equal((await alice.ask("WhyMes", { conv: "all", id: "x" }, "ErrorMes")).code, 400);
});

test("[B-4] each device of the other side by kind and state, and nothing else of it", async () => {
  const alice = await newUser(server.port, 720);
  await registerUser(server.port, 721);
  const before = clock.wallMs();
  const terminal = await login(721, { device: "terminal-secret" });
  const phone = await login(721, { device: "phone" }, twin.port);
  const { id } = await say(alice, "u:721");
  await ack(terminal, "u:720", id);
  await until("the acknowledgement", () => redis.client.hexists("{u:721}:received", "dm:720:721"));
  clock.advance(1000);
  const leftMs = clock.wallMs();
  phone.say("LogoutMes", {});
  await phone.closed;
  await until("the note", async () => (await redis.client.hget("{u:721}:seen", "phone"))?.startsWith("off"));
  const [first, second, ...more] = await devicesOf(alice, "u:721", id);
  assert.deepEqual(more, []);
  const { ackedTime, ...rest } = first ?? {};
  assert.deepEqual(rest, { kind: "terminal", acked: true, online: true, since: before });
  assert.ok(Math.abs(Number(ackedTime) - Date.now()) < 60_000, `acknowledged at ${String(ackedTime)}`);
  assert.deepEqual(second, { kind: "phone", acked: false, online: false, since: leftMs });
  const { id: later } = await say(alice, "u:721");
  assert.deepEqual(
    (await devicesOf(alice, "u:721", later)).map(({ kind, acked }) => [kind, acked]),
    [
      ["terminal", false],
      ["phone", false],
    ],
  );
});

test("[B-4] the time is that of the acknowledgement that covers the message; of the 16 latest", async () => {
  const alice = await newUser(server.port, 730);
  const bob = await newUser(server.port, 731);
  const ids: unknown[] = [];
  const times: unknown[] = [];
  for (let n = 0; n < limits.acksKeptMax + 1; n++) {
    const { id } = await say(alice, "u:731");
    ids.push(id);
    await ack(bob, "u:730", id);
    await alice.next("DeliveredMes", (data) => data.id === id);
    times.push((await devicesOf(alice, "u:731", id))[0]?.ackedTime);
  }
  const told = await Promise.resolve(devicesOf(alice, "u:731", ids[1]));
  assert.deepEqual(told[0]?.ackedTime, undefined, "older ones were forgotten: this one may not be the first");
  assert.deepEqual(told[0]?.acked, true);
  assert.equal((await devicesOf(alice, "u:731", ids[2]))[0]?.ackedTime, times[2]);
  assert.equal((await devicesOf(alice, "u:731", ids.at(-1)))[0]?.ackedTime, times.at(-1));
});

test("[B-4] [P-4] who is not shown is never online here; who has acknowledged has, all the same", async () => {
  const alice = await newUser(server.port, 740);
  await registerUser(server.port, 741);
  const hidden = await login(741, { device: "phone.1", presence: false });
  const { id } = await say(alice, "u:741");
  assert.deepEqual(await devicesOf(alice, "u:741", id), [{ kind: "phone", acked: false, online: false }]);
  await ack(hidden, "u:740", id);
  await alice.next("DeliveredMes");
  const [{ ackedTime, ...rest } = {}] = await devicesOf(alice, "u:741", id);
  assert.deepEqual(rest, { kind: "phone", acked: true, online: false });
  assert.equal(typeof ackedTime, "number");
});

test("[B-4] who has never been here has no devices; a first-generation session is one of kind legacy", async () => {
  const alice = await newUser(server.port, 750);
  await registerUser(server.port, 751);
  const { id } = await say(alice, "u:751");
  assert.deepEqual(await devicesOf(alice, "u:751", id), []);
  const sinceMs = clock.wallMs();
  const one = await login(751, { v: undefined });
  const other = await login(751, { v: undefined });
  const online = { kind: "legacy", acked: false, online: true, since: sinceMs };
  await until("the note", () => redis.client.hexists("{u:751}:seen", "legacy"));
  assert.deepEqual(await devicesOf(alice, "u:751", id), [online]);
  one.destroy();
  await until("the end", () =>
    server.events.some(({ event, userId }) => event === "session_closed" && userId === 751),
  );
  assert.deepEqual(await devicesOf(alice, "u:751", id), [online], "the other one is still there");
  other.destroy();
  await until("the note", async () => (await redis.client.hget("{u:751}:seen", "legacy"))?.startsWith("off"));
  assert.deepEqual(await devicesOf(alice, "u:751", id), [
    { ...online, online: false, since: clock.wallMs() },
  ]);
});

test("[B-4] a device that is replaced, on another server too, is online; one whose server died is not", async () => {
  const alice = await newUser(server.port, 760);
  await registerUser(server.port, 761);
  const { id } = await say(alice, "u:761");
  const first = await login(761, { device: "web" });
  clock.advance(1000);
  await login(761, { device: "web" }, twin.port);
  await first.closed;
  const state = async (): Promise<Data | undefined> => (await devicesOf(alice, "u:761", id))[0];
  assert.deepEqual(await state(), { kind: "web", acked: false, online: true, since: clock.wallMs() });
  await redis.client.hset("{u:761}:seen", "web", `on ${clock.wallMs()} dead-node`);
  assert.deepEqual(await state(), { kind: "web", acked: false, online: false }, "nobody knows since when");
});

test("[B-4] [L-5] a device that was dropped is no longer one", async () => {
  const alice = await newUser(server.port, 770);
  await registerUser(server.port, 771);
  const { id } = await say(alice, "u:771");
  const phone = await login(771, { device: "phone" });
  await ack(phone, "u:770", id);
  phone.destroy();
  for (let n = 0; n < limits.devicesPerUserMax; n++) (await login(771, { device: `d${n}` })).destroy();
  const devices = await devicesOf(alice, "u:771", id);
  assert.deepEqual(
    devices.map(({ kind }) => kind),
    Array.from({ length: limits.devicesPerUserMax }, () => "other"),
  );
  assert.equal(await redis.client.hexists("{u:771}:received", "phone|dm:770:771"), 0);
  assert.equal(
    await redis.client.hget("{u:771}:received", "dm:770:771"),
    id,
    "what was received stays received",
  );
});

test("[B-4] a kind is a known word that the name begins with, never more of the name", () => {
  const kinds = [
    "phone",
    "phone-5f",
    "phone.2",
    "phone_x",
    "phones",
    "bob-phone",
    "legacy",
    "default",
    "script-1.2",
    "Web",
  ];
  assert.deepEqual(kinds.map(deviceKind), [
    ...["phone", "phone", "phone", "phone", "other", "other", "legacy", "other", "script", "other"],
  ]);
});

/**
 * legacyLive: first-generation sessions on a live server: what reaches them, in what shape, what never does, and that
 * several of one user run side by side.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { ServerSockets, watchWrites } from "./helpers/serverSockets.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, frameOf, newUser, registerUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
let server: SpecServer;
let sockets: ServerSockets;

before(async () => {
  sockets = new ServerSockets();
  redis = await startRedis();
  server = await startSpecServer({ redis });
});
after(async () => {
  sockets.stop();
  await server.close();
  await redis.stop();
});

function legacyLogin(userId: number): Promise<WireClient> {
  return WireClient.login(server.port, { userId, userPwd: `pw${userId}`, v: undefined });
}

async function newLegacy(userId: number): Promise<WireClient> {
  await registerUser(server.port, userId);
  return legacyLogin(userId);
}

/** Says a last line to everybody; when the reader has it, it has had all that was for it before. */
async function fence(speaker: WireClient, reader: WireClient): Promise<void> {
  const content = `fence ${Math.random()}`;
  const answer = await speaker.ask("SmsMes", { content, mid: content.replace(" ", "_") }, "SmsResMes");
  assert.equal(answer.code, 200);
  await reader.next("SmsMes", (data) => data.content === content);
}

test("[G-1] [L-1] nothing comes before LoginResMes, whatever waits and whoever comes and goes", async () => {
  const speaker = await newUser(server.port, 100, { replay: "none" });
  await registerUser(server.port, 101);
  for (let line = 0; line < 50; line++) speaker.say("SmsMes", { content: `${line}`, mid: `w${line}` });
  for (let line = 0; line < 50; line++) {
    speaker.say("SmsMes", { conv: "u:101", content: `p${line}`, mid: `p${line}` });
  }
  await speaker.settled();
  for (let round = 0; round < 10; round++) {
    const client = await WireClient.connect(server.port);
    const other = WireClient.login(server.port, { userId: 100, userPwd: "pw100", device: `d${round}` });
    speaker.say("SmsMes", { content: "meanwhile", mid: `r${round}` });
    client.bytes(
      Buffer.concat([
        frameOf("LoginMes", { userId: 101, userPwd: "wrong" }),
        frameOf("LoginMes", { userId: 101, userPwd: "pw101" }),
      ]),
    );
    await fence(speaker, client);
    const [refused, welcome] = client.heard;
    assert.deepEqual([refused?.type, refused?.data.code, refused?.data.UsersId], ["LoginResMes", 403, null]);
    assert.deepEqual([welcome?.type, welcome?.data.code], ["LoginResMes", 200]);
    assert.ok(
      (welcome?.data.UsersId as number[]).includes(101),
      "(welcome?.data.UsersId as number[]).includes(101)",
    );
    client.destroy();
    (await other).destroy();
  }
  speaker.destroy();
});

test("[G-2] [G-5] [G-6] the longest messages reach it in frames that fit, complete and without effect", async () => {
  const speaker = await newUser(server.port, 110, { replay: "none" });
  const reader = await newLegacy(111);
  const contents = [
    "海".repeat(4000),
    '"'.repeat(4000),
    "\u0001".repeat(4000),
    "😀".repeat(2000),
    "\u001b[2J\u202ex",
  ];
  for (const [index, content] of contents.entries()) speaker.say("SmsMes", { content, mid: `l${index}` });
  await fence(speaker, reader);
  const told = reader.all("SmsMes").map(({ content }) => String(content));
  const whole = told.slice(0, -1).join("");
  assert.equal(
    whole,
    contents.join("").replaceAll("\u0001", "␁").replaceAll("\u001b", "␛").replaceAll("\u202e", "\ufffd"),
  );
  for (const { bytes } of reader.heard) assert.ok(bytes <= 8096, `${bytes} bytes`);
  for (const client of [speaker, reader]) client.destroy();
});

test("[G-2] a sender whose record was put in by hand, with more in it than can be registered", async () => {
  const record = { userId: 120, userPwd: "pw120", userName: "海".repeat(9000), sex: "x".repeat(9000) };
  await redis.client.hset("users", 120, JSON.stringify(record));
  const reader = await newLegacy(121);
  const speaker = await WireClient.login(server.port, { userId: 120, userPwd: "pw120" });
  speaker.say("SmsMes", { content: "海".repeat(4000), mid: "long" });
  await fence(speaker, reader);
  for (const { bytes } of reader.heard) assert.ok(bytes <= 8096, `${bytes} bytes`);
  const told = reader.all("SmsMes").map(({ content }) => String(content));
  assert.equal(told.slice(0, -1).join(""), "海".repeat(4000));
  for (const client of [speaker, reader]) client.destroy();
});

test("[G-4] on the wire: whole frames, at most 16 KiB at a time, at least 2 ms in between", async () => {
  const speaker = await newUser(server.port, 130, { replay: "none" });
  await registerUser(server.port, 131);
  const lines = 400;
  for (let line = 0; line < lines; line++) {
    speaker.say("SmsMes", {
      conv: "u:131",
      content: `${line} `.padEnd((line * 37) % 2000, "x"),
      mid: `b${line}`,
    });
  }
  await speaker.settled();
  const reader = await WireClient.connect(server.port);
  const writes = watchWrites(await sockets.of(reader));
  reader.say("LoginMes", { userId: 131, userPwd: "pw131" });
  await reader.hears("all lines", () => reader.all("SmsMes").length >= lines);
  await fence(speaker, reader);
  const lineNumbers = reader
    .all("SmsMes")
    .filter(({ content }) => String(content).startsWith("（私聊）"))
    .map(({ content }) => Number(/\d+/.exec(String(content))?.[0]));
  assert.deepEqual(
    lineNumbers,
    Array.from({ length: lines }, (_, line) => line),
  );
  assert.ok(writes.length > 20, `${writes.length} writes`);
  // The log-in answer opens the first burst; every other write is a burst.
  const [answer, ...bursts] = writes;
  assert.ok(
    (answer?.bytes.length ?? 0) + (bursts[0]?.bytes.length ?? 0) <= 16 * 1024,
    "(answer?.bytes.length ?? 0) + (bursts[0]?.bytes.length ?? 0) <= 16 * 1024",
  );
  bursts.forEach(({ atMs, bytes }, index) => {
    assert.ok(bytes.length <= 16 * 1024, `${bytes.length} bytes`);
    let at = 0;
    while (at < bytes.length) at += 4 + bytes.readUInt32BE(at);
    assert.equal(at, bytes.length, "a torn frame");
    const before = bursts[index - 1];
    if (before) assert.ok(atMs - before.atMs >= 2, `a pause of ${atMs - before.atMs} ms`);
  });
  for (const client of [speaker, reader]) client.destroy();
});

test("[G-3] [G-8] it hears who comes, as online, and never of itself or of who leaves", async () => {
  const speaker = await newUser(server.port, 140, { replay: "none" });
  const reader = await newLegacy(141);
  const again = await legacyLogin(141);
  const comer = await newUser(server.port, 142);
  await reader.next("NotifyUserStatusMes", ({ userId }) => userId === 142);
  comer.destroy();
  await until("that 142 has left", () =>
    speaker.all("PresenceMes").some(({ offline }) => (offline as number[]).includes(142)),
  );
  const last = await newUser(server.port, 143);
  await reader.next("NotifyUserStatusMes", ({ userId }) => userId === 143);
  const notices = reader.all("NotifyUserStatusMes");
  assert.ok(
    notices.every(({ status }) => status === 0),
    "notices.every(({ status }) => status === 0)",
  );
  assert.deepEqual(
    notices.map(({ userId }) => userId),
    [142, 143],
  );
  for (const client of [speaker, reader, again, last]) client.destroy();
});

test("[G-7] [S-2] a private message comes marked, one to the room does not", async () => {
  const speaker = await newUser(server.port, 150, { replay: "none" });
  const reader = await newLegacy(151);
  speaker.say("SmsMes", { conv: "u:151", content: "for you", mid: "a" });
  const { data } = await reader.next("SmsMes");
  assert.deepEqual(data, {
    content: "（私聊）for you",
    userId: 150,
    userPwd: "",
    userName: "user150",
    userStatus: "\u0000",
    sex: "",
  });
  speaker.say("SmsMes", { content: "for all", mid: "b" });
  assert.equal((await reader.next("SmsMes")).data.content, "for all");
  for (const client of [speaker, reader]) client.destroy();
});

const ownTypes = ["LoginResMes", "NotifyUserStatusMes", "SmsMes"];

test("[G-8] whatever it says, it gets no type of the second generation", async () => {
  const speaker = await newUser(server.port, 160, { replay: "none" });
  const reader = await newLegacy(161);
  const said: [string, Data][] = [
    ["PingMes", { n: 1 }],
    ["PingMes", { n: "x" }],
    ["HistoryMes", { conv: "all" }],
    ["HistoryMes", { conv: "u:99999" }],
    ["UsersMes", {}],
    ["AckMes", { conv: "all", id: "1-1" }],
    ["AckMes", { conv: "u:99999", id: "1-1" }],
    ["SmsMes", { content: "" }],
    ["SmsMes", { content: "x".repeat(4001), mid: "m" }],
    ["SmsMes", { content: "fits", mid: "m" }],
    ["NotifyUserStatusMes", { userId: 161, status: 7 }],
    ["LoginMes", { userId: 161, userPwd: "pw161", v: 2 }],
    ["LoginMes", {}],
    ["RegisterMes", {}],
    ["NoSuchMes", {}],
  ];
  for (const [type, data] of said) reader.say(type, data);
  await speaker.next("SmsMes", ({ content, userId }) => content === "fits" && userId === 161);
  // What it says last is answered, if ever, after all the others.
  reader.say("SmsMes", { content: "last" });
  await speaker.next("SmsMes", ({ content, userId }) => content === "last" && userId === 161);
  await fence(speaker, reader);
  assert.deepEqual(
    reader.heard.map(({ type }) => type).filter((type) => !ownTypes.includes(type)),
    [],
  );
  for (const client of [speaker, reader]) client.destroy();
});

test("[G-8] [D-5] messages that are no longer kept: the rest comes, without GapMes", async () => {
  await registerUser(server.port, 170);
  const speaker = await newUser(server.port, 171, { replay: "none" });
  const ids: string[] = [];
  for (let line = 0; line < 6; line++) {
    const sms = { conv: "u:170", content: `g${line}`, mid: `g${line}` };
    ids.push(String((await speaker.ask("SmsMes", sms, "SmsResMes")).id));
  }
  for (const index of [0, 1, 3]) await redis.client.xdel("{c:dm:170:171}:log", ids[index] ?? "");
  const reader = await legacyLogin(170);
  await reader.hears("the rest", () => reader.all("SmsMes").some(({ content }) => content === "（私聊）g5"));
  await fence(speaker, reader);
  assert.deepEqual(
    reader
      .all("SmsMes")
      .map(({ content }) => String(content))
      .filter((content) => content.startsWith("（私聊）")),
    ["（私聊）g2", "（私聊）g4", "（私聊）g5"],
  );
  assert.deepEqual(
    reader.heard.map(({ type }) => type).filter((type) => !ownTypes.includes(type)),
    [],
  );
  for (const client of [speaker, reader]) client.destroy();
});

test("[L-7] legacy sessions of one user run side by side, beside a modern one, and each hears all", async () => {
  const speaker = await newUser(server.port, 180, { replay: "none" });
  await registerUser(server.port, 181);
  const sessions = [await legacyLogin(181), await legacyLogin(181), await legacyLogin(181)];
  const modern = await WireClient.login(server.port, { userId: 181, userPwd: "pw181", device: "legacy" });
  sessions.push(await legacyLogin(181));
  for (let line = 0; line < 20; line++) speaker.say("SmsMes", { content: `s${line}`, mid: `s${line}` });
  for (const session of [...sessions, modern]) {
    await fence(speaker, session);
    assert.deepEqual(
      session
        .all("SmsMes")
        .filter(({ userId, content }) => userId === 180 && String(content).startsWith("s"))
        .map(({ content }) => content),
      Array.from({ length: 20 }, (_, line) => `s${line}`),
    );
    assert.equal(session.isClosed, false);
  }
  // One of them goes; the others stay, and the user stays online.
  sessions[0]?.destroy();
  for (const session of [...sessions.slice(1), modern]) await fence(speaker, session);
  const { users } = await speaker.ask("UsersMes", { after: 180, limit: 1 }, "UsersResMes");
  assert.deepEqual(users, [{ userId: 181, userName: "user181" }]);
  for (const client of [speaker, modern, ...sessions]) client.destroy();
});

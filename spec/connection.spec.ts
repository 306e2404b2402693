/**
 * connection: broken frames, ends inside frames and the length cap, each on a live server: what the other side is
 * told, that the connection ends, and that nobody else notices.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Bystanders } from "./helpers/bystanders.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { ServerSockets } from "./helpers/serverSockets.ts";
import { inTime, until } from "./helpers/wait.ts";
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
let sockets: ServerSockets;
let bystanders: Bystanders;

before(async () => {
  sockets = new ServerSockets();
  redis = await startRedis();
  server = await startSpecServer({ redis });
  bystanders = await Bystanders.meet(server.port, 1);
});
after(async () => {
  bystanders.leave();
  sockets.stop();
  await server.close();
  await redis.stop();
});

function header(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}

const text = (payload: string): Buffer => frameOfPayload(Buffer.from(payload));

const brokenFrames: [string, Buffer][] = [
  ["length 0", header(0)],
  ["length 65,537, of which not a byte follows", header(65_537)],
  ["the longest length", header(0xffffffff)],
  ["a byte that is not UTF-8", frameOfPayload(Buffer.from('{"type":"PingMes","data":"{\xff}"}', "latin1"))],
  ["an overlong UTF-8 form", frameOfPayload(Buffer.from([0x22, 0xc0, 0x80, 0x22]))],
  ["UTF-8 cut inside a character", frameOfPayload(Buffer.from("海").subarray(0, 2))],
  ["no JSON", text("hello")],
  ["JSON cut short", text('{"type":"PingMes","data":"{}"')],
  ["JSON and more", text('{"type":"PingMes","data":"{}"} x')],
  ["null", text("null")],
  ["a number", text("7")],
  ["a list", text('["PingMes","{}"]')],
  ["no type", text('{"data":"{}"}')],
  ["no data", text('{"type":"PingMes"}')],
  ["a type that is no string", text('{"type":1,"data":"{}"}')],
  ["data that is no string", text('{"type":"PingMes","data":{"n":1}}')],
  ["type and data only inherited", text('{"__proto__":{"type":"PingMes","data":"{}"}}')],
  ["names in another case", text('{"Type":"PingMes","Data":"{}"}')],
];

/** The server says ErrorMes 400 about the frame, nothing more, and ends the connection. */
async function assertToldOff(client: WireClient, heardBefore: number): Promise<void> {
  assert.equal(await inTime("the end", client.closed), "end");
  const after = client.heard.slice(heardBefore).filter(({ type }) => type !== "PresenceMes");
  assert.deepEqual(
    after.map(({ type, data }) => [type, data.code, data.of]),
    [["ErrorMes", 400, "frame"]],
  );
  assert.equal(typeof after[0]?.data.error, "string");
}

test("[F-5] a broken frame before log-in is answered ErrorMes 400 and ends that connection only", async () => {
  for (const [what, bytes] of brokenFrames) {
    const client = await WireClient.connect(server.port);
    client.bytes(bytes);
    await assertToldOff(client, 0).catch((error: unknown) => {
      throw new Error(what, { cause: error });
    });
  }
  await bystanders.assertUndisturbed();
});

test("[F-5] a broken frame of a modern session is answered ErrorMes 400 and ends that connection only", async () => {
  await registerUser(server.port, 100);
  for (const [what, bytes] of brokenFrames) {
    const client = await WireClient.login(server.port, { userId: 100, userPwd: "pw100" });
    await client.settled();
    const heardBefore = client.heard.length;
    client.bytes(bytes);
    await assertToldOff(client, heardBefore).catch((error: unknown) => {
      throw new Error(what, { cause: error });
    });
  }
  await bystanders.assertUndisturbed();
});

test("[F-5] [G-8] a broken frame of a legacy session ends it without a word", async () => {
  await registerUser(server.port, 110);
  for (const [what, bytes] of brokenFrames) {
    const client = await WireClient.login(server.port, { userId: 110, userPwd: "pw110", v: undefined });
    client.bytes(bytes);
    assert.equal(await inTime("the end", client.closed), "end", what);
    const types = new Set(client.heard.map(({ type }) => type));
    for (const type of ["LoginResMes", "SmsMes", "NotifyUserStatusMes"]) types.delete(type);
    assert.deepEqual([...types], [], what);
  }
  await bystanders.assertUndisturbed();
});

test("[F-5] what follows a broken frame is not looked at", async () => {
  const client = await newUser(server.port, 120);
  const lengthBefore = await redis.client.xlen("{c:all}:log");
  client.bytes(Buffer.concat([header(0), frameOf("SmsMes", { content: "after", mid: "a" })]));
  await client.closed;
  assert.equal(client.all("SmsResMes").length, 0);
  await bystanders.talk();
  assert.equal(await redis.client.xlen("{c:all}:log"), lengthBefore + 1);
});

test("[F-5] [M-5] what was asked before a broken frame is answered before it, however slow", async () => {
  const client = await newUser(server.port, 130);
  const heardBefore = client.heard.length;
  client.bytes(
    Buffer.concat([
      frameOf("SmsMes", { content: "slow", mid: "a" }),
      frameOf("PingMes", { n: 1 }),
      frameOf("HistoryMes", { conv: "all", limit: 1 }),
      frameOf("SmsMes", { content: "slow", mid: "b" }),
      header(0),
      frameOf("PingMes", { n: 2 }),
    ]),
  );
  assert.equal(await client.closed, "end");
  assert.deepEqual(
    client.heard
      .slice(heardBefore)
      .filter(({ type }) => type !== "PresenceMes")
      .map(({ type, data }) => [type, data.code]),
    [
      ["SmsResMes", 200],
      ["PongMes", undefined],
      ["HistoryResMes", 200],
      ["SmsResMes", 200],
      ["ErrorMes", 400],
    ],
  );
});

const ends: [string, Buffer][] = [
  ["one byte of a header", frameOf("PingMes", { n: 2 }).subarray(0, 1)],
  ["three bytes of a header", frameOf("PingMes", { n: 2 }).subarray(0, 3)],
  ["a header", frameOf("PingMes", { n: 2 }).subarray(0, 4)],
  ["all but the last byte", frameOf("PingMes", { n: 2 }).subarray(0, -1)],
];

test("[F-6] an end inside a frame is a broken frame; what came before is answered", async () => {
  await registerUser(server.port, 140);
  for (const [what, bytes] of ends) {
    const stranger = await WireClient.connect(server.port);
    stranger.socket.end(bytes);
    await assertToldOff(stranger, 0).catch((error: unknown) => {
      throw new Error(`${what}, before log-in`, { cause: error });
    });
    // Not told who comes and goes: only the answers are counted.
    const quiet = { userId: 140, userPwd: "pw140", presence: false };
    const modern = await WireClient.login(server.port, quiet);
    await modern.settled();
    const heardBefore = modern.heard.length;
    modern.socket.end(
      Buffer.concat([frameOf("SmsMes", { content: "x", mid: what.replaceAll(" ", "_") }), bytes]),
    );
    assert.equal((await modern.next("SmsResMes")).data.code, 200);
    await assertToldOff(modern, heardBefore + 1).catch((error: unknown) => {
      throw new Error(`${what}, modern`, { cause: error });
    });
    const legacy = await WireClient.login(server.port, { userId: 140, userPwd: "pw140", v: undefined });
    legacy.socket.end(bytes);
    assert.equal(await legacy.closed, "end");
    assert.deepEqual(legacy.all("ErrorMes"), []);
  }
  await bystanders.assertUndisturbed();
});

test("[F-6] [F-3] an end after a frame is none: everything asked is answered, then the server ends too", async () => {
  await registerUser(server.port, 150);
  const client = await WireClient.connect(server.port);
  client.socket.end(
    Buffer.concat([
      frameOf("LoginMes", { userId: 150, userPwd: "pw150", v: 2 }),
      frameOf("SmsMes", { content: "and bye", mid: "a" }),
      frameOf("PingMes", { n: 1 }),
    ]),
  );
  assert.equal(await inTime("the end", client.closed), "end");
  assert.deepEqual(
    client.heard.filter(({ type }) => type !== "PresenceMes").map(({ type, data }) => [type, data.code]),
    [
      ["LoginResMes", 200],
      ["SmsResMes", 200],
      ["PongMes", undefined],
    ],
  );
});

test("[F-6] [D-6] one that asks much, ends its side and reads late gets every answer", async () => {
  const client = await newUser(server.port, 160);
  const content = "海".repeat(4000);
  const mids = Array.from({ length: 5 }, (_, index) => `big${index}`);
  for (const mid of mids) client.say("SmsMes", { conv: "u:160", content, mid });
  await client.settled();
  const rounds = 400;
  client.socket.pause();
  const asks = Array.from({ length: rounds }, (_, n) => [
    frameOf("HistoryMes", { conv: "u:160", limit: 5 }),
    frameOf("PingMes", { n }),
  ]);
  client.socket.end(Buffer.concat(asks.flat()));
  // What the kernel keeps for both sides is full, and more waits in the server than it makes at once.
  const serverEnd = await sockets.of(client);
  await until("a backlog", () => serverEnd.writableLength > 256 * 1024);
  await bystanders.talk();
  client.socket.resume();
  assert.equal(await inTime("the end", client.closed), "end");
  assert.deepEqual(client.all("ErrorMes"), []);
  assert.equal(client.all("HistoryResMes").length, rounds);
  assert.deepEqual(
    client
      .all("PongMes")
      .slice(-rounds)
      .map(({ n }) => n),
    Array.from({ length: rounds }, (_, n) => n),
  );
});

/** A frame whose payload is exactly this long. */
function paddedTo(payloadBytes: number, type: string, data: Data): Buffer {
  const bare = frameOf(type, { ...data, pad: "" }).length - 4;
  return frameOf(type, { ...data, pad: "x".repeat(payloadBytes - bare) });
}

test("[F-2] before log-in 4,096 bytes of payload are taken and 4,097 are not", async () => {
  await registerUser(server.port, 170);
  const login = { userId: 170, userPwd: "pw170", v: 2 };
  const fits = await WireClient.connect(server.port);
  // A failed log-in does not widen the cap.
  fits.bytes(paddedTo(4096, "LoginMes", { ...login, userPwd: "wrong" }));
  assert.equal((await fits.next("LoginResMes")).data.code, 403);
  fits.bytes(paddedTo(4096, "LoginMes", login));
  assert.equal((await fits.next("LoginResMes")).data.code, 200);
  fits.destroy();

  const tooLong = await WireClient.connect(server.port);
  tooLong.bytes(paddedTo(4096, "LoginMes", { ...login, userPwd: "wrong" }));
  assert.equal((await tooLong.next("LoginResMes")).data.code, 403);
  tooLong.bytes(paddedTo(4097, "LoginMes", login));
  await assertToldOff(tooLong, 1);
});

test("[F-2] after log-in 65,536 bytes are taken and 65,537 are not, by the header alone", async () => {
  const client = await newUser(server.port, 180);
  client.bytes(paddedTo(65_536, "PingMes", { n: 7 }));
  assert.equal((await client.next("PongMes")).data.n, 7);
  const heardBefore = client.heard.length;
  client.bytes(header(65_537));
  await assertToldOff(client, heardBefore);

  const legacy = await WireClient.login(server.port, { userId: 180, userPwd: "pw180", v: undefined });
  const listener = await newUser(server.port, 181, { replay: "none" });
  legacy.bytes(paddedTo(65_536, "SmsMes", { content: "long frame, short message" }));
  const { data } = await listener.next("SmsMes", ({ userId }) => userId === 180);
  assert.equal(data.content, "long frame, short message");
  legacy.bytes(header(65_537));
  assert.equal(await legacy.closed, "end");
  listener.destroy();
});

test("[F-2] the cap is the session's as soon as it is logged in: a long frame in the same write as LoginMes", async () => {
  await registerUser(server.port, 190);
  const client = await WireClient.connect(server.port);
  const login = frameOf("LoginMes", { userId: 190, userPwd: "pw190", v: 2 });
  client.bytes(Buffer.concat([login, paddedTo(65_536, "PingMes", { n: 3 })]));
  assert.equal((await client.next("LoginResMes")).data.code, 200);
  assert.equal((await client.next("PongMes")).data.n, 3);
  client.destroy();
});

/**
 * hostile: strangers and sessions that send garbage, floods, halves of frames, or never read. Nobody else notices,
 * nothing of it is stored, memory stays bounded, and the process (this one) lives.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import fc from "fast-check";
import { Bystanders } from "./helpers/bystanders.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { ServerSockets } from "./helpers/serverSockets.ts";
import { inTime, until } from "./helpers/wait.ts";
import { WireClient, frameOf, frameOfPayload, newUser, registerUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
let server: SpecServer;
let sockets: ServerSockets;
let bystanders: Bystanders;
let factsBefore: unknown;

before(async () => {
  sockets = new ServerSockets();
  redis = await startRedis();
  server = await startSpecServer({ redis });
  bystanders = await Bystanders.meet(server.port, 1);
  for (const userId of [100, 101]) await registerUser(server.port, userId);
  // So that the keys of their sessions are there already.
  for (const client of await hostileSessions()) client.destroy();
  await bystanders.talk();
  factsBefore = await strangeFacts();
});
// After every test: the others heard each line, once, in order, and nothing was stored but their lines.
afterEach(async () => {
  await bystanders.assertUndisturbed();
  assert.deepEqual(await strangeFacts(), factsBefore);
  assert.deepEqual(
    server.events.filter(({ event }) => event === "connection_failed"),
    [],
  );
});
after(async () => {
  bystanders.leave();
  sockets.stop();
  await server.close();
  await redis.stop();
});

// Who is online, the bystander's mids by day, and the cursors of legacy readers, which move with time alone.
const ordinary = /^\{online\}|^\{c:all\}:mids:1:|^\{u:(3|101)\}:cursors$/;

/** What is stored, without what the bystanders said. */
async function strangeFacts(): Promise<unknown> {
  const { client } = redis;
  const keys = (await client.keys("*")).filter((key) => !ordinary.test(key));
  const messages = (await client.xlen("{c:all}:log")) - bystanders.said;
  return { keys: keys.sort(), messages, users: (await client.hkeys("users")).sort() };
}

/** A modern session and a legacy one. */
async function hostileSessions(): Promise<[WireClient, WireClient]> {
  const modern = { userId: 100, userPwd: "pw100", replay: "none", presence: false };
  const legacy = { userId: 101, userPwd: "pw101", v: undefined };
  return [await WireClient.login(server.port, modern), await WireClient.login(server.port, legacy)];
}

/** Sends the bytes as a stranger, as a modern and as a legacy session, ends its side; the server ends its own. */
async function inflict(bytes: Buffer): Promise<void> {
  const clients = [await WireClient.connect(server.port), ...(await hostileSessions())];
  for (const client of clients) client.socket.end(bytes);
  for (const client of clients) await inTime("the server's end", client.closed);
}

const garbage = fc.uint8Array({ minLength: 1, maxLength: 4096 }).map((bytes) => Buffer.from(bytes));

test("[F-5] [F-6] random bytes", async () => {
  await fc.assert(fc.asyncProperty(garbage, inflict), { numRuns: 40 });
});

test("[F-5] [F-6] a header that fits and a random payload", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(garbage.map(frameOfPayload), { minLength: 1, maxLength: 4 }), (frames) =>
      inflict(Buffer.concat(frames)),
    ),
    { numRuns: 40 },
  );
});

test("[F-5] [F-6] random lengths, of which anything follows", async () => {
  const frame = fc.tuple(fc.nat({ max: 0xffffffff }), garbage).map(([length, payload]) => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(length);
    return Buffer.concat([header, payload]);
  });
  await fc.assert(fc.asyncProperty(frame, inflict), { numRuns: 40 });
});

test("[M-1] [M-3] any JSON as data of any type", async () => {
  const types = [
    "PingMes",
    "AckMes",
    "HistoryMes",
    "UsersMes",
    "LoginMes",
    "RegisterMes",
    "SmsMes",
    "LogoutMes",
    "X",
  ];
  // A fitting message is none of this test's business: content and user are always of a wrong type.
  const data = fc.oneof(
    fc.json({ maxDepth: 12 }),
    fc.string({ unit: "binary" }),
    fc
      .dictionary(
        fc.constantFrom("mid", "conv", "id", "n", "limit", "before", "userId", "userPwd", "__proto__", "v"),
        fc.jsonValue(),
      )
      .map((fields) => JSON.stringify({ ...fields, content: 7, user: 7 })),
  );
  const frame = fc
    .tuple(fc.constantFrom(...types), data)
    .map(([type, text]) => frameOfPayload(Buffer.from(JSON.stringify({ type, data: text }))));
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 8 }), (frames) =>
      inflict(Buffer.concat(frames)),
    ),
    { numRuns: 60 },
  );
});

interface Capture {
  steps: { from: string; hex: string }[];
}

/** Whole frames that the first-generation client really wrote. */
function capturedFrames(): Buffer[] {
  const url = new URL("../fixtures/wire.json", import.meta.url);
  const { captures } = JSON.parse(readFileSync(url, "utf8")) as { captures: Capture[] };
  const written = captures.flatMap(({ steps }) => steps.filter(({ from }) => from === "client"));
  const frames: Buffer[] = [];
  for (let index = 0; index + 1 < written.length; index += 2) {
    frames.push(Buffer.from(`${written[index]?.hex}${written[index + 1]?.hex}`, "hex"));
  }
  return frames;
}

test("[F-5] [M-1] frames of the first generation with bytes flipped, inserted, deleted", async () => {
  const frames = capturedFrames();
  const registers = frames.filter((frame) => frame.includes("RegisterMes"));
  const others = frames.filter((frame) => !frame.includes("RegisterMes"));
  assert.ok(registers.length >= 4 && others.length >= 5, "registers.length >= 4 && others.length >= 5");
  const change = fc.record({
    kind: fc.constantFrom("flip", "insert", "delete"),
    at: fc.nat(),
    byte: fc.nat({ max: 255 }),
  });
  const changed = (of: Buffer[]): fc.Arbitrary<Buffer> =>
    fc
      .tuple(fc.constantFrom(...of), fc.array(change, { minLength: 1, maxLength: 6 }))
      .map(([frame, changes]) => changes.reduce(applied, frame));
  // A change may make another message that fits. So each goes where even one that fits stores nothing: registrations
  // to sessions, log-ins and messages to strangers.
  await fc.assert(
    fc.asyncProperty(changed(registers), changed(others), async (register, other) => {
      const stranger = await WireClient.connect(server.port);
      stranger.socket.end(other);
      const sessions = await hostileSessions();
      for (const session of sessions) session.socket.end(register);
      for (const client of [stranger, ...sessions]) await inTime("the server's end", client.closed);
    }),
    { numRuns: 150 },
  );
});

interface Change {
  kind: string;
  at: number;
  byte: number;
}

function applied(bytes: Buffer, { kind, at, byte }: Change): Buffer {
  const index = at % Math.max(bytes.length, 1);
  const rest = bytes.subarray(kind === "insert" ? index : index + 1);
  return Buffer.concat([bytes.subarray(0, index), Buffer.from(kind === "delete" ? [] : [byte]), rest]);
}

test("[F-4] [M-1] JSON nested deep, in the data and around it, as large as a frame may be", async () => {
  for (const open of ["[", '{"a":']) {
    const close = open === "[" ? "]" : "}";
    for (const payloadBytes of [3000, 60_000]) {
      const depth = Math.floor(payloadBytes / (open.length * 2 + 2));
      const deep = open.repeat(depth) + "1" + close.repeat(depth);
      const inside = JSON.stringify({ type: "PingMes", data: deep });
      const around = `{"type":"PingMes","data":"{}","more":${deep}}`;
      for (const text of [inside, around, deep, open.repeat(depth)]) {
        await inflict(frameOfPayload(Buffer.from(text)));
      }
    }
  }
});

test("[M-1] huge arrays and objects with very many names", async () => {
  const many = JSON.stringify(Array.from({ length: 12_000 }, (_, index) => index % 10));
  const names = JSON.stringify(
    Object.fromEntries(Array.from({ length: 4_000 }, (_, index) => [`n${index}`, 0])),
  );
  for (const data of [many, names, `{"n":${many}}`, `{"content":${many},"mid":"a"}`, `{"conv":${names}}`]) {
    for (const type of ["PingMes", "SmsMes", "AckMes"]) {
      await inflict(frameOfPayload(Buffer.from(JSON.stringify({ type, data }))));
    }
  }
});

test("[L-8] [M-5] 10,000 tiny frames before log-in are answered one by one", async () => {
  const count = 10_000;
  const client = await WireClient.connect(server.port);
  client.bytes(Buffer.concat(Array.from({ length: count }, () => frameOf("PingMes", {}))));
  await bystanders.talk();
  await client.hears("all answers", (heard) => heard.length === count);
  assert.ok(
    client.heard.every(({ type, data }) => type === "ErrorMes" && data.code === 401),
    'client.heard.every(({ type, data }) => type === "ErrorMes" && data.code === 401)',
  );
  client.destroy();
});

test("[F-7] hundreds that are slow, silent or half gone", async () => {
  const frame = frameOf("LoginMes", { userId: 999, userPwd: "x" });
  const slow: WireClient[] = [];
  for (let index = 0; index < 300; index++) {
    const client = await WireClient.connect(server.port);
    slow.push(client);
    if (index % 3 === 0) client.bytes(frame.subarray(0, 1 + (index % frame.length)));
  }
  // Each drips, one byte a turn; all the while the others talk.
  for (let round = 0; round < 10; round++) {
    for (const [index, client] of slow.entries()) if (index % 3 === 0) client.bytes(Buffer.from([0]));
    await bystanders.talk();
  }
  // Half gone: they ended their side and would read on for ever.
  for (const [index, client] of slow.entries()) {
    if (index % 2 === 0) client.socket.end();
    else client.socket.resetAndDestroy();
  }
  for (const client of slow) await inTime("the server's end", client.closed);
});

test("[D-6] sessions that ask for much and never read cost no memory", async () => {
  const author = await newUser(server.port, 300, { presence: false });
  for (let index = 0; index < 5; index++) {
    author.say("SmsMes", { conv: "u:300", content: "海".repeat(4000), mid: `m${index}` });
  }
  await author.settled();
  author.destroy();
  const rssBefore = process.memoryUsage().rss;
  const deaf: WireClient[] = [];
  const ask = frameOf("HistoryMes", { conv: "u:300", limit: 5 });
  for (let index = 0; index < 16; index++) {
    const fields = { userId: 300, userPwd: "pw300", device: `d${index}`, presence: false, replay: "none" };
    const client = await WireClient.login(server.port, fields);
    client.socket.pause();
    client.bytes(Buffer.concat(Array.from({ length: 2_000 }, () => ask)));
    deaf.push(client);
  }
  const serverEnds = await Promise.all(deaf.map((client) => sockets.of(client)));
  const waiting = (): number[] => serverEnds.map((socket) => socket.writableLength);
  await until("a backlog of each", () => waiting().every((bytes) => bytes > 256 * 1024));
  for (let round = 0; round < 50; round++) await bystanders.talk();
  for (const bytes of waiting()) assert.ok(bytes < 512 * 1024, `${bytes} bytes wait`);
  // All that was asked for is 2 GiB.
  const grownMiB = (process.memoryUsage().rss - rssBefore) / 1024 / 1024;
  assert.ok(grownMiB < 200, `${grownMiB} MiB`);
  for (const client of deaf) client.destroy();
  const keys = [...(await redis.client.keys("{c:dm:300:300}:*")), ...(await redis.client.keys("{u:300}:*"))];
  await redis.client.del(...keys);
  await redis.client.hdel("users", "300");
});

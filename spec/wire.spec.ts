/**
 * wire.spec: the real bytes of the first-generation client and server (fixtures/wire.json): what that client wrote is
 * said whole, byte by byte and at random cuts, and what comes back has to be what its server wrote, byte for byte; only
 * `userName` may be filled, and the order in UsersId is free.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { startSpecServer } from "./helpers/server.ts";
import { type Heard, WireClient, frameOf, frameOfPayload } from "./helpers/wireClient.ts";

interface Capture {
  name: string;
  steps: { from: "client" | "server"; hex: string }[];
}

const file = new URL("../fixtures/wire.json", import.meta.url);
const { captures } = JSON.parse(readFileSync(file, "utf8")) as { captures: Capture[] };
let redis: SpecRedis;
before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

/** What has to be there before a capture can run as it did. */
const scenes: Record<string, (port: number) => Promise<WireClient | null>> = {
  register: async () => null,
  "register-taken": async () => {
    await redis.client.hset("users", "200", '{"userId":200,"userPwd":"pw200","userName":"alice"}');
    return null;
  },
  "login-unknown-user": async () => null,
  "login-wrong-password": async () => null,
  "login-then-group-message": async (port) => {
    await redis.client.hset("users", "200", '{"userId":200,"userPwd":"pw200","userName":"alice"}');
    const alice = await WireClient.connect(port);
    await alice.ask("LoginMes", { userId: 200, userPwd: "pw200", userName: "" }, "LoginResMes");
    return alice;
  },
  "online-peer": async () => {
    await redis.client.hset("users", "200", '{"userId":200,"userPwd":"pw200","userName":"alice"}');
    return null;
  },
};

/** Cuts of what the client said, as chunks to write one by one. */
type Cutter = (bytes: Buffer) => Buffer[];

async function runCapture({ name, steps }: Capture, cut: Cutter): Promise<void> {
  await redis.client.flushall();
  await redis.client.hset("users", "100", '{"userId":100,"userPwd":"123456","userName":""}');
  const server = await startSpecServer({ redis });
  const other = await scenes[name]?.(server.port);
  const client = await WireClient.connect(server.port);
  const said = Buffer.concat(steps.filter(({ from }) => from === "client").map(bytesOf));
  for (const chunk of cut(said)) {
    // Each chunk leaves in a write of its own, so that the server may well read it by itself.
    await new Promise<void>((resolve) => client.socket.write(chunk, () => resolve()));
  }
  const wanted = payloadsOf(Buffer.concat(steps.filter(({ from }) => from === "server").map(bytesOf)));
  const wantedCount = wanted.length;
  if (name === "online-peer") {
    // The peer of the capture: user 100 comes, and says hello, when the log-in was answered.
    await client.hears("LoginResMes", (heard) => heard.length > 0);
    const peer = await WireClient.connect(server.port);
    await peer.ask("LoginMes", { userId: 100, userPwd: "123456", userName: "" }, "LoginResMes");
    await client.hears("the notice", (heard) => heard.some(({ type }) => type === "NotifyUserStatusMes"));
    peer.say("SmsMes", { content: "hello", userId: 100 });
    await client.hears("everything", (heard) => heard.length >= wantedCount);
    peer.destroy();
  }
  await client.hears("everything", (heard) => heard.length >= wantedCount);
  assert.deepEqual(client.heard.slice(0, wantedCount).map(comparable), wanted.map(comparable));
  if (name === "login-then-group-message") {
    const { data } = (await other?.next("SmsMes")) as Heard;
    assert.deepEqual(data, {
      content: "hello",
      userId: 100,
      userPwd: "",
      userName: "",
      userStatus: "\u0000",
      sex: "",
    });
  }
  client.destroy();
  other?.destroy();
  await server.close();
}

const bytesOf = ({ hex }: { hex: string }): Buffer => Buffer.from(hex, "hex");

function payloadsOf(stream: Buffer): Heard[] {
  const heard: Heard[] = [];
  for (let at = 0; at < stream.length;) {
    const length = stream.readUInt32BE(at);
    const { type, data } = JSON.parse(stream.subarray(at + 4, at + 4 + length).toString()) as {
      type: string;
      data: string;
    };
    heard.push({ type, data: JSON.parse(data) as Heard["data"], bytes: length });
    at += 4 + length;
  }
  return heard;
}

/** The payload as the text it has to be, with the order in UsersId taken out. */
function comparable({ type, data, bytes }: Heard): string {
  const { UsersId } = data;
  const sorted = Array.isArray(UsersId) ? { ...data, UsersId: [...(UsersId as number[])].sort() } : data;
  return `${bytes} ${type} ${JSON.stringify(sorted)}`;
}

for (const capture of captures) {
  const clause = capture.name.startsWith("register") ? "[G-10] [A-1]" : "[L-1] [L-2]";
  test(`[F-1] [F-3] [E-2] ${clause} capture ${capture.name}, whole, byte by byte, at random cuts`, async () => {
    await runCapture(capture, (bytes) => [bytes]);
    await runCapture(capture, (bytes) => Array.from(bytes, (byte) => Buffer.of(byte)));
    const cuts = fc.array(fc.nat({ max: 600 }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(cuts, (positions) => runCapture(capture, (bytes) => cutAt(bytes, positions))),
      { numRuns: 5 },
    );
  });
}

function cutAt(bytes: Buffer, positions: number[]): Buffer[] {
  const sorted = [...new Set(positions.map((position) => position % bytes.length))].sort((a, b) => a - b);
  return [0, ...sorted]
    .map((from, index) => bytes.subarray(from, sorted[index] ?? bytes.length))
    .filter((chunk) => chunk.length > 0);
}

test("[G-10] the registration that client writes twice is answered 200, then 505, in order", async () => {
  await redis.client.flushall();
  const server = await startSpecServer({ redis });
  const capture = captures.find(({ name }) => name === "register") as Capture;
  const client = await WireClient.connect(server.port);
  client.bytes(Buffer.concat(capture.steps.filter(({ from }) => from === "client").map(bytesOf)));
  assert.equal((await client.next("RegisterResMes")).data.code, 200);
  assert.equal((await client.next("RegisterResMes")).data.code, 505);
  client.destroy();
  await server.close();
});

test("[F-1] the spec's own frames are the first generation's: the captures say so", () => {
  for (const { steps } of captures) {
    const said = Buffer.concat(steps.filter(({ from }) => from === "client").map(bytesOf));
    const rebuilt = payloadsOf(said).map(({ type, data }) => frameOf(type, data));
    assert.deepEqual(Buffer.concat(rebuilt), said);
  }
  assert.deepEqual(frameOfPayload(Buffer.from("abc")), Buffer.from([0, 0, 0, 3, 97, 98, 99]));
});

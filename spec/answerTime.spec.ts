/**
 * answerTime: a SmsMes is answered within 5 s of its arrival ([S-7]), whatever was asked before it on the same connection
 * and however slow Redis is; the answers stay in order ([M-5]).
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Gate } from "./helpers/gate.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { ServerSockets } from "./helpers/serverSockets.ts";
import { sendUntilStored } from "./helpers/throughFaults.ts";
import { inTime, until } from "./helpers/wait.ts";
import { type Data, type Heard, WireClient, frameOf, newUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
let gate: Gate;
let server: SpecServer;
let hasty: WireClient;
let sockets: ServerSockets;

before(async () => {
  sockets = new ServerSockets();
  redis = await startRedis();
  gate = await Gate.to(redis.socketPath);
  server = await startSpecServer({ redis: { url: `redis://127.0.0.1:${gate.port}` } });
  hasty = await newUser(server.port, 110);
});
after(async () => {
  sockets.stop();
  await server.close();
  gate.close();
  await redis.stop();
});

/** Answers, in order, as "type code"; what was sent is written in one go. */
async function answersTo(client: WireClient, said: [string, Data][]): Promise<{ told: Heard[]; ms: number }> {
  const startMs = performance.now();
  const first = client.heard.length;
  client.bytes(Buffer.concat(said.map(([type, data]) => frameOf(type, data))));
  const told = (): Heard[] =>
    client.heard.slice(first).filter(({ type }) => !["SmsMes", "PresenceMes"].includes(type));
  await client.hears("every answer", () => told().length >= said.length);
  return { told: told(), ms: performance.now() - startMs };
}

test("[S-7] [M-5] a SmsMes behind pages that are slow in coming is stored, and answered in time and in its place", async () => {
  const client = await newUser(server.port, 100);
  await client.ask("SmsMes", { content: "something to read", mid: "0" }, "SmsResMes");
  gate.delay(400, "down");
  const pages: [string, Data][] = Array.from({ length: 30 }, () => ["HistoryMes", { conv: "all" }]);
  const { told, ms } = await answersTo(client, [
    ...pages,
    ["SmsMes", { content: "x", mid: "1" }],
    ["PingMes", { n: 1 }],
  ]);
  // What is still delayed would be overtaken: the link ends with it.
  gate.flow();
  gate.cut();
  assert.ok(ms < 5000, `answered after ${ms} ms`);
  assert.deepEqual(
    [told.at(-2)?.type, told.at(-2)?.data.code, told.at(-1)?.type],
    ["SmsResMes", 200, "PongMes"],
  );
  for (const { type, data } of told.slice(0, 30)) {
    assert.ok(
      type === "HistoryResMes" || (type === "ErrorMes" && data.code === 503),
      `${type} ${String(data.code)}`,
    );
  }
  assert.equal(told[0]?.type, "HistoryResMes");
  client.destroy();
});

test("[S-7] thousands in one write while Redis says nothing: each is answered within 5 s of it, in order", async () => {
  const client = hasty;
  await sendUntilStored(client, { content: "the link is there again", mid: "there" });
  gate.drop("down");
  const sends = Array.from({ length: 2500 }, (_, n): [string, Data] => [
    "SmsMes",
    { content: "x".repeat(200), mid: `${n}`, ...(n % 3 === 0 && { conv: `u:${100 + 10 * (n % 2)}` }) },
  ]);
  const { told, ms } = await inTime("all answers", answersTo(client, sends));
  gate.flow();
  gate.cut();
  assert.ok(ms < 5000, `answered after ${ms} ms`);
  assert.deepEqual(
    told.map(({ data }) => [data.mid, data.code]),
    sends.map(([, { mid }]) => [mid, 503]),
  );
  client.destroy();
});

test("[D-6] [M-5] pages asked for by somebody who does not read wait for it, and are all there when it does", async () => {
  const calm = await startSpecServer({ redis });
  const client = await newUser(calm.port, 120);
  const speaker = await newUser(calm.port, 121);
  for (let n = 0; n < 40; n++) {
    await speaker.ask("SmsMes", { content: "海".repeat(2000), mid: `${n}` }, "SmsResMes");
  }
  const theirs = await sockets.of(client);
  client.socket.pause();
  const pages: [string, Data][] = Array.from({ length: 400 }, (_, n) =>
    n % 10 === 9
      ? ["PingMes", { n }]
      : n % 2 === 0
        ? ["HistoryMes", { conv: "all", limit: 200 }]
        : ["UsersMes", {}],
  );
  const answers = answersTo(client, pages);
  let mostBytes = 0;
  await until("the server to wait for its reader", async () => {
    await speaker.settled();
    mostBytes = Math.max(mostBytes, theirs.writableLength);
    return theirs.isPaused() || mostBytes > 256 * 1024;
  });
  for (let n = 0; n < 100; n++) {
    await speaker.settled();
    mostBytes = Math.max(mostBytes, theirs.writableLength);
  }
  assert.ok(mostBytes < 1024 * 1024, `${mostBytes} bytes wait for a reader that does not read`);
  client.socket.resume();
  const { told } = await answers;
  const answerOf: Record<string, string> = {
    PingMes: "PongMes",
    HistoryMes: "HistoryResMes",
    UsersMes: "UsersResMes",
  };
  assert.deepEqual(
    told.map(({ type }) => type),
    pages.map(([type]) => answerOf[type]),
  );
  for (const one of [client, speaker]) one.destroy();
  await calm.close();
});

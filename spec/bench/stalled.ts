/**
 * stalled: `npx tsx spec/bench/stalled.ts [--seconds 180] [--readers 200] [--rate 40] [--bytes 2000]`. How much readers
 * that do not read cost: memory of the server, and the others' latency, before they come, beside them, and after.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { startRedis } from "../helpers/redis.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { spawnServer } from "../helpers/server.ts";
import { WireClient } from "../helpers/wireClient.ts";
import { percentile } from "./percentile.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "180" },
    readers: { type: "string", default: "200" },
    rate: { type: "string", default: "40" },
    bytes: { type: "string", default: "2000" },
  },
});
const [seconds, readerCount, rate, bytes] = [values.seconds, values.readers, values.rate, values.bytes].map(
  Number,
) as [number, number, number, number];

const redis = await startRedis();
const server = await spawnServer(["--redis", redis.url], { cwd: scratchFolder() });
const plain = (userId: number): string => JSON.stringify({ userId, userPwd: "pw", userName: `u${userId}` });
for (let userId = 1; userId <= 2 * readerCount + 1; userId++)
  await redis.client.hset("users", userId, plain(userId));
const login = (userId: number): Promise<WireClient> =>
  WireClient.login(server.port, { userId, userPwd: "pw", replay: "none", presence: false });

let latenciesMs: number[] = [];

/** A reader that only looks at when each message was sent, and forgets it. */
async function openReader(userId: number): Promise<WireClient> {
  const reader = await login(userId);
  reader.onHeard = ({ type, data }) => {
    if (type === "SmsMes") latenciesMs.push(performance.now() - Number(String(data.content).split(" ")[0]));
  };
  return reader;
}

const rssMb = (): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, "utf8"))?.[1]) / 1024;
const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
const sender = await login(2 * readerCount + 1);
sender.onHeard = () => undefined;
let mid = 0;

/** Sends at the rate for so long; what the readers saw. */
async function phase(name: string, forSeconds: number): Promise<void> {
  latenciesMs = [];
  const startMs = performance.now();
  for (let n = 0; n < forSeconds * rate; n++) {
    sender.say("SmsMes", { content: `${performance.now()} ${"x".repeat(bytes)}`, mid: `m${++mid}` });
    const dueMs = startMs + ((n + 1) * 1000) / rate;
    if (dueMs > performance.now()) await pause(dueMs - performance.now());
  }
  await pause(1000);
  const [p50, p99] = [percentile(latenciesMs, 50), percentile(latenciesMs, 99)];
  const slow = server.events().filter(({ event }) => event === "reader_slow").length;
  process.stdout.write(
    `${name}: ${latenciesMs.length} deliveries, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ` +
      `RSS ${rssMb().toFixed(0)} MB, ${slow} readers set aside\n`,
  );
}

for (let userId = 1; userId <= readerCount; userId++) await openReader(userId);
await phase("warm", 10);
await phase("before", Math.ceil(seconds / 3));
const stalled: WireClient[] = [];
for (let n = 1; n <= readerCount; n++) {
  const one = await login(readerCount + n);
  one.socket.pause();
  stalled.push(one);
}
// As programs do that are stuck somewhere else: their pings run by a timer.
const pings = setInterval(() => {
  for (const one of stalled) one.say("PingMes", { n: 1 });
}, 5000);
await phase(`beside ${readerCount} stalled`, seconds);
clearInterval(pings);
const lost = stalled.filter(({ isClosed }) => isClosed).length;
process.stdout.write(`${lost} of the stalled were cut\n`);
for (const one of stalled) one.destroy();
await phase("after", Math.ceil(seconds / 3));
await server.kill("SIGTERM");
await redis.stop();
process.exit(0);

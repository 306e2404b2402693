/**
 * outages: `npx tsx spec/bench/outages.ts [--times 50]`. Redis is killed and started again on its files, over and over,
 * beside one sender and one reader: how long after Redis answers again until the first message is delivered.
 */
import { parseArgs } from "node:util";
import { startRedis } from "../helpers/redis.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { spawnServer } from "../helpers/server.ts";
import { WireClient } from "../helpers/wireClient.ts";
import { percentile } from "./percentile.ts";

const { values } = parseArgs({ options: { times: { type: "string", default: "50" } } });
const times = Number(values.times);
const folder = scratchFolder();
let redis = await startRedis({ folder });
for (const userId of [1, 2]) {
  await redis.client.hset("users", userId, JSON.stringify({ userId, userPwd: "pw", userName: `u${userId}` }));
}
const server = await spawnServer(["--redis", redis.url], { cwd: scratchFolder() });
const [sender, reader] = await Promise.all(
  [1, 2].map((userId) => WireClient.login(server.port, { userId, userPwd: "pw" })),
);
if (!sender || !reader) throw new Error("two clients");

const delaysMs: number[] = [];
for (let n = 1; n <= times; n++) {
  const awayMs = 100 + Math.random() * 3000;
  await redis.stop("SIGKILL");
  await new Promise((resolve) => void setTimeout(resolve, awayMs));
  redis = await startRedis({ folder });
  const backMs = performance.now();
  // As a client does: the same mid until it is stored.
  for (let code: unknown = 0; code !== 200;) {
    ({ code } = await sender.ask("SmsMes", { content: `${n}`, mid: `m${n}` }, "SmsResMes"));
  }
  await reader.next("SmsMes", ({ content }) => content === `${n}`);
  delaysMs.push(performance.now() - backMs);
}
const seqs = reader.all("SmsMes").map(({ id }) => Number(String(id).split("-")[1]));
const dense = seqs.every((seq, index) => seq === index + 1);
process.stdout.write(
  `${times} outages of 0.1 to 3.1 s: first delivery after Redis answered again: median ` +
    `${percentile(delaysMs, 50).toFixed(0)} ms, worst ${Math.max(...delaysMs).toFixed(0)} ms; ` +
    `${seqs.length} messages, ${dense ? "each once and in order" : "NOT dense"}\n`,
);
await server.kill("SIGTERM");
await redis.stop();
process.exit(dense ? 0 : 1);

/**
 * openFiles: a limit of open files that is too low to serve is said at the start ([R-4]); one that is low is kept to.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { tied } from "./helpers/scratch.ts";
import { inTime, until } from "./helpers/wait.ts";
import { WireClient, newUser } from "./helpers/wireClient.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
let redis: SpecRedis;

before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

/** The server with so many open files at most; what it writes, and its end. */
function limited(openFiles: number): { written: () => string; kill: () => void; ended: Promise<unknown> } {
  const words = [process.execPath, "--import", import.meta.resolve("tsx"), `${root}server.ts`];
  const args = [
    "-c",
    `ulimit -n ${openFiles} && exec "$0" "$@"`,
    ...words,
    "--port",
    "0",
    "--redis",
    redis.url,
  ];
  const child = tied(spawn("sh", args, { cwd: root }));
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const ended = once(child, "close").then(([code]) => code as unknown);
  return { written: () => text, kill: () => void child.kill("SIGTERM"), ended };
}

test("[R-4] fewer than 128 open files: one line with the number, exit code 1", async () => {
  const server = limited(100);
  assert.equal(await inTime("its end", server.ended, 20_000), 1);
  const lines = server
    .written()
    .trim()
    .split("\n")
    .filter((line) => !line.startsWith("{"));
  assert.equal(lines.length, 1, server.written());
  assert.match(lines[0] ?? "", /at most 100 open files.*128.*ulimit -n/);
});

test("[R-4] [K-6] with 130 open files it serves whom it can, refuses the others, and goes on", async () => {
  const server = limited(130);
  const port = await until(
    "the server to listen",
    () => Number(/"event":"listening".*?"port":(\d+)/.exec(server.written())?.[1] ?? 0) || null,
    20_000,
  );
  const first = await newUser(port, 1);
  const crowd = await Promise.all(Array.from({ length: 150 }, () => WireClient.connect(port)));
  await until("refusals", () => server.written().includes("connection_refused"));
  assert.equal((await first.ask("SmsMes", { content: "still here", mid: "1" }, "SmsResMes")).code, 200);
  for (const one of crowd) one.destroy();
  await until("room again", async () => {
    const client = await WireClient.connect(port);
    client.say("PingMes", { n: 1 });
    const answer = await client.next("ErrorMes").catch(() => null);
    client.destroy();
    return answer !== null;
  });
  first.destroy();
  server.kill();
  assert.equal(await inTime("its end", server.ended, 15_000), 0);
});

/**
 * haiyuSystem: our server as it runs in production, on a Redis of its own that syncs before every answer. Users, tokens
 * and cursors are put into Redis by hand: what registering 9,000 people costs is argon2's affair.
 */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { cursorsKey, tokensKey, usersKey } from "../../lib/keys.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { until } from "../helpers/wait.ts";
import { HaiyuWire, firstUserId, nameOf, tokenOf } from "./haiyuWire.ts";
import { spawnPinned } from "./pin.ts";
import type { RunningSystem } from "./system.ts";

export interface HaiyuOptions {
  fsync?: "always" | "everysec";
  users: number;
}

export interface RunningHaiyu extends RunningSystem {
  readonly redis: Redis;
  readonly redisPid: number;
  readonly folder: string;
}

/** Flags of Node for the server, as "--cpu-prof --cpu-prof-dir=/tmp/profile": to look into what is slow. */
const nodeFlags = (process.env.BENCH_NODE_FLAGS ?? "").split(" ").filter((flag) => flag !== "");
const root = fileURLToPath(new URL("../../", import.meta.url));

/** Starts Redis and the server, and makes the users. */
export async function startHaiyu({ fsync = "always", users }: HaiyuOptions): Promise<RunningHaiyu> {
  const folder = scratchFolder();
  mkdirSync(join(folder, "redis"));
  const socketPath = join(folder, "redis.sock");
  const settings = {
    port: "0",
    unixsocket: socketPath,
    dir: join(folder, "redis"),
    appendonly: "yes",
    appendfsync: fsync,
    save: "",
    "maxmemory-policy": "noeviction",
  };
  const redisArgs = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const redisServer = spawnPinned("redis-server", redisArgs, { core: "load", cwd: folder });
  redisServer.stdout?.resume();
  const redis = new Redis({ path: socketPath, retryStrategy: () => 20, maxRetriesPerRequest: null });
  redis.on("error", () => undefined);
  await redis.ping();
  await makeUsers(redis, users);
  const server = spawnPinned(
    process.execPath,
    [
      ...nodeFlags,
      "--import",
      import.meta.resolve("tsx"),
      join(root, "server.ts"),
      "--port",
      "0",
      "--rate",
      "0",
      "--redis",
      `unix://${socketPath}`,
    ],
    { core: "server", cwd: folder },
  );
  let port = 0;
  let said = "";
  server.stdout?.setEncoding("utf8").on("data", (text: string) => {
    port ||= Number(/127\.0\.0\.1:(\d+)/.exec(text)?.[1] ?? 0);
  });
  server.stderr?.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-2000)));
  await until(
    "the server to listen",
    () => {
      if (server.exitCode !== null) throw new Error(`server.ts ended: ${said}`);
      return port > 0;
    },
    20_000,
  );
  const [pid, redisPid] = [server.pid ?? 0, redisServer.pid ?? 0];
  return {
    name: "haiyu",
    port,
    pid,
    pids: [pid, redisPid],
    redisPid,
    redis,
    folder,
    echoes: false,
    wireOf: (index, heard) => new HaiyuWire({ userId: firstUserId + index, heard }),
    async stop() {
      redis.disconnect();
      const ended = [once(server, "exit"), once(redisServer, "exit")];
      // A profile is written at an end of its own.
      server.kill(nodeFlags.length > 0 ? "SIGTERM" : "SIGKILL");
      if (nodeFlags.length > 0) await ended[0];
      redisServer.kill("SIGKILL");
      await Promise.all(ended);
    },
  };
}

/** Records and tokens of `count` users, as a log-in leaves them. */
async function makeUsers(redis: Redis, count: number): Promise<void> {
  const pipeline = redis.pipeline();
  for (let userId = firstUserId; userId < firstUserId + count; userId++) {
    const record = { userId, userName: nameOf(userId), sex: "", pwd: "$argon2id$none", since: "0-0" };
    pipeline.hset(usersKey, userId, JSON.stringify(record));
    const hash = createHash("sha256").update(tokenOf(userId)).digest("base64url");
    const token = JSON.stringify({ hash, previousHash: "", expires: Date.now() + 86_400_000 });
    pipeline.hset(tokensKey(userId), "bench", token);
    pipeline.del(cursorsKey(userId));
  }
  await pipeline.exec();
}

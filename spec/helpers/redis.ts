/**
 * redis: a real redis-server for one spec file, with the settings the private one has (append-only file, fsync before
 * every answer), and a client to look into it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Redis } from "ioredis";
import { scratchFolder, tied } from "./scratch.ts";
import { inTime } from "./wait.ts";

export interface SpecRedis {
  readonly url: string;
  readonly folder: string;
  readonly socketPath: string;
  /** To look into it, and to put things there by hand. */
  readonly client: Redis;
  readonly process: ChildProcess;
  /** Ends it with a signal, and waits until it has. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts one; `settings` overrides, `folder` is for a second life on the same files. */
export async function startRedis({
  settings = {},
  folder = scratchFolder(),
}: { settings?: Record<string, string>; folder?: string } = {}): Promise<SpecRedis> {
  const socketPath = join(folder, "spec.sock");
  const all = {
    port: "0",
    unixsocket: socketPath,
    dir: folder,
    appendonly: "yes",
    appendfsync: "always",
    save: "",
    logfile: join(folder, "redis.log"),
    ...settings,
  };
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]);
  const child = tied(spawn("redis-server", args, { stdio: "ignore" }));
  const client = new Redis({ path: socketPath, retryStrategy: () => 10, maxRetriesPerRequest: null });
  client.on("error", () => undefined);
  await inTime("redis-server", client.ping(), 20_000);
  return {
    url: `unix://${socketPath}`,
    folder,
    socketPath,
    client,
    process: child,
    async stop(signal = "SIGKILL") {
      client.disconnect();
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill(signal);
      await ended;
    },
  };
}

/** As if servers had looked at leases without a pause for the last `sinceMs`, and last `lastMs` ago ([P-7]). */
export async function sweptSince(
  client: Redis,
  { sinceMs = 3_600_000, lastMs = 0 }: { sinceMs?: number; lastMs?: number } = {},
): Promise<void> {
  const [seconds, micros] = await client.time();
  const nowMs = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  await client.set("{online}:swept", `${nowMs - sinceMs}|${nowMs - lastMs}`);
}

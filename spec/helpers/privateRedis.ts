/**
 * privateRedis: the redis-server that a server runs by itself under its data folder, seen from outside. It is nobody's
 * child by intention, and a server may start another one at any moment: it is tied to the spec by its folder.
 */
import { execFileSync } from "node:child_process";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { scratchFolder, tiedPid } from "./scratch.ts";
import { until } from "./wait.ts";

const folders: string[] = [];

process.on("exit", () => {
  const left = folders.length === 0 ? [] : psLines();
  for (const [pid, , name, ...words] of left) {
    const isOurs = name === "redis-server" && folders.some((folder) => words.join(" ").includes(folder));
    if (!isOurs) continue;
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
});

/** An empty data folder; a redis-server that is still on it at the end is killed. */
export function dataFolder(): string {
  const folder = realpathSync(scratchFolder());
  folders.push(folder);
  return folder;
}

/** Pid of the redis-server that answers on the socket of a data folder. It ends with the spec. */
export async function privateRedisPid(
  folder: string,
  socketPath = join(folder, "redis.sock"),
): Promise<number> {
  const client = new Redis({ path: socketPath, lazyConnect: true, retryStrategy: null });
  client.on("error", () => undefined);
  try {
    const pid = Number(/process_id:(\d+)/.exec(await client.info("server"))?.[1]);
    tiedPid(pid);
    return pid;
  } finally {
    client.disconnect();
  }
}

/** Kills the redis-server of a data folder, and waits until it has ended. */
export async function killPrivateRedis(folder: string): Promise<void> {
  const pid = await privateRedisPid(folder);
  process.kill(pid, "SIGKILL");
  await until(`redis-server ${pid} to end`, () => !isRunning(pid));
}

/** Whether a process is there, and not only left over as a zombie. */
export function isRunning(pid: number): boolean {
  return psLines().some(([found, state]) => Number(found) === pid && !state?.startsWith("Z"));
}

/** Command lines that name a folder: servers on it and their redis-server. */
export function runningOn(folder: string): string[] {
  return psLines()
    .filter(([, state, ...words]) => !state?.startsWith("Z") && words.join(" ").includes(folder))
    .map(([, , ...words]) => words.join(" "));
}

function psLines(): string[][] {
  const text = execFileSync("ps", ["-eo", "pid=,stat=,args="], { encoding: "utf8", maxBuffer: 1e8 });
  return text
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words.length > 2);
}

/**
 * pin: which core a process runs on. The server gets one core to itself, the load generator and Redis share the other;
 * where there is no taskset, or only one core, everything runs anywhere, and the results say so.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { tied } from "../helpers/scratch.ts";

/** "any": all of them, which whoever starts from a pinned process has to ask for. */
export type Core = "server" | "load" | "any";

const numbers: Record<Core, string> = { server: "0", load: "1", any: "0,1" };

/** Whether processes can be pinned here. */
export function canPin(): boolean {
  try {
    execFileSync("taskset", ["-c", numbers.load, "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Pins this process, all its threads, to the core of the load; false where that cannot be. */
export function pinLoad(): boolean {
  if (!canPin()) return false;
  execFileSync("taskset", ["-a", "-c", "-p", numbers.load, String(process.pid)], { stdio: "ignore" });
  return true;
}

export interface SpawnPinnedOptions {
  core: Core;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}

/** Starts a process on a core (anywhere, where it cannot be pinned). It ends with this one; its pid is its own. */
export function spawnPinned(
  command: string,
  args: string[],
  { core, cwd, env = {} }: SpawnPinnedOptions,
): ChildProcess {
  // taskset becomes the program: no process in between.
  const pinned = canPin();
  const file = pinned ? "taskset" : command;
  const words = pinned ? ["-c", numbers[core], command, ...args] : args;
  const child = spawn(file, words, {
    ...(cwd && { cwd }),
    env: { ...process.env, REDIS_URL: undefined, ...env },
  });
  return tied(child);
}

/** How the cores are shared, for people. */
export function pinningText(): string {
  if (canPin())
    return `server on core ${numbers.server}, load generator and Redis on core ${numbers.load} (taskset)`;
  return `NOT PINNED: no taskset or only ${availableParallelism()} core; server, Redis and load get in each other's way`;
}

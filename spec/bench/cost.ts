/**
 * cost: what a process has used, as the operating system says: CPU of all its threads, memory.
 */
import { readFileSync, readdirSync } from "node:fs";

/** CPU seconds that the threads of a process have used so far. */
export function cpuSeconds(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  let nanoseconds = 0;
  for (const task of tasks) {
    try {
      // In ns; `stat` counts in ticks of 10 ms only.
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
    } catch {
      // A thread that has just ended.
    }
  }
  return nanoseconds / 1e9;
}

/** Resident memory in bytes. */
export function rssBytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}

/** Counts the CPU of some processes from now on. */
export class Meter {
  readonly #pids: readonly number[];
  readonly #startSeconds: number;
  readonly #startMs = performance.now();

  constructor(pids: readonly number[]) {
    this.#pids = pids;
    this.#startSeconds = this.#sum();
  }

  /** CPU seconds since it was made. */
  get cpu(): number {
    return this.#sum() - this.#startSeconds;
  }

  /** Part of one core, 1 = all of it. */
  get share(): number {
    return (this.cpu * 1000) / (performance.now() - this.#startMs);
  }

  #sum(): number {
    return this.#pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  }
}

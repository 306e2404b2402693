/**
 * alive: whether a process of this machine still runs.
 */
import { readFileSync } from "node:fs";

/** Whether a process with this pid runs, ours or another's. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Ended, and kept by the system only until its parent looks: which may be late, or never. */
function isZombie(pid: number): boolean {
  try {
    // The name stands in brackets and may hold anything; the state follows it.
    return /\) [ZX] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    // No such folder on this system, or not for us.
    return false;
  }
}

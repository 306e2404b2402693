/**
 * scratch: temporary folders and processes of one spec file, gone when its process ends, however it ends.
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folders: string[] = [];
const children = new Set<ChildProcess>();
const pids = new Set<number>();

process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  for (const pid of pids) killQuietly(pid);
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1));

/** An empty folder. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "haiyu-spec-"));
  folders.push(folder);
  return folder;
}

/** The process ends with this one. */
export function tied<T extends ChildProcess>(child: T): T {
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** The process of this pid (one that is not our child) ends with this one. */
export function tiedPid(pid: number): void {
  pids.add(pid);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

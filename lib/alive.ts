/**
 * alive: whether a process of this machine still runs, and node names that tell whose they are.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";

/** Whether a process with this pid runs, ours or another's. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** A name for this server among all nodes: host, pid, and something that no other start has. */
export function newNodeName(): string {
  return `${hostname()}-${process.pid}-${randomBytes(3).toString("hex")}`;
}

/** Whether a node was a process of this machine that has ended. False for what cannot be known from here. */
export function hasEnded(nodeName: string): boolean {
  const match = /^(.*)-(\d+)-[0-9a-f]{6}$/.exec(nodeName);
  return match?.[1] === hostname() && !isAlive(Number(match[2]));
}

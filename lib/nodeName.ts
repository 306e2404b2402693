/**
 * nodeName: a name for a server among all nodes that no other start of any server has, and from which a process of the
 * same machine can tell that its owner has ended. Two machines of one host name, two containers of one machine, a
 * process id that was given out again: all are told apart. What cannot be known from here counts as running.
 */
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { isAlive } from "./alive.ts";
import { nodeLabelMaxChars } from "./limits.ts";

/** `<label>.<place>.<pid>.<start>.<random>`: place is where the pid means something, start tells who has it now. */
const pattern = /^.+\.([0-9a-f]{8})\.(\d+)\.(\d+)\.[0-9a-f]{6}$/;

/** A name that begins with `label`: the operator's word for the server, or the host. */
export function newNodeName(label: string = hostname()): string {
  const random = (bytes: number): string => randomBytes(bytes).toString("hex");
  const words = label.replace(/[^A-Za-z0-9._-]/g, "-") || "node";
  // A place that is unknown is like no other: nobody will take this node for ended.
  return [words, placeOf() ?? random(4), process.pid, startOf(process.pid) ?? 0, random(3)].join(".");
}

/** What a person calls the node: the name without what makes it unique. Whatever lies in Redis, it is harmless here. */
export function labelOf(nodeName: string): string {
  const label = pattern.test(nodeName) ? nodeName.split(".").slice(0, -4).join(".") : nodeName;
  return label.replace(/[^ -~]/g, "?").slice(0, nodeLabelMaxChars);
}

/** What a person is shown of each of these nodes: its label, and where others have the same, what tells it from them. */
export function shownNames(nodeNames: string[]): string[] {
  const labels = nodeNames.map(labelOf);
  return nodeNames.map((name, at) => {
    const label = labels[at] ?? "";
    const isShared = labels.indexOf(label) !== labels.lastIndexOf(label);
    return isShared && pattern.test(name) ? `${label}.${name.slice(-6)}` : label;
  });
}

/** Whether a node was a process of this place that has ended. False for what cannot be known from here. */
export function hasEnded(nodeName: string): boolean {
  const [, place, pid, start] = pattern.exec(nodeName) ?? [];
  if (place === undefined || place !== placeOf()) return false;
  const startNow = startOf(Number(pid));
  return startNow === null ? !isAlive(Number(pid)) : startNow !== Number(start);
}

/** Where process ids are what they are here: this boot of this machine, and its namespace of them. Null: unknown. */
function placeOf(): string | null {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8");
    const namespace = readlinkSync("/proc/self/ns/pid");
    const place = [hostname(), boot.trim(), namespace].join(" ");
    return createHash("sha256").update(place).digest("hex").slice(0, 8);
  } catch {
    return null;
  }
}

/** When the process with this pid began, in ticks since the boot; -1: it waits to be buried; null: not to be seen. */
function startOf(pid: number): number | null {
  try {
    // The name of the program comes first, in parentheses, and may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "");
    const fields = stat.split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? -1 : Number(fields[19]);
  } catch {
    return null;
  }
}

/**
 * pidLock: a file that one process holds at a time, with its pid in it; a lock whose owner has ended is free. Whoever
 * finds a stale one moves it aside first, so that of two who find it only one takes it.
 */
import * as fs from "node:fs";
import { isAlive } from "./alive.ts";
import { lockEmptyMs } from "./limits.ts";

/** Takes the lock; false when a living process holds it. Throws where the folder cannot be written. */
export function takeLock(path: string): boolean {
  if (create(path)) return true;
  const owner = ownerOf(path);
  // Empty: not made by us, or on a file system that lost it.
  if (owner === null ? ageMs(path) < lockEmptyMs : isAlive(owner)) return false;
  const aside = `${path}.${process.pid}.stale`;
  try {
    fs.renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
  const moved = ownerOf(aside);
  if (moved !== owner) {
    // Somebody was faster, and this is the lock of a living one: it gets it back.
    fs.renameSync(aside, path);
    return false;
  }
  fs.rmSync(aside, { force: true });
  return create(path);
}

/** Lets the lock go. Never throws. */
export function releaseLock(path: string): void {
  if (ownerOf(path) === process.pid) fs.rmSync(path, { force: true });
}

function create(path: string): boolean {
  return createWhole(path, String(process.pid));
}

/** Makes a file with its text in it, at once, so that nobody finds it half made; false when there is one. */
export function createWhole(path: string, text: string): boolean {
  const draft = `${path}.${process.pid}.new`;
  fs.writeFileSync(draft, text, { mode: 0o600 });
  try {
    fs.linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

function ageMs(path: string): number {
  return Date.now() - (fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
}

function ownerOf(path: string): number | null {
  try {
    const pid = Number(fs.readFileSync(path, "utf8"));
    return pid > 0 ? pid : null;
  } catch {
    return null;
  }
}

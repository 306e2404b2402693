/**
 * stateFiles: small files that have to last, in the state folder of a person: readable by nobody else, and whole after
 * any crash: either the old one or the new one is there.
 */
import * as fs from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** Where this person's clients keep what has to last. */
export function stateFolder(env: NodeJS.ProcessEnv): string {
  return join(env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "haiyu");
}

/** An account's name as part of a file's name: `[A-Za-z0-9._-]` only. */
export function accountName({ host, port, userId }: { host: string; port: number; userId: number }): string {
  return `${host}_${port}_${userId}`.replace(/[^A-Za-z0-9._-]/g, "-");
}

/** Writes a whole file, synced, mode 0600, its folder made where it is missing. Throws where it cannot be written. */
export function writeWhole(path: string, text: string): void {
  const folder = dirname(path);
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const fresh = `${path}.${process.pid}.new`;
  fs.rmSync(fresh, { force: true });
  const file = fs.openSync(fresh, "wx", 0o600);
  try {
    fs.writeSync(file, text);
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
  fs.renameSync(fresh, path);
  const handle = fs.openSync(folder, "r");
  fs.fsyncSync(handle);
  fs.closeSync(handle);
}

/** The text of a file; null where there is none. Throws when it is there and cannot be read. */
export function readWhole(path: string): string | null {
  try {
    return fs.readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Removes a file; one that is not there is fine. */
export function removeFile(path: string): void {
  fs.rmSync(path, { force: true });
}

/**
 * stateFiles: small files that have to last, in the state folder of a person: readable by nobody else, and whole after
 * any crash: either the old one or the new one is there.
 */
import * as fs from "node:fs";
import { userInfo } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { makeFolder } from "./folder.ts";

/**
 * Where this person's clients keep what has to last. A relative XDG_STATE_HOME counts as none, as its standard has it,
 * and so does a relative or empty HOME: nothing is ever kept in whatever folder one happens to stand in.
 */
export function stateFolder(env: NodeJS.ProcessEnv): string {
  const given = env.XDG_STATE_HOME ?? "";
  return join(isAbsolute(given) ? given : join(homeFolder(env.HOME ?? ""), ".local", "state"), "haiyu");
}

/** HOME, or what the system knows; where it knows none it is a path where nothing can be kept, and that is said. */
function homeFolder(given: string): string {
  if (isAbsolute(given)) return given;
  try {
    return userInfo().homedir;
  } catch {
    return "/nonexistent";
  }
}

/** An account's name as part of a file's name: `[A-Za-z0-9._-]` only. */
export function accountName({ host, port, userId }: { host: string; port: number; userId: number }): string {
  return `${host}_${port}_${userId}`.replace(/[^A-Za-z0-9._-]/g, "-");
}

/** Writes a whole file, synced, mode 0600, its folder made where it is missing. Throws where it cannot be written. */
export function writeWhole(path: string, text: string): void {
  const folder = dirname(path);
  makeFolder(folder);
  const fresh = `${path}.${process.pid}.new`;
  fs.rmSync(fresh, { force: true });
  const file = fs.openSync(fresh, "wx", 0o600);
  try {
    // Not writeSync, which on a full disk writes a part and says nothing.
    fs.writeFileSync(file, Buffer.from(text));
    fs.fsyncSync(file);
  } catch (error) {
    fs.rmSync(fresh, { force: true });
    throw error;
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

/**
 * deviceName: one name for this installation, so that a person's terminal at home and the one at work are two devices.
 * A second client running at the same time takes the next slot (`name.2`): two terminals do not throw each other out.
 */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { isAlive } from "./alive.ts";
import { devicesPerUserMax } from "./limits.ts";

/** Claims a device name until the process ends. Never throws: without a folder it is a name for this time only. */
export function claimDeviceName(env: NodeJS.ProcessEnv): string {
  const folder = join(env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "haiyu");
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const name = readOrMakeName(join(folder, "device"));
    for (let slot = 1; slot <= devicesPerUserMax; slot++) {
      const claimed = slot === 1 ? name : `${name}.${slot}`;
      if (claim(join(folder, `device.${slot}.pid`))) return claimed;
    }
  } catch {
    // A read-only home is no reason not to talk.
  }
  return `temporary-${randomBytes(4).toString("hex")}`;
}

function readOrMakeName(path: string): string {
  const made = `terminal-${randomBytes(4).toString("hex")}`;
  if (make(path, `${made}\n`)) return made;
  const name = fs.readFileSync(path, "utf8").trim();
  return /^[A-Za-z0-9._-]{1,28}$/.test(name) ? name : made;
}

/** Takes the slot when nobody holds it, or who held it has ended. */
function claim(path: string): boolean {
  for (let attempt = 0; attempt < 2; attempt++) {
    if (make(path, String(process.pid))) {
      process.once("exit", () => fs.rmSync(path, { force: true }));
      return true;
    }
    const owner = Number(fs.readFileSync(path, "utf8"));
    if (owner > 0 && isAlive(owner)) return false;
    fs.rmSync(path, { force: true });
  }
  return false;
}

/** Makes a file with its text in it, at once, so that nobody finds it half made; false when there is one. */
function make(path: string, text: string): boolean {
  const draft = `${path}.${process.pid}.new`;
  fs.writeFileSync(draft, text, { mode: 0o600 });
  try {
    fs.linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

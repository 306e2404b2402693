/**
 * deviceName: one name for this installation, so that a person's terminal at home and the one at work are two devices.
 * A second client running at the same time takes the next slot (`name.2`): two terminals do not throw each other out.
 */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { makeFolder } from "./folder.ts";
import { devicesPerUserMax } from "./limits.ts";
import { createWhole, releaseLock, takeLock } from "./pidLock.ts";
import { stateFolder } from "./stateFiles.ts";

/** Claims a device name until the process ends. Never throws: without a folder it is a name for this time only. */
export function claimDeviceName(env: NodeJS.ProcessEnv): string {
  const folder = stateFolder(env);
  try {
    makeFolder(folder);
    const name = readOrMakeName(join(folder, "device"));
    for (let slot = 1; slot <= devicesPerUserMax; slot++) {
      const claimed = slot === 1 ? name : `${name}.${slot}`;
      const lock = join(folder, `device.${slot}.pid`);
      if (!takeLock(lock)) continue;
      process.once("exit", () => releaseLock(lock));
      return claimed;
    }
  } catch {
    // A read-only home is no reason not to talk.
  }
  return `temporary-${randomBytes(4).toString("hex")}`;
}

function readOrMakeName(path: string): string {
  const made = `terminal-${randomBytes(4).toString("hex")}`;
  if (createWhole(path, `${made}\n`)) return made;
  const name = fs.readFileSync(path, "utf8").trim();
  return /^[A-Za-z0-9._-]{1,28}$/.test(name) ? name : made;
}

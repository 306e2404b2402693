/**
 * deviceName: one name for this installation, so that a person's terminal at home and the one at work are two devices.
 * A second client running at the same time takes the next slot (`name.2`): two terminals do not throw each other out.
 */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { makeFolder } from "./folder.ts";
import { devicesPerUserMax, scriptDevicesMax } from "./limits.ts";
import { createWhole, releaseLock, takeLock } from "./pidLock.ts";
import { stateFolder } from "./stateFiles.ts";

/** A device name that no other process has until `release`. */
export interface Claimed {
  device: string;
  release: () => void;
}

/** Claims a device name until the process ends. Never throws: without a folder it is a name for this time only. */
export function claimDeviceName(env: NodeJS.ProcessEnv): string {
  try {
    const claimed = claim(env, { kind: "terminal", file: "device", slotsMax: devicesPerUserMax });
    if (claimed) {
      process.once("exit", claimed.release);
      return claimed.device;
    }
  } catch {
    // A read-only home is no reason not to talk.
  }
  return `temporary-${randomBytes(4).toString("hex")}`;
}

/**
 * Claims a script's device name; null where so many run at once that one has to wait. Never throws: without a folder all
 * share one name, since each new one would cost the account one of its few devices.
 */
export function claimScriptName(env: NodeJS.ProcessEnv): Claimed | null {
  try {
    return claim(env, { kind: "script", file: "device.script", slotsMax: scriptDevicesMax });
  } catch {
    return { device: "script", release: () => undefined };
  }
}

/** A name that no other device has: kind and chance. */
export function newDeviceName(kind: "terminal" | "script"): string {
  return `${kind}-${randomBytes(4).toString("hex")}`;
}

function claim(
  env: NodeJS.ProcessEnv,
  { kind, file, slotsMax }: { kind: "terminal" | "script"; file: string; slotsMax: number },
): Claimed | null {
  const folder = stateFolder(env);
  makeFolder(folder);
  const name = readOrMakeName(join(folder, file), kind);
  for (let slot = 1; slot <= slotsMax; slot++) {
    const lock = join(folder, `${file}.${slot}.pid`);
    if (!takeLock(lock)) continue;
    return { device: slot === 1 ? name : `${name}.${slot}`, release: () => releaseLock(lock) };
  }
  return null;
}

function readOrMakeName(path: string, kind: "terminal" | "script"): string {
  const made = newDeviceName(kind);
  if (createWhole(path, `${made}\n`)) return made;
  const name = fs.readFileSync(path, "utf8").trim();
  return /^[A-Za-z0-9._-]{1,28}$/.test(name) ? name : made;
}

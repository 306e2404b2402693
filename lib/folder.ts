/**
 * folder: making a folder of our own, and those above it, readable by nobody else.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Makes a folder where there is none. Throws the error of the system where it cannot, or where a file is in its place.
 * Not mkdir's own `recursive`: it tries for ever where the parent is there and still says ENOENT, as /proc does.
 */
export function makeFolder(path: string): void {
  try {
    make(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    const parent = dirname(path);
    if (parent === path) throw error;
    makeFolder(parent);
    make(path);
  }
}

function make(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Whether it is a folder the next step on it tells.
    if (codeOf(error) !== "EEXIST") throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

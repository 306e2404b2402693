/**
 * fsyncProgram: `fsyncProgram.ts FOLDER`, the process of `fsyncProbe.ts`: a hundred times a second it appends as much as
 * a message takes, syncs it as Redis does, and prints how many ms that took.
 */
import { fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

const path = join(process.argv[2] ?? ".", "fsync.probe");
const file = openSync(path, "w");
// It lives as long as it is open.
rmSync(path);
const block = Buffer.alloc(512, 1);
const never = new Int32Array(new SharedArrayBuffer(4));
for (;;) {
  const startMs = performance.now();
  writeSync(file, block);
  fdatasyncSync(file);
  writeSync(1, `${performance.now() - startMs}\n`);
  Atomics.wait(never, 0, 0, 10);
}

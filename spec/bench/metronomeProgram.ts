/**
 * metronomeProgram: `metronomeProgram.ts PER_SECOND COUNT`, the process of `metronome.ts`: prints when it begins, in
 * monotonic ms, then a byte whenever a tick is due.
 */
import { writeSync } from "node:fs";
import { sharedNowMs } from "./metronome.ts";

const [, , perSecond = "1", count = "1"] = process.argv;
const never = new Int32Array(new SharedArrayBuffer(4));
const tick = Buffer.from(".");
const last = Number(count) - 1;
// Far enough ahead for whoever reads it to be listening.
const startMs = sharedNowMs() + 20;
writeSync(1, `${startMs}\n`);
for (let index = 0; index <= last; index++) {
  const waitMs = startMs + (index * 1000) / Number(perSecond) - sharedNowMs();
  // After a delay one byte stands for all that are due.
  if (waitMs <= 0 && index < last) continue;
  if (waitMs > 0) Atomics.wait(never, 0, 0, waitMs);
  writeSync(1, tick);
}
// The last byte may have come a moment too early for a clock that is read elsewhere.
Atomics.wait(never, 0, 0, 1);
writeSync(1, tick);

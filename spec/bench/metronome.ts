/**
 * metronome: calls at even times, by a process of its own which sleeps in between. A timer of Node is late by a millisecond
 * or so; looking at the clock turn by turn would be in time, but takes the whole core, and then Redis, which shares it,
 * is late by slices of the scheduler, and the figures are ours, not the system's.
 */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { spawnPinned } from "./pin.ts";

const program = fileURLToPath(new URL("./metronomeProgram.ts", import.meta.url));

/** Monotonic ms, the same for all processes. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * Calls `due` for each of `count` ticks, `perSecond` a second, with its number and when it should have come (ms of
 * performance.now); after a delay for all that have come meanwhile. Resolves after the last; rejects with `broken`.
 */
export async function metronome(
  { perSecond, count }: { perSecond: number; count: number },
  due: (index: number, dueMs: number) => void,
  broken: Promise<never>,
): Promise<void> {
  const loader = ["--import", import.meta.resolve("tsx")];
  const args = [...loader, program, String(perSecond), String(count)];
  const child = spawnPinned(process.execPath, args, { core: "load" });
  const ticks = child.stdout;
  if (!ticks) throw new Error("metronome: no stdout");
  try {
    const [line] = (await Promise.race([once(ticks, "data"), broken])) as [Buffer];
    const startMs = Number.parseFloat(line.toString()) - sharedNowMs() + performance.now();
    let index = 0;
    const ended = new Promise<void>((resolve) => {
      ticks.on("data", () => {
        const nowMs = performance.now();
        for (; index < count; index++) {
          const dueMs = startMs + (index * 1000) / perSecond;
          if (dueMs > nowMs) return;
          due(index, dueMs);
        }
        resolve();
      });
    });
    await Promise.race([ended, broken]);
  } finally {
    child.kill("SIGKILL");
  }
}

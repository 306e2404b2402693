/**
 * within: a step of a script that may take so long and no longer (exit code 5).
 */
import type { Clock, Timer } from "./clock.ts";

export interface WithinOptions {
  clock: Clock;
  /** Null: for ever. */
  timeoutMs: number | null;
  /** What is thrown when the time is over. */
  late: () => Error;
}

/** The promise's value; throws `late()` when it does not come in time. */
export async function within<T>(promise: Promise<T>, { clock, timeoutMs, late }: WithinOptions): Promise<T> {
  if (timeoutMs === null) return promise;
  let timer: Timer | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = clock.after(timeoutMs, () => reject(late()));
  });
  try {
    return await Promise.race([promise, over]);
  } finally {
    timer?.cancel();
  }
}

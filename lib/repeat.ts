/**
 * repeat: what an answer waits for and when it is due: doing again what does no harm when done again, and giving up.
 */
import { type Clock, type Timer, delay } from "./clock.ts";
import { CodedError, codes } from "./codes.ts";
import { repeatPauseMs, storeDeadlineMs } from "./limits.ts";

/**
 * What `work` gives; after "not known to be done" (CodedError 503) it is done again while one more attempt ends before
 * `dueMs` (monotonic). Throws what the last attempt threw.
 */
export async function repeatUntilDue<T>(clock: Clock, dueMs: number, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const isUnknown = error instanceof CodedError && error.code === codes.tryAgain;
      if (!isUnknown || clock.monotonicMs() + repeatPauseMs + storeDeadlineMs > dueMs) throw error;
      await delay(clock, repeatPauseMs);
    }
  }
}

/** What `work` gives; CodedError 503 at `dueMs` (monotonic) when there is nothing by then. */
export async function answerBy<T>(clock: Clock, dueMs: number, work: () => Promise<T>): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    const refuse = (): void => reject(new CodedError(codes.tryAgain, { retryMs: 1000 }));
    timer = clock.after(Math.max(0, dueMs - clock.monotonicMs()), refuse);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    timer?.cancel();
  }
}

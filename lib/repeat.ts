/**
 * repeat: doing again what does no harm when done again, as long as the answer that waits for it is not yet due.
 */
import { type Clock, delay } from "./clock.ts";
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

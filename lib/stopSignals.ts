/**
 * stopSignals: SIGTERM and SIGINT, told apart from their own echo (clause ). One Ctrl-C is several signals: the
 * terminal signals the whole group, and a parent that runs us (npm, a shell, a supervisor) hands on what it got. So a
 * second one counts, and ends the process at once, only when it comes stopAgainMs or more after the first.
 */
import type { Clock } from "./clock.ts";
import { stopAgainMs } from "./limits.ts";

export interface StopHandlers {
  /** The first: go in order. Never called twice. */
  stop(): void;
  /** A later one, meant as such: go now. Never called twice. */
  stopNow(): void;
}

/** What to call at each signal. */
export function onStopSignal(clock: Clock, { stop, stopNow }: StopHandlers): () => void {
  let firstMs: number | null = null;
  let isNow = false;
  return () => {
    if (firstMs === null) {
      firstMs = clock.monotonicMs();
      stop();
    } else if (!isNow && clock.monotonicMs() - firstMs >= stopAgainMs) {
      isNow = true;
      stopNow();
    }
  };
}

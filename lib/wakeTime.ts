/**
 * wakeTime: time in which this process was awake. While it is stopped, starved or busy with one thing for long, others
 * come and go and it does not see them: what it may conclude from their silence has to be counted in this time.
 */
import type { Clock, Timer } from "./clock.ts";
import { wakeStepMaxMs, wakeTickMs } from "./limits.ts";

/** Monotonic ms, of which a long pause counts for `wakeStepMaxMs` at most. */
export class WakeTime {
  readonly #clock: Clock;
  readonly #timer: Timer;
  #countedMs = 0;
  #lookedMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lookedMs = clock.monotonicMs();
    this.#timer = clock.every(wakeTickMs, () => {
      this.#countedMs = this.ms;
      this.#lookedMs = clock.monotonicMs();
    });
  }

  get ms(): number {
    return this.#countedMs + Math.min(this.#clock.monotonicMs() - this.#lookedMs, wakeStepMaxMs);
  }

  close(): void {
    this.#timer.cancel();
  }
}

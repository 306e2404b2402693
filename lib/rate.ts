/**
 * rate: a token bucket. It knows no timers: it says how long to wait, its owner decides what waiting means.
 */
import type { Clock } from "./clock.ts";

/** Tokens of one sender. */
export class Bucket {
  readonly #clock: Clock;
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #filledMs: number;

  /** `perSecond` tokens a second, at most `burst` saved up. */
  constructor(clock: Clock, perSecond: number, burst: number) {
    this.#clock = clock;
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledMs = clock.monotonicMs();
  }

  /** Takes a token and gives 0, or takes none and gives the ms until there is one. */
  take(): number {
    this.#fill();
    if (this.#tokens < 1) return (1 - this.#tokens) / this.#perMs;
    this.#tokens--;
    return 0;
  }

  /** Takes a token in any case; the ms until it will be there. */
  takeOnCredit(): number {
    this.#fill();
    this.#tokens--;
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#perMs;
  }

  #fill(): void {
    const now = this.#clock.monotonicMs();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledMs) * this.#perMs);
    this.#filledMs = now;
  }
}

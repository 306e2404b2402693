/**
 * manualClock: time that a spec moves by hand. Timers fire in order of their time, at their time.
 */
import type { Clock, Timer } from "../../lib/clock.ts";

interface Due {
  atMs: number;
  everyMs: number | null;
  callback: () => void;
}

export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #startWallMs: number;
  #timers: Due[] = [];

  constructor(startWallMs: number = Date.now()) {
    this.#startWallMs = startWallMs;
  }

  wallMs(): number {
    return this.#startWallMs + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.#add({ atMs: this.#nowMs + delayMs, everyMs: null, callback });
  }

  every(intervalMs: number, callback: () => void): Timer {
    return this.#add({ atMs: this.#nowMs + intervalMs, everyMs: intervalMs, callback });
  }

  /** Timers that wait. */
  get waiting(): number {
    return this.#timers.length;
  }

  /** Moves time on; what is due fires. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#timers
        .filter(({ atMs }) => atMs <= endMs)
        .sort((left, right) => left.atMs - right.atMs)[0];
      if (!next) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      if (next.everyMs === null) this.#timers.splice(this.#timers.indexOf(next), 1);
      else next.atMs += next.everyMs;
      next.callback();
    }
    this.#nowMs = endMs;
  }

  /** Time goes by while nothing runs, as on a machine that sleeps: what was due meanwhile fires afterwards, once. */
  sleep(ms: number): void {
    this.#nowMs += ms;
    const late = this.#timers
      .filter(({ atMs }) => atMs <= this.#nowMs)
      .sort((left, right) => left.atMs - right.atMs);
    for (const due of late) {
      if (due.everyMs === null) this.#timers.splice(this.#timers.indexOf(due), 1);
      else due.atMs = this.#nowMs + due.everyMs;
      due.callback();
    }
  }

  #add(due: Due): Timer {
    this.#timers.push(due);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((timer) => timer !== due);
      },
    };
  }
}

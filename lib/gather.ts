/**
 * gather: what is asked of Redis in one step of the event loop goes out in one write, not in one each. Nothing waits for
 * it: when the step is over, and the promises that it settled, it is written. Measured with private messages at
 * saturation: 4.6 % more a second, 4 % less CPU of the server and 8 % less of Redis for each (medians of 9 windows in
 * turns, 10,143 to 10,613 a second).
 */
import type { Redis } from "ioredis";

/** The writes of the connections to Redis. */
export class Gather {
  readonly #lines: () => Redis[];
  #isOpen = false;

  /** `lines`: the connections that there are now. */
  constructor(lines: () => Redis[]) {
    this.#lines = lines;
  }

  /** Call before a command. */
  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    // A line that is being made anew has another stream by then, or none.
    const streams = this.#lines().map(({ stream }) => stream);
    for (const stream of streams) stream?.cork();
    process.nextTick(() => {
      this.#isOpen = false;
      for (const stream of streams) stream?.uncork();
    });
  }
}

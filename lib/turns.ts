/**
 * turns: at most so many at a time; whoever comes later waits, in order. For work that others have to share something
 * with: the connection to Redis, a socket.
 */

/** Lets `most` work at a time. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#free = most;
  }

  /** What `work` gives, when its turn has come. Whether it is still wanted then is for `work` to look at. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    // Whoever ends hands over the place, so nobody overtakes.
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

/**
 * latencies: many measured times in little memory: a count for each hundredth of a millisecond, up to ten seconds.
 */
const stepMs = 0.01;
const steps = 1_000_000;

/** Counts of latencies, from which percentiles are read. */
export class Latencies {
  readonly #counts = new Uint32Array(steps + 1);
  #total = 0;
  #maxMs = 0;

  add(ms: number): void {
    const step = ms <= 0 ? 0 : Math.min(steps, Math.floor(ms / stepMs));
    this.#counts[step] = (this.#counts[step] ?? 0) + 1;
    this.#total++;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  get count(): number {
    return this.#total;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** The time below which `percent` of them are, in ms; NaN of none. */
  percentile(percent: number): number {
    if (this.#total === 0) return NaN;
    let left = Math.ceil((this.#total * percent) / 100);
    for (let step = 0; step <= steps; step++) {
      left -= this.#counts[step] ?? 0;
      if (left <= 0) return Math.min((step + 1) * stepMs, this.#maxMs);
    }
    return this.#maxMs;
  }
}

/**
 * seqs: a set of sequence numbers as ranges. Numbers mostly come in order, so a million of them are a few ranges.
 */

/** A set of whole numbers. */
export class Seqs {
  /** From, to (inclusive), from, to …: ascending, with holes between. */
  readonly #ends: number[] = [];

  get highest(): number {
    return this.#ends.at(-1) ?? -Infinity;
  }

  get lowest(): number {
    return this.#ends[0] ?? Infinity;
  }

  add(from: number, to: number): void {
    if (to < from) return;
    const ends = this.#ends;
    const last = ends.length - 1;
    if (last < 0 || from > (ends[last] as number) + 1) return void ends.push(from, to);
    if (from >= (ends[last - 1] as number)) {
      if (to > (ends[last] as number)) ends[last] = to;
      return;
    }
    // The first range that it touches, and the first beyond it.
    let first = this.#rangeAt(from - 1);
    let beyond = first;
    let low = from;
    let high = to;
    while (beyond < ends.length && (ends[beyond] as number) <= to + 1) {
      low = Math.min(low, ends[beyond] as number);
      high = Math.max(high, ends[beyond + 1] as number);
      beyond += 2;
    }
    ends.splice(first, beyond - first, low, high);
  }

  has(seq: number): boolean {
    const index = this.#rangeAt(seq);
    return index < this.#ends.length && (this.#ends[index] as number) <= seq;
  }

  /** Those of `from` to `to` that are not in it. */
  *missing(from: number, to: number): Iterable<number> {
    let index = this.#rangeAt(from);
    for (let seq = from; seq <= to;) {
      const start = this.#ends[index] ?? Infinity;
      for (; seq <= to && seq < start; seq++) yield seq;
      seq = Math.max(seq, (this.#ends[index + 1] ?? Infinity) + 1);
      index += 2;
    }
  }

  /** Index of the first range that ends at `seq` or later. */
  #rangeAt(seq: number): number {
    let low = 0;
    let high = this.#ends.length / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ends[middle * 2 + 1] as number) < seq) low = middle + 1;
      else high = middle;
    }
    return low * 2;
  }
}

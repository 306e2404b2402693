/**
 * markedReader: numbers of messages out of the bytes of any protocol whose texts go over the wire as they are: a mark,
 * then eight digits. What looks like the mark and has no digits behind it is something else.
 */
const mark = 0x7e;
const bytesOfMark = 9;

/** Finds the numbers, however the bytes are cut. */
export class MarkedReader {
  readonly #delivered: (number: number) => void;
  #held: Buffer | null = null;

  constructor(delivered: (number: number) => void) {
    this.#delivered = delivered;
  }

  /** Takes the first `length` bytes of `bytes`, which may be used again afterwards. */
  read(bytes: Buffer, length: number): void {
    let chunk = bytes.subarray(0, length);
    if (this.#held) {
      chunk = Buffer.concat([this.#held, chunk]);
      this.#held = null;
    }
    let at = chunk.indexOf(mark);
    while (at >= 0) {
      if (at + bytesOfMark > chunk.length) {
        this.#held = Buffer.from(chunk.subarray(at));
        return;
      }
      const number = numberAt(chunk, at + 1);
      if (number >= 0) this.#delivered(number);
      at = chunk.indexOf(mark, at + 1);
    }
  }
}

/** -1 where there are no eight digits. */
function numberAt(bytes: Buffer, at: number): number {
  let number = 0;
  for (let index = at; index < at + 8; index++) {
    const digit = (bytes[index] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

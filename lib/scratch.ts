/**
 * scratch: room for bytes that only one reader gets, used again for the next one's as soon as the kernel has them. Who
 * speaks in a busy room gets a copy of each batch without its own lines: with 64 such senders and 256 messages in
 * flight, 150 MB a second of new Buffers let V8 collect the whole heap every 80 ms, and cost 18 % of the server's CPU.
 */
const nothing = Buffer.alloc(0);

/** Room for one at a time, as long as nobody has to keep it. */
export class Scratch {
  #bytes = nothing;

  /** `parts` one behind the other; good until the next call, or for ever after `keep`. Only one part is not copied. */
  joined(parts: readonly Buffer[]): Buffer {
    const [first = nothing, ...others] = parts.filter(({ length }) => length > 0);
    if (others.length === 0) return first;
    const length = others.reduce((sum, part) => sum + part.length, first.length);
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafe(length);
    let end = 0;
    for (const part of [first, ...others]) end += part.copy(this.#bytes, end);
    return this.#bytes.subarray(0, end);
  }

  /** What was given last is still read by somebody. */
  keep(): void {
    this.#bytes = nothing;
  }
}

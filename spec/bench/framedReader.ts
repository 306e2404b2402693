/**
 * framedReader: one connection's bytes as messages, for our own frames, without parsing them: a delivered SmsMes begins
 * with its content, so the number in it stands in a fixed place. Other frames are handed over whole where somebody
 * wants them, and stepped over where nobody does.
 */
export interface FramedSink {
  /** A message with this number was delivered. */
  delivered(number: number): void;
  /** Any other frame, its payload; only while `wantsOther`. The view is good for the call only. */
  other(payload: Buffer): void;
  readonly wantsOther: boolean;
}

const before = '{"type":"SmsMes","data":"{\\"content\\":\\"';
const headBytes = 4 + before.length + 9;
/** Tells SmsMes from SmsResMes and all others. */
const quoteAt = 4 + '{"type":"SmsMes'.length;

/** Cuts frames out of what came, however it was cut. */
export class FramedReader {
  readonly #sink: FramedSink;
  /** Bytes of the frame that is under way which are not looked at. */
  #skip = 0;
  #held: Buffer | null = null;

  constructor(sink: FramedSink) {
    this.#sink = sink;
  }

  /** Takes the first `length` bytes of `bytes`, which may be used again afterwards. */
  read(bytes: Buffer, length: number): void {
    if (this.#held) {
      const joined = Buffer.concat([this.#held, bytes.subarray(0, length)]);
      this.#held = null;
      this.#walk(joined, joined.length);
    } else this.#walk(bytes, length);
  }

  #walk(bytes: Buffer, length: number): void {
    let at = this.#skip;
    if (at >= length) {
      this.#skip = at - length;
      return;
    }
    this.#skip = 0;
    while (at + headBytes <= length) {
      const size =
        (((bytes[at] as number) << 24) |
          ((bytes[at + 1] as number) << 16) |
          ((bytes[at + 2] as number) << 8) |
          (bytes[at + 3] as number)) +
        4;
      // 'S', then the closing quote where SmsResMes has a letter.
      const isSms = bytes[at + 13] === 0x53 && bytes[at + quoteAt] === 0x22 && size >= headBytes;
      if (isSms) this.#sink.delivered(numberAt(bytes, at + headBytes - 8));
      else if (this.#sink.wantsOther) {
        if (at + size > length) break;
        this.#sink.other(bytes.subarray(at + 4, at + size));
      }
      at += size;
    }
    if (at > length) this.#skip = at - length;
    else if (at < length) at = this.#short(bytes, at, length);
  }

  /** Less than a head is left, or a frame that is wanted whole: small whole frames go out, the rest is held. */
  #short(bytes: Buffer, start: number, length: number): number {
    let at = start;
    while (at + 4 <= length) {
      const size = bytes.readUInt32BE(at) + 4;
      if (at + size > length || size >= headBytes) break;
      if (this.#sink.wantsOther) this.#sink.other(bytes.subarray(at + 4, at + size));
      at += size;
    }
    if (at < length) this.#held = Buffer.from(bytes.subarray(at, length));
    return at;
  }
}

function numberAt(bytes: Buffer, at: number): number {
  let number = 0;
  for (let index = at; index < at + 8; index++) number = number * 10 + ((bytes[index] as number) - 0x30);
  return number;
}

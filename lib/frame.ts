/**
 * frame: bytes to payloads and back, no I/O. A frame is 4 bytes, unsigned, big-endian = length of the payload,
 * then the payload (clauses [F-1] to [F-6]). The claimed length is checked before anything is allocated for it,
 * and what is held grows with what has arrived, never with what was claimed. Cost is linear in the bytes pushed,
 * however they are cut.
 */
import { frameHeaderBytes } from "./limits.ts";

/** The stream cannot be understood any more: the connection that sent it has to end ([F-5]). */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

const nothing = Buffer.alloc(0);

/**
 * Push bytes, pull payloads. Pulling is separate from pushing so that its owner can stop in the middle of a chunk
 * (a log-in is being answered) and change `maxBytes` before the next frame is looked at.
 */
export class FrameDecoder {
  /** Longest payload accepted by the next call of `next`, in bytes. */
  maxBytes: number;
  #held: Buffer = nothing;
  #start = 0;
  #end = 0;
  #owned = false;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Adds bytes as they came. The chunk must not be changed afterwards: payloads may be views of it. */
  push(chunk: Buffer): void {
    if (this.heldBytes === 0) {
      this.#held = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      this.#owned = false;
      return;
    }
    this.#reserve(chunk.length);
    chunk.copy(this.#held, this.#end);
    this.#end += chunk.length;
  }

  /**
   * The next whole payload, or null until more bytes come. The view stays valid.
   * Throws FrameError on a length of 0 or above `maxBytes`.
   */
  next(): Buffer | null {
    if (this.heldBytes < frameHeaderBytes) return null;
    const length = this.#held.readUInt32BE(this.#start);
    if (length === 0 || length > this.maxBytes) {
      throw new FrameError(`frame length ${length}, wanted 1 to ${this.maxBytes}`);
    }
    const payloadStart = this.#start + frameHeaderBytes;
    if (this.#end - payloadStart < length) return null;
    this.#start = payloadStart + length;
    const payload = this.#held.subarray(payloadStart, this.#start);
    // A connection that is silent keeps nothing of what it said last.
    if (this.heldBytes === 0) this.#release();
    return payload;
  }

  /** Bytes pushed and not yet pulled. Above 0 after `next` gave null: a frame has been started. */
  get heldBytes(): number {
    return this.#end - this.#start;
  }

  /** Says that no byte follows. Throws FrameError when the end is inside a frame ([F-6]). */
  end(): void {
    if (this.heldBytes > 0) throw new FrameError(`end inside a frame, ${this.heldBytes} bytes of it came`);
  }

  #release(): void {
    this.#held = nothing;
    this.#start = this.#end = 0;
    this.#owned = false;
  }

  /** Room for `bytes` more. New room is never carved out of old bytes, so views given out stay valid. */
  #reserve(bytes: number): void {
    if (this.#owned && this.#held.length - this.#end >= bytes) return;
    const live = this.heldBytes;
    const grown = Buffer.allocUnsafeSlow(Math.max(256, 2 * (live + bytes)));
    this.#held.copy(grown, 0, this.#start, this.#end);
    this.#held = grown;
    this.#start = 0;
    this.#end = live;
    this.#owned = true;
  }
}

/** One frame, header and payload, ready to be written in one piece. `payload` is text that becomes UTF-8. */
export function encodeFrame(payload: string): Buffer {
  const length = Buffer.byteLength(payload);
  const frame = Buffer.allocUnsafe(frameHeaderBytes + length);
  frame.writeUInt32BE(length, 0);
  frame.write(payload, frameHeaderBytes);
  return frame;
}

/** Many frames, one behind the other in one piece; `ends[i]` is where the frame of payload i ends. */
export function encodeFrames(payloads: readonly string[]): { bytes: Buffer; ends: number[] } {
  // Room for each header, then one conversion for all: 0.3 us a frame instead of 1.1.
  const text = payloads.length === 0 ? "" : `\0\0\0\0${payloads.join("\0\0\0\0")}`;
  const bytes = Buffer.from(text);
  const isAscii = bytes.length === text.length;
  let end = 0;
  const ends = payloads.map((payload) => {
    const length = isAscii ? payload.length : Buffer.byteLength(payload);
    bytes.writeUInt32BE(length, end);
    return (end += frameHeaderBytes + length);
  });
  return { bytes, ends };
}

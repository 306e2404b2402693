/**
 * frames: messages read out of bytes that were seen on their way, without lib/.
 */
import type { Data } from "./wireClient.ts";

export interface SeenFrame {
  type: string;
  data: Data;
}

/** Takes chunks of one stream, however cut; `frames` are those that were whole so far. */
export class FrameTap {
  readonly frames: SeenFrame[] = [];
  #rest: Buffer = Buffer.alloc(0);

  take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= 4) {
      const length = this.#rest.readUInt32BE(0);
      if (this.#rest.length < 4 + length) return;
      const text = this.#rest.toString("utf8", 4, 4 + length);
      this.#rest = this.#rest.subarray(4 + length);
      const { type, data } = JSON.parse(text) as { type: string; data: string };
      this.frames.push({ type, data: JSON.parse(data) as Data });
    }
  }

  /** Fields of all messages of one type. */
  all(type: string): Data[] {
    return this.frames.filter((frame) => frame.type === type).map(({ data }) => data);
  }
}

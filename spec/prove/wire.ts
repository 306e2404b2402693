/**
 * wire: one connection of a talker: frames out, frames in. Its own reading of the protocol, so that a mistake of the
 * product's encoder is not made twice.
 */
import { type Socket, connect } from "node:net";

export type Fields = Record<string, unknown>;

export interface WireEvents {
  heard(type: string, fields: Fields): void;
  closed(): void;
}

/** A TCP connection that speaks frames. */
export class Wire {
  readonly socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  #isOver = false;
  /** Ms (monotonic) of the last bytes that came. */
  heardMs = performance.now();

  constructor({ host, port }: { host: string; port: number }, events: WireEvents) {
    this.socket = connect({ host, port, noDelay: true });
    this.socket.on("error", () => undefined);
    this.socket.on("data", (chunk: Buffer) => {
      this.heardMs = performance.now();
      this.#take(chunk, events);
    });
    this.socket.on("close", () => {
      this.#isOver = true;
      events.closed();
    });
  }

  get isOpen(): boolean {
    return !this.#isOver && this.socket.readyState === "open";
  }

  say(type: string, fields: Fields): void {
    if (this.#isOver || this.socket.destroyed) return;
    const payload = JSON.stringify({ type, data: JSON.stringify(fields) });
    const bytes = Buffer.byteLength(payload);
    const frame = Buffer.allocUnsafe(4 + bytes);
    frame.writeUInt32BE(bytes, 0);
    frame.write(payload, 4);
    this.socket.write(frame);
  }

  /** Says no more and hears no more. */
  drop(): void {
    this.#isOver = true;
    this.socket.destroy();
  }

  #take(chunk: Buffer, events: WireEvents): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (!this.#isOver && bytes.length - at >= 4) {
      const length = bytes.readUInt32BE(at);
      if (bytes.length - at - 4 < length) break;
      const text = bytes.toString("utf8", at + 4, at + 4 + length);
      at += 4 + length;
      const { type, data } = JSON.parse(text) as { type: string; data: string };
      events.heard(type, JSON.parse(data) as Fields);
    }
    this.#rest = at === bytes.length ? Buffer.alloc(0) : bytes.subarray(at);
  }
}

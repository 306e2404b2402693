/**
 * clientLink: one connection of a client to a server: dialing, frames, and the end. It dials with something to say in
 * its hand, since a server closes who says nothing. It never throws after `open`: what goes wrong is `ended`.
 */
import { type Socket, connect } from "node:net";
import type { Clock, Timer } from "./clock.ts";
import { FrameDecoder } from "./frame.ts";
import { reasonOf } from "./journal.ts";
import { clientConnectDeadlineMs, clientExitDeadlineMs, frameMaxBytes } from "./limits.ts";
import { type ServerMessage, decodeServer } from "./message.ts";

export interface LinkOptions {
  host: string;
  port: number;
  /** What is said first, as soon as the connection stands. */
  first: Buffer;
  /** How long the connection may take to stand. */
  connectDeadlineMs?: number;
  /** How long its answer may take. */
  answerDeadlineMs: number;
  clock: Clock;
  heard: (message: ServerMessage) => void;
  /** Called once; `reason` is for people. */
  ended: (reason: string) => void;
}

/** One link; make another one when it has ended. */
export class ClientLink {
  readonly #options: LinkOptions;
  readonly #socket: Socket;
  /** Until the first answer has come: a server that says nothing is none. Later: until the end we asked for. */
  #deadline: Timer;
  readonly #decoder = new FrameDecoder(frameMaxBytes);
  #reason = "";
  #ended = false;
  /** The connection stood once. */
  isConnected = false;
  /** Bytes of the server heard so far: whoever watches the link compares. */
  heardBytes = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#socket = connect({ host: options.host, port: options.port, noDelay: true });
    this.#deadline = options.clock.after(options.connectDeadlineMs ?? clientConnectDeadlineMs, () =>
      this.destroy("no answer"),
    );
    this.#socket.on("connect", () => {
      this.isConnected = true;
      this.#deadline.cancel();
      this.#deadline = options.clock.after(options.answerDeadlineMs, () => this.destroy("no answer"));
      this.#socket.write(options.first);
    });
    this.#socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    this.#socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#reason ||= error.code ?? reasonOf(error);
    });
    this.#socket.on("close", () => this.#end());
  }

  /** Writes frames; passed over when the link has ended. */
  write(frames: Buffer): void {
    if (!this.#ended) this.#socket.write(frames);
  }

  /** Ends after what was written; a server that does not end its side is not waited for. */
  end(): void {
    if (this.#ended) return;
    if (this.#socket.connecting) return this.destroy("closed");
    this.#socket.end();
    this.#deadline.cancel();
    this.#deadline = this.#options.clock.after(clientExitDeadlineMs, () => this.destroy("closed"));
  }

  /** Ends at once. */
  destroy(reason: string): void {
    this.#reason ||= reason;
    this.#socket.destroy();
    this.#end();
  }

  #onData(chunk: Buffer): void {
    this.heardBytes += chunk.length;
    try {
      this.#decoder.push(chunk);
      for (let payload = this.#decoder.next(); payload && !this.#ended; payload = this.#decoder.next()) {
        const message = decodeServer(payload);
        if (!this.#socket.writableEnded) this.#deadline.cancel();
        // What this client does not know a newer server may say: it is passed over.
        if (message.type !== null) this.#options.heard(message);
      }
    } catch (error) {
      this.destroy(reasonOf(error));
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deadline.cancel();
    this.#options.ended(this.#reason || "closed");
  }
}

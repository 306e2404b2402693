/**
 * acknowledging: what was handed on is acknowledged, each message once, while there is a link: private ones within 1 s
 * ([C-8]), else after so many messages or so long. What has been handed on is known by (conv, id), over all links.
 */
import type { Clock, Timer } from "./clock.ts";
import { clientAckMs, clientPrivateAckMs } from "./limits.ts";
import { encodeClient } from "./message.ts";
import { SeenMessages } from "./seenMessages.ts";

export interface AcknowledgingOptions {
  clock: Clock;
  /** False: only when asked to. */
  isAutomatic: boolean;
  /** Passed over where there is no link. */
  write: (frame: Buffer) => void;
}

/** The acknowledgements of one client. */
export class Acknowledging {
  readonly #options: AcknowledgingOptions;
  readonly #seen = new SeenMessages();
  #isLinked = false;
  #every: Timer | null = null;
  #soon: Timer | null = null;

  constructor(options: AcknowledgingOptions) {
    this.#options = options;
  }

  /** Notes a message; false when it was noted before. */
  note({ conv = "all", id = "" }: { conv?: string; id?: string }): boolean {
    return this.#seen.note(conv, id);
  }

  /** A message of this conversation was handed on. */
  handedOn(conv: string = "all"): void {
    if (!this.#options.isAutomatic) return;
    if (this.#seen.ackDue) this.all();
    else if (conv !== "all") this.#privateSoon();
  }

  /** Everything that is due. */
  all(): void {
    if (this.#isLinked) this.#send(this.#seen.takeUnacked());
  }

  /** The end comes: a last time, where it is ours to do. */
  last(): void {
    if (this.#options.isAutomatic) this.all();
  }

  /** Everything up to `id` is safe here ([D-2]). */
  ack(conv: string, id: string): void {
    if (this.#isLinked) this.#options.write(encodeClient("AckMes", { conv, id }));
  }

  linked(): void {
    this.#isLinked = true;
    this.#every = this.#options.clock.every(clientAckMs, () => this.last());
  }

  unlinked(): void {
    this.#isLinked = false;
    this.#every?.cancel();
    this.#soon?.cancel();
    this.#every = this.#soon = null;
  }

  /** Whoever wrote privately would like to know; what everybody reads can wait. */
  #privateSoon(): void {
    this.#soon ??= this.#options.clock.after(clientPrivateAckMs, () => {
      this.#soon = null;
      this.#send(this.#seen.takeUnackedPrivate());
    });
  }

  #send(acks: { conv: string; id: string }[]): void {
    for (const { conv, id } of acks) this.ack(conv, id);
  }
}

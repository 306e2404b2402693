/**
 * sendQueue: what a client wants said and has no answer for yet. One message is on its way at a time, so that order is
 * the order of answers; what is unanswered when the link ends is said again with the same mid (clause [C-5]).
 */
import { randomUUID } from "node:crypto";
import type { Clock, Timer } from "./clock.ts";
import { codes, ownCodes } from "./codes.ts";
import * as limits from "./limits.ts";
import { reasonOf } from "./journal.ts";
import { type ServerFields, encodeClient } from "./message.ts";
import type { Outbox } from "./outbox.ts";

export type SendOutcome =
  | { kind: "stored"; mid: string; id: string; time: number; stored: string }
  | { kind: "refused"; mid: string; code: number; error: string }
  /** The client was closed before an answer came: nobody knows. */
  | { kind: "unknown"; mid: string };

export interface NewSms {
  conv: string;
  content: string;
  mid: string;
}

interface Queued extends NewSms {
  settle: (outcome: SendOutcome) => void;
}

export interface SendQueueOptions {
  clock: Clock;
  /** 0 to 1, for the jitter. */
  random: () => number;
  /** Writes a frame on the link of the moment. */
  write: (frame: Buffer) => void;
  /** Where messages are kept until their fate is known; null: in memory only. */
  outbox: Outbox | null;
  /** What became of a message that an earlier client had left in the outbox. */
  restored: (sms: NewSms, outcome: SendOutcome) => void;
}

/** The unanswered messages of one client, over all its links. */
export class SendQueue {
  readonly #options: SendQueueOptions;
  readonly #queued: Queued[] = [];
  #retry: Timer | null = null;
  #state: "unlinked" | "linked" | "closed" = "unlinked";

  constructor(options: SendQueueOptions) {
    this.#options = options;
    for (const { mid, conv, content, timeMs } of options.outbox?.waiting ?? []) {
      // Beyond that time the server may no longer know the mid: sent by itself it could be there twice.
      if (options.clock.wallMs() - timeMs > limits.midKnownMs) {
        options.outbox?.refuse(mid, { code: ownCodes.outdated, error: "too old to be sent again by itself" });
        continue;
      }
      const settle = (outcome: SendOutcome): void => options.restored({ mid, conv, content }, outcome);
      this.#queued.push({ mid, conv, content, settle });
    }
  }

  /** Messages that were not answered yet. */
  get count(): number {
    return this.#queued.length;
  }

  /**
   * Says something; with an outbox it is on disk when this returns. Settles when the message is stored or refused for
   * good, however long that takes. Never throws.
   */
  add({ conv, content, mid }: NewSms): Promise<SendOutcome> {
    return new Promise((settle) => {
      if (this.#state === "closed") return settle({ kind: "unknown", mid });
      if (content.length > limits.contentMaxUnits || conv.length + mid.length > limits.midMaxChars * 2) {
        // A frame the server could not take would end the link, and every one after it.
        return settle({ kind: "refused", mid, code: codes.tooLong, error: "too long" });
      }
      if (this.#queued.length >= limits.clientOutgoingMax) {
        return settle({
          kind: "refused",
          mid,
          code: ownCodes.tooManyUnsent,
          error: "too many unsent messages",
        });
      }
      const { outbox, clock } = this.#options;
      try {
        outbox?.put({ mid, conv, content, timeMs: clock.wallMs() });
      } catch (error) {
        const why = `not written to disk: ${reasonOf(error)}`;
        return settle({ kind: "refused", mid, code: ownCodes.notWritten, error: why });
      }
      this.#queued.push({ conv, content, mid, settle });
      if (this.#queued.length === 1) this.#sendFirst();
    });
  }

  /** Says what was refused once more, as new messages. */
  again(): void {
    const { outbox, restored } = this.#options;
    for (const { mid: old, conv, content } of outbox?.refused ?? []) {
      const mid = randomUUID();
      void this.add({ conv, content, mid }).then((outcome) => restored({ conv, content, mid }, outcome));
      outbox?.remove(old);
    }
  }

  /** A link stands, and the log-in went well. */
  linked(): void {
    if (this.#state === "closed") return;
    this.#state = "linked";
    this.#sendFirst();
  }

  /** The link has ended: what is unanswered waits for the next one. */
  unlinked(): void {
    if (this.#state === "linked") this.#state = "unlinked";
    this.#retry?.cancel();
    this.#retry = null;
  }

  /** There will be no other link: what was not answered settles as unknown. */
  close(): void {
    this.unlinked();
    this.#state = "closed";
    for (const { mid, settle } of this.#queued.splice(0)) settle({ kind: "unknown", mid });
  }

  /** SmsResMes. An answer to anything but the first message is old, and passed over. */
  answered({ mid, code, error, id, time, stored, retryMs }: ServerFields<"SmsResMes">): void {
    const first = this.#queued[0];
    if (first?.mid !== mid) return;
    if (code === codes.tryAgain || code === codes.slowDown) return this.#sendLater(retryMs);
    this.#queued.shift();
    if (code === codes.ok) this.#options.outbox?.remove(mid);
    else this.#options.outbox?.refuse(mid, { code, error });
    first.settle(
      code === codes.ok
        ? { kind: "stored", mid, id: id ?? "", time: time ?? 0, stored: stored ?? "memory" }
        : { kind: "refused", mid, code, error },
    );
    this.#sendFirst();
  }

  /** The message on its way was refused without its mid being read. */
  refused(code: number, error: string): void {
    const first = this.#queued[0];
    if (first) this.answered({ mid: first.mid, code, error });
  }

  #sendFirst(): void {
    const first = this.#queued[0];
    if (!first || this.#state !== "linked" || this.#retry) return;
    const { conv, content, mid } = first;
    this.#options.write(encodeClient("SmsMes", { conv, content, mid }));
  }

  #sendLater(retryMs: number = limits.clientRetryMs): void {
    const { clock, random } = this.#options;
    this.#retry?.cancel();
    this.#retry = clock.after(retryMs * (1 + random() / 2), () => {
      this.#retry = null;
      this.#sendFirst();
    });
  }
}

/**
 * sharedReads: what readers that are behind in the room read of it, read and encoded once for all who need it: after a
 * restart, or in the morning, thousands come back for the same messages. It holds the batches read last, a bounded
 * number. 1,000 readers of 1,000 messages cost the server a tenth of what they cost with a read each.
 */
import { type Batch, batchesOf } from "./batch.ts";
import type { StoredConv } from "./conv.ts";
import { fanoutSliceSessions, sharedBatchesMax } from "./limits.ts";
import { type MessageId, compareIds, formatId } from "./messageId.ts";
import type { Entry } from "./smsDao.ts";

/** Reads messages above `position`, up to `last`. Throws CodedError 503. */
export type ReadAfter = (position: MessageId, last: MessageId) => Promise<Entry[]>;

/** The batches of one conversation that were read last. */
export class SharedReads {
  readonly #conv: StoredConv;
  readonly #readAfter: ReadAfter;
  /** The one used last is at the end. */
  readonly #batches = new Set<Batch>();
  readonly #reading = new Map<string, Promise<Batch[]>>();
  #handedOut = 0;

  constructor(conv: StoredConv, readAfter: ReadAfter) {
    this.#conv = conv;
    this.#readAfter = readAfter;
  }

  /**
   * The batch in which a reader at `position` finds what follows, not beyond `upTo`; null where nothing follows.
   * Throws CodedError 503.
   */
  async after(position: MessageId, upTo: MessageId): Promise<Batch | null> {
    await this.#turn();
    const held = this.#find(position);
    if (held) {
      this.#batches.delete(held);
      this.#batches.add(held);
      return held;
    }
    const [first = null] = await this.#read(position, upTo);
    return first;
  }

  /** Redis was away, and may have lost what is held. */
  forget(): void {
    this.#batches.clear();
  }

  /** One read for all who stand at the same place. */
  #read(position: MessageId, upTo: MessageId): Promise<Batch[]> {
    const key = `${formatId(position)} ${formatId(upTo)}`;
    let reading = this.#reading.get(key);
    if (!reading) {
      reading = this.#readNow(position, upTo).finally(() => this.#reading.delete(key));
      this.#reading.set(key, reading);
    }
    return reading;
  }

  async #readNow(position: MessageId, upTo: MessageId): Promise<Batch[]> {
    // Up to where a held one begins, so that from there on it is shared.
    const next = this.#nextStart(position);
    const last = next && compareIds(next, upTo) < 0 ? next : upTo;
    let entries = await this.#readAfter(position, last);
    // Between the two nothing is kept any more.
    if (entries.length === 0 && last !== upTo) {
      entries = await this.#readAfter(position, upTo);
    }
    const batches = batchesOf(this.#conv, position, entries);
    for (const batch of batches) this.#batches.add(batch);
    for (const batch of this.#batches) {
      if (this.#batches.size <= sharedBatchesMax) break;
      this.#batches.delete(batch);
    }
    return batches;
  }

  #find(position: MessageId): Batch | null {
    for (const batch of this.#batches) if (batch.follows(position)) return batch;
    return null;
  }

  #nextStart(position: MessageId): MessageId | null {
    let next: MessageId | null = null;
    for (const { from } of this.#batches) {
      if (compareIds(from, position) > 0 && (!next || compareIds(from, next) < 0)) next = from;
    }
    return next;
  }

  /** What is held costs no round trip, so the event loop has to be let in between: a slice a turn, as in `fanout`. */
  async #turn(): Promise<void> {
    while (this.#handedOut >= fanoutSliceSessions) await new Promise((resolve) => setImmediate(resolve));
    if (this.#handedOut++ === 0) setImmediate(() => (this.#handedOut = 0));
  }
}

/**
 * replay: one reader that is behind, read from the log until it has what the live ones have. It asks for more only
 * when its socket has taken what it got, so memory is bounded whatever the reader does ([D-6]).
 */
import { type Batch, type Gap, batchesOf, encodeGap, estimatedBytes, gapBetween } from "./batch.ts";
import type { Clock } from "./clock.ts";
import { delay } from "./clock.ts";
import { type StoredConv, allConv, convFor } from "./conv.ts";
import { deliver } from "./fanout.ts";
import type { Journal } from "./journal.ts";
import type { Meter } from "./meter.ts";
import { reasonOf } from "./journal.ts";
import { fanoutFlushMaxBytes, readBatchMaxEntries, readRetryMs, replayReadsMax } from "./limits.ts";
import { type MessageId, compareIds } from "./messageId.ts";
import type { Reader, Session } from "./session.ts";
import { SharedReads } from "./sharedReads.ts";
import type { SmsDao } from "./smsDao.ts";
import { Turns } from "./turns.ts";

/** Where the live readers of a conversation are, and the way to become one of them. */
export interface Target {
  readonly conv: StoredConv;
  readonly position: MessageId;
  join(reader: Reader): void;
}

export interface ReplayOptions {
  smsDao: SmsDao;
  clock: Clock;
  journal: Journal;
  meter: Meter;
}

/** One reader on its way from its position to the live ones. */
export class Replay {
  readonly #options: ReplayOptions;
  /** A session that is behind in many conversations gets of one after the other: it is one socket. */
  readonly #turns = new WeakMap<Session, Turns>();
  /** However many are behind: their reads share the way to Redis with what is sent. */
  readonly #reads = new Turns(replayReadsMax);
  readonly #room: SharedReads;

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#room = new SharedReads(allConv, (position, last) =>
      this.#reads.take(() => options.smsDao.readAfter(allConv, position, readBatchMaxEntries, last)),
    );
  }

  /** Brings the reader up to the target's position and joins it there. Ends early when its session has gone. */
  async run(reader: Reader, target: Target): Promise<void> {
    const { meter } = this.#options;
    meter.readersLagging++;
    try {
      await this.#catchUp(reader, target);
    } finally {
      meter.readersLagging--;
    }
  }

  /** Redis was away: what was read before is read again. */
  forget(): void {
    this.#room.forget();
  }

  async #catchUp(reader: Reader, target: Target): Promise<void> {
    const { clock, journal } = this.#options;
    let turns = this.#turns.get(reader.session);
    if (!turns) this.#turns.set(reader.session, (turns = new Turns(1)));
    let count: number | null = 32;
    while (count !== null) {
      const most: number = count;
      try {
        count = await turns.take(() => this.#step(reader, target, most));
      } catch (error) {
        journal.write("replay_waits", { conv: reader.conv, reason: reasonOf(error) });
        await delay(clock, readRetryMs);
      }
    }
  }

  /**
   * At most `most` messages, when the socket has taken what it got; how many next time, null when it is done. Throws
   * when Redis did not answer.
   */
  async #step(reader: Reader, target: Target, most: number): Promise<number | null> {
    const { smsDao, meter } = this.#options;
    const { session, conv } = reader;
    await drained(session);
    if (session.closed) return null;
    if (compareIds(reader.position, target.position) >= 0) {
      target.join(reader);
      return null;
    }
    const upTo = target.position;
    const batches = await this.#read(reader, most, upTo);
    if (batches.length === 0) {
      // Kept entries follow what was trimmed; where nothing follows, the log itself has lost its end.
      const head = await this.#reads.take(() => smsDao.head(conv, upTo));
      if (!session.closed) skipTo(reader, upTo, compareIds(head, upTo) < 0 ? "lost" : "trimmed");
    }
    if (session.closed) return null;
    for (const batch of batches) meter.messagesDelivered += deliver(reader, batch);
    return nextCount(batches, most);
  }

  /** What follows for the reader, up to a position; of the room it is shared. Throws when Redis did not answer. */
  async #read({ conv, position }: Reader, most: number, upTo: MessageId): Promise<Batch[]> {
    if (conv === allConv) {
      const batch = await this.#room.after(position, upTo);
      return batch ? [batch] : [];
    }
    const { smsDao } = this.#options;
    const entries = await this.#reads.take(() => smsDao.readAfter(conv, position, most, upTo));
    return batchesOf(conv, position, entries);
  }
}

/** Nothing is left up to a position that once was: it was trimmed or lost, and that is said. */
function skipTo(reader: Reader, upTo: MessageId, reason: Gap["reason"]): void {
  const { session, conv, position } = reader;
  const gap = gapBetween(position, { epoch: upTo.epoch, seq: upTo.seq + 1 });
  if (gap && !session.legacy) {
    session.output.write(encodeGap(convFor(conv, session.userId), { ...gap, reason }));
  }
  reader.position = reader.toAck = upTo;
}

/** How many to read next, so that a read is about one write, whatever the size of the messages. */
function nextCount(batches: Batch[], before: number): number {
  const entries = batches.flatMap((batch) => batch.entries);
  if (entries.length === 0) return before;
  const bytes = entries.reduce((sum, entry) => sum + estimatedBytes(entry), 0) / entries.length;
  return Math.max(1, Math.min(readBatchMaxEntries, Math.ceil(fanoutFlushMaxBytes / bytes)));
}

function drained(session: Session): Promise<void> {
  return new Promise((resolve) => session.output.whenDrained(resolve));
}

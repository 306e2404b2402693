/**
 * follow: what this node follows: "all", and the private conversations of the users it holds. Each is read once a
 * node, from the node's position, when its doorbell rings; the sweep reads without a ring. What was read goes to
 * `fanout`; a session that is behind goes to `replay` and comes back when it has caught up.
 */
import { type Batch, batchesOf, encodeGap, gapBetween } from "./batch.ts";
import { type Clock, type Timer, delay } from "./clock.ts";
import { type StoredConv, allConv, convFor, participantsOf } from "./conv.ts";
import type { CursorDao } from "./cursorDao.ts";
import { fanOut } from "./fanout.ts";
import { type Journal, reasonOf } from "./journal.ts";
import * as limits from "./limits.ts";
import { type MessageId, compareIds, laterId, zeroId } from "./messageId.ts";
import type { Meter } from "./meter.ts";
import { PrivateSweep } from "./privateSweep.ts";
import { Replay } from "./replay.ts";
import type { ConvState, Reader, Reading, Session } from "./session.ts";
import { SessionsByUser } from "./sessionsByUser.ts";
import type { Entry, SmsDao } from "./smsDao.ts";
import { Standing } from "./standing.ts";
import { Turns } from "./turns.ts";

/** One conversation, as this node follows it. */
interface Followed {
  readonly conv: StoredConv;
  /** The live readers have everything up to here, or are being given it. */
  position: MessageId;
  readonly live: Set<Reader>;
  /** Sessions that have a reader here, live or behind. */
  readers: number;
  state: "idle" | "reading" | "reading, rung again";
  /** The sweep found something that no hint has told of yet. */
  unheard: boolean;
  /** Ends the pause before Redis is asked again; null when there is none. */
  wake: (() => void) | null;
  join(reader: Reader): void;
}

/** A session between `prepare` and `start`. */
interface Joining {
  starts: { conv: StoredConv; head: MessageId; position: MessageId }[];
  /** Conversations that rang meanwhile. */
  rung: Set<StoredConv>;
}

export interface FollowOptions {
  smsDao: SmsDao;
  cursorDao: CursorDao;
  clock: Clock;
  journal: Journal;
  meter: Meter;
}

/** The conversations of this node and the sessions that read them. */
export class Follow implements Reading {
  readonly #smsDao: SmsDao;
  readonly #cursorDao: CursorDao;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #meter: Meter;
  readonly #replay: Replay;
  readonly #followed = new Map<StoredConv, Followed>();
  readonly #joining = new Map<Session, Joining>();
  /** Sessions on this node by user, from `prepare` on. */
  readonly #sessions = new SessionsByUser();
  readonly #all: Followed;
  readonly #standing: Standing;
  readonly #sweep: PrivateSweep;
  /** Those who come in far behind: looking up where they begin shares the way with what is sent. */
  readonly #seeks = new Turns(limits.replayReadsMax);
  #sweepAll: Timer | null = null;
  #closed = false;

  constructor({ smsDao, cursorDao, clock, journal, meter }: FollowOptions) {
    this.#smsDao = smsDao;
    this.#cursorDao = cursorDao;
    this.#clock = clock;
    this.#journal = journal;
    this.#meter = meter;
    this.#replay = new Replay({ smsDao, clock, journal, meter });
    this.#standing = new Standing({ smsDao, cursorDao });
    this.#sweep = new PrivateSweep({
      smsDao,
      clock,
      users: () => this.#sessions.users(),
      looked: (conv) => this.#swept(conv),
    });
    this.#all = this.#follow(allConv, zeroId);
  }

  roomHead(): Promise<MessageId> {
    return this.#smsDao.head(allConv);
  }

  /** Reads where "all" stands and starts the sweeps. Call once, before the first session. */
  async open(): Promise<void> {
    const newest = await this.#smsDao.readBefore(allConv, null, limits.replayMaxMessages);
    this.#all.position = newest[0]?.id ?? zeroId;
    this.#standing.remember(newest.reverse());
    this.#sweepAll = this.#clock.every(limits.sweepAllMs, () => this.#swept(allConv));
    this.#sweep.open();
  }

  close(): void {
    this.#closed = true;
    this.#sweepAll?.cancel();
    this.#sweep.close();
  }

  /** Hints may have been missed: looks at all that is followed, a part a turn. */
  async missed(): Promise<void> {
    this.#replay.forget();
    let inSlice = 0;
    for (const conv of [...this.#followed.keys()]) {
      this.rang(conv);
      if (++inSlice % limits.missedSliceConvs === 0) await delay(this.#clock, limits.missedSlicePauseMs);
    }
  }

  /** Looks for conversations that are not followed yet, for everybody who is here. */
  async sweepNow(): Promise<void> {
    await this.#sweep.missed();
  }

  rang(conv: StoredConv): void {
    this.#rangForAll(conv);
    const followed = this.#followed.get(conv);
    if (!followed) return;
    followed.unheard = false;
    this.#look(followed, "hint");
  }

  /** Looks without a hint. One that has not come by the next look, for what this one finds, was lost. */
  #swept(conv: StoredConv): void {
    this.#rangForAll(conv);
    const followed = this.#followed.get(conv);
    if (!followed) return;
    if (followed.unheard) this.#meter.doorbellsHealed++;
    followed.unheard = false;
    this.#look(followed, "sweep");
  }

  #rangForAll(conv: StoredConv): void {
    for (const user of new Set(participantsOf(conv) ?? [])) {
      for (const session of this.#sessions.of(user)) this.#rangFor(session, conv);
    }
  }

  #look(followed: Followed, why: "hint" | "sweep"): void {
    if (followed.state === "idle") void this.#read(followed, why);
    else {
      followed.state = "reading, rung again";
      followed.wake?.();
    }
  }

  async prepare(session: Session): Promise<ConvState[]> {
    const joining: Joining = { starts: [], rung: new Set() };
    this.#joining.set(session, joining);
    this.#sessions.add(session);
    const stands = await this.#standing.of(session);
    for (const { conv, head, cursor, beyond } of stands) {
      const position = session.replay === "none" ? head : cursor;
      // A cursor beyond its log (the log lost its end) is good for nothing later: it starts here and now.
      if (conv === allConv || compareIds(cursor, head) < 0 || beyond) {
        joining.starts.push({ conv, head, position });
      }
    }
    return stands.filter(({ conv, unread }) => conv === allConv || unread > 0);
  }

  start(session: Session): void {
    const joining = this.#joining.get(session);
    this.#joining.delete(session);
    if (!joining || session.closed) return;
    for (const { conv, head, position } of joining.starts) {
      void this.#enter(session, conv, { head, position });
    }
    for (const conv of joining.rung) this.rang(conv);
  }

  stop(session: Session): void {
    session.closed = true;
    this.#joining.delete(session);
    this.#sessions.delete(session);
    for (const reader of session.takeReaders()) {
      this.#passOwn(reader);
      const followed = this.#followed.get(reader.conv);
      followed?.live.delete(reader);
      if (followed && --followed.readers === 0 && followed !== this.#all) this.#followed.delete(reader.conv);
    }
  }

  /** What a device has said itself since what it acknowledged needs no acknowledgement: its cursor passes it ([D-1]). */
  #passOwn({ session, conv, position, toAck, acked }: Reader): void {
    if (session.legacy || session.replay !== "all") return;
    if (compareIds(acked, toAck) < 0 || compareIds(position, acked) <= 0) return;
    this.#cursorDao.move(session.userId, session.device, conv, position);
  }

  #follow(conv: StoredConv, position: MessageId): Followed {
    const followed: Followed = {
      conv,
      position,
      live: new Set(),
      readers: 0,
      state: "idle",
      unheard: false,
      wake: null,
      join: (reader) => void followed.live.add(reader),
    };
    this.#followed.set(conv, followed);
    return followed;
  }

  /** A private conversation rang for a session: one that has not looked into it yet begins at its cursor. */
  #rangFor(session: Session, conv: StoredConv): void {
    const joining = this.#joining.get(session);
    if (joining) joining.rung.add(conv);
    else if (!session.readerOf(conv)) void this.#enter(session, conv, null);
  }

  /** Gives the session a reader in a conversation, and sends what it lacks. `at` null: from its stored cursor. */
  async #enter(
    session: Session,
    conv: StoredConv,
    at: { head: MessageId; position: MessageId } | null,
  ): Promise<void> {
    if (session.closed || session.readerOf(conv)) return;
    const position = at?.position ?? zeroId;
    const reader: Reader = { session, conv, position, toAck: position, acked: position };
    session.addReader(reader);
    const followed = this.#followed.get(conv) ?? this.#follow(conv, at?.head ?? zeroId);
    followed.readers++;
    let pauseMs = limits.readRetryMs;
    while (!(await this.#place(reader, followed, at))) {
      // Who was let in is not left out because Redis was away just then.
      await delay(this.#clock, pauseMs);
      if (session.closed || this.#closed) return;
      pauseMs = Math.min(2 * pauseMs, limits.readRetryMaxMs);
    }
    if (session.closed) return;
    this.#resume(reader, followed);
    if (!at) this.rang(conv);
  }

  /** Finds the position where the reader begins; false when Redis did not answer. */
  async #place(
    reader: Reader,
    followed: Followed,
    at: { head: MessageId; position: MessageId } | null,
  ): Promise<boolean> {
    const { session, conv } = reader;
    try {
      if (!at) {
        const [cursor] = await this.#cursorDao.read(session.userId, session.device, [conv]);
        const head = await this.#smsDao.head(conv, cursor ?? zeroId);
        // A cursor is never beyond its log: one that is belongs to an end that was lost, and says nothing.
        if (cursor && compareIds(cursor, head) <= 0) reader.position = cursor;
        // Nobody else reads it here: no need to read what this one has.
        if (followed.readers === 1 && followed.state === "idle") {
          followed.position = laterId(followed.position, reader.position);
        }
      }
      const from = reader.position;
      if (!session.legacy && session.replay === "all") await this.#skip(reader, followed.position);
      reader.acked = from;
      reader.toAck = reader.position;
      return true;
    } catch (error) {
      this.#journal.write("enter_failed", { conv, reason: reasonOf(error) });
      return false;
    }
  }

  #resume(reader: Reader, followed: Followed): void {
    if (compareIds(reader.position, followed.position) >= 0) followed.join(reader);
    else void this.#replay.run(reader, followed);
  }

  /** More than replayMaxMessages behind: what is older is left to history, and that is said ([D-3]). */
  async #skip(reader: Reader, head: MessageId): Promise<void> {
    const { session, conv, position } = reader;
    if (head.seq - position.seq <= limits.replayMaxMessages) return;
    const found = await this.#seeks.take(() => this.#smsDao.seek(conv, head, limits.replayMaxMessages));
    if (!found || session.closed || compareIds(found.start, position) <= 0) return;
    const view = convFor(conv, session.userId);
    const trimmed = compareIds(found.kept, position) > 0 ? gapBetween(position, found.kept) : null;
    if (trimmed) session.output.write(encodeGap(view, trimmed));
    const after = trimmed ? before(found.kept) : position;
    const count = found.start.seq - after.seq - 1;
    if (count > 0) {
      session.output.write(encodeGap(view, { after, before: found.start, count, reason: "skipped" }));
    }
    reader.position = before(found.start);
  }

  /** Reads until nothing is new, and hands it on. One at a time for a conversation. */
  async #read(followed: Followed, why: "hint" | "sweep"): Promise<void> {
    let pauseMs = limits.readRetryMs;
    do {
      followed.state = "reading";
      const entries = await this.#entriesAfter(followed);
      if (!entries) {
        // What rang is not forgotten because Redis is away: a lost ring would wait for the sweep.
        followed.state = "reading, rung again";
        await this.#pause(followed, pauseMs);
        pauseMs = Math.min(2 * pauseMs, limits.readRetryMaxMs);
        continue;
      }
      pauseMs = limits.readRetryMs;
      if (entries.length > 0 && why === "sweep") followed.unheard = !this.#rungAgain(followed);
      if (followed === this.#all) this.#standing.remember(entries);
      for (const batch of batchesOf(followed.conv, followed.position, entries)) {
        await this.#fanOut(followed, batch);
      }
      if (entries.length === limits.readBatchMaxEntries) followed.state = "reading, rung again";
    } while (this.#rungAgain(followed) && !this.#closed);
    followed.state = "idle";
  }

  /** Waits, but no longer than until it rings: that Redis is back rings everywhere. */
  async #pause(followed: Followed, pauseMs: number): Promise<void> {
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      followed.wake = resolve;
      timer = this.#clock.after(pauseMs, resolve);
    });
    timer?.cancel();
    followed.wake = null;
  }

  /** Null when Redis did not answer. */
  async #entriesAfter({ conv, position }: Followed): Promise<Entry[] | null> {
    try {
      return await this.#smsDao.readAfter(conv, position, limits.readBatchMaxEntries);
    } catch (error) {
      this.#journal.write("read_failed", { conv, reason: reasonOf(error) });
      return null;
    }
  }

  #rungAgain({ state }: Followed): boolean {
    return state === "reading, rung again";
  }

  async #fanOut(followed: Followed, batch: Batch): Promise<void> {
    // Set before the first write: who catches up meanwhile catches up to the end of this batch.
    followed.position = batch.to;
    const delivered = await fanOut(batch, followed.live, (reader) => {
      this.#meter.readersSetAside++;
      this.#journal.write("reader_slow", { userId: reader.session.userId, conv: reader.conv });
      this.#resume(reader, followed);
    });
    this.#meter.messagesDelivered += delivered;
    const { timings } = this.#meter;
    const oldest = batch.entries[0];
    // Redis stamped it: where its clock and ours differ, by so much the figure is wrong.
    if (timings && oldest) timings.delivery.observe(Math.max(0, this.#clock.wallMs() - oldest.time) / 1000);
  }
}

/** A position just below an id. */
function before(id: MessageId): MessageId {
  return { epoch: id.epoch, seq: id.seq - 1 };
}

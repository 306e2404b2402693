/**
 * cursorDao: how far each device has got in each conversation (clause [D-2]). Moves are collected here; what a client
 * acknowledges is written with the turn, the rest once a second, one script a user; a cursor only moves forward. What a cursor says of a
 * private conversation its other side may know ([B-1]): it is written in the same script, and told when it is written.
 */
import type { Clock, Timer } from "./clock.ts";
import { type StoredConv, otherSideOf } from "./conv.ts";
import type { Journal } from "./journal.ts";
import { cursorField, cursorsKey, loginField, receivedKey } from "./keys.ts";
import { acksKeptMax, cursorFlushMs, cursorWritesMax } from "./limits.ts";
import { type MessageId, formatId, laterId, parseId } from "./messageId.ts";
import { Script, type RedisStore } from "./redis.ts";
import { Turns } from "./turns.ts";

const cursorsScript = new Script("cursors");

export interface CursorDaoOptions {
  store: RedisStore;
  clock: Clock;
  journal: Journal;
  /** It is written down that a user has received a private conversation up to `id`. */
  received: (userId: number, conv: StoredConv, id: MessageId) => void;
  /** Which log-in of a device is its newest one, as every write of its cursors brings home ([L-7]). */
  newestLogin: (userId: number, device: string, login: number) => void;
}

interface Move {
  device: string;
  conv: StoredConv;
  id: MessageId;
}

/** The cursors of all devices, moves of this node included. */
export class CursorDao {
  readonly #store: RedisStore;
  readonly #journal: Journal;
  readonly #received: CursorDaoOptions["received"];
  readonly #newestLogin: CursorDaoOptions["newestLogin"];
  readonly #timer: Timer;
  /** By user and field. */
  #pending = new Map<number, Map<string, Move>>();
  /** What a flush has taken and Redis has not answered for yet: proven writes and reads go by different connections. */
  #writing = new Map<number, Map<string, Move>>();
  /** However many have moved, and however long it takes: sends and reads go on beside them. */
  readonly #turns = new Turns(cursorWritesMax);
  #flushing: Promise<void> = Promise.resolve();
  /** The flush after that one. */
  #next: Promise<void> | null = null;
  #isScheduled = false;

  constructor({ store, clock, journal, received, newestLogin }: CursorDaoOptions) {
    this.#store = store;
    this.#journal = journal;
    this.#received = received;
    this.#newestLogin = newestLogin;
    this.#timer = clock.every(cursorFlushMs, () => void this.flush());
    store.onReady(() => void this.flush());
  }

  /** The cursors of one device, in the order of `convs`; null where it has none. */
  async read(userId: number, device: string, convs: StoredConv[]): Promise<(MessageId | null)[]> {
    const fields = convs.map((conv) => cursorField(device, conv));
    // A flush may begin while Redis is being asked: what it takes along counts, and what is collected meanwhile.
    const before = this.#pending.get(userId);
    const writing = this.#writing.get(userId);
    const found = (await this.#store.call("HMGET", cursorsKey(userId), ...fields)) as (string | null)[];
    const pending = this.#pending.get(userId);
    return fields.map((field, index) => {
      const known = [
        parseId(found[index] ?? ""),
        writing?.get(field)?.id,
        before?.get(field)?.id,
        pending?.get(field)?.id,
      ];
      return known
        .filter((id) => id != null)
        .reduce<MessageId | null>((last, id) => (last ? laterId(last, id) : id), null);
    });
  }

  /** Moves a cursor forward: kept at once, written at the next flush. */
  move(userId: number, device: string, conv: StoredConv, id: MessageId): void {
    this.#collect(userId, cursorField(device, conv), { device, conv, id });
  }

  /** The same for what a client has acknowledged: written with this turn, as it may log in on another node next. */
  acknowledge(userId: number, device: string, conv: StoredConv, id: MessageId): void {
    this.move(userId, device, conv, id);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      void this.flush();
    });
  }

  /** Writes what was collected; what fails is kept for the next time. Never throws. */
  flush(): Promise<void> {
    // However often it is asked for while one is under way, which may wait for replicas: one more has it all.
    this.#next ??= this.#flushing.then(() => {
      this.#next = null;
      return (this.#flushing = this.#flushNow());
    });
    return this.#next;
  }

  async #flushNow(): Promise<void> {
    const moves = this.#pending;
    if (moves.size === 0) return;
    this.#pending = new Map();
    this.#writing = moves;
    const writes = [...moves].map(([userId, cursors]) =>
      this.#turns.take(() => this.#write(userId, cursors)),
    );
    await Promise.all(writes);
    this.#writing = new Map();
  }

  /** The last flush. */
  async close(): Promise<void> {
    this.#timer.cancel();
    await this.flush();
  }

  #collect(userId: number, field: string, move: Move): void {
    let cursors = this.#pending.get(userId);
    if (!cursors) this.#pending.set(userId, (cursors = new Map<string, Move>()));
    const before = cursors.get(field);
    cursors.set(field, before ? { ...move, id: laterId(before.id, move.id) } : move);
  }

  async #write(userId: number, cursors: Map<string, Move>): Promise<void> {
    const args = [...cursors].flatMap(([field, { device, conv, id }]) => {
      const told = otherSideOf(conv, userId) === null ? "" : conv;
      return [field, formatId(id), told, loginField(device)];
    });
    let results: string[];
    try {
      const keys = [cursorsKey(userId), receivedKey(userId)];
      // As safe as messages are: what a failover would lose is written again, to whoever is the master then.
      const { reply } = await this.#store.keep(cursorsScript, keys, [acksKeptMax, ...args]);
      results = reply as string[];
    } catch {
      this.#journal.write("cursors_kept_back", { userId, count: cursors.size });
      for (const [field, move] of cursors) this.#collect(userId, field, move);
      return;
    }
    // Told whether it moved or not: the answer to the call that moved it may have been lost.
    for (const [index, { device, conv }] of [...cursors.values()].entries()) {
      const id = parseId(results[2 * index] ?? "");
      if (id) this.#received(userId, conv, id);
      this.#newestLogin(userId, device, Number(results[2 * index + 1]));
    }
  }
}

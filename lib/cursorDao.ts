/**
 * cursorDao: how far each device has got in each conversation (clause [D-2]). Moves are collected here and written
 * once a second, one script a user, and at a session's close; a cursor only ever moves forward.
 */
import type { Clock, Timer } from "./clock.ts";
import type { StoredConv } from "./conv.ts";
import type { Journal } from "./journal.ts";
import { cursorField, cursorsKey } from "./keys.ts";
import { cursorFlushMs } from "./limits.ts";
import { type MessageId, formatId, laterId, parseId } from "./messageId.ts";
import { Script, type RedisStore } from "./redis.ts";

const cursorsScript = new Script("cursors");

export interface CursorDaoOptions {
  store: RedisStore;
  clock: Clock;
  journal: Journal;
}

/** The cursors of all devices, moves of this node included. */
export class CursorDao {
  readonly #store: RedisStore;
  readonly #journal: Journal;
  readonly #timer: Timer;
  #pending = new Map<number, Map<string, MessageId>>();
  #flushing: Promise<void> = Promise.resolve();

  constructor({ store, clock, journal }: CursorDaoOptions) {
    this.#store = store;
    this.#journal = journal;
    this.#timer = clock.every(cursorFlushMs, () => void this.flush());
  }

  /** The cursors of one device, in the order of `convs`; null where it has none. */
  async read(userId: number, device: string, convs: StoredConv[]): Promise<(MessageId | null)[]> {
    const fields = convs.map((conv) => cursorField(device, conv));
    // A flush may begin while Redis is being asked: what it takes along counts, and what is collected meanwhile.
    const before = this.#pending.get(userId);
    const found = (await this.#store.call("HMGET", cursorsKey(userId), ...fields)) as (string | null)[];
    const pending = this.#pending.get(userId);
    return fields.map((field, index) => {
      const known = [parseId(found[index] ?? ""), before?.get(field), pending?.get(field)];
      return known
        .filter((id) => id != null)
        .reduce<MessageId | null>((last, id) => (last ? laterId(last, id) : id), null);
    });
  }

  /** Moves a cursor forward: kept at once, written at the next flush. */
  move(userId: number, device: string, conv: StoredConv, id: MessageId): void {
    let cursors = this.#pending.get(userId);
    if (!cursors) this.#pending.set(userId, (cursors = new Map<string, MessageId>()));
    const field = cursorField(device, conv);
    const before = cursors.get(field);
    cursors.set(field, before ? laterId(before, id) : id);
  }

  /** Writes what was collected; what fails is kept for the next time. Never throws. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(async () => {
      const moves = this.#pending;
      if (moves.size === 0) return;
      this.#pending = new Map();
      await Promise.all([...moves].map(([userId, cursors]) => this.#write(userId, cursors)));
    });
    return this.#flushing;
  }

  /** The last flush. */
  async close(): Promise<void> {
    this.#timer.cancel();
    await this.flush();
  }

  async #write(userId: number, cursors: Map<string, MessageId>): Promise<void> {
    const args = [...cursors].flatMap(([field, id]) => [field, formatId(id)]);
    try {
      await this.#store.run(cursorsScript, [cursorsKey(userId)], args);
    } catch {
      this.#journal.write("cursors_kept_back", { userId, count: cursors.size });
      const newer = this.#pending.get(userId) ?? new Map<string, MessageId>();
      for (const [field, id] of cursors) {
        const moved = newer.get(field);
        newer.set(field, moved ? laterId(moved, id) : id);
      }
      this.#pending.set(userId, newer);
    }
  }
}

/**
 * smsDao: the logs. One durable, ordered stream a conversation; to send is to append, to receive is to read after a
 * position (design 1). Ids are the stream entries' own. Faults throw CodedError 503.
 */
import { type StoredConv, allConv } from "./conv.ts";
import { type LogMark, type Seen, isCounted, learn, markOf, nothingSeen } from "./epochCounts.ts";
import { convsKey, logKey, metaKey, midsKey } from "./keys.ts";
import {
  allLogEntriesMax,
  epochsCountedMax,
  knownHeadsMax,
  midDaysKept,
  privateLogEntriesMax,
  tailsAnnouncedMax,
  tailsSliceConvs,
} from "./limits.ts";
import type { Stored } from "./message.ts";
import { type MessageId, compareIds, formatId, laterId, parseId, zeroId } from "./messageId.ts";
import { Script, type Argument, type RedisStore } from "./redis.ts";

const appendScript = new Script("append");
const readScript = new Script("read");
const seekScript = new Script("seek");
const unreadScript = new Script("unread");

type RangeCommand = "XRANGE" | "XREVRANGE";
type ReadReply = [entries: [string, string[]][] | Record<string, never>, mark?: unknown[]];
type UnreadReply = [head: string, unread: number, ...mark: unknown[]];
type RangeArguments = [RangeCommand, from: string, to: string, count: number];

export interface NewMessage {
  sender: number;
  device: string;
  mid: string;
  name: string;
  sex: string;
  content: string;
}

export interface Entry extends NewMessage {
  id: MessageId;
  /** Unix ms. */
  time: number;
}

export interface Appended {
  id: MessageId;
  time: number;
  /** False when the same mid had been stored before ([S-4]). */
  fresh: boolean;
  /** How safely it lies, as far as is known ([S-3]). */
  stored: Stored;
}

/** Appends to the logs and reads from them. */
export class SmsDao {
  readonly #store: RedisStore;
  /**
   * What was seen of each log, the latest seen last: another Redis, or this one when it comes back, may have less, and is
   * told ([D-5]).
   */
  readonly #seenOf = new Map<StoredConv, Seen>();
  /** Up to where each log is known to be as safe as is wanted, where reading shows more than that. */
  readonly #safe = new Map<StoredConv, MessageId>();

  constructor(store: RedisStore) {
    this.#store = store;
  }

  /** Notes for both sides that they have a private conversation; done before its append, so none is overlooked. */
  async hint(users: [number, number], timeMs: number): Promise<void> {
    const [low, high] = users;
    const one = this.#store.call("ZADD", convsKey(low), timeMs, high);
    const other = low === high ? one : this.#store.call("ZADD", convsKey(high), timeMs, low);
    await Promise.all([one, other]);
  }

  /** Peers of the user's private conversations, the latest first, at most `count`. */
  async peersOf(userId: number, count: number): Promise<number[]> {
    const peers = (await this.#store.call("ZREVRANGE", convsKey(userId), 0, count - 1)) as string[];
    return peers.map(Number);
  }

  /** Peers with whom a hint was written at `sinceMs` (wall time) or later, the latest first, at most `count`. */
  async peersHintedSince(userId: number, sinceMs: number, count: number): Promise<number[]> {
    const args = [convsKey(userId), "+inf", sinceMs, "LIMIT", 0, count];
    return ((await this.#store.call("ZREVRANGEBYSCORE", ...args)) as string[]).map(Number);
  }

  /** Appends in the order given, one script for all. May be repeated where every message has a mid. */
  async append(conv: StoredConv, messages: NewMessage[]): Promise<Appended[]> {
    const most = conv === allConv ? allLogEntriesMax : privateLogEntriesMax;
    const seen = this.#seenOf.get(conv) ?? nothingSeen;
    const args: Argument[] = [most, midDaysKept, formatId(seen.id), conv === allConv ? 0 : 1];
    args.push(seen.counts, seen.floor, epochsCountedMax);
    for (const message of messages) {
      args.push(message.sender, message.device, message.mid, message.name, message.sex, message.content);
    }
    const keys = [logKey(conv), metaKey(conv), midsKey(conv)];
    const { reply, stored } = await this.#store.keep(appendScript, keys, args);
    const flat = reply as (string | number)[];
    const told = flat.slice(messages.length * 3);
    const appended = messages.map((_, index) => ({
      id: idOf(flat[index * 3]),
      time: Number(flat[index * 3 + 1]),
      fresh: flat[index * 3 + 2] === 1,
      stored,
    }));
    const newest = appended.reduce((id, one) => laterId(id, one.id), zeroId);
    const mark = told.length > 0 ? markOf(told) : null;
    this.#note(conv, learn(this.#seenOf.get(conv) ?? seen, newest, mark));
    this.#provenUpTo(conv, newest);
    return appended;
  }

  /**
   * Another Redis may answer from now on, which lacks some of what was stored: it is told what was seen of the logs that
   * were looked at last, before others store on over it unknowing. Throws CodedError 503 when it could not be told.
   */
  async announceTails(): Promise<void> {
    const latest = [...this.#seenOf.keys()].slice(-tailsAnnouncedMax);
    const failed: unknown[] = [];
    for (let at = 0; at < latest.length; at += tailsSliceConvs) {
      const slice = latest.slice(at, at + tailsSliceConvs);
      await Promise.all(slice.map((conv) => this.append(conv, []).catch((error) => failed.push(error))));
    }
    if (failed.length > 0) throw failed[0];
  }

  /** The id of the newest message, zero when there is none. `known`: it is known to have been there. */
  async head(conv: StoredConv, known: MessageId = zeroId): Promise<MessageId> {
    const args: RangeArguments = ["XREVRANGE", "+", "-", 1];
    let { entries } = await this.#read(conv, args);
    if (this.#lacks(newestOf(entries), known)) ({ entries } = await this.#read(conv, args, "proven"));
    return newestOf(entries);
  }

  /**
   * The head, and how many messages of others than `userId` are above `cursor`: exactly up to `most`, beyond that the
   * difference of seqs. Two entries are looked at, however many are unread; in "all" up to `most`.
   */
  async unread(
    conv: StoredConv,
    { cursor, userId, most }: { cursor: MessageId; userId: number; most: number },
  ): Promise<{ head: MessageId; unread: number }> {
    const args = [formatId(cursor), userId, most];
    const keys = [logKey(conv), metaKey(conv)];
    let [head, unread, ...mark] = (await this.#store.run(unreadScript, keys, args)) as UnreadReply;
    if (this.#lacks(idOf(head), cursor)) {
      const proven = await this.#store.runProven(unreadScript, keys, { args, touched: metaKey(conv) });
      [head, unread, ...mark] = proven as UnreadReply;
    }
    const id = idOf(head);
    if (id.seq > 0 && !this.#store.readsAhead) this.#seen(conv, id, markOf(mark));
    return { head: id, unread };
  }

  /** Messages above `after`, up to `last`, which is known to have been there (absent: to the end), oldest first, at most `count`. */
  async readAfter(conv: StoredConv, after: MessageId, count: number, last?: MessageId): Promise<Entry[]> {
    return this.#range("XRANGE", conv, `(${formatId(after)}`, last ? formatId(last) : "+", count);
  }

  /** Messages below `before` (absent: from the end), newest first, at most `count`. */
  async readBefore(conv: StoredConv, before: MessageId | null, count: number): Promise<Entry[]> {
    // Nothing is below the first of all ids, and Redis takes an interval that says so for a mistake.
    if (before && compareIds(before, zeroId) <= 0) return [];
    return this.#range("XREVRANGE", conv, before ? `(${formatId(before)}` : "+", "-", count);
  }

  /** One message, or null where it is not there. */
  async find(conv: StoredConv, id: MessageId): Promise<Entry | null> {
    const [entry] = await this.#range("XRANGE", conv, formatId(id), formatId(id), 1);
    return entry ?? null;
  }

  /** Of the `most` newest messages up to `head`: the oldest one, and the oldest one kept at all; null: empty log. */
  async seek(
    conv: StoredConv,
    head: MessageId,
    most: number,
  ): Promise<{ kept: MessageId; start: MessageId } | null> {
    const args = [formatId(head), most];
    const [kept, start] = (await this.#store.run(seekScript, [logKey(conv)], args)) as string[];
    return kept && start ? { kept: idOf(kept), start: idOf(start) } : null;
  }

  /**
   * Where replicas are waited for, a message can be read before they have it. One that is shown, lost with its Redis and
   * said again by its sender would come twice: so what nobody could be answered for yet is read once more, with proof.
   */
  async #range(
    command: RangeCommand,
    conv: StoredConv,
    from: string,
    to: string,
    count: number,
  ): Promise<Entry[]> {
    let { entries, mark } = await this.#read(conv, [command, from, to, count]);
    const safe = this.#safe.get(conv) ?? zeroId;
    const isMissing = entries.length === 0 && command === "XRANGE" && to !== "+";
    const isProven = !this.#store.readsAhead || (!isMissing && compareIds(newestOf(entries), safe) <= 0);
    if (!isProven) {
      try {
        ({ entries, mark } = await this.#read(conv, [command, from, to, count], "proven"));
        this.#provenUpTo(conv, newestOf(entries));
      } catch (error) {
        // Who looks back from the end is shown what is safe; who reads on waits.
        if (command === "XRANGE" || safe === zeroId) throw error;
        return (await this.#read(conv, [command, formatId(safe), to, count])).entries;
      }
    }
    if (entries.length > 0) this.#seen(conv, newestOf(entries), mark);
    return entries;
  }

  /** `mark` is null where the log has none later than what is known of it. */
  async #read(
    conv: StoredConv,
    range: RangeArguments,
    how: "proven" | "as it is" = "as it is",
  ): Promise<{ entries: Entry[]; mark: LogMark | null }> {
    const keys = [logKey(conv), metaKey(conv)];
    const args = [...range, `${this.#seenOf.get(conv)?.id.epoch ?? 0}-`];
    const json =
      how === "proven"
        ? await this.#store.runProven(readScript, keys, { args, touched: metaKey(conv) })
        : await this.#store.run(readScript, keys, args);
    const [entries, mark] = JSON.parse(String(json)) as ReadReply;
    return {
      entries: Array.isArray(entries) ? entries.map(([id, fields]) => entryOf(idOf(id), fields)) : [],
      mark: mark ? markOf(mark) : null,
    };
  }

  /**
   * Whether a log seems to end before what is known of it. A master that was taken over from, and has not heard of it, says
   * so too: only one that can prove what it says is believed.
   */
  #lacks(head: MessageId, known: MessageId): boolean {
    return this.#store.readsAhead && compareIds(head, known) < 0;
  }

  #provenUpTo(conv: StoredConv, id: MessageId): void {
    if (!this.#store.readsAhead) return;
    const before = this.#safe.get(conv);
    if (before && compareIds(before, id) >= 0) return;
    if (this.#safe.size >= knownHeadsMax) this.#safe.clear();
    this.#safe.set(conv, id);
  }

  /** What was read of a log: where it has not counted all that was seen before, it is told. */
  #seen(conv: StoredConv, id: MessageId, mark: LogMark | null): void {
    const before = this.#seenOf.get(conv);
    // Without either nobody knows how many the epoch of this id has had.
    if (!before && !mark) return;
    this.#note(conv, learn(before ?? nothingSeen, id, mark));
    // What fails is told by the next append, and by the next look at another Redis.
    if (before && mark && !isCounted(before, mark)) void this.append(conv, []).catch(() => undefined);
  }

  #note(conv: StoredConv, seen: Seen): void {
    if (this.#seenOf.get(conv) === seen) return;
    if (this.#seenOf.size >= knownHeadsMax) this.#seenOf.clear();
    this.#seenOf.delete(conv);
    this.#seenOf.set(conv, seen);
  }
}

/** Whichever way they were read; zero where there are none. */
function newestOf(entries: Entry[]): MessageId {
  const [first, last] = [entries[0]?.id ?? zeroId, entries.at(-1)?.id ?? zeroId];
  return laterId(first, last);
}

function idOf(text: unknown): MessageId {
  const id = parseId(String(text));
  if (!id) throw new Error(`smsDao: Redis gave the id ${String(text)}, wanted <epoch>-<seq>`);
  return id;
}

/** Fields are read in whatever order they lie; one that is missing is empty. */
function entryOf(id: MessageId, fields: string[]): Entry {
  const entry: Entry = { id, sender: 0, device: "", mid: "", time: 0, name: "", sex: "", content: "" };
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const value = fields[index + 1] ?? "";
    switch (fields[index]) {
      case "sender":
        entry.sender = Number(value) || 0;
        break;
      case "time":
        entry.time = Number(value) || 0;
        break;
      case "device":
        entry.device = value;
        break;
      case "mid":
        entry.mid = value;
        break;
      case "name":
        entry.name = value;
        break;
      case "sex":
        entry.sex = value;
        break;
      case "content":
        entry.content = value;
        break;
    }
  }
  return entry;
}

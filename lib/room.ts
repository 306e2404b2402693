/**
 * room: one conversation as a person reads it: messages in the order of their ids, each once, whichever way they came;
 * notes of ours between them; what of one's own has no id yet; where reading stopped. Ids are dense, so what is missing
 * between two messages is known and counted: a hole is never hidden. No I/O, and everybody's text as it came: whoever
 * draws it makes it harmless.
 */
import { roomItemsMax, roomItemsSpare, roomTrimItems } from "./limits.ts";
import { type MessageId, compareIds, laterId, zeroId } from "./messageId.ts";

/** What became of a message of one's own. */
export type Fate =
  /** On disk here (or, without an outbox, in memory), and not answered yet. */
  | { kind: "queued" }
  | { kind: "stored"; how: string }
  | { kind: "refused"; code: number; error: string }
  | { kind: "unknown" };

export interface RoomMessage {
  kind: "message";
  id: MessageId;
  /** Unix ms. */
  timeMs: number;
  userId: number;
  userName: string;
  content: string;
  mid: string;
  /** How it is stored, as far as that was told: of one's own only. */
  stored: string | null;
  mentions: boolean;
}

/** A message of one's own that has no id yet. */
export interface PendingMessage {
  mid: string;
  timeMs: number;
  content: string;
  fate: Fate;
}

/** Something we say ourselves, behind the message `id`. */
export interface RoomNote {
  kind: "note";
  id: MessageId;
  timeMs: number;
  tone: "notice" | "warning";
  text: NoteText;
}

/** A note is kept as what it says, so that it can be said in another language. */
export type NoteText =
  | { kind: "presence"; came: Person[]; left: Person[]; cameCount: number; leftCount: number }
  | { kind: "lost"; reason: string }
  | { kind: "back"; seconds: number }
  | { kind: "digest"; lines: DigestLine[] }
  | { kind: "words"; words: string };

export interface Person {
  userId: number;
  userName: string;
}

export interface DigestLine {
  conv: string;
  name: string;
  unread: number;
  mentions: number;
}

export type RoomItem = RoomMessage | RoomNote;

/** Ids between two messages, exclusive, that are not here. */
export interface Hole {
  after: MessageId;
  before: MessageId;
  count: number;
  state: "missing" | "trimmed" | "lost";
}

/** One conversation. */
export class Room {
  readonly conv: string;
  /** The other side's name in a private conversation; "" for everyone. */
  name: string;
  readonly items: RoomItem[] = [];
  readonly pending: PendingMessage[] = [];
  /** Everything up to here was read; null: nobody said yet where reading begins. */
  readTo: MessageId | null = null;
  /** Unread messages that mention the reader. */
  mentions = 0;
  /** Where the line "new since you left" stands: behind this id. */
  newBehind: MessageId | null = null;
  /** The newest id that the server spoke of. */
  head: MessageId = zeroId;
  /** The other side has what is up to here on a device of theirs. */
  deliveredTo: MessageId = zeroId;
  #isWhole = false;
  #counted = 0;
  /** Unread messages that were not sent here: so many are left of those before an id. */
  #skipped: { before: MessageId; left: number } | null = null;
  /** Ranges that the server does not have, exclusive. */
  readonly #gone: { after: MessageId; before: MessageId; reason: "trimmed" | "lost" }[] = [];
  readonly #reader: number;

  constructor({ conv, name, reader }: { conv: string; name: string; reader: number }) {
    this.conv = conv;
    this.name = name;
    this.#reader = reader;
  }

  get isPrivate(): boolean {
    return this.conv !== "all";
  }

  /** The other side of a private conversation, 0 for everyone. */
  get peer(): number {
    return this.isPrivate ? Number(this.conv.slice(2)) : 0;
  }

  /** Nothing was ever said here, as far as is known. */
  get isBlank(): boolean {
    const known = laterId(this.head, this.readTo ?? zeroId);
    return this.isPrivate && !this.first && compareIds(known, zeroId) === 0;
  }

  /** Nothing older exists. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Messages of others that were not read. */
  get unread(): number {
    return this.#counted + (this.#skipped?.left ?? 0);
  }

  get first(): RoomMessage | null {
    return this.items.find((item) => item.kind === "message") ?? null;
  }

  get last(): RoomMessage | null {
    return this.items.findLast((item) => item.kind === "message") ?? null;
  }

  /** Takes a message. False when it was here. `isRead`: the reader sees it as it comes. */
  add(message: RoomMessage, { isRead = false }: { isRead?: boolean } = {}): boolean {
    const index = this.#placeOf(message.id);
    const place = this.#beforeNotes(index, message.id);
    const same = this.items[place - 1];
    if (same?.kind === "message" && compareIds(same.id, message.id) === 0) {
      same.stored ??= message.stored;
      return false;
    }
    const isLast = index === this.items.length;
    this.items.splice(place, 0, message);
    if (compareIds(message.id, this.head) > 0) this.head = message.id;
    this.readTo ??= { epoch: message.id.epoch, seq: message.id.seq - 1 };
    if (compareIds(message.id, this.readTo) <= 0) return true;
    if (isLast && isRead) this.readTo = message.id;
    else this.#count(message);
    return true;
  }

  /** Says something behind the last message, or behind that of an id. */
  note(note: Omit<RoomNote, "kind" | "id">, behind: MessageId | null = null): RoomNote {
    const made: RoomNote = { kind: "note", id: behind ?? this.items.at(-1)?.id ?? this.head, ...note };
    this.items.splice(behind ? this.#placeOf(behind) : this.items.length, 0, made);
    return made;
  }

  /** Where reading goes on: the first item behind an id, with the digest before it; null: nothing is behind it. */
  firstBehind(id: MessageId): RoomItem | null {
    const at = this.items.findIndex((item) => item.kind === "message" && compareIds(item.id, id) > 0);
    const before = this.items[at - 1];
    if (before?.kind === "note" && before.text.kind === "digest") return before;
    return this.items[at] ?? null;
  }

  /** Everything here was read. */
  read(): void {
    const last = this.last;
    const to = last && compareIds(last.id, this.head) > 0 ? last.id : this.head;
    if (!this.readTo || compareIds(to, this.readTo) > 0) this.readTo = to;
    this.#counted = 0;
    this.mentions = 0;
    this.#skipped = null;
  }

  /** Counts anew what is unread: when the place where reading stopped was learnt. */
  recount(): void {
    this.#counted = 0;
    this.mentions = 0;
    for (let index = this.items.length - 1; index >= 0; index--) {
      const item = this.items[index];
      if (!item || (this.readTo && compareIds(item.id, this.readTo) <= 0)) break;
      if (item.kind === "message") this.#count(item);
    }
  }

  /** What is missing behind what is here, from where reading stopped on, was not read either, whoever wrote it. */
  countMissing(): void {
    const last = this.wholeTo(this.readTo ?? zeroId);
    const next = this.items.find((item) => item.kind === "message" && compareIds(item.id, last) > 0)?.id;
    const before = next ?? { epoch: this.head.epoch, seq: this.head.seq + 1 };
    const count = before.seq - last.seq - 1;
    if (!this.#skipped && count > 0) this.skip(before, count);
  }

  /** So many unread messages before `before` are in history and were not sent here. */
  skip(before: MessageId, count: number): void {
    this.#skipped = { before, left: count };
  }

  /**
   * A page of history has come. Between `after` and `before`, as far as they were asked for, and its own ends it has all
   * that there is: what is not in it is not there at all. `isStart`: nothing older than its messages exists.
   */
  addPage(
    messages: RoomMessage[],
    { after, before, isStart }: { after?: MessageId; before?: MessageId; isStart: boolean },
  ): void {
    const ids = messages.map(({ id }) => id);
    this.readTo ??= ids.at(-1) ?? null;
    for (const message of messages) this.add(message);
    const covered = [...(after ? [after] : []), ...ids, ...(before ? [before] : [])];
    for (const [index, id] of covered.entries()) {
      const next = covered[index + 1];
      if (next && next.seq - id.seq > 1) this.gone(id, next, isStart && id === after ? "trimmed" : "lost");
    }
    const first = covered[0];
    if (!isStart || !first) return;
    this.#isWhole = true;
    // What we hold and the server does not any more stays; between it and what the server has, the rest was trimmed.
    const held = this.#messageBelow(first);
    if (held) this.gone(held.id, first, "trimmed");
  }

  /** The server said that these will not come. */
  gone(after: MessageId, before: MessageId, reason: "trimmed" | "lost"): void {
    const known = this.#gone.some(
      (one) => compareIds(one.after, after) <= 0 && compareIds(one.before, before) >= 0,
    );
    if (!known) this.#gone.push({ after, before, reason });
  }

  /** The last of the messages that are here behind an id with nothing missing between; the id itself where none is. */
  wholeTo(id: MessageId): MessageId {
    let last = id;
    for (const item of this.items) {
      if (item.kind !== "message" || compareIds(item.id, id) <= 0) continue;
      if (item.id.seq > last.seq + 1 && this.#stateOf(last, item.id) === "missing") break;
      last = item.id;
    }
    return last;
  }

  /** What is missing right before the message at `index`; null: nothing. */
  holeBefore(index: number): Hole | null {
    const item = this.items[index];
    if (item?.kind !== "message") return null;
    const held = this.#messageBeforeIndex(index);
    if (!held) return this.#holeAtBeginning(item.id);
    // After a loss seqs may begin again below: then nothing is known to be missing.
    const count = item.id.seq - held.id.seq - 1;
    if (count <= 0) return null;
    return { after: held.id, before: item.id, count, state: this.#stateOf(held.id, item.id) };
  }

  /** What is missing behind the last message, as far as the server spoke of it. */
  get holeAtEnd(): Hole | null {
    const last = this.last;
    if (!last || compareIds(this.head, last.id) <= 0) return null;
    const before = { epoch: this.head.epoch, seq: this.head.seq + 1 };
    const count = before.seq - last.id.seq - 1;
    if (count <= 0) return null;
    return { after: last.id, before, count, state: this.#stateOf(last.id, before) };
  }

  /** What of one's own was refused or is unknown, and waits for the person's word. */
  get undecided(): PendingMessage[] {
    return this.pending.filter(({ fate }) => fate.kind === "refused" || fate.kind === "unknown");
  }

  /** Keeps memory bounded; what was let go comes again from history. `kept`: an item that is on the screen. */
  trim(kept: RoomItem | null): void {
    if (this.items.length <= roomItemsMax) return;
    const keptAt = kept ? this.items.indexOf(kept) : -1;
    const spareTo = this.items.length - roomItemsSpare;
    if (keptAt < 0 || keptAt > roomTrimItems + roomItemsSpare) {
      this.items.splice(0, roomTrimItems);
      this.#isWhole = false;
    } else if (keptAt + roomItemsSpare < spareTo) {
      const from = keptAt + roomItemsSpare;
      this.items.splice(from, Math.min(spareTo - from, this.items.length - roomItemsMax + roomTrimItems));
    }
  }

  #count(message: RoomMessage): void {
    if (message.userId === this.#reader) return;
    this.#counted++;
    if (message.mentions) this.mentions++;
    if (this.#skipped && compareIds(message.id, this.#skipped.before) < 0) {
      this.#skipped.left = Math.max(0, this.#skipped.left - 1);
    }
  }

  #holeAtBeginning(first: MessageId): Hole | null {
    if (!this.#isWhole || first.seq <= 1) return null;
    return { after: zeroId, before: first, count: first.seq - 1, state: "trimmed" };
  }

  #stateOf(after: MessageId, before: MessageId): Hole["state"] {
    for (const one of this.#gone) {
      if (compareIds(one.after, after) <= 0 && compareIds(one.before, before) >= 0) return one.reason;
    }
    return "missing";
  }

  #messageBelow(id: MessageId): RoomMessage | null {
    let at = this.#placeOf(id);
    for (let item = this.items[at - 1]; item && compareIds(item.id, id) >= 0;) item = this.items[--at - 1];
    return this.#messageBeforeIndex(at);
  }

  #messageBeforeIndex(index: number): RoomMessage | null {
    for (let at = index - 1; at >= 0; at--) {
      const item = this.items[at];
      if (item?.kind === "message") return item;
    }
    return null;
  }

  /** Index behind everything that is at or before `id`. */
  #placeOf(id: MessageId): number {
    let low = 0;
    let high = this.items.length;
    const last = this.items.at(-1);
    if (!last || compareIds(last.id, id) <= 0) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      const item = this.items[middle];
      if (item && compareIds(item.id, id) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** A message goes before notes of its own id. */
  #beforeNotes(index: number, id: MessageId): number {
    let at = index;
    while (this.items[at - 1]?.kind === "note" && compareIds(this.items[at - 1]?.id ?? zeroId, id) === 0)
      at--;
    return at;
  }
}

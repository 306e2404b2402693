/**
 * rooms: all conversations of one person: what came goes into its room, what was said gets its fate, comings and goings
 * are folded, and the next unread is found. No I/O.
 */
import type { Delivered, LoginInfo } from "./chatClient.ts";
import { presenceNamesMax } from "./limits.ts";
import { laterId, parseId, zeroId } from "./messageId.ts";
import type { CompletionSources } from "./completion.ts";
import type { Outbox } from "./outbox.ts";
import type { ReadMark } from "./readMarks.ts";
import { type DigestLine, type Person, Room, type RoomMessage, type RoomNote } from "./room.ts";
import { screenTexts } from "./screenTexts.ts";
import type { SendOutcome } from "./sendQueue.ts";

export interface Reader {
  userId: number;
  /** As told at log-in; "" before. */
  userName: string;
}

/** The conversations, everyone's first, the others in the order in which they appeared. */
export class Rooms {
  readonly reader: Reader;
  readonly all: Room[] = [];
  readonly #byConv = new Map<string, Room>();
  current: Room;
  /** How safely the server stores what it keeps; null: it does not tell. */
  #stored: string | null = null;
  /** The last note of comings and goings, while nothing else was said behind it. */
  #presenceNote: RoomNote | null = null;

  constructor(reader: Reader) {
    this.reader = reader;
    this.current = this.open("all");
  }

  /** The room of a conversation, made where it is missing. */
  open(conv: string, name: string = ""): Room {
    let room = this.#byConv.get(conv);
    if (!room) {
      room = new Room({ conv, name, reader: this.reader.userId });
      if (room.isPrivate) room.name = this.#speakers.get(room.peer) ?? "";
      this.#byConv.set(conv, room);
      this.all.push(room);
    }
    if (name !== "") room.name = name;
    return room;
  }

  get(conv: string): Room | undefined {
    return this.#byConv.get(conv);
  }

  /** Takes a conversation off the list where nothing was ever said in it, and nothing waits to be. */
  forgetBlank(room: Room): void {
    if (!room.isBlank || room.pending.length > 0 || room === this.current) return;
    this.all.splice(this.all.indexOf(room), 1);
    this.#byConv.delete(room.conv);
  }

  /** What was kept of earlier times. */
  restore(marks: ReadMark[]): void {
    for (const { conv, name, readTo } of marks) {
      const room = this.open(conv, name);
      room.readTo = readTo;
      if (room.newBehind === null) room.newBehind = readTo;
    }
  }

  /** What an earlier client left unsent, and what was refused. */
  restoreUnsent({ waiting, refused }: Pick<Outbox, "waiting" | "refused">): void {
    for (const { mid, conv, content, timeMs } of waiting) {
      this.open(conv).pending.push({ mid, timeMs, content, fate: { kind: "queued" } });
    }
    for (const { mid, conv, content, timeMs, refused: why } of refused) {
      const fate = { kind: "refused" as const, code: why?.code ?? 0, error: why?.error ?? "" };
      this.open(conv).pending.push({ mid, timeMs, content, fate });
    }
  }

  /** What Tab may put in; `everyone` is what everyone's conversation is called. People who are away can be written to. */
  completionSources(online: ReadonlyMap<number, string>, everyone: string): CompletionSources {
    const peers = this.all.filter(({ isPrivate }) => isPrivate);
    const people = new Map(peers.map(({ peer, name }) => [peer, name]));
    for (const [userId, userName] of [...this.#speakers, ...online]) people.set(userId, userName);
    people.delete(this.reader.userId);
    return {
      people: [...people].map(([userId, userName]) => ({ userId, userName })),
      conversations: this.all.map((room) => ({
        conv: room.conv,
        name: room.isPrivate ? room.name : everyone,
      })),
    };
  }

  /** What has to be kept. */
  get marks(): ReadMark[] {
    const kept = this.all.filter((room) => !room.isBlank);
    return kept.map(({ conv, name, readTo }) => ({ conv, name, readTo: readTo ?? zeroId }));
  }

  /** LoginResMes: where each conversation is, and where this device stopped. */
  loggedIn({ convs = [], userName = "", stored }: LoginInfo): void {
    this.reader.userName = userName;
    this.#stored = stored ?? null;
    for (const { conv, userName: peer, head, cursor, delivered } of convs) {
      const room = this.open(conv, peer);
      room.head = laterId(room.head, parseId(head) ?? zeroId);
      if (delivered !== undefined) room.deliveredTo = laterId(room.deliveredTo, parseId(delivered) ?? zeroId);
      if (room.readTo === null) {
        room.readTo = parseId(cursor) ?? zeroId;
        room.newBehind = room.readTo;
      }
    }
  }

  /** A message has come; `isWatched`: the reader looks at the end of that conversation. */
  received(
    message: Delivered,
    isWatched: (room: Room) => boolean,
  ): { room: Room; message: RoomMessage; isNew: boolean } {
    const conv = message.conv ?? "all";
    const peerName = conv === `u:${message.userId}` ? message.userName : "";
    const room = this.open(conv, peerName);
    const made = this.messageOf(message);
    const isNew = room.add(made, { isRead: isWatched(room) });
    if (room.conv === "all") this.#presenceNote = null;
    return { room, message: made, isNew };
  }

  /** A message of the wire as a room keeps it. */
  messageOf({ id, time = 0, userId, userName, content, mid = "" }: Delivered): RoomMessage {
    const isOwn = userId === this.reader.userId;
    return {
      kind: "message",
      id: parseId(id ?? "") ?? zeroId,
      timeMs: time,
      userId,
      userName,
      content,
      mid,
      // It was read from the log: it is as safe as all that is kept there.
      stored: isOwn ? this.#stored : null,
      mentions: !isOwn && mentions(content, this.reader),
    };
  }

  /** What became of a message of one's own: it leaves those that wait, or says why it does not. */
  settled(
    { conv, content, timeMs }: { conv: string; content: string; timeMs: number },
    outcome: SendOutcome,
  ): void {
    const room = this.open(conv);
    const index = room.pending.findIndex(({ mid }) => mid === outcome.mid);
    const pending = room.pending[index];
    if (outcome.kind === "stored") {
      if (index >= 0) room.pending.splice(index, 1);
      const id = parseId(outcome.id);
      if (!id) return;
      const { userId, userName } = this.reader;
      const made: RoomMessage = {
        ...{ kind: "message", id, timeMs: outcome.time, userId, userName, content },
        ...{ mid: outcome.mid, stored: outcome.stored, mentions: false },
      };
      room.add(made);
      if (room.conv === "all") this.#presenceNote = null;
      return;
    }
    const fate =
      outcome.kind === "refused"
        ? ({ kind: "refused", code: outcome.code, error: outcome.error } as const)
        : ({ kind: "unknown" } as const);
    if (pending) pending.fate = fate;
    else room.pending.push({ mid: outcome.mid, timeMs, content, fate });
  }

  /** Comings and goings, in one line as long as nothing is said in between. */
  presence({ came, left }: { came: Person[]; left: Person[] }, timeMs: number): void {
    const room = this.open("all");
    let note = this.#presenceNote;
    if (!note || note.text.kind !== "presence" || room.items.at(-1) !== note) {
      const text = { kind: "presence" as const, came: [], left: [], cameCount: 0, leftCount: 0 };
      note = this.#presenceNote = room.note({ timeMs, tone: "notice", text });
    }
    if (note.text.kind !== "presence") return;
    const { text } = note;
    text.cameCount += came.length;
    text.leftCount += left.length;
    // With few people it says who; who came and went again is in both.
    for (const person of came) if (text.came.length < presenceNamesMax) text.came.push(person);
    for (const person of left) if (text.left.length < presenceNamesMax) text.left.push(person);
  }

  /** A coming or going that is not folded. */
  presenceOne(change: { came: Person[]; left: Person[] }, timeMs: number): void {
    this.#presenceNote = null;
    this.presence(change, timeMs);
    this.#presenceNote = null;
  }

  /** A conversation by what a person types: "all", everyone's name, a user id, a name; null: there is none. */
  find(given: string, online: ReadonlyMap<number, string>): Room | null {
    const wanted = given.trim().replace(/^[@#]/, "").toLowerCase();
    const everyone = Object.values(screenTexts).map((texts) => texts.everyone);
    if (wanted === "all" || everyone.includes(wanted)) return this.open("all");
    if (/^[1-9]\d{0,15}$/.test(wanted) && Number.isSafeInteger(Number(wanted))) {
      return this.open(`u:${wanted}`, online.get(Number(wanted)) ?? "");
    }
    const known = this.all.filter(({ name }) => name.toLowerCase() === wanted);
    const people = new Map([...this.#speakers, ...online]);
    const named = [...people].filter(([, name]) => name.toLowerCase() === wanted);
    const convs = new Set([...known.map(({ conv }) => conv), ...named.map(([userId]) => `u:${userId}`)]);
    const [conv] = convs;
    // Two people of one name: only the id tells them apart.
    return conv !== undefined && convs.size === 1 ? this.open(conv, named[0]?.[1] ?? "") : null;
  }

  /** Who said something to everyone, as far as that is here, under the name of then. */
  get #speakers(): Map<number, string> {
    const said = this.get("all")?.items ?? [];
    return new Map(said.flatMap((item) => (item.kind === "message" ? [[item.userId, item.userName]] : [])));
  }

  get unread(): number {
    return this.all.reduce((sum, room) => sum + room.unread, 0);
  }

  /** Where one should go next: private ones and mentions first; null: nothing is unread. */
  nextUnread(): Room | null {
    const from = this.all.indexOf(this.current);
    const inOrder = [...this.all.slice(from + 1), ...this.all.slice(0, from + 1)];
    const urgent = inOrder.find((room) => room.unread > 0 && (room.isPrivate || room.mentions > 0));
    return urgent ?? inOrder.find((room) => room.unread > 0) ?? null;
  }

  /** What is unread, for the digest; most first. */
  get digest(): DigestLine[] {
    return this.all
      .filter(({ unread }) => unread > 0)
      .map(({ conv, name, unread, mentions: count }) => ({ conv, name, unread, mentions: count }))
      .sort((one, other) => other.unread - one.unread);
  }
}

/** Whether a text speaks to somebody: `@name`, `@id`, or the name as a word of its own. */
export function mentions(content: string, { userId, userName }: Reader): boolean {
  const text = content.toLowerCase();
  const name = userName.toLowerCase();
  if (new RegExp(`@${userId}(?![0-9])`).test(text)) return true;
  for (let at = name === "" ? -1 : text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const before = text.slice(0, at).match(/(?:[\p{L}\p{N}_]|@)$/u)?.[0] ?? "";
    const behind = /^[\p{L}\p{N}_]/u.test(text.slice(at + name.length));
    // Between ideographs there are no blanks: there a name is a word wherever it stands.
    const isHan = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;
    const bounded = (before === "" || before === "@" || isHan.test(before)) && !behind;
    if (before === "@" || bounded || isHan.test(name)) return true;
  }
  return false;
}

/**
 * session: one logged-in connection as the rest of the house sees it, and the faces (`Output`, `LegacyOutput`,
 * `Reading`, `Presence`) behind which the edge does its work, so that people never know sockets.
 */
import type { StoredConv } from "./conv.ts";
import type { MessageId } from "./messageId.ts";

/** Where bytes go. A closed one is inert: every call is safe. */
export interface Output {
  /** Hands over whole frames. `written` is called when the kernel has taken them; not at all when it never does. */
  write(bytes: Buffer, written?: () => void): void;
  /** Bytes handed over that the kernel has not taken yet. */
  readonly backlogBytes: number;
  /** Calls once, when nothing is left to be taken; at once when nothing is. */
  whenDrained(callback: () => void): void;
  /** Ends the connection after what was handed over. `reason` is for the journal. */
  close(reason: string): void;
}

/** What only a first-generation session has: paced frames, and notices of who came online. */
export interface LegacyOutput extends Output {
  /** LoginResMes 200 with who is online, as far as it fits ([L-1], [G-2]). */
  loginAnswer(): Buffer;
  /** Frames of one message; once they are safe with the reader its cursor moves to `id` ([G-9]). */
  deliver(conv: StoredConv, id: MessageId, frames: Buffer[]): void;
  /** Who came and who left; only coming is told, and only while it is still true ([G-3]). */
  presenceChanged(online: Iterable<number>, offline: Iterable<number>): void;
}

/** How far one session has got in one conversation. */
export interface Reader {
  readonly session: Session;
  readonly conv: StoredConv;
  /** Everything up to here was sent. Never goes back. */
  position: MessageId;
  /** Up to here there is something to acknowledge: above it the device's own messages only. */
  toAck: MessageId;
  /** Up to here it has acknowledged. */
  acked: MessageId;
}

/** How far the other sides of its private conversations have received them, as one session was told ([B-2]). */
export interface ReceiptsTold {
  /** Set when LoginResMes was written. */
  live: boolean;
  /** Only goes up. Null until there is one: most sessions have none, and an empty Map or Set is 200 bytes. */
  told: Map<StoredConv, MessageId> | null;
  /** Told as soon as its connection drains. */
  untold: Set<StoredConv> | null;
}

export interface SessionFacts {
  userId: number;
  userName: string;
  sex: string;
  device: string;
  /** First position in "all" of a device that has no cursor yet. */
  since: MessageId | null;
  replay: "all" | "none";
  /** Whether it is shown and told. */
  presence: boolean;
  address: string;
}

/** One logged-in connection. */
export class Session {
  readonly userId: number;
  readonly userName: string;
  readonly sex: string;
  readonly device: string;
  readonly since: MessageId | null;
  readonly replay: "all" | "none";
  readonly presence: boolean;
  readonly address: string;
  readonly output: Output;
  /** Null for a modern session. */
  readonly legacy: LegacyOutput | null;
  /** One reader is held as it is: most sessions have no more, and a Map of it is 180 bytes, 6 % of an idle session. */
  #readers: Reader | Map<StoredConv, Reader> | null = null;
  readonly receipts: ReceiptsTold = { live: false, told: null, untold: null };
  /** Number of its log-in among those of its device ([L-7]); 0: the first generation has none. */
  login = 0;
  /** Whether a newer log-in of its device was heard of before its own number was there. */
  outdone = false;
  /** Since when its device is noted to be here (Unix ms); 0: it is not. */
  seenMs = 0;
  closed = false;
  /** Until LoginResMes was handed over nothing else may go out ([G-1], [P-1]): a goodbye waits. */
  #goodbye: (() => void) | "after LoginResMes" | null = "after LoginResMes";

  constructor(facts: SessionFacts, output: Output, legacy: LegacyOutput | null) {
    this.userId = facts.userId;
    this.userName = facts.userName;
    this.sex = facts.sex;
    this.device = facts.device;
    this.since = facts.since;
    this.replay = facts.replay;
    this.presence = facts.presence;
    this.address = facts.address;
    this.output = output;
    this.legacy = legacy;
  }

  /** How far it has got in a conversation; undefined where it has not begun to read. */
  readerOf(conv: StoredConv): Reader | undefined {
    if (this.#readers instanceof Map) return this.#readers.get(conv);
    return this.#readers?.conv === conv ? this.#readers : undefined;
  }

  /** It begins to read a conversation that it has no reader for. */
  addReader(reader: Reader): void {
    if (this.#readers === null) this.#readers = reader;
    else if (this.#readers instanceof Map) this.#readers.set(reader.conv, reader);
    else this.#readers = new Map([this.#readers, reader].map((one) => [one.conv, one]));
  }

  /** It reads nothing any more; what it has read. */
  takeReaders(): Reader[] {
    const readers = this.#readers;
    this.#readers = null;
    return readers instanceof Map ? [...readers.values()] : readers ? [readers] : [];
  }

  /** LoginResMes was handed over: what waited for it goes out. */
  answered(): void {
    const goodbye = this.#goodbye;
    this.#goodbye = null;
    if (typeof goodbye === "function") goodbye();
  }

  /** Ends the connection after what was handed over, LoginResMes at least; a modern session is told `frame` before. */
  sayGoodbye(frame: Buffer, reason: string): void {
    const goodbye = (): void => {
      if (!this.legacy) this.output.write(frame);
      this.output.close(reason);
    };
    if (this.#goodbye === null) goodbye();
    else this.#goodbye = goodbye;
  }
}

/** What LoginResMes says of one conversation, [L-3]. */
export interface ConvState {
  conv: StoredConv;
  head: MessageId;
  cursor: MessageId;
  unread: number;
}

/** The reading of logs, as people see it; `follow.ts` does it. */
export interface Reading {
  /** Looks up where the session stands everywhere; from now on nothing that rings for its user is missed. */
  prepare(session: Session): Promise<ConvState[]>;
  /** Begins to send, from where it stands. Call when LoginResMes was written. */
  start(session: Session): void;
  /** The session has gone, or its log-in failed after `prepare`. */
  stop(session: Session): void;
  /** The conversation has grown. */
  rang(conv: StoredConv): void;
  /** The head of "all", as Redis has it now. */
  roomHead(): Promise<MessageId>;
}

/** Who is online, as people see it; `presence.ts` does it. */
export interface Presence {
  /** The session counts from now on. */
  came(session: Session): void;
  /** `moved`: a newer session of the same device is on another node, so the user has not left. */
  left(session: Session, moved: boolean): void;
  /** Tells the session who is online, and every change after that. Call when LoginResMes was written. */
  start(session: Session): void;
  readonly total: number;
  /** Everybody online; the order is free. */
  userIds(): Iterable<number>;
  /** Users above `after`, ascending, at most `count`, and whether more follow. */
  page(after: number, count: number): { users: { userId: number; userName: string }[]; more: boolean };
}

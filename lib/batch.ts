/**
 * batch: consecutive messages of one conversation, encoded once for everybody (design 5). For each view ("all", or
 * one side of a private conversation) there is one Buffer of frames; a reader gets that very Buffer, or a part of it
 * when it is the sender of some lines ([D-1]) or already has the first ones. Holes between the ids are frames of
 * their own, GapMes, in their place ([D-5]).
 */
import { type StoredConv, convFor, peerOf } from "./conv.ts";
import { deliveredPayload } from "./delivered.ts";
import { encodeFrame, encodeFrames } from "./frame.ts";
import { fanoutEntryOverheadBytes, fanoutFlushMaxBytes } from "./limits.ts";
import { type ServerFields, payloadOf } from "./message.ts";
import { type MessageId, compareIds, formatId } from "./messageId.ts";
import type { Scratch } from "./scratch.ts";
import type { Reader } from "./session.ts";
import type { Entry } from "./smsDao.ts";

export interface Gap {
  after: MessageId;
  before: MessageId;
  count: number;
  reason: ServerFields<"GapMes">["reason"];
}

/** Frames of one view, one behind the other: of each entry the gap in front of it, where there is one, and its own. */
interface View {
  bytes: Buffer;
  /** Where the entry's own frame begins. */
  starts: number[];
  ends: number[];
}

/** Consecutive messages of one conversation; each view is encoded when first asked for, and kept. */
export class Batch {
  readonly conv: StoredConv;
  /** What a reader has before it, and after it. */
  readonly from: MessageId;
  readonly to: MessageId;
  readonly entries: readonly Entry[];
  readonly #views = new Map<number | null, View>();
  readonly #senders: Set<number>;

  /** `entries` is not empty, ascending, all above `from`. */
  constructor(conv: StoredConv, from: MessageId, entries: readonly Entry[]) {
    this.conv = conv;
    this.from = from;
    this.to = entries.at(-1)?.id ?? from;
    this.entries = entries;
    this.#senders = new Set(entries.map(({ sender }) => sender));
  }

  /** Whether a reader at `position` finds in it exactly what follows there, gaps included. */
  follows(position: MessageId): boolean {
    if (compareIds(position, this.from) === 0) return true;
    const first = this.entries[0]?.id;
    const found = first && this.entries[position.seq - first.seq]?.id;
    return found !== undefined && found !== this.to && compareIds(found, position) === 0;
  }

  /** The gap in front of entry `index`, or null. */
  gapBefore(index: number): Gap | null {
    const after = this.entries[index - 1]?.id ?? this.from;
    const before = this.entries[index]?.id;
    return before ? gapBetween(after, before) : null;
  }

  /** What a modern reader is to be sent, or null when there is nothing for it; in `scratch` where it is its alone. */
  bytesFor({ session, position }: Reader, scratch: Scratch): Buffer | null {
    const view = this.#viewFor(session.userId);
    const first = this.#firstAbove(position);
    const start = first === 0 ? 0 : (view.ends[first - 1] ?? 0);
    if (!this.#senders.has(session.userId)) return cut(view, start, view.bytes.length);
    const parts: Buffer[] = [];
    let from = start;
    for (let index = first; index < this.entries.length; index++) {
      const entry = this.entries[index];
      if (!entry || !isOwn(entry, session)) continue;
      parts.push(view.bytes.subarray(from, view.starts[index]));
      from = view.ends[index] ?? 0;
    }
    parts.push(view.bytes.subarray(from));
    const bytes = scratch.joined(parts);
    return bytes.length > 0 ? bytes : null;
  }

  /** How many messages a reader is to be sent. */
  countFor({ session, position }: Reader): number {
    const first = this.#firstAbove(position);
    if (!this.#senders.has(session.userId)) return this.entries.length - first;
    return this.entries.filter((entry, index) => index >= first && !isOwn(entry, session)).length;
  }

  /** The entries that a reader still has to get. */
  entriesFor({ session, position }: Reader): Entry[] {
    return this.entries.slice(this.#firstAbove(position)).filter((entry) => !isOwn(entry, session));
  }

  /** Up to where the batch holds what a device has to acknowledge, gaps too; null: all of it is its own. */
  toAckFor(session: { userId: number; device: string }): MessageId | null {
    if (!this.#senders.has(session.userId)) return this.to;
    for (let index = this.entries.length - 1; index >= 0; index--) {
      const entry = this.entries[index];
      if (entry && (!isOwn(entry, session) || this.gapBefore(index))) return entry.id;
    }
    return null;
  }

  #firstAbove(position: MessageId): number {
    if (position === this.from) return 0;
    // seq is dense, so it says where to look; where the log has a hole, it has to be looked for.
    const guess = position.seq - (this.entries[0]?.id.seq ?? 0);
    const found = this.entries[guess]?.id;
    if (found && compareIds(found, position) === 0) return guess + 1;
    const first = this.entries.findIndex(({ id }) => compareIds(id, position) > 0);
    return first < 0 ? this.entries.length : first;
  }

  #viewFor(userId: number): View {
    // The room looks the same to all; a private conversation is called after the other side.
    const peer = peerOf(this.conv, userId);
    let view = this.#views.get(peer);
    if (!view) this.#views.set(peer, (view = this.#encode(convFor(this.conv, userId))));
    return view;
  }

  #encode(conv: string): View {
    const payloads: string[] = [];
    // How many frames there are up to the end of each entry: a gap is one more.
    const counts = this.entries.map((entry, index) => {
      const gap = this.gapBefore(index);
      if (gap) payloads.push(gapPayload(conv, gap));
      return payloads.push(deliveredPayload(entry, conv));
    });
    const { bytes, ends } = encodeFrames(payloads);
    return {
      bytes,
      starts: counts.map((count) => ends[count - 2] ?? 0),
      ends: counts.map((count) => ends[count - 1] ?? 0),
    };
  }
}

/** Cuts what was read into batches of about fanoutFlushMaxBytes, so that one write stays a good size. */
export function batchesOf(conv: StoredConv, from: MessageId, entries: readonly Entry[]): Batch[] {
  const batches: Batch[] = [];
  let start = 0;
  let bytes = 0;
  let position = from;
  const push = (end: number): void => {
    const batch = new Batch(conv, position, entries.slice(start, end));
    batches.push(batch);
    position = batch.to;
    start = end;
    bytes = 0;
  };
  entries.forEach((entry, index) => {
    bytes += estimatedBytes(entry);
    if (bytes >= fanoutFlushMaxBytes) push(index + 1);
  });
  if (start < entries.length) push(entries.length);
  return batches;
}

/** About what an entry takes on the wire, without encoding it. */
export function estimatedBytes({ content }: Entry): number {
  return Buffer.byteLength(content) + fanoutEntryOverheadBytes;
}

/** One GapMes. */
export function encodeGap(conv: string, gap: Gap): Buffer {
  return encodeFrame(gapPayload(conv, gap));
}

function gapPayload(conv: string, { after, before, count, reason }: Gap): string {
  return payloadOf("GapMes", { conv, after: formatId(after), before: formatId(before), count, reason });
}

/**
 * The hole between two neighbours of a log, or null. Within one epoch seq is dense, so what is missing was trimmed;
 * where the epoch went up, what is missing was lost by Redis.
 */
export function gapBetween(after: MessageId, before: MessageId): Gap | null {
  if (before.seq === after.seq + 1) return null;
  const count = before.seq > after.seq ? before.seq - after.seq - 1 : after.seq - before.seq + 1;
  const lost = after.epoch !== before.epoch && after.epoch !== 0;
  return { after, before, count, reason: lost ? "lost" : "trimmed" };
}

function isOwn(entry: Entry, { userId, device }: { userId: number; device: string }): boolean {
  return entry.sender === userId && entry.device === device;
}

function cut({ bytes }: View, start: number, end: number): Buffer | null {
  if (start >= end) return null;
  return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
}

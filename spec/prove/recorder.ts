/**
 * recorder: what was said and heard in a run, as the wire showed it, kept small enough for hours: a message is a number,
 * what a session heard of a conversation is ranges of sequence numbers in the order they came. It judges nothing.
 */

export interface Id {
  epoch: number;
  seq: number;
}

/** The id in a frame; zero where there is none. */
export function idOf(text: unknown): Id {
  const [epoch, seq] = String(text).split("-");
  return { epoch: Number(epoch) || 0, seq: Number(seq) || 0 };
}

/** A message of nobody of ours. */
export const strange = 0;
/** A message that says it is ours, and is not what was sent. */
export const altered = -1;

const messagesPerSender = 1e7;

/** A message's number: who sent it, and the how-manieth of that sender it is, from 1. It is the message's mid too. */
export function codeOf(sender: number, n: number): number {
  return (sender + 1) * messagesPerSender + n;
}

/** The sender of a message by its number. */
export function senderOf(code: number): number {
  return code < messagesPerSender ? -1 : Math.floor(code / messagesPerSender) - 1;
}

/** Which of its sender's messages it is, from 1. */
export function countOf(code: number): number {
  return code % messagesPerSender;
}

/** An array of numbers that grows, without a box for each. */
export class Column {
  #values = new Float64Array(64);
  length = 0;

  get(index: number): number {
    return index >= 0 && index < this.length ? (this.#values[index] as number) : 0;
  }

  set(index: number, value: number): void {
    if (index >= this.#values.length) {
      const larger = new Float64Array(Math.max(2 * this.#values.length, index + 1));
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[index] = value;
    this.length = Math.max(this.length, index + 1);
  }

  push(value: number): void {
    this.set(this.length, value);
  }

  values(): Float64Array {
    return this.#values.subarray(0, this.length);
  }
}

/** Everything one sender sent, by count. */
export interface SenderBook {
  readonly userId: number;
  /** Which row of the table each message belongs to: the latest fault when it was first sent. */
  readonly rows: Column;
  readonly convs: string[];
  /** Within one group the order is promised; 0: none is. */
  readonly groups: Column;
  /** Of the 200; 0 while there is none. */
  readonly seqs: Column;
  readonly epochs: Column;
}

/** One conversation, as all together have seen it. */
export class ConvBook {
  readonly name: string;
  /** By seq, from `base` on. */
  readonly codes = new Column();
  readonly epochs = new Column();
  /** When answers 200 came, monotonic ms. */
  readonly answeredMs = new Column();
  base = 0;
  /** Ranges that pages of history showed: from, to, from, to, in the order they came. */
  readonly archive: number[] = [];
  /** Messages at places that others had taken under another epoch, by `epoch-seq`. */
  readonly elsewhere = new Map<string, number>();
  /** What is there at the end, in the order in which history shows it. */
  readonly kept: Range[] = [];
  /** What is above this is judged: the head when everybody had logged in. */
  begin = 0;

  constructor(name: string) {
    this.name = name;
  }

  codeAt(seq: number): number {
    return this.codes.get(seq - this.base);
  }

  epochAt(seq: number): number {
    return this.epochs.get(seq - this.base);
  }

  /** The message that was seen under an id; 0: none. */
  codeOf({ epoch, seq }: Id): number {
    return this.epochAt(seq) === epoch ? this.codeAt(seq) : (this.elsewhere.get(`${epoch}-${seq}`) ?? 0);
  }

  /** Every id that anybody has seen, and its message. */
  *seen(): Iterable<{ code: number; id: Id }> {
    for (let seq = this.base; seq <= this.head; seq++) {
      if (this.knows(seq)) yield { code: this.codeAt(seq), id: { epoch: this.epochAt(seq), seq } };
    }
    for (const [id, code] of this.elsewhere) yield { code, id: idOf(id) };
  }

  /** Whether anybody has seen this one. */
  knows(seq: number): boolean {
    return this.epochAt(seq) !== 0;
  }

  get head(): number {
    return this.base + this.epochs.length - 1;
  }
}

/** Two claims about one place of a log. */
export interface Conflict {
  conv: string;
  seq: number;
  code: number;
  other: number;
  /** Whether one of the claims was an answer to the sender. */
  answered: boolean;
  /** Whether both say the same epoch too: else a lost place was given out again. */
  sameId: boolean;
}

export interface Gap {
  after: Id;
  before: Id;
  count: number;
  reason: string;
}

/** One log-in of one device. */
export class SessionBook {
  /** Modern: what came of each conversation, in order. */
  readonly heard = new Map<string, HeardBook>();
  /** First generation: numbers of messages, in the order they came. */
  readonly codes = new Column();
  readonly startMs: number;
  /** When it was over; Infinity while it is not. */
  endMs = Infinity;

  constructor(startMs: number) {
    this.startMs = startMs;
  }
}

/** What one session heard of one conversation. */
export interface HeardBook {
  /** The highest id this device had ever acknowledged before; zero: none. */
  acked: Id;
  /** The highest seq it had acknowledged so long before that the cursor has to be there. */
  settled: number;
  /** Ranges and gaps in the order they came. */
  parts: (Range | Gap)[];
}

export interface Range {
  epoch: number;
  from: number;
  to: number;
}

export interface DeviceBook {
  readonly name: string;
  readonly userId: number;
  readonly legacy: boolean;
  /** The sender that sends from this very device, -1: none. */
  readonly sender: number;
  readonly sessions: SessionBook[];
  readonly acks: Map<string, Ack[]>;
}

/** What a device acknowledged when, ascending. */
export interface Ack {
  epoch: number;
  seq: number;
  atMs: number;
}

/** Acks are written once a second, and again while Redis or a node is away: after this time they have to be kept. */
export const ackSettledMs = 30_000;

export type RecordedConv = "all" | `${number}:${number}`;

/** The private conversation of two users. */
export function privately(one: number, other: number): RecordedConv {
  return one < other ? `${one}:${other}` : `${other}:${one}`;
}

/** Whether a user reads a conversation. */
export function isOf(conv: string, userId: number): boolean {
  return conv === "all" || conv.split(":").includes(String(userId));
}

/** The record of one run. */
export class Recorder {
  /** Names of the rows that messages are counted in. */
  readonly rows: readonly string[];
  /** The row of what is sent now. */
  row = 0;
  readonly senders: SenderBook[] = [];
  readonly devices: DeviceBook[] = [];
  readonly convs = new Map<string, ConvBook>();
  readonly conflicts: Conflict[] = [];
  /** Messages answered late or never on a connection that stayed open. */
  readonly unanswered: number[] = [];
  /** Messages whose repeat was answered with another id than the first time. */
  /** Written to a server more than once: what became of it the times before nobody may have seen. */
  readonly saidAgain = new Set<number>();
  readonly #said = new Set<number>();
  readonly answeredTwice: { code: number; id: Id }[] = [];
  /** Messages answered with 200 and no id. */
  readonly answeredBlankly: number[] = [];
  /** Messages that came back to the device that had sent them. */
  readonly ownBack: number[] = [];
  /** By row. */
  readonly deliveries: number[];
  sentCount = 0;
  storedCount = 0;
  deliveredCount = 0;

  constructor(rows: readonly string[]) {
    this.rows = rows;
    this.deliveries = rows.map(() => 0);
  }

  /** A new sender; its number. */
  addSender(userId: number): number {
    this.senders.push({
      userId,
      rows: new Column(),
      convs: [""],
      groups: new Column(),
      seqs: new Column(),
      epochs: new Column(),
    });
    return this.senders.length - 1;
  }

  addDevice(facts: Pick<DeviceBook, "name" | "userId" | "legacy" | "sender">): DeviceBook {
    const device: DeviceBook = { ...facts, sessions: [], acks: new Map() };
    this.devices.push(device);
    return device;
  }

  conv(name: string): ConvBook {
    let conv = this.convs.get(name);
    if (!conv) this.convs.set(name, (conv = new ConvBook(name)));
    return conv;
  }

  /** A message is about to be sent for the first time; its number. */
  /** It is written to a server. */
  said(code: number): void {
    if (this.#said.has(code)) this.saidAgain.add(code);
    this.#said.add(code);
  }

  sent(sender: number, conv: RecordedConv, group = 0): number {
    const book = this.senders[sender] as SenderBook;
    const n = book.convs.length;
    book.convs.push(this.conv(conv).name);
    book.rows.set(n, this.row);
    book.groups.set(n, group);
    this.sentCount++;
    return codeOf(sender, n);
  }

  /** It was answered with 200. */
  stored(code: number, id: Id): void {
    const book = this.senders[senderOf(code)] as SenderBook;
    const n = countOf(code);
    if (id.seq < 1 || id.epoch < 1) return void this.answeredBlankly.push(code);
    const before = book.seqs.get(n);
    this.conv(book.convs[n] as string).answeredMs.push(performance.now());
    if (before === 0) {
      book.seqs.set(n, id.seq);
      book.epochs.set(n, id.epoch);
      this.storedCount++;
    } else if (before !== id.seq || book.epochs.get(n) !== id.epoch) this.answeredTwice.push({ code, id });
    this.#claim(this.conv(book.convs[n] as string), id, code, true);
  }

  /** The row a message is counted in. */
  rowOf(code: number): number {
    const sender = this.senders[senderOf(code)];
    return sender ? sender.rows.get(countOf(code)) : 0;
  }

  login(device: DeviceBook, nowMs = performance.now()): SessionBook {
    const session = new SessionBook(nowMs);
    device.sessions.push(session);
    return session;
  }

  got(device: DeviceBook, session: SessionBook, convName: RecordedConv, id: Id, code: number): void {
    const conv = this.conv(convName);
    this.#claim(conv, id, code, false);
    const { parts } = heardOf(device, session, convName);
    const last = parts.at(-1);
    if (!last || !("to" in last) || !grows(last, id))
      parts.push({ epoch: id.epoch, from: id.seq, to: id.seq });
    this.#delivered(device, code);
  }

  /** A first-generation session got a message, which carries nothing but its content. */
  gotLegacy(device: DeviceBook, session: SessionBook, code: number): void {
    if (code === altered) this.#altered("?", 0);
    if (code > 0) session.codes.push(code);
    this.#delivered(device, code);
  }

  gap(device: DeviceBook, session: SessionBook, conv: RecordedConv, gap: Gap): void {
    heardOf(device, session, conv).parts.push(gap);
  }

  acked(device: DeviceBook, conv: RecordedConv, { epoch, seq }: Id, nowMs = performance.now()): void {
    const acks = device.acks.get(conv) ?? [];
    device.acks.set(conv, acks);
    const last = acks.at(-1);
    if (last && compareIds(last, { epoch, seq }) >= 0) return;
    acks.push({ epoch, seq, atMs: nowMs });
    // Of those that are settled the newest is enough.
    while (acks[1] && acks[1].atMs < nowMs - 2 * ackSettledMs) acks.shift();
  }

  /** A page of history showed it. */
  archived(convName: RecordedConv, id: Id, code: number): void {
    const conv = this.conv(convName);
    this.#claim(conv, id, code, false);
    const { archive } = conv;
    if (archive.length > 0 && archive.at(-1) === id.seq - 1) archive[archive.length - 1] = id.seq;
    else archive.push(id.seq, id.seq);
  }

  /** It is in history when all is over. */
  kept(convName: RecordedConv, id: Id, code: number): void {
    const conv = this.conv(convName);
    this.#claim(conv, id, code, false);
    const last = conv.kept.at(-1);
    if (!last || !grows(last, id)) conv.kept.push({ epoch: id.epoch, from: id.seq, to: id.seq });
  }

  #delivered(device: DeviceBook, code: number): void {
    if (device.sender >= 0 && senderOf(code) === device.sender) this.ownBack.push(code);
    this.deliveredCount++;
    const row = this.rowOf(code);
    this.deliveries[row] = (this.deliveries[row] ?? 0) + 1;
  }

  #claim(conv: ConvBook, { epoch, seq }: Id, code: number, answered: boolean): void {
    if (conv.epochs.length === 0) conv.base = Math.max(0, seq - 100_000);
    if (seq < conv.base || seq < 1) return;
    if (!conv.knows(seq)) {
      conv.codes.set(seq - conv.base, code);
      conv.epochs.set(seq - conv.base, epoch);
      if (code === altered) this.#altered(conv.name, seq);
      return;
    }
    const known = conv.codeOf({ epoch, seq });
    if (known === code) return;
    if (known === 0) conv.elsewhere.set(`${epoch}-${seq}`, code);
    const sameId = known !== 0 || conv.epochAt(seq) === epoch;
    const other = sameId ? known : conv.codeAt(seq);
    const wasAnswered = answered || this.senders[senderOf(other)]?.seqs.get(countOf(other)) === seq;
    this.conflicts.push({ conv: conv.name, seq, code, other, answered: wasAnswered, sameId });
  }

  #altered(conv: string, seq: number): void {
    this.conflicts.push({ conv, seq, code: altered, other: altered, answered: true, sameId: true });
  }
}

/** Lengthens a range by the id that follows it; false where it does not. */
function grows(range: Range, { epoch, seq }: Id): boolean {
  if (range.epoch !== epoch || range.to + 1 !== seq) return false;
  range.to = seq;
  return true;
}

/** Below 0 where `one` comes first. */
export function compareIds(one: Id, other: Id): number {
  return one.epoch - other.epoch || one.seq - other.seq;
}

function heardOf(device: DeviceBook, session: SessionBook, conv: string): HeardBook {
  let heard = session.heard.get(conv);
  if (!heard) {
    const acks = device.acks.get(conv) ?? [];
    // From the end of the session before on nobody could write what a killed server had not written yet.
    const overMs = Math.min(session.startMs, device.sessions.at(-2)?.endMs ?? Infinity);
    const settled = acks.findLast(({ atMs }) => atMs <= overMs - ackSettledMs);
    heard = { acked: acks.at(-1) ?? { epoch: 0, seq: 0 }, settled: settled?.seq ?? 0, parts: [] };
    session.heard.set(conv, heard);
  }
  return heard;
}

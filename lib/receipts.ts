/**
 * receipts: tells the sender of private messages how far the other side has received them (clauses [B-1], [B-2]).
 * Redis is the truth, written in one with the cursor; what is rung between nodes is a hint. A hint that was lost is made
 * up for at log-in, by the next acknowledgement, and by the sweep. To one session ids only go up.
 */
import { type Clock, type Timer, delay } from "./clock.ts";
import { type StoredConv, convFor, otherSideOf, privateConv } from "./conv.ts";
import type { Doorbell } from "./doorbell.ts";
import { type Journal, reasonOf } from "./journal.ts";
import * as limits from "./limits.ts";
import { encodeServer } from "./message.ts";
import { type MessageId, compareIds, formatId } from "./messageId.ts";
import type { ReceiptDao } from "./receiptDao.ts";
import type { Session } from "./session.ts";
import type { SmsDao } from "./smsDao.ts";

export interface ReceiptsOptions {
  receiptDao: ReceiptDao;
  smsDao: SmsDao;
  doorbell: Doorbell;
  /** The sessions of a user on this node. */
  sessionsOf: (userId: number) => Iterable<Session>;
  clock: Clock;
  journal: Journal;
}

interface Awaited {
  sender: number;
  conv: StoredConv;
  id: MessageId;
}

/** What the sessions of this node were told of the other side's acknowledgements. */
export class Receipts {
  readonly #options: ReceiptsOptions;
  /** Messages sent here whose receipt nobody has heard of yet; the sweep looks, the longest unlooked first. */
  readonly #awaited = new Map<string, Awaited>();
  #timer: Timer | null = null;
  #sweeping = false;

  constructor(options: ReceiptsOptions) {
    this.#options = options;
  }

  /** Starts the sweep. */
  open(): void {
    this.#timer = this.#options.clock.every(limits.receiptsSweepMs, () => void this.missed());
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** For LoginResMes: how far each conversation was received by the other side. Throws CodedError 503. */
  async atLogin(session: Session, convs: StoredConv[]): Promise<(MessageId | null)[]> {
    const found = await Promise.all(convs.map((conv) => this.#read(session.userId, conv)));
    for (const [index, conv] of convs.entries()) {
      const id = found[index];
      if (id) (session.receipts.told ??= new Map()).set(conv, id);
    }
    return found;
  }

  /** LoginResMes was written: the latest other conversations, and from now on every change. */
  start(session: Session): void {
    if (session.legacy !== null || session.closed) return;
    session.receipts.live = true;
    void this.#catchUp(session);
  }

  /** A message was sent in a private conversation by a user who has a session here. */
  awaits(sender: number, conv: StoredConv, id: MessageId): void {
    if (otherSideOf(conv, sender) === null) return;
    const key = `${sender} ${conv}`;
    this.#awaited.delete(key);
    this.#awaited.set(key, { sender, conv, id });
    const [oldest] = this.#awaited.keys();
    if (this.#awaited.size > limits.receiptsAwaitedMax && oldest !== undefined) this.#awaited.delete(oldest);
  }

  /** It is written down that `reader` has acknowledged up to `id`: the other side is told, wherever it is. */
  acknowledged(reader: number, conv: StoredConv, id: MessageId): void {
    const sender = otherSideOf(conv, reader);
    if (sender === null) return;
    this.#options.doorbell.ringReceived(sender, conv, id);
    this.heard(sender, conv, id);
  }

  /** The other side of the sender's conversation has received it up to `id`, as Redis says or a node rang. */
  heard(sender: number, conv: StoredConv, id: MessageId): void {
    // Anybody can ring.
    if (otherSideOf(conv, sender) === null) return;
    const key = `${sender} ${conv}`;
    const awaited = this.#awaited.get(key);
    if (awaited && compareIds(awaited.id, id) <= 0) this.#awaited.delete(key);
    for (const session of this.#options.sessionsOf(sender)) this.#tell(session, conv, id);
  }

  /** Hints may have been missed: looks at what is awaited, the longest unlooked first. Never throws. */
  async missed(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    const looked = [...this.#awaited].slice(0, limits.receiptsSweepConvsMax);
    await Promise.all(
      looked.map(async ([key, { sender, conv, id }]) => {
        const [anybody] = this.#options.sessionsOf(sender);
        this.#awaited.delete(key);
        if (!anybody) return;
        this.#awaited.set(key, { sender, conv, id });
        // Redis is away: the next sweep looks again.
        const received = await this.#read(sender, conv).catch(() => null);
        if (received) this.heard(sender, conv, received);
      }),
    );
    this.#sweeping = false;
  }

  /** How far the other side has received the sender's conversation; null in "all" and with oneself. */
  async #read(sender: number, conv: StoredConv): Promise<MessageId | null> {
    const reader = otherSideOf(conv, sender);
    return reader === null ? null : this.#options.receiptDao.received(reader, conv);
  }

  /** What LoginResMes had no room for, and what was rung before the session heard. */
  async #catchUp(session: Session): Promise<void> {
    const { smsDao, clock, journal } = this.#options;
    const { userId } = session;
    for (
      let pauseMs = limits.readRetryMs;
      !session.closed;
      pauseMs = Math.min(2 * pauseMs, limits.readRetryMaxMs)
    ) {
      try {
        const peers = await smsDao.peersOf(userId, limits.loginConvsMax);
        const latest = peers.map((peer) => privateConv(userId, peer));
        const convs = [...new Set([...(session.receipts.told?.keys() ?? []), ...latest])];
        const found = await Promise.all(convs.map((conv) => this.#read(userId, conv)));
        for (const [index, conv] of convs.entries()) {
          const id = found[index];
          if (id) this.#tell(session, conv, id);
        }
        return;
      } catch (error) {
        journal.write("receipts_unread", { userId, reason: reasonOf(error) });
        await delay(clock, pauseMs);
      }
    }
  }

  #tell(session: Session, conv: StoredConv, id: MessageId): void {
    const { receipts } = session;
    const before = receipts.told?.get(conv);
    if (!receipts.live || session.closed || (before && compareIds(before, id) >= 0)) return;
    (receipts.told ??= new Map<StoredConv, MessageId>()).set(conv, id);
    const untold = (receipts.untold ??= new Set<StoredConv>());
    untold.add(conv);
    // A slow one is told when it drains, once, however often it changed.
    if (untold.size === 1) {
      if (session.output.backlogBytes > limits.outputBacklogMaxBytes) {
        session.output.whenDrained(() => this.#write(session));
      } else this.#write(session);
    }
  }

  #write(session: Session): void {
    const { told, untold } = session.receipts;
    session.receipts.untold = null;
    const frames = [...(untold ?? [])].map((conv) => {
      const id = formatId(told?.get(conv) as MessageId);
      return encodeServer("DeliveredMes", { conv: convFor(conv, session.userId), id });
    });
    if (!session.closed) session.output.write(Buffer.concat(frames));
  }
}

/**
 * doorbell: hints between nodes that a conversation has grown, that a device has logged in, that a private message was
 * received, or that presence changed.
 * A hint may be lost or come twice: the log is the truth, the sweep heals what is missed. One channel for the room,
 * one for each user who has a session here, one for presence.
 */
import type { BellLines } from "./bellLines.ts";
import type { Clock, Timer } from "./clock.ts";
import { type StoredConv, participantsOf } from "./conv.ts";
import { presenceBell, roomBell, userBell } from "./keys.ts";
import { bellRepeatMs, unrungBellsMax } from "./limits.ts";
import { type MessageId, formatId, parseId, zeroId } from "./messageId.ts";
import type { Meter } from "./meter.ts";
import type { RedisStore } from "./redis.ts";

export interface DoorbellListener {
  /** The conversation of this channel has grown: `conv` is its stored name. */
  rang(conv: StoredConv): void;
  /** A device of a user has logged in elsewhere: sessions of it from earlier log-ins than `login` have to go. */
  replaced(userId: number, device: string, login: number): void;
  /** The other side of a private conversation of `sender` has received it up to `id`. */
  received(sender: number, conv: StoredConv, id: MessageId): void;
  /** The presence script published a change (its JSON). */
  presenceChanged(change: string): void;
  /** Hints may have been missed: look everywhere. */
  missed(): void;
}

export interface DoorbellOptions {
  store: RedisStore;
  clock: Clock;
  meter: Meter;
  node: string;
}

/** Rings for other nodes, and hears what they ring. */
export class Doorbell {
  readonly #store: RedisStore;
  readonly #bells: BellLines;
  readonly #meter: Meter;
  readonly #node: string;
  readonly #heldUsers = new Map<number, number>();
  /** When the channel of a held user, which is not heard yet, is listened to. */
  readonly #subscribing = new Map<number, Promise<void>>();
  /** What could not be rung: others would wait for their sweep. */
  readonly #unrung = new Map<string, { bell: string; text: string }>();
  readonly #ringAgain: Timer;
  #listener: DoorbellListener | null = null;

  constructor({ store, clock, meter, node }: DoorbellOptions) {
    this.#store = store;
    this.#meter = meter;
    this.#node = node;
    this.#bells = store.bells({
      heard: (channel, text) => this.#heard(channel, text),
      missed: () => this.#listener?.missed(),
    });
    store.onReady(() => this.#ringUnrung());
    this.#ringAgain = clock.every(bellRepeatMs, () => {
      if (store.ready) this.#ringUnrung();
    });
  }

  /** Whether nothing that is rung now is missed here. */
  get hears(): boolean {
    return this.#bells.hears;
  }

  /** Starts to listen. Call once, before the first session, when the listener knows where everything stands. */
  async open(listener: DoorbellListener): Promise<void> {
    await this.#bells.open([roomBell, presenceBell]);
    this.#listener = listener;
    listener.missed();
  }

  /** This node has one more session of the user: listen to the user's channel. Safe to repeat; resolves when heard. */
  async hold(userId: number): Promise<void> {
    const held = this.#heldUsers.get(userId) ?? 0;
    this.#heldUsers.set(userId, held + 1);
    if (held === 0) this.#listen(userId);
    // A second one does not overtake the first: the order of log-ins is the order of who replaces whom.
    await this.#subscribing.get(userId);
  }

  #listen(userId: number): void {
    const heard = this.#bells.listen(userBell(userId)).then(() => {
      if (this.#subscribing.get(userId) === heard) this.#subscribing.delete(userId);
    });
    this.#subscribing.set(userId, heard);
  }

  /** The session of `hold` has gone. */
  release(userId: number): void {
    const held = this.#heldUsers.get(userId) ?? 0;
    if (held > 1) {
      this.#heldUsers.set(userId, held - 1);
      return;
    }
    this.#heldUsers.delete(userId);
    this.#subscribing.delete(userId);
    this.#bells.leave(userBell(userId));
  }

  /** Rings for a conversation, wherever it has readers. Never throws: it is a hint. */
  ring(conv: StoredConv): void {
    const users = participantsOf(conv);
    for (const bell of users ? new Set(users.map(userBell)) : [roomBell]) this.#publish(bell, `conv ${conv}`);
  }

  /** Tells other nodes that the other side of the sender's conversation has received it up to `id`. */
  ringReceived(sender: number, conv: StoredConv, id: MessageId): void {
    this.#publish(userBell(sender), `received ${sender} ${conv} ${formatId(id)}`);
  }

  close(): void {
    this.#listener = null;
    this.#ringAgain.cancel();
    this.#bells.close();
  }

  #publish(bell: string, text: string): void {
    const ring = this.#store.call(this.#store.publishCommand, bell, `${this.#node} ${text}`);
    ring.catch(() => {
      if (this.#unrung.size < unrungBellsMax) this.#unrung.set(`${bell} ${text}`, { bell, text });
    });
  }

  #ringUnrung(): void {
    const unrung = [...this.#unrung.values()];
    this.#unrung.clear();
    for (const { bell, text } of unrung) this.#publish(bell, text);
  }

  #heard(channel: string, text: string): void {
    if (!this.#listener) return;
    if (channel === presenceBell) return this.#listener.presenceChanged(text);
    const [node, kind, first = "", second = "", third = ""] = text.split(" ");
    if (node === this.#node) return;
    this.#meter.doorbellsHeard++;
    if (kind === "conv") this.#listener.rang(first);
    else if (kind === "device") this.#listener.replaced(Number(first), second, Number(third));
    else if (kind === "received") this.#listener.received(Number(first), second, parseId(third) ?? zeroId);
  }
}

/** What login.lua publishes when a device logs in on `node`; the number of the log-in follows. */
export function replacedText(node: string, userId: number, device: string): string {
  return `${node} device ${userId} ${device} `;
}

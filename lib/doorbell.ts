/**
 * doorbell: hints between nodes that a conversation has grown, that a device has logged in, that a private message was
 * received, or that presence changed.
 * A hint may be lost or come twice: the log is the truth, the sweep heals what is missed. One channel for the room,
 * one for each user who has a session here, one for presence.
 */
import type { Redis } from "ioredis";
import { type Clock, type Timer, delay } from "./clock.ts";
import { type StoredConv, participantsOf } from "./conv.ts";
import type { Journal } from "./journal.ts";
import { reasonOf } from "./journal.ts";
import { presenceBell, roomBell, userBell } from "./keys.ts";
import { readRetryMs, subscribeSliceUsers } from "./limits.ts";
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
  journal: Journal;
  meter: Meter;
  node: string;
}

/** Rings for other nodes, and hears what they ring. */
export class Doorbell {
  readonly #store: RedisStore;
  readonly #subscriber: Redis;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #meter: Meter;
  readonly #node: string;
  readonly #heldUsers = new Map<number, number>();
  /** When the channel of a held user is listened to. */
  readonly #subscribing = new Map<number, Promise<void>>();
  readonly #ping: Timer;
  /** How often the connection was there again; what began for an earlier one is given up. */
  #returns = 0;
  #listener: DoorbellListener | null = null;

  constructor({ store, clock, journal, meter, node }: DoorbellOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#journal = journal;
    this.#meter = meter;
    this.#node = node;
    this.#subscriber = store.subscriber();
    this.#subscriber.on("error", () => undefined); // The command connection tells the same story.
    this.#subscriber.on("message", (channel: string, text: string) => {
      try {
        this.#heard(channel, text);
      } catch (error) {
        // Anybody can publish: what is not understood must not end the process ([K-6]).
        journal.write("bell_not_understood", { channel, reason: reasonOf(error) });
      }
    });
    // An idle subscriber has nothing pending, so only a ping of our own finds a half-open link.
    this.#ping = clock.every(1000, () => {
      if (this.#subscriber.status === "ready") this.#subscriber.ping().catch(() => undefined);
    });
  }

  /** Starts to listen. Call once, before the first session, when the listener knows where everything stands. */
  async open(listener: DoorbellListener): Promise<void> {
    await this.#subscriber.connect();
    await this.#subscriber.subscribe(roomBell, presenceBell);
    this.#subscriber.on("ready", () => void this.#back());
    this.#listener = listener;
    listener.missed();
  }

  /** This node has one more session of the user: listen to the user's channel. Safe to repeat; resolves when heard. */
  async hold(userId: number): Promise<void> {
    const held = this.#heldUsers.get(userId) ?? 0;
    this.#heldUsers.set(userId, held + 1);
    if (held === 0) this.#subscribing.set(userId, this.#subscribe(userId));
    // A second one does not overtake the first: the order of log-ins is the order of who replaces whom.
    await this.#subscribing.get(userId);
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
    this.#subscriber.unsubscribe(userBell(userId)).catch(() => undefined);
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
    this.#ping.cancel();
    this.#listener = null;
    this.#subscriber.disconnect();
  }

  /** The connection is there again: it has no channel yet, and hints were missed. */
  async #back(): Promise<void> {
    const mine = ++this.#returns;
    while (!(await this.#subscribeAll())) {
      await delay(this.#clock, readRetryMs);
      if (mine !== this.#returns || this.#subscriber.status !== "ready") return;
    }
    this.#listener?.missed();
  }

  /** Whether every channel is listened to. */
  async #subscribeAll(): Promise<boolean> {
    try {
      await this.#subscriber.subscribe(roomBell, presenceBell);
      const users = [...this.#heldUsers.keys()];
      for (let at = 0; at < users.length; at += subscribeSliceUsers) {
        const held = users
          .slice(at, at + subscribeSliceUsers)
          .filter((userId) => this.#heldUsers.has(userId));
        if (held.length > 0) await this.#subscriber.subscribe(...held.map(userBell));
      }
      return true;
    } catch (error) {
      this.#journal.write("doorbell_deaf", { reason: reasonOf(error) });
      return false;
    }
  }

  async #subscribe(userId: number): Promise<void> {
    try {
      await this.#subscriber.subscribe(userBell(userId));
    } catch (error) {
      // Where the connection is gone, its successor subscribes all; until then the sweep finds what is missed.
      this.#journal.write("doorbell_deaf", { userId, reason: reasonOf(error) });
    }
  }

  #publish(bell: string, text: string): void {
    this.#store.call("PUBLISH", bell, `${this.#node} ${text}`).catch(() => undefined);
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

/**
 * userMgr: who has a session on this node. The same (user, device) is there once; a newer session replaces the older
 * one, on any node (clause [L-7]); first-generation sessions run in parallel.
 */
import { codes } from "./codes.ts";
import type { Doorbell } from "./doorbell.ts";
import type { Journal } from "./journal.ts";
import type { LastSeen } from "./lastSeen.ts";
import { encodeServer } from "./message.ts";
import type { Meter } from "./meter.ts";
import type { Presence, Reading, Session } from "./session.ts";

export interface UserMgrOptions {
  doorbell: Doorbell;
  reading: Reading;
  presence: Presence;
  lastSeen: LastSeen;
  journal: Journal;
  meter: Meter;
}

/** The sessions of this node, by user and device. */
export class UserMgr {
  readonly #doorbell: Doorbell;
  readonly #reading: Reading;
  readonly #presence: Presence;
  readonly #lastSeen: LastSeen;
  readonly #journal: Journal;
  readonly #meter: Meter;
  readonly #sessions = new Map<number, Set<Session>>();
  #count = 0;

  constructor({ doorbell, reading, presence, lastSeen, journal, meter }: UserMgrOptions) {
    this.#doorbell = doorbell;
    this.#reading = reading;
    this.#presence = presence;
    this.#lastSeen = lastSeen;
    this.#journal = journal;
    this.#meter = meter;
  }

  /** Sessions on this node. */
  get count(): number {
    return this.#count;
  }

  /** The sessions of one user on this node. */
  sessionsOf(userId: number): Iterable<Session> {
    return this.#sessions.get(userId) ?? [];
  }

  /** All sessions on this node. */
  *all(): Iterable<Session> {
    for (const sessions of this.#sessions.values()) yield* sessions;
  }

  /** The session is logged in: older ones of its device go, on this node and on others. */
  add(session: Session): void {
    const sessions = this.#sessions.get(session.userId) ?? new Set<Session>();
    // Added before the older one goes: the user does not leave the list in between.
    this.#sessions.set(session.userId, sessions.add(session));
    this.#count++;
    this.#meter.sessionsOpened++;
    this.#presence.came(session);
    this.#lastSeen.came(session);
    if (session.legacy === null) {
      this.#replace(session, false);
      this.#doorbell.ringReplaced(session.userId, session.device, session.key);
    }
    this.#journal.write("session_opened", {
      userId: session.userId,
      device: session.device,
      address: session.address,
      sessions: this.#count,
    });
  }

  /** Another node has a newer session of this device, the one with this key. */
  replacedElsewhere(userId: number, device: string, key: string): void {
    this.#replace({ userId, device, key }, true);
  }

  /** Ends the sessions of the device of `newer` other than that one. */
  #replace(newer: Pick<Session, "userId" | "device" | "key">, moved: boolean): void {
    for (const session of [...this.sessionsOf(newer.userId)]) {
      if (session.legacy !== null || session.device !== newer.device || session.key === newer.key) continue;
      session.output.write(encodeServer("GoAwayMes", { code: codes.replaced, reason: "replaced" }));
      // Removed before it is closed: the connection's own end would not know that the user has only moved.
      this.remove(session, "replaced", moved);
      session.output.close("replaced");
    }
  }

  /** The session has gone; `moved`: to another node. Safe to repeat. */
  remove(session: Session, reason: string, moved = false): void {
    if (session.closed) return;
    session.closed = true;
    const sessions = this.#sessions.get(session.userId);
    if (!sessions?.delete(session)) return;
    if (sessions.size === 0) this.#sessions.delete(session.userId);
    this.#count--;
    this.#reading.stop(session);
    this.#presence.left(session, moved);
    this.#lastSeen.left(session, moved);
    this.#doorbell.release(session.userId);
    this.#journal.write("session_closed", {
      userId: session.userId,
      device: session.device,
      reason,
      sessions: this.#count,
    });
  }
}

/**
 * sessionsByUser: the sessions of each user. Most users have one: it is held as it is, without a Set of its own, which
 * would be 150 bytes a session.
 */
import type { Session } from "./session.ts";

/** Sessions, found by their user. */
export class SessionsByUser {
  readonly #held = new Map<number, Session | Set<Session>>();

  /** Users who have a session. */
  users(): Iterable<number> {
    return this.#held.keys();
  }

  /** The sessions of one user, in the order they came. */
  of(userId: number): Iterable<Session> {
    const held = this.#held.get(userId);
    return held === undefined ? [] : held instanceof Set ? held : [held];
  }

  /** All sessions. */
  *all(): Iterable<Session> {
    for (const userId of this.#held.keys()) yield* this.of(userId);
  }

  /** Adds a session. Safe to repeat. */
  add(session: Session): void {
    const held = this.#held.get(session.userId);
    if (held === undefined) this.#held.set(session.userId, session);
    else if (held instanceof Set) held.add(session);
    else if (held !== session) this.#held.set(session.userId, new Set([held, session]));
  }

  /** Takes a session out; whether it was there. */
  delete(session: Session): boolean {
    const held = this.#held.get(session.userId);
    if (held === session) return this.#held.delete(session.userId);
    if (!(held instanceof Set) || !held.delete(session)) return false;
    const [only] = held;
    if (held.size === 1 && only) this.#held.set(session.userId, only);
    return true;
  }
}

/**
 * userMgr: who has a session on this node. The same (user, device) is there once over all nodes: log-ins of a device
 * are numbered in Redis, and the one with the highest number stays (clause [L-7]). First-generation sessions run in
 * parallel.
 */
import { type Clock, delay } from "./clock.ts";
import { codes } from "./codes.ts";
import type { Doorbell } from "./doorbell.ts";
import type { Journal } from "./journal.ts";
import type { LastSeen } from "./lastSeen.ts";
import { missedSlicePauseMs, missedSliceUsers } from "./limits.ts";
import type { LoginDao } from "./loginDao.ts";
import { encodeServer } from "./message.ts";
import type { Meter } from "./meter.ts";
import type { Presence, Reading, Session } from "./session.ts";
import { SessionsByUser } from "./sessionsByUser.ts";

export interface UserMgrOptions {
  loginDao: Pick<LoginDao, "claim" | "newest">;
  doorbell: Pick<Doorbell, "release">;
  reading: Reading;
  presence: Presence;
  lastSeen: Pick<LastSeen, "came" | "left">;
  clock: Clock;
  journal: Journal;
  meter: Meter;
}

/** The sessions of this node, by user and device. */
export class UserMgr {
  readonly #loginDao: UserMgrOptions["loginDao"];
  readonly #doorbell: UserMgrOptions["doorbell"];
  readonly #reading: Reading;
  readonly #presence: Presence;
  readonly #lastSeen: UserMgrOptions["lastSeen"];
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #meter: Meter;
  /** Sessions that ask for their number, and the highest one that was heard of for their device meanwhile. */
  readonly #claiming = new Map<Session, number>();
  readonly #sessions = new SessionsByUser();
  #count = 0;

  constructor({ loginDao, doorbell, reading, presence, lastSeen, clock, journal, meter }: UserMgrOptions) {
    this.#loginDao = loginDao;
    this.#doorbell = doorbell;
    this.#reading = reading;
    this.#presence = presence;
    this.#lastSeen = lastSeen;
    this.#clock = clock;
    this.#journal = journal;
    this.#meter = meter;
  }

  /** Sessions on this node. */
  get count(): number {
    return this.#count;
  }

  /** The sessions of one user on this node. */
  sessionsOf(userId: number): Iterable<Session> {
    return this.#sessions.of(userId);
  }

  /** All sessions on this node. */
  all(): Iterable<Session> {
    return this.#sessions.all();
  }

  /**
   * Makes the session the one of its device; other nodes are told. Call before `add`, in one go with it. Throws
   * CodedError 503 when Redis did not answer.
   */
  async claim(session: Session): Promise<void> {
    this.#claiming.set(session, 0);
    try {
      session.login = await this.#loginDao.claim(session.userId, session.device);
      session.outdone = (this.#claiming.get(session) ?? 0) > session.login;
    } finally {
      this.#claiming.delete(session);
    }
  }

  /** The session is logged in: older ones of its device on this node go. */
  add(session: Session): void {
    // Added before the older one goes: the user does not leave the list in between.
    this.#sessions.add(session);
    this.#count++;
    this.#meter.sessionsOpened++;
    this.#presence.came(session);
    this.#lastSeen.came(session);
    this.#journal.write("session_opened", {
      userId: session.userId,
      device: session.device,
      address: session.address,
      sessions: this.#count,
    });
    if (session.outdone) this.#dismiss(session, true);
    else if (session.legacy === null) this.#replace(session, false);
  }

  /** The newest log-in of this device, as far as is known, is the one with this number. */
  replacedElsewhere(userId: number, device: string, login: number): void {
    for (const [session, heard] of this.#claiming) {
      if (session.userId === userId && session.device === device) {
        this.#claiming.set(session, Math.max(heard, login));
      }
    }
    this.#replace({ userId, device, login }, true);
  }

  /** Other nodes may not have been heard: asks which log-in of each device is the newest. */
  async missed(): Promise<void> {
    let inSlice = 0;
    for (const userId of [...this.#sessions.users()]) {
      const devices = [...this.sessionsOf(userId)]
        .filter(({ legacy }) => legacy === null)
        .map(({ device }) => device);
      if (devices.length === 0) continue;
      try {
        const newest = await this.#loginDao.newest(userId, devices);
        devices.forEach((device, index) => this.replacedElsewhere(userId, device, newest[index] ?? 0));
      } catch {
        return; // Redis is away: when it is back, all is asked again.
      }
      if (++inSlice % missedSliceUsers === 0) await delay(this.#clock, missedSlicePauseMs);
    }
  }

  /** Ends the sessions of the device of `newer` that are from earlier log-ins. */
  #replace(newer: Pick<Session, "userId" | "device" | "login">, moved: boolean): void {
    for (const session of [...this.sessionsOf(newer.userId)]) {
      const isOlder = session.login < newer.login;
      if (session.legacy === null && session.device === newer.device && isOlder)
        this.#dismiss(session, moved);
    }
  }

  #dismiss(session: Session, moved: boolean): void {
    // Removed before it is closed: the connection's own end would not know that the user has only moved.
    this.remove(session, "replaced", moved);
    const frame = encodeServer("GoAwayMes", { code: codes.replaced, reason: "replaced" });
    session.sayGoodbye(frame, "replaced");
  }

  /** The session has gone; `moved`: to another node. Safe to repeat. */
  remove(session: Session, reason: string, moved = false): void {
    if (session.closed) return;
    session.closed = true;
    if (!this.#sessions.delete(session)) return;
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

/**
 * lastSeen: notes when the devices of this node's sessions come and go, for those who ask why a message waits (clause
 * [B-4]). One small write a coming and one a going, best effort: what could not be noted is unknown, never invented.
 * Who is not shown ([P-4]) is not noted.
 */
import type { Clock } from "./clock.ts";
import type { ReceiptDao } from "./receiptDao.ts";
import type { Session } from "./session.ts";

export interface LastSeenOptions {
  receiptDao: ReceiptDao;
  /** The sessions of a user on this node. */
  sessionsOf: (userId: number) => Iterable<Session>;
  clock: Clock;
  node: string;
}

/** The shown devices of this node. Each session knows since when its device is here. */
export class LastSeen {
  readonly #options: LastSeenOptions;

  constructor(options: LastSeenOptions) {
    this.#options = options;
  }

  /** A session has come, and is among those of its user. */
  came(session: Session): void {
    if (!session.presence) return;
    const { receiptDao, clock, node } = this.#options;
    const { userId, device } = session;
    const other = this.#otherOf(session);
    session.seenMs = other?.seenMs ?? clock.wallMs();
    if (other) return;
    const seen = { state: "on" as const, sinceMs: session.seenMs, node };
    receiptDao.setSeen(userId, device, seen).catch(() => undefined);
  }

  /** A session of `came` has gone from among them; `moved`: to another node, which has noted so. */
  left(session: Session, moved: boolean): void {
    if (!session.presence || moved || this.#otherOf(session)) return;
    const { receiptDao, clock, node } = this.#options;
    const { userId, device, seenMs } = session;
    const before = { state: "on" as const, sinceMs: seenMs, node };
    const after = { state: "off" as const, sinceMs: clock.wallMs() };
    receiptDao.replaceSeen(userId, device, { before, after }).catch(() => undefined);
  }

  /** Another shown session of its device: one that it replaces; first-generation ones share one name. */
  #otherOf(session: Session): Session | undefined {
    const sessions = [...this.#options.sessionsOf(session.userId)];
    return sessions.find((one) => one !== session && one.device === session.device && one.presence);
  }
}

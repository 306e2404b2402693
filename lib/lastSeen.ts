/**
 * lastSeen: notes when the devices of this node's sessions come and go, for those who ask why a message waits (clause
 * [B-4]). One small write a coming and one a going, best effort: what could not be noted is unknown, never invented.
 * Who is not shown ([P-4]) is not noted.
 */
import type { Clock } from "./clock.ts";
import type { ReceiptDao, Seen } from "./receiptDao.ts";
import type { Session } from "./session.ts";

export interface LastSeenOptions {
  receiptDao: ReceiptDao;
  clock: Clock;
  node: string;
}

/** The shown devices of this node. */
export class LastSeen {
  readonly #options: LastSeenOptions;
  /** Sessions of each device here, and what was noted of it; first-generation ones share one name. */
  readonly #here = new Map<string, { count: number; seen: Seen }>();

  constructor(options: LastSeenOptions) {
    this.#options = options;
  }

  /** A session has come. */
  came({ userId, device, presence }: Session): void {
    if (!presence) return;
    const key = keyOf(userId, device);
    const here = this.#here.get(key);
    if (here) {
      here.count++;
      return;
    }
    const { receiptDao, clock, node } = this.#options;
    const seen: Seen = { state: "on", sinceMs: clock.wallMs(), node };
    this.#here.set(key, { count: 1, seen });
    receiptDao.setSeen(userId, device, seen).catch(() => undefined);
  }

  /** A session of `came` has gone; `moved`: to another node, which has noted so. */
  left({ userId, device, presence }: Session, moved: boolean): void {
    const key = keyOf(userId, device);
    const here = presence ? this.#here.get(key) : undefined;
    if (!here || --here.count > 0) return;
    this.#here.delete(key);
    if (moved) return;
    const { receiptDao, clock } = this.#options;
    const after: Seen = { state: "off", sinceMs: clock.wallMs() };
    receiptDao.replaceSeen(userId, device, { before: here.seen, after }).catch(() => undefined);
  }
}

function keyOf(userId: number, device: string): string {
  return `${userId}|${device}`;
}

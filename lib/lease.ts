/**
 * lease: this node's place among the nodes that count who is online. It is renewed by a beat; a node that was gone
 * registers anew. It takes out nodes whose own has run out, but only after it has held this one unbroken: an outage of
 * Redis, or a machine that slept, empties nothing ([P-7]).
 */
import { hasEnded } from "./nodeName.ts";
import type { Clock, Timer } from "./clock.ts";
import type { Journal } from "./journal.ts";
import * as limits from "./limits.ts";
import type { PresenceDao } from "./presenceDao.ts";

export interface LeaseOptions {
  presenceDao: PresenceDao;
  clock: Clock;
  journal: Journal;
  /** The lease was lost: register anew, then call `began`. */
  lost: () => Promise<void>;
  /** The version of the list that is known here. */
  version: () => number;
  /** The lease was renewed; Redis has this version of the list, and `before` was known here when it was asked. */
  renewed: (version: number, before: number) => Promise<void>;
}

/** The lease of one node. */
export class Lease {
  readonly #options: LeaseOptions;
  /** Since when it is held unbroken; null: not known to be held. */
  #sinceMs: number | null = null;
  #renewedMs = 0;
  #timers: Timer[] = [];

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Takes out what was left behind by servers of this machine that were killed; then the beats begin. */
  async open(join: () => Promise<void>): Promise<void> {
    const { presenceDao, clock } = this.#options;
    const ended = (await presenceDao.nodes()).filter(hasEnded);
    if (ended.length > 0) await presenceDao.sweep(ended);
    await join();
    this.#timers = [
      clock.every(limits.leaseBeatMs, () => void this.#beat()),
      clock.every(limits.leaseSweepMs, () => void this.#sweep()),
    ];
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel();
  }

  /** The node has registered just now. */
  began(): void {
    this.#sinceMs = this.#renewedMs = this.#options.clock.monotonicMs();
  }

  async #beat(): Promise<void> {
    const { presenceDao, clock, lost, version, renewed } = this.#options;
    const before = version();
    try {
      const result = await presenceDao.beat([]);
      if (result) await renewed(result.version, before);
      else await lost();
      this.#forgetStopped();
      const nowMs = clock.monotonicMs();
      this.#sinceMs ??= nowMs;
      this.#renewedMs = nowMs;
    } catch {
      this.#sinceMs = null;
    }
  }

  async #sweep(): Promise<void> {
    const { presenceDao, clock, journal } = this.#options;
    this.#forgetStopped();
    if (this.#sinceMs === null || clock.monotonicMs() - this.#sinceMs < limits.leaseMs) return;
    try {
      const dead = await presenceDao.sweep();
      if (dead.length > 0) journal.write("nodes_gone", { nodes: dead.join(" ") });
    } catch {
      this.#sinceMs = null;
    }
  }

  /** Who was stopped for long, with the machine and all its nodes perhaps, has first to renew its own. */
  #forgetStopped(): void {
    if (this.#options.clock.monotonicMs() - this.#renewedMs >= limits.leaseMs) this.#sinceMs = null;
  }
}

/**
 * lease: this node's place among the nodes that count who is online. It is renewed by a beat; a node that was gone
 * registers anew. Nodes whose own has run out are taken out by a sweep. Whether one has is for Redis alone to say: an
 * outage of it, or a machine that slept, empties nothing ([P-7], presenceSweep.lua).
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
  /** The lease was lost: register anew. */
  lost: () => Promise<void>;
  /** The version of the list that is known here. */
  version: () => number;
  /** The lease was renewed; Redis has this version of the list, and `before` was known here when it was asked. */
  renewed: (version: number, before: number) => Promise<void>;
}

/** The lease of one node. */
export class Lease {
  readonly #options: LeaseOptions;
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

  async #beat(): Promise<void> {
    const { presenceDao, lost, version, renewed } = this.#options;
    const before = version();
    try {
      const result = await presenceDao.beat([]);
      if (result) await renewed(result.version, before);
      else await lost();
    } catch {
      // The next beat comes soon; a lease that has run out by then is made anew.
    }
  }

  async #sweep(): Promise<void> {
    const { presenceDao, journal } = this.#options;
    try {
      const dead = await presenceDao.sweep();
      if (dead.length > 0) journal.write("nodes_gone", { nodes: dead.join(" ") });
    } catch {
      // The next one comes in a second.
    }
  }
}

/**
 * privateSweep: looks, by and by, into the private conversations of the users this node holds, as if they had rung:
 * what a lost doorbell hid is found ([D-9]). Hints say which conversations were used since the last sound round; each
 * user is looked at once a round, spread over it, so that ten thousand of them are no storm.
 */
import { type Clock, type Timer, delay } from "./clock.ts";
import { type StoredConv, privateConv } from "./conv.ts";
import * as limits from "./limits.ts";
import type { SmsDao } from "./smsDao.ts";

export interface PrivateSweepOptions {
  smsDao: SmsDao;
  clock: Clock;
  /** Users who have a session here. */
  users: () => Iterable<number>;
  /** Called for each conversation that is to be looked into. */
  looked: (conv: StoredConv) => void;
}

/** A round over the held users: who is left of it, and whether all were looked at so far. */
interface Round {
  readonly startedMs: number;
  readonly left: number[];
  readonly stepUsers: number;
  sound: boolean;
}

/** The sweep of one node. */
export class PrivateSweep {
  readonly #options: PrivateSweepOptions;
  /** Wall ms at which the last round began in which everybody could be looked at. */
  #soundMs: number;
  #round: Round;
  #timer: Timer | null = null;

  constructor(options: PrivateSweepOptions) {
    this.#options = options;
    this.#soundMs = options.clock.wallMs();
    this.#round = this.#newRound();
  }

  open(): void {
    this.#timer = this.#options.clock.every(limits.sweepStepMs, () => void this.#step());
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** Doorbells may have been lost for everybody: a whole round now, a part a turn. */
  async missed(): Promise<void> {
    const round = this.#newRound();
    while (round.left.length > 0) {
      await this.#look(round, limits.missedSliceConvs);
      await delay(this.#options.clock, limits.missedSlicePauseMs);
    }
    this.#ended(round);
  }

  #newRound(): Round {
    const left = [...this.#options.users()];
    const steps = limits.sweepPrivateMs / limits.sweepStepMs;
    const startedMs = this.#options.clock.wallMs();
    return { startedMs, left, stepUsers: Math.ceil(left.length / steps), sound: true };
  }

  async #step(): Promise<void> {
    const round = this.#round;
    if (round.left.length > 0) return this.#look(round, round.stepUsers);
    if (this.#options.clock.wallMs() - round.startedMs < limits.sweepPrivateMs) return;
    this.#ended(round);
    this.#round = this.#newRound();
  }

  #ended({ sound, startedMs }: Round): void {
    if (sound) this.#soundMs = Math.max(this.#soundMs, startedMs);
  }

  async #look(round: Round, count: number): Promise<void> {
    const { smsDao, looked } = this.#options;
    // A hint is not written anew with every message, and not by this node's clock.
    const sinceMs = this.#soundMs - limits.hintRenewMs - limits.hintSkewMs;
    await Promise.all(
      round.left.splice(-count).map(async (userId) => {
        try {
          const peers = await smsDao.peersHintedSince(userId, sinceMs, limits.sweepPeersMax);
          for (const peer of peers) looked(privateConv(userId, peer));
        } catch {
          // Redis is away: the next round looks as far back as this one.
          round.sound = false;
        }
      }),
    );
  }
}

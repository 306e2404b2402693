/**
 * password: argon2id off the event loop (clause ). At most one hash a core at once, a bounded queue behind them,
 * beyond it CodedError 503: a flood of log-ins costs its senders time, not this process its life.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { availableParallelism } from "node:os";
import { hash, verify } from "@node-rs/argon2";
import { CodedError, codes } from "./codes.ts";
import { argonMemoryKiB, argonPasses, hashQueueMax } from "./limits.ts";

export interface ArgonCost {
  memoryKiB: number;
  passes: number;
}

/** Hashes and checks passwords, as many at once as there are cores. */
export class PasswordHasher {
  readonly #cost: ArgonCost;
  readonly #runningMax: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** Specs may give a cheap cost; everything else uses the default. `processes` share the cores. */
  constructor(cost: ArgonCost = { memoryKiB: argonMemoryKiB, passes: argonPasses }, processes = 1) {
    this.#cost = cost;
    this.#runningMax = Math.max(1, Math.floor(availableParallelism() / processes));
  }

  /** PHC string of the password. Throws CodedError 503 when too many wait. */
  hash(password: string): Promise<string> {
    const { memoryKiB, passes } = this.#cost;
    // The package hashes with argon2id unless told otherwise.
    const options = { memoryCost: memoryKiB, timeCost: passes, parallelism: 1 };
    return this.#inTurn(() => hash(password, options));
  }

  /** Whether the password is the one of the PHC string. Throws CodedError 503 when too many wait. */
  verify(phc: string, password: string): Promise<boolean> {
    return this.#inTurn(() => verify(phc, password).catch(() => false));
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#runningMax) {
      if (this.#waiting.length >= hashQueueMax) {
        throw new CodedError(codes.tryAgain, { detail: "many log-ins at once", retryMs: 1000 });
      }
      // Whoever ends hands over the place, so `#running` stays as it is.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running++;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}

/** Compares two plain passwords in a time that tells nothing of them. */
export function samePlainPassword(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

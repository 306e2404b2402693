/**
 * password: argon2id off the event loop (clauses, [L-9]). At most one hash a core at once, the others wait their
 * turn: a flood of log-ins costs its senders time, not this process its life, and nobody is refused for good. Who can
 * come back by itself is told when, if the wait is long; who cannot (the first generation) waits here.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { availableParallelism } from "node:os";
import { hash, verify } from "@node-rs/argon2";
import { CodedError, codes } from "./codes.ts";
import * as limits from "./limits.ts";

export interface ArgonCost {
  memoryKiB: number;
  passes: number;
}

/** Who waits for a hash. */
export interface Waiting {
  /** Does not know how to come back after a 503. */
  patient: boolean;
  /** False: it has gone, and its turn passes. */
  isWanted(): boolean;
}

/** Hashes and checks passwords, as many at once as there are cores. */
export class PasswordHasher {
  readonly #cost: ArgonCost;
  readonly #runningMax: number;
  #running = 0;
  /** Those who can come back and those who cannot take turns: neither kind keeps the other out. */
  readonly #queues: { eager: (() => void)[]; patient: (() => void)[] } = { eager: [], patient: [] };
  #last: "eager" | "patient" = "patient";
  /** What one hash takes, as measured lately. */
  #meanMs = limits.hashGuessMs;
  /** Until when places are promised to those who were told to come back; monotonic. */
  #promisedMs = 0;

  /** Specs may give a cheap cost; everything else uses the default. `processes` share the cores. */
  constructor(
    cost: ArgonCost = { memoryKiB: limits.argonMemoryKiB, passes: limits.argonPasses },
    processes = 1,
  ) {
    this.#cost = cost;
    this.#runningMax = Math.max(1, Math.floor(availableParallelism() / processes));
  }

  /** PHC string of the password. Throws CodedError 503 when too many wait. */
  hash(password: string, waiting: Waiting): Promise<string> {
    const { memoryKiB, passes } = this.#cost;
    // The package hashes with argon2id unless told otherwise.
    const options = { memoryCost: memoryKiB, timeCost: passes, parallelism: 1 };
    return this.#inTurn(waiting, () => hash(password, options));
  }

  /** Whether the password is the one of the PHC string. Throws CodedError 503 when too many wait. */
  verify(phc: string, password: string, waiting: Waiting): Promise<boolean> {
    return this.#inTurn(waiting, () => verify(phc, password).catch(() => false));
  }

  async #inTurn<T>(waiting: Waiting, work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#runningMax) this.#running++;
    else await this.#place(waiting.patient ? "patient" : "eager");
    try {
      if (!waiting.isWanted()) throw new CodedError(codes.tryAgain, { detail: "gone" });
      const startMs = performance.now();
      const result = await work();
      this.#meanMs += (performance.now() - startMs - this.#meanMs) / 16;
      return result;
    } finally {
      this.#handOver();
    }
  }

  /** Resolves when a place is handed over. */
  #place(kind: "eager" | "patient"): Promise<void> {
    const queue = this.#queues[kind];
    const isLong = kind === "eager" && queue.length * this.#slotMs >= limits.hashWaitMaxMs;
    if (isLong || queue.length >= limits.hashQueueMax) {
      throw new CodedError(codes.tryAgain, { detail: "many log-ins at once", retryMs: this.#promise() });
    }
    return new Promise((resolve) => queue.push(resolve));
  }

  /** Whoever ends hands over its place, so `#running` stays as it is. */
  #handOver(): void {
    const other = this.#last === "eager" ? "patient" : "eager";
    this.#last = this.#queues[other].length > 0 ? other : this.#last;
    const next = this.#queues[this.#last].shift();
    if (next) next();
    else this.#running--;
  }

  /** How often somebody who can come back gets a place. */
  get #slotMs(): number {
    return (this.#meanMs / this.#runningMax) * (this.#queues.patient.length > 0 ? 2 : 1);
  }

  /**
   * In how many ms to come back: one after the other, as places get free, so that the queue neither runs dry nor refuses
   * the same ones again. Those beyond what can be promised are spread, lest ones who never come keep the others away.
   */
  #promise(): number {
    const nowMs = performance.now();
    const promisedMs = Math.max(this.#promisedMs, nowMs) + this.#slotMs;
    if (promisedMs - nowMs > limits.hashRetryMaxMs) {
      return Math.ceil((limits.hashRetryMaxMs * (1 + Math.random())) / 2);
    }
    this.#promisedMs = promisedMs;
    return Math.ceil(promisedMs - nowMs);
  }
}

/** Compares two plain passwords in a time that tells nothing of them. */
export function samePlainPassword(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

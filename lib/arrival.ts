/**
 * arrival: when the bytes that are read now have come, at the earliest. While a connection is not read, because of what
 * it has asked already, bytes wait in the kernels of both sides; their answers are due by when they came, not by when
 * we look at them ([S-7]).
 */
import { arrivalQuietMs, arrivalSettleMs, kernelBuffersMaxBytes, socketReadBytes } from "./limits.ts";

/** The arrivals of one connection. Times are monotonic ms. */
export class Arrival {
  /** Since when bytes may wait; null: what is read next comes just then. */
  #sinceMs: number | null = null;
  #emptied = true;
  #resumedMs = -Infinity;
  #readMs: number;
  /** What is read after `#markBytes` reach what kernels can hold came after `#markMs`. */
  #markMs = 0;
  #markBytes = 0;
  #isPaused = false;

  /** `readMs`: when it was read last. */
  constructor(readMs = -Infinity) {
    this.#readMs = readMs;
  }

  /** A chunk was read: when it came, at the earliest. */
  read(bytes: number, nowMs: number): number {
    // Right after a pause the other side is only beginning to refill what was read.
    const isSettled = nowMs - this.#resumedMs >= arrivalSettleMs;
    if (this.#isQuiet(nowMs) || (isSettled && this.#emptied)) this.forget();
    this.#readMs = nowMs;
    const cameMs = this.#sinceMs ?? nowMs;
    // A read that was cut short has left nothing behind.
    this.#emptied = bytes < socketReadBytes;
    if (this.#sinceMs !== null || !this.#emptied) this.#wait(nowMs, bytes);
    return cameMs;
  }

  /** Nothing is read from now on. */
  paused(nowMs: number): void {
    this.#isPaused = true;
    this.#emptied = false;
    this.#wait(nowMs, 0);
  }

  /** It is read again. */
  resumed(nowMs: number): void {
    this.#isPaused = false;
    this.#resumedMs = nowMs;
  }

  /** Whether it has been read for so long without a word that nothing can wait: a new one would say the same. */
  isOver(nowMs: number): boolean {
    return !this.#isPaused && this.#isQuiet(nowMs);
  }

  /** What waits did not wait for us. */
  forget(): void {
    this.#sinceMs = null;
  }

  /** What waits is read at once, unless the process itself was held up: where nothing was for long, nothing waited. */
  #isQuiet(nowMs: number): boolean {
    return nowMs - Math.max(this.#resumedMs, this.#readMs) >= arrivalQuietMs;
  }

  #wait(nowMs: number, bytes: number): void {
    if (this.#sinceMs === null) {
      this.#sinceMs = this.#markMs = nowMs;
      this.#markBytes = 0;
    }
    this.#markBytes += bytes;
    if (this.#markBytes < kernelBuffersMaxBytes) return;
    this.#sinceMs = this.#markMs;
    this.#markMs = nowMs;
    this.#markBytes = 0;
  }
}

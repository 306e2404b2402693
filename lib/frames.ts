/**
 * frames: when to draw. What comes in is drawn at most 20 times a second, however much it is; a key is answered in the
 * same turn of the event loop, but for bursts of keys.
 */
import type { Clock, Timer } from "./clock.ts";
import { frameMs, urgentFrameMs } from "./limits.ts";

/** Calls `draw` soon enough and seldom enough. */
export class Frames {
  readonly #clock: Clock;
  readonly #draw: () => void;
  #lastMs = -Infinity;
  #due: { atMs: number; timer: Timer } | null = null;

  constructor(clock: Clock, draw: () => void) {
    this.#clock = clock;
    this.#draw = draw;
  }

  /** Something has changed; `isUrgent`: a person waits for it. */
  request({ isUrgent = false }: { isUrgent?: boolean } = {}): void {
    const nowMs = this.#clock.monotonicMs();
    const atMs = Math.max(nowMs, this.#lastMs + (isUrgent ? urgentFrameMs : frameMs));
    if (this.#due && this.#due.atMs <= atMs) return;
    this.#due?.timer.cancel();
    this.#due = { atMs, timer: this.#clock.after(atMs - nowMs, () => this.#now()) };
  }

  /** Draws no more. */
  stop(): void {
    this.#due?.timer.cancel();
    this.#due = null;
  }

  #now(): void {
    this.#due = null;
    this.#lastMs = this.#clock.monotonicMs();
    this.#draw();
  }
}

/**
 * deadlines: by when a connection has to have said something, and to have taken what it was sent ([F-7], [K-2], [D-6],
 * [K-5]). Looked at once a second; all times are monotonic ms.
 */
import * as limits from "./limits.ts";

/** The connection as it is when it is looked at. */
export interface Condition {
  hasSession: boolean;
  /** It has said something that we are at, and that nothing goes beside: a log-in. */
  waitsForUs: boolean;
  pings: boolean;
  /** We do not listen to it. */
  isPaused: boolean;
  /** Bytes that our kernel has taken since it was opened. */
  takenBytes: number;
  /** Bytes that it has not. */
  backlogBytes: number;
}

/** What the other side's TCP has: `bytes` at least, since some may have been sent while the kernel was asked. */
export interface Arrived {
  bytes: number;
  atMostBytes: number;
  tries: number;
}

/** Why a connection has to end. */
export type Overdue =
  "no first frame" | "no log-in" | "frame not finished" | "silent" | "no progress" | "vanished" | "no end";

/** Whether it is of no use to end it after what was handed over: nobody takes that. */
export function takesNoGoodbye(overdue: Overdue): boolean {
  return overdue === "no progress" || overdue === "vanished" || overdue === "no end";
}

/** The deadlines of one connection. */
export class Deadlines {
  heardFrame = false;
  heardMs: number;
  /** Null: nothing of a frame is there. */
  frameStartedMs: number | null = null;
  /** What registrations and log-ins have waited for us. */
  loginWorkMs = 0;
  /** Null: we have not ended it. */
  endingMs: number | null = null;
  readonly #openedMs: number;
  #takenBytes = 0;
  #takenMs: number;
  #arrivedBytes = 0;
  #arrivedAtMostBytes = 0;
  /** When its TCP was last known to answer, or to have nothing to answer to. */
  #answeredMs: number;
  #hasVanished = false;

  constructor(nowMs: number) {
    this.#openedMs = this.heardMs = this.#takenMs = this.#answeredMs = nowMs;
  }

  /** What it is late with; null: nothing. */
  overdue(nowMs: number, now: Condition): Overdue | null {
    if (this.endingMs !== null) {
      return nowMs - this.endingMs >= limits.closeFlushDeadlineMs ? "no end" : null;
    }
    if (!this.heardFrame && nowMs - this.#openedMs >= limits.firstFrameDeadlineMs) return "no first frame";
    // Who has said a log-in and waits for us is not late.
    const isLate = nowMs - this.#openedMs - this.loginWorkMs >= limits.loginDeadlineMs;
    if (!now.hasSession && !now.waitsForUs && isLate) return "no log-in";
    if (this.frameStartedMs !== null && nowMs - this.frameStartedMs >= limits.startedFrameDeadlineMs) {
      return "frame not finished";
    }
    // Who is not listened to is not silent: its pings wait in the kernel until it takes what it was sent ([D-6]).
    if (now.isPaused) this.heardMs = nowMs;
    if (now.pings && nowMs - this.heardMs >= limits.pingSilenceMaxMs) return "silent";
    if (now.takenBytes === this.#arrivedBytes) this.#answeredMs = nowMs;
    if (this.#hasVanished) return "vanished";
    if (now.backlogBytes === 0 || now.takenBytes !== this.#takenBytes) {
      this.#takenBytes = now.takenBytes;
      this.#takenMs = nowMs;
    }
    return nowMs - this.#takenMs >= limits.undrainedWriteDeadlineMs ? "no progress" : null;
  }

  /** Whether it says nothing, and has not taken for certain what it was sent: it may have vanished. */
  asksWhatArrived(nowMs: number, { pings, takenBytes }: Pick<Condition, "pings" | "takenBytes">): boolean {
    // Its silence says more.
    if (pings) return false;
    const knownMs = Math.max(this.heardMs, this.#answeredMs);
    return takenBytes > this.#arrivedBytes && nowMs - knownMs >= limits.unheardBeforeLookMs;
  }

  /** What its TCP has, and how often ours has tried in vain since it last answered. */
  arrived(nowMs: number, { bytes, atMostBytes, tries }: Arrived): void {
    const hasTakenMore = bytes > this.#arrivedAtMostBytes;
    // One that only says that it has no room is there, and slow.
    if (hasTakenMore || tries === 0) this.#answeredMs = nowMs;
    this.#arrivedBytes = Math.max(this.#arrivedBytes, bytes);
    this.#arrivedAtMostBytes = atMostBytes;
    const knownMs = Math.max(this.heardMs, this.#answeredMs);
    this.#hasVanished = nowMs - knownMs >= limits.undrainedWriteDeadlineMs;
  }
}

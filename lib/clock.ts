/**
 * clock: time as a parameter. Whoever waits or stamps takes a Clock, so that a spec can move time by hand.
 * Wall time is for data, monotonic time for every deadline.
 */

export interface Timer {
  /** Safe to call more than once, and after it fired. */
  cancel(): void;
}

export interface Clock {
  /** Unix time in ms. */
  wallMs(): number;
  /** Ms since an arbitrary point; never goes back. */
  monotonicMs(): number;
  /** Calls once, when delayMs or more went by. */
  after(delayMs: number, callback: () => void): Timer;
  /** Calls again and again, every intervalMs. */
  every(intervalMs: number, callback: () => void): Timer;
}

/** The machine's clock. `every` does not keep the process alive; `after` does, since somebody waits for it. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const dueMs = performance.now() + delayMs;
    // A timer of Node counts from when its turn of the event loop began: in a long turn it fires too early.
    const fire = (): void => {
      const leftMs = dueMs - performance.now();
      if (leftMs > 0) handle = setTimeout(fire, Math.ceil(leftMs));
      else callback();
    };
    let handle = setTimeout(fire, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  every(intervalMs, callback) {
    // At multiples of the interval, so that all that come again and again wake the process together.
    let handle: NodeJS.Timeout;
    const plan = (): void => {
      const leftMs = intervalMs - (performance.now() % intervalMs);
      // Just before its time a timer of Node may fire: that was the one that is due then.
      const waitMs = leftMs < intervalMs / 2 ? leftMs + intervalMs : leftMs;
      handle = setTimeout(fire, Math.ceil(waitMs)).unref();
    };
    const fire = (): void => {
      plan();
      callback();
    };
    plan();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after delayMs of the given clock. */
export function delay(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.after(delayMs, resolve));
}

/**
 * unsettled: what was written to a first-generation reader and is not known to be safe with it (clause [G-9]). It
 * acknowledges nothing, so that has to be concluded: from what its TCP has acknowledged and the time that went by since,
 * or from its clean end.
 */
import type { Clock, Timer } from "./clock.ts";
import type { StoredConv } from "./conv.ts";
import { legacyFinSettleMs, legacySettleMs, legacyUnsettledMax } from "./limits.ts";
import type { MessageId } from "./messageId.ts";
import type { WakeTime } from "./wakeTime.ts";

/** The last message of each conversation in it. */
export type Marks = Map<StoredConv, MessageId>;

interface Burst {
  /** Of the connection: the reader's TCP has it when it has so many. */
  endBytes: number;
  /** Wake time, as the next. */
  writtenMs: number;
  /** Null: it is not known to have arrived. */
  arrivedMs: number | null;
  marks: Marks;
}

export interface UnsettledOptions {
  clock: Clock;
  /** What the reader had time to read in: an end that came while this server was stopped is seen only afterwards. */
  wakeTime: WakeTime;
  /** The reader has this message safely: its cursor may move. */
  settled: (conv: StoredConv, id: MessageId) => void;
}

/** Of one session, in the order of its bytes. */
export class Unsettled {
  readonly #options: UnsettledOptions;
  #bursts: Burst[] = [];
  #timer: Timer | null = null;

  constructor(options: UnsettledOptions) {
    this.#options = options;
  }

  /** Our kernel has taken these with the connection's bytes up to `endBytes`. */
  written(marks: Marks, endBytes: number): void {
    this.#bursts.push({ endBytes, writtenMs: this.#options.wakeTime.ms, arrivedMs: null, marks });
    if (this.#bursts.length > legacyUnsettledMax) this.#bursts = halved(this.#bursts);
  }

  /** Whether something is not known to have arrived. */
  get asksWhatArrived(): boolean {
    return this.#bursts.at(-1)?.arrivedMs === null;
  }

  /** The reader's TCP has so many bytes: from now on it has time to read them, or to end. */
  arrived(bytes: number): void {
    for (const burst of this.#bursts) {
      if (burst.endBytes > bytes) break;
      burst.arrivedMs ??= this.#options.wakeTime.ms;
    }
    this.#schedule();
  }

  /** The connection has ended; `clean`: by the reader's own FIN. */
  ended(clean: boolean): void {
    if (clean) this.#settle(({ writtenMs }) => writtenMs + legacyFinSettleMs);
    this.#timer?.cancel();
    this.#bursts = [];
  }

  #schedule(): void {
    const oldest = this.#bursts[0];
    if (this.#timer || !oldest || oldest.arrivedMs === null) return;
    const leftMs = settledMs(oldest) - this.#options.wakeTime.ms;
    this.#timer = this.#options.clock.after(Math.max(leftMs, 1), () => {
      this.#timer = null;
      this.#settle(settledMs);
      this.#schedule();
    });
  }

  /** Settles those whose time has come, as far as none before them waits. */
  #settle(dueMs: (burst: Burst) => number): void {
    const nowMs = this.#options.wakeTime.ms;
    while (this.#bursts[0] && dueMs(this.#bursts[0]) <= nowMs) {
      const { marks } = this.#bursts.shift() as Burst;
      for (const [conv, id] of marks) this.#options.settled(conv, id);
    }
  }
}

function settledMs({ arrivedMs }: Burst): number {
  return arrivedMs === null ? Infinity : arrivedMs + legacySettleMs;
}

/** Every second one is settled with the one behind it: a reader that takes nothing for long costs no more. */
function halved(bursts: Burst[]): Burst[] {
  return bursts.flatMap((burst, index) => {
    const before = bursts[index - 1];
    if (index % 2 === 0 || !before) return index === bursts.length - 1 ? [burst] : [];
    return [{ ...burst, marks: new Map([...before.marks, ...burst.marks]) }];
  });
}

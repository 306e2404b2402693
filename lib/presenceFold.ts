/**
 * presenceFold: comings and goings as lines (clause [C-29]): each of them as it is told, folded into one quiet line a
 * minute at most, or none.
 */
import type { Clock, Timer } from "./clock.ts";
import { personText } from "./displayText.ts";
import type { Texts } from "./lang.ts";
import { clientNoticesMax, presenceFoldFirstMs, presenceFoldMs, presenceNamesMax } from "./limits.ts";
import { presenceLine } from "./noteLines.ts";
import type { Person } from "./room.ts";
import type { ScreenTexts } from "./screenTexts.ts";

export interface PresenceFoldOptions {
  clock: Clock;
  /** In the language of the moment. */
  texts: () => { texts: ScreenTexts; say: Texts };
  print: (line: string) => void;
}

interface Folded {
  came: Person[];
  left: Person[];
  cameCount: number;
  leftCount: number;
}

const nothing = (): Folded => ({ came: [], left: [], cameCount: 0, leftCount: 0 });

/** What was not told yet of who came and left. */
export class PresenceFold {
  readonly #options: PresenceFoldOptions;
  #folded = nothing();
  #timer: Timer | null = null;
  #toldMs = -Infinity;

  constructor(options: PresenceFoldOptions) {
    this.#options = options;
  }

  /** Some have come and left; `mode` is the setting. */
  add({ came, left }: { came: Person[]; left: Person[] }, mode: string): void {
    if (mode === "off") return;
    if (mode === "all") return this.#tell(came, left);
    const folded = this.#folded;
    folded.cameCount += came.length;
    folded.leftCount += left.length;
    // With few people it says who.
    folded.came = [...folded.came, ...came].slice(0, presenceNamesMax);
    folded.left = [...folded.left, ...left].slice(0, presenceNamesMax);
    if (this.#timer) return;
    const { clock } = this.#options;
    const waitMs = Math.max(presenceFoldFirstMs, this.#toldMs + presenceFoldMs - clock.monotonicMs());
    this.#timer = clock.after(waitMs, () => this.#fold());
  }

  /** Waits for nothing any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #tell(came: Person[], left: Person[]): void {
    const { texts, print } = this.#options;
    const { say } = texts();
    if (came.length + left.length > clientNoticesMax) {
      return print(`* ${say.comingsAndGoings(came.length, left.length)}`);
    }
    for (const { userName, userId } of came) print(`* ${say.cameOnline(personText(userName, userId))}`);
    for (const { userName, userId } of left) print(`* ${say.wentOffline(personText(userName, userId))}`);
  }

  #fold(): void {
    const { clock, texts, print } = this.#options;
    print(`* ${presenceLine(this.#folded, texts().texts)}`);
    this.#folded = nothing();
    this.#timer = null;
    this.#toldMs = clock.monotonicMs();
  }
}

/**
 * plainOutput: lines and prompts on a terminal that is only ever appended to (clause [C-42]). Each line begins where a
 * line begins, whatever is being typed: the terminal shows what is typed by itself, and nobody can ask it how much of it
 * stands there. So what is said unasked begins with a line's end, and comes in bursts, a few a second.
 */
import type { Clock, Timer } from "./clock.ts";
import { plainBurstMs } from "./limits.ts";

export interface PlainOutputOptions {
  output: { write(text: string): unknown; isTTY?: boolean };
  clock: Clock;
}

/** What is written, in order. */
export class PlainOutput {
  readonly #output: PlainOutputOptions["output"];
  readonly #clock: Clock;
  #lines: string[] = [];
  #timer: Timer | null = null;
  #writtenMs = -Infinity;
  /** "answering": what the person asked for by Enter is being said; "waiting": they may be typing. */
  #phase: "answering" | "waiting" = "answering";

  constructor({ output, clock }: PlainOutputOptions) {
    this.#output = output;
    this.#clock = clock;
  }

  /** One or more whole lines. */
  print(text: string): void {
    this.#lines.push(text);
    if (this.#timer) return;
    const sinceMs = this.#clock.monotonicMs() - this.#writtenMs;
    const waitMs = this.#phase === "answering" ? 0 : Math.max(plainBurstMs - sinceMs, 0);
    this.#timer = this.#clock.after(waitMs, () => this.flush());
  }

  /** A question, behind everything that was said; its answer follows it in the same line, if that is a terminal. */
  prompt(text: string): void {
    this.flush();
    this.#output.write(this.#isTty ? text : `${text}\n`);
    this.#phase = "waiting";
  }

  /** The person has pressed Enter. */
  entered(): void {
    // Their Enter has begun a new line.
    this.#phase = "answering";
    this.flush();
  }

  /** An answer that nobody has to type any more. */
  echo(text: string): void {
    this.#output.write(this.#isTty ? `${text}\n` : "");
    this.#phase = "answering";
  }

  /** Writes what was not written yet. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#lines.length === 0) return;
    const mayBeTyping = this.#isTty && this.#phase === "waiting";
    this.#output.write(`${mayBeTyping ? "\n" : ""}${this.#lines.join("\n")}\n`);
    this.#lines = [];
    this.#writtenMs = this.#clock.monotonicMs();
  }

  /** Rings, where there is something to ring. */
  ring(): void {
    if (this.#isTty) this.#output.write("\u0007");
  }

  get #isTty(): boolean {
    return this.#output.isTTY === true;
  }
}

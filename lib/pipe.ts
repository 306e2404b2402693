/**
 * pipe: the menus when stdin is no terminal: line by line, prompts printed, nothing redrawn (clause [C-1]). The end of
 * the input is the end of the talk.
 */
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { AskOptions, LineAsk } from "./ask.ts";

/** Asks and tells by plain lines. */
export class Pipe implements LineAsk {
  readonly #output: Writable;
  readonly #lines: AsyncIterator<string>;
  readonly #close: () => void;
  #next: Promise<IteratorResult<string>> | null = null;
  readonly scripted = true;
  ended = false;

  constructor({ input, output }: { input: Readable; output: Writable }) {
    this.#output = output;
    const reader = createInterface({ input, crlfDelay: Infinity });
    this.#lines = reader[Symbol.asyncIterator]();
    this.#close = () => reader.close();
  }

  async ask(prompt: string | (() => string), { signal }: AskOptions = {}): Promise<string | null> {
    if (this.ended || signal?.aborted) return null;
    this.#output.write(`${typeof prompt === "string" ? prompt : prompt()}\n`);
    // A line that was being waited for when the question ended is the answer to the next one.
    this.#next ??= this.#lines.next();
    const answer = await untilAborted(this.#next, signal);
    if (!answer) return null;
    this.#next = null;
    if (!answer.done) return answer.value;
    this.ended = true;
    return null;
  }

  async pasted(): Promise<string[]> {
    return [];
  }

  ring(): void {
    // Nobody is there.
  }

  print(text: string): void {
    this.#output.write(`${text}\n`);
  }

  end(): void {
    this.ended = true;
    this.#close();
  }

  close(): void {
    this.#close();
  }
}

/** The promise's value, or null when the signal came first; nothing of it is left on the signal. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T | null> {
  if (!signal) return promise;
  return new Promise((resolve) => {
    const abort = (): void => resolve(null);
    signal.addEventListener("abort", abort, { once: true });
    void promise.then((value) => {
      signal.removeEventListener("abort", abort);
      resolve(value);
    });
  });
}

/**
 * pipe: the menus when stdin is no terminal: line by line, prompts printed, nothing redrawn (clause [C-1]). The end of
 * the input is the end of the talk.
 */
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { Ask } from "./terminal.ts";

export class Pipe implements Ask {
  readonly #output: Writable;
  readonly #lines: AsyncIterator<string>;
  readonly #close: () => void;

  constructor({ input, output }: { input: Readable; output: Writable }) {
    this.#output = output;
    const reader = createInterface({ input, crlfDelay: Infinity });
    this.#lines = reader[Symbol.asyncIterator]();
    this.#close = () => reader.close();
  }

  async ask(prompt: string): Promise<string | null> {
    this.#output.write(`${prompt}\n`);
    const { value, done } = await this.#lines.next();
    return done ? null : value;
  }

  print(text: string): void {
    this.#output.write(`${text}\n`);
  }

  close(): void {
    this.#close();
  }
}

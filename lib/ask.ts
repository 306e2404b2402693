/**
 * ask: what the menus talk to, a terminal or a pipe alike: a question, a line for an answer, and lines in between.
 */

export interface AskOptions {
  /** The answer is never shown. */
  secret?: boolean;
  /** The answer leaves the screen when it is given: whoever asked shows what became of it. */
  fleeting?: boolean;
  /** Ends the question without an answer. */
  signal?: AbortSignal;
}

export interface Ask {
  /** One line; null when there will be no more, or the signal ended the question. */
  ask(prompt: string | (() => string), options?: AskOptions): Promise<string | null>;
  /** What a prompt function gives has changed. */
  refresh(): void;
  /** One or more lines of harmless text. */
  print(text: string): void;
  /** Nobody is there who could choose anew after a failure: the lines to come were written for a talk that went well. */
  readonly scripted: boolean;
  /** Whether there will be no more lines. */
  readonly ended: boolean;
  /** Gives the terminal back. */
  close(): void;
}

/**
 * ask: what questions are put to, a screen, a terminal used line by line or a pipe alike: a question, a line for an
 * answer, and lines in between.
 */

export interface AskOptions {
  /** The answer is never shown. */
  secret?: boolean;
  /** Ends the question without an answer. */
  signal?: AbortSignal;
}

export interface Ask {
  /** One line; null when there will be no more, or the signal ended the question. */
  ask(prompt: string | (() => string), options?: AskOptions): Promise<string | null>;
  /** One or more lines of harmless text. */
  print(text: string): void;
  /** Whether there will be no more lines. */
  readonly ended: boolean;
}

/** A talk line by line. */
export interface LineAsk extends Ask {
  /** Nobody is there who could choose anew after a failure: the lines to come were written for a talk that went well. */
  readonly scripted: boolean;
  /** Lines that came together with the last answer, as only a paste brings them; in a script each line is one. */
  pasted(): Promise<string[]>;
  /** Calls for attention, where somebody is there. */
  ring(): void;
  /** There are no more lines. */
  end(): void;
  /** Gives the terminal back. */
  close(): void;
}

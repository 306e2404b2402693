/**
 * plainTerminal: a terminal that is used line by line, for screen readers and logs (clause [C-42]): what is typed is
 * shown, edited and handed on by the terminal itself, and what is said is appended. No escape sequence is ever written.
 * For a secret the echo is off, and it is on again however the program ends, and while it is suspended ([C-3]).
 */
import type { ReadStream } from "node:tty";
import { StringDecoder } from "node:string_decoder";
import type { AskOptions, LineAsk } from "./ask.ts";
import { delay } from "./clock.ts";
import { harmless } from "./displayText.ts";
import type { Texts } from "./lang.ts";
import { inputMaxUnits, plainPasteMs, plainPasteNextMs, ttyLineMaxBytes } from "./limits.ts";
import { PlainOutput, type PlainOutputOptions } from "./plainOutput.ts";
import { TtyEcho } from "./ttyEcho.ts";

export interface PlainTerminalOptions extends PlainOutputOptions {
  input: ReadStream;
  /** The terminal that `input` reads. */
  fd: number;
  /** In the language of the moment. */
  texts: () => Pick<Texts, "lineCut" | "lineWithKeys" | "noHiding">;
}

interface TypedLine {
  text: string;
  /** Monotonic. */
  atMs: number;
}

interface Question {
  prompt: () => string;
  secret: boolean;
  signal: AbortSignal | null;
  answer: (line: string | null) => void;
}

/** Asks and tells, line by line. */
export class PlainTerminal implements LineAsk {
  readonly scripted = false;
  readonly #output: PlainOutput;
  readonly #options: PlainTerminalOptions;
  readonly #echo: TtyEcho;
  readonly #decoder = new StringDecoder("utf8");
  readonly #typed: TypedLine[] = [];
  /** What the terminal handed on before the end of its line (Ctrl-D does that). */
  #begun = "";
  #question: Question | null = null;
  #lastLineMs = -Infinity;
  #state: "open" | "ended" = "open";
  readonly #onData = (bytes: Buffer): void => this.#heard(this.#decoder.write(bytes));
  readonly #onEnd = (): void => this.#noMore();
  readonly #onSuspend = (): void => this.#suspend();
  readonly #onContinue = (): void => this.#continued();
  readonly #onExit = (): void => this.#echo.show();

  constructor(options: PlainTerminalOptions) {
    const { input, fd } = options;
    this.#options = options;
    this.#echo = new TtyEcho(fd);
    this.#output = new PlainOutput(options);
    input.on("data", this.#onData);
    input.on("end", this.#onEnd);
    input.on("error", this.#onEnd);
    process.on("SIGCONT", this.#onContinue);
    process.on("exit", this.#onExit);
  }

  get ended(): boolean {
    return this.#state === "ended" && this.#typed.length === 0;
  }

  async ask(prompt: string | (() => string), options: AskOptions = {}): Promise<string | null> {
    const { secret = false, signal = null } = options;
    if (this.ended || signal?.aborted) return null;
    if (secret && !this.#hide()) {
      this.print(this.#options.texts().noHiding);
      return null;
    }
    return new Promise<string | null>((answer) => {
      const words = typeof prompt === "string" ? () => prompt : prompt;
      this.#question = { prompt: words, secret, signal, answer };
      signal?.addEventListener("abort", this.#onAbort, { once: true });
      this.#prompt();
      this.#answerTyped();
    });
  }

  /** Lines that came together with the last answer, as only a paste brings them. */
  async pasted(): Promise<string[]> {
    const { clock } = this.#options;
    const lines: string[] = [];
    let afterMs = this.#lastLineMs;
    for (;;) {
      const gapMs = lines.length === 0 ? plainPasteMs : plainPasteNextMs;
      const next = this.#typed[0];
      if (next && next.atMs - afterMs <= gapMs) {
        lines.push(next.text);
        afterMs = next.atMs;
        this.#typed.shift();
        continue;
      }
      const waitMs = afterMs + gapMs - clock.monotonicMs();
      if (next || waitMs <= 0 || this.#state === "ended") return lines;
      await delay(clock, waitMs);
    }
  }

  print(text: string): void {
    this.#output.print(text);
  }

  ring(): void {
    this.#output.ring();
  }

  /** There are no more lines, and what was typed ahead is thrown away; whoever waits for a line hears so. */
  end(): void {
    this.#typed.length = 0;
    this.#state = "ended";
    this.#settle(null);
  }

  close(): void {
    const { input } = this.#options;
    this.end();
    this.#output.flush();
    input.off("data", this.#onData);
    input.off("end", this.#onEnd);
    input.off("error", this.#onEnd);
    process.off("SIGCONT", this.#onContinue);
    process.off("exit", this.#onExit);
    input.pause();
  }

  /** The person has pressed Ctrl-D, or the terminal is gone; what was typed before is still read. */
  #noMore(): void {
    this.#heard(this.#decoder.end());
    // The last line may have no end of its own.
    if (this.#begun !== "") this.#heard("\n");
    this.#state = "ended";
    this.#settle(null);
  }

  #heard(text: string): void {
    const lines = (this.#begun + text).split("\n");
    this.#begun = lines.pop() ?? "";
    for (const line of lines) this.#entered(line.replace(/\r$/, ""));
    // Nobody types so much without Enter.
    if (this.#begun.length > inputMaxUnits) this.#begun = "";
  }

  #entered(text: string): void {
    const { clock, texts } = this.#options;
    const isCut = Buffer.byteLength(text) >= ttyLineMaxBytes;
    if (isCut || /[\u0000-\u0008\u000b-\u001f\u007f]/.test(text)) {
      this.#output.entered();
      this.print(isCut ? texts().lineCut(ttyLineMaxBytes) : texts().lineWithKeys);
      if (this.#question) this.#prompt();
      return;
    }
    this.#typed.push({ text, atMs: clock.monotonicMs() });
    if (this.#question) {
      this.#output.entered();
      this.#take();
    }
  }

  /** What was typed ahead is the answer; it stood somewhere above, and stands behind its question too. */
  #answerTyped(): void {
    const typed = this.#typed[0];
    if (!typed) return;
    this.#output.echo(this.#question?.secret ? "" : harmless(typed.text));
    this.#take();
  }

  #take(): void {
    const typed = this.#typed.shift();
    if (!typed) return;
    this.#lastLineMs = typed.atMs;
    this.#settle(typed.text);
  }

  readonly #onAbort = (): void => this.#settle(null);

  #settle(line: string | null): void {
    const question = this.#question;
    if (!question) return;
    this.#question = null;
    question.signal?.removeEventListener("abort", this.#onAbort);
    if (question.secret) this.#unhide();
    question.answer(line);
  }

  #prompt(): void {
    if (this.#question) this.#output.prompt(this.#question.prompt());
  }

  #hide(): boolean {
    if (!this.#echo.hide()) return false;
    process.on("SIGTSTP", this.#onSuspend);
    return true;
  }

  #unhide(): void {
    process.off("SIGTSTP", this.#onSuspend);
    this.#echo.show();
  }

  /** Ctrl-Z while nothing is shown: the shell gets its terminal as it was. */
  #suspend(): void {
    this.#unhide();
    process.kill(process.pid, "SIGTSTP");
    // Here it goes on, or, where no shell could let us go on, nothing has stopped.
    this.#hide();
  }

  /** The shell has written something in between: the question is asked again. */
  #continued(): void {
    this.#prompt();
  }
}

/**
 * terminal: the screen of a person. One line is being typed at the bottom, everything else appears above it and never
 * tears it (clause [C-2]): what is drawn of the input is taken away, the text is printed, the input is drawn again.
 * Secrets are not drawn at all ([C-3]). The terminal is given back as it was, however the program ends.
 */
import type { ReadStream, WriteStream } from "node:tty";
import type { Ask, AskOptions } from "./ask.ts";
import { columnsOf, graphemeColumns, graphemesOf, harmless } from "./displayText.ts";
import { type EditorEvent, LineEditor } from "./lineEditor.ts";

export interface TerminalOptions {
  input: ReadStream;
  output: WriteStream;
}

const bracketedPasteOn = "\u001b[?2004h";
const bracketedPasteOff = "\u001b[?2004l";

/** Asks and tells on a screen. */
export class Terminal implements Ask {
  readonly scripted = false;
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #editor = new LineEditor();
  #prompt: () => string = () => "";
  #options: AskOptions = {};
  /** Whoever waits for a line; without one the input is not drawn, and typed lines wait. */
  #waiting: ((line: string | null) => void) | null = null;
  readonly #typed: string[] = [];
  /** What is drawn of the input up to the cursor, and the character it stands on, if any; null: nothing is. */
  #drawn: { before: string; under: string; columns: number; rowsAbove: number } | null = null;
  #ended = false;
  readonly #onData = (bytes: Buffer): void => this.#feed(bytes);
  readonly #onEnd = (): void => this.#end();
  readonly #onResize = (): void => this.#redraw();
  readonly #onContinue = (): void => this.#start();
  readonly #onAbort = (): void => this.#abandon();
  readonly #onExit = (): void => this.#restore();

  constructor({ input, output }: TerminalOptions) {
    this.#input = input;
    this.#output = output;
    input.on("data", this.#onData);
    input.on("end", this.#onEnd);
    output.on("resize", this.#onResize);
    process.on("SIGCONT", this.#onContinue);
    process.on("exit", this.#onExit);
    this.#start();
  }

  get ended(): boolean {
    return this.#ended && this.#typed.length === 0;
  }

  ask(prompt: string | (() => string), options: AskOptions = {}): Promise<string | null> {
    if (this.ended || options.signal?.aborted) return Promise.resolve(null);
    this.#prompt = typeof prompt === "string" ? () => prompt : prompt;
    this.#options = options;
    return new Promise((resolve) => {
      this.#waiting = resolve;
      options.signal?.addEventListener("abort", this.#onAbort, { once: true });
      const typed = this.#typed.shift();
      if (typed === undefined) this.#draw();
      else this.#answer(typed);
    });
  }

  refresh(): void {
    this.#redraw();
  }

  print(text: string): void {
    this.#output.write(this.#erasure() + text.replaceAll("\n", "\r\n") + "\r\n" + this.#drawing());
  }

  close(): void {
    this.#input.off("data", this.#onData);
    this.#input.off("end", this.#onEnd);
    this.#output.off("resize", this.#onResize);
    process.off("SIGCONT", this.#onContinue);
    process.off("exit", this.#onExit);
    this.#restore();
    this.#input.pause();
    this.#ended = true;
  }

  #start(): void {
    if (this.#ended) return;
    this.#input.setRawMode(true);
    this.#input.resume();
    this.#output.write(bracketedPasteOn);
    this.#drawn = null;
    this.#draw();
  }

  #restore(): void {
    if (this.#ended) return;
    this.#output.write(this.#erasure() + bracketedPasteOff);
    this.#input.setRawMode(false);
  }

  #feed(bytes: Buffer): void {
    for (const event of this.#editor.feed(bytes)) this.#handle(event);
    this.#redraw();
  }

  #handle(event: EditorEvent): void {
    switch (event.kind) {
      case "line":
        if (this.#waiting) this.#answer(event.text);
        else this.#typed.push(event.text);
        break;
      case "interrupt":
        // A half-typed line is thrown away first, as a shell does; then Ctrl-C means to leave.
        if (this.#editor.text !== "") this.#editor.clear();
        else this.#end();
        break;
      case "end":
        this.#end();
        break;
      case "redraw":
        this.#output.write("\u001b[H\u001b[2J");
        this.#drawn = null;
        break;
      case "suspend":
        this.#restore();
        process.kill(process.pid, "SIGTSTP");
        break;
      case "changed":
        break;
    }
  }

  /** The line stays on the screen as it was asked for, a secret without its text, a fleeting one not at all. */
  #answer(line: string): void {
    const { secret = false, fleeting = false } = this.#options;
    const waiting = this.#stopWaiting();
    const shown = fleeting ? "" : `${this.#prompt()}${secret ? "" : harmless(line)}\r\n`;
    this.#output.write(`${this.#erasure()}${shown}`);
    // Up brings back what was said, not what was chosen from a menu.
    if (fleeting && !secret) this.#editor.remember(line);
    waiting?.(line);
  }

  /** The question has ended without an answer; what was typed stays for the next one. */
  #abandon(): void {
    const waiting = this.#stopWaiting();
    if (this.#options.secret) this.#editor.clear();
    this.#output.write(this.#erasure());
    waiting?.(null);
  }

  #stopWaiting(): ((line: string | null) => void) | null {
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    return waiting;
  }

  #end(): void {
    this.#ended = true;
    const waiting = this.#stopWaiting();
    this.#output.write(this.#erasure() + bracketedPasteOff);
    this.#input.setRawMode(false);
    waiting?.(null);
  }

  #draw(): void {
    this.#output.write(this.#drawing());
  }

  #redraw(): void {
    if (this.#waiting) this.#output.write(this.#erasure() + this.#drawing());
  }

  /** Takes the drawn input away, wherever it wraps. */
  #erasure(): string {
    if (this.#drawn === null) return "";
    const { before, under, columns, rowsAbove } = this.#drawn;
    this.#drawn = null;
    if (this.#columns === columns) return `${upwards(rowsAbove)}\r\u001b[J`;
    // A screen of another width has broken the line anew and taken the cursor along: with the character it stands on,
    // at the line's end no farther than to the edge.
    const { row, column } = placeOf(before, this.#columns);
    const isBefore = under === "" && column === 0;
    const isBehind = column + graphemeColumns(under) > this.#columns;
    return `${upwards(isBefore ? row - 1 : isBehind ? row + 1 : row)}\r\u001b[J`;
  }

  get #columns(): number {
    return Math.max(this.#output.columns || 80, 2);
  }

  /** Draws prompt and text, and puts the cursor where it belongs. */
  #drawing(): string {
    if (!this.#waiting) return "";
    const prompt = this.#prompt();
    const [typed, rest] = this.#options.secret ? ["", ""] : this.#shown(prompt);
    const columns = this.#columns;
    const before = prompt + typed;
    const cursor = placeOf(before, columns);
    const end = placeOf(before + rest, columns);
    // A full last row leaves the cursor hanging at its edge: a blank in a new row makes its place certain.
    const edge = end.column === 0 && end.row > 0 ? " \r" : "";
    // At its end the cursor stands where it belongs, however wide this terminal draws what is before it.
    const under = graphemesOf(rest + edge)[0] ?? "";
    this.#drawn = { before, under, columns, rowsAbove: cursor.row };
    const right = cursor.column > 0 ? `\u001b[${cursor.column}C` : "";
    return `${before}${rest}${edge}${under === "" ? "" : `${upwards(end.row - cursor.row)}\r${right}`}`;
  }

  /** What is left and right of the cursor, harmless; of a line that is higher than the screen the part around it. */
  #shown(prompt: string): [string, string] {
    const before = harmless(this.#editor.beforeCursor);
    const after = harmless(this.#editor.text.slice(this.#editor.beforeCursor.length));
    // A column of each row may stay empty before a wide character.
    const rows = Math.max(this.#output.rows || 24, 2) - 1;
    const room = Math.max((this.#columns - 1) * rows - columnsOf(prompt) - 1, 4);
    if (columnsOf(before) + columnsOf(after) <= room) return [before, after];
    const beforeColumns = Math.max(room - columnsOf(after), Math.floor(room / 2));
    const tail = graphemesOf(before).reverse();
    const shownTail = fitting(tail, beforeColumns).reverse().join("");
    const shownBefore = shownTail.length < before.length ? `…${shownTail}` : before;
    return [shownBefore, fitting(graphemesOf(after), room - columnsOf(shownTail)).join("")];
  }
}

/** The first graphemes, as many as fit into so many columns. */
function fitting(graphemes: string[], columns: number): string[] {
  let used = 0;
  const index = graphemes.findIndex((grapheme) => (used += graphemeColumns(grapheme)) > columns);
  return index < 0 ? graphemes : graphemes.slice(0, index);
}

function upwards(rows: number): string {
  return rows > 0 ? `\u001b[${rows}A` : "";
}

/** Where the cursor stands after a text on a screen of so many columns; a wide character never hangs over the edge. */
export function placeOf(text: string, columns: number): { row: number; column: number } {
  let row = 0;
  let column = 0;
  for (const grapheme of graphemesOf(text)) {
    const width = graphemeColumns(grapheme);
    if (column + width > columns) {
      row++;
      column = 0;
    }
    column += width;
  }
  return column === columns ? { row: row + 1, column: 0 } : { row, column };
}

/**
 * screenTty: a person's terminal in this process: keys go in, what is drawn is on a real terminal emulator
 * (`@xterm/headless`). Widths of characters are those of the spec's own table, or, `oldWidths`, of a terminal that knows
 * no emoji. It knows nothing of lib/.
 */
import { EventEmitter } from "node:events";
import type { ReadStream, WriteStream } from "node:tty";
import xterm from "@xterm/headless";

const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff01-\uff60]|^\p{Emoji_Presentation}/u;
const joining = /^[\p{M}\u200c\u200d\ufe0f\u{1f3fb}-\u{1f3ff}]$/u;

/** Widths as a terminal that joins emoji has them. */
const widths = {
  version: "spec",
  wcwidth: (codePoint: number): 0 | 1 | 2 => {
    const char = String.fromCodePoint(codePoint);
    return joining.test(char) ? 0 : wide.test(char) ? 2 : 1;
  },
  // As xterm packs it: state (here: the code point before), width, whether it joins what is before.
  charProperties(codePoint: number, preceding: number): number {
    const before = preceding >>> 3;
    const char = String.fromCodePoint(codePoint);
    const beforeWidth = (preceding >>> 1) & 3;
    const isFlag = /^\p{RI}$/u.test(char);
    const joins =
      (preceding !== 0 && joining.test(char)) ||
      before === 0x200d ||
      (isFlag && /^\p{RI}$/u.test(String.fromCodePoint(before & 0x1fffff)));
    let width: number = this.wcwidth(codePoint);
    if (joins) width = codePoint === 0xfe0f || isFlag ? 2 : beforeWidth;
    return ((codePoint & 0x1fffff) << 3) | (width << 1) | (joins ? 1 : 0);
  },
};

export interface Cell {
  text: string;
  /** "" where it is plain. */
  style: string;
}

export class ScreenTty {
  readonly input: ReadStream;
  readonly output: WriteStream;
  raw = false;
  /** Everything written, in order. */
  written = "";
  /** How many updates were drawn. */
  frames = 0;
  bells = 0;
  readonly #terminal: InstanceType<typeof xterm.Terminal>;
  readonly #keys = new EventEmitter();
  readonly #view = new EventEmitter();

  constructor({ columns = 80, rows = 24, oldWidths = false } = {}) {
    this.#terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 0 });
    if (!oldWidths) {
      this.#terminal.unicode.register(widths);
      this.#terminal.unicode.activeVersion = "spec";
    }
    this.#terminal.onBell(() => this.bells++);
    const input = Object.assign(this.#keys, {
      isTTY: true,
      setRawMode: (raw: boolean) => (this.raw = raw),
      resume: () => undefined,
      pause: () => undefined,
    });
    const output = Object.assign(this.#view, {
      isTTY: true,
      columns,
      rows,
      writableNeedDrain: false,
      write: (text: string) => this.write(text),
    });
    this.input = input as unknown as ReadStream;
    this.output = output as unknown as WriteStream;
  }

  write(text: string): void {
    this.written += text;
    this.frames += text.split("\u001b[?2026h").length - 1;
    this.#terminal.write(text);
  }

  /** Bytes from the keyboard. */
  type(keys: string | Buffer): void {
    this.#keys.emit("data", Buffer.from(keys as string));
  }

  /** A paste, as a terminal brackets it. */
  paste(text: string): void {
    this.type(`\u001b[200~${text}\u001b[201~`);
  }

  hangUp(): void {
    this.#keys.emit("end");
  }

  resize(columns: number, rows: number): void {
    this.#terminal.resize(columns, rows);
    Object.assign(this.output, { columns, rows });
    this.#view.emit("resize");
  }

  /** Until all that was written is on the screen. */
  settled(): Promise<void> {
    return new Promise((resolve) => this.#terminal.write("", resolve));
  }

  get isAlternate(): boolean {
    return this.#terminal.buffer.active.type === "alternate";
  }

  get modes(): { paste: boolean; mouse: string } {
    const { bracketedPasteMode, mouseTrackingMode } = this.#terminal.modes;
    return { paste: bracketedPasteMode, mouse: mouseTrackingMode };
  }

  /** Where the cursor is, from 0. */
  get cursor(): { row: number; column: number } {
    const { cursorX, cursorY } = this.#terminal.buffer.active;
    return { row: cursorY, column: cursorX };
  }

  /** The rows as text, blanks at their ends left out. */
  get lines(): string[] {
    return this.cells.map((row) =>
      row
        .map(({ text }) => text)
        .join("")
        .trimEnd(),
    );
  }

  /** Every cell; behind a wide character there is one of no text. */
  get cells(): Cell[][] {
    const { active } = this.#terminal.buffer;
    return Array.from({ length: this.#terminal.rows }, (_, y) => {
      const line = active.getLine(active.baseY + y);
      return Array.from({ length: this.#terminal.cols }, (__, x): Cell => {
        const cell = line?.getCell(x);
        if (!cell) return { text: " ", style: "" };
        const text = cell.getWidth() === 0 ? "" : cell.getChars() || " ";
        const marks = [
          cell.isBold() ? "bold" : "",
          cell.isDim() ? "dim" : "",
          cell.isInverse() ? "reverse" : "",
          cell.isUnderline() ? "underline" : "",
          cell.isFgDefault() ? "" : `fg${cell.getFgColor().toString(16)}`,
          cell.isBgDefault() ? "" : `bg${cell.getBgColor().toString(16)}`,
        ];
        return { text, style: marks.filter((mark) => mark !== "").join(" ") };
      });
    });
  }
}

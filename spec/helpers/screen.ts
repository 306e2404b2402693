/**
 * screen: a small terminal, as far as ours is used: cells, wide characters, wrapping at the edge, a few escape
 * sequences, and lines broken anew when the width changes. Anything else that is written to it is an error: nobody but
 * us may steer it. It knows nothing of lib/.
 */
import { EventEmitter } from "node:events";
import type { ReadStream, WriteStream } from "node:tty";

interface Row {
  /** One grapheme a cell; a wide one is followed by "". */
  cells: string[];
  /** The line goes on in the next row. */
  wraps: boolean;
}

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff60]|^\p{Emoji_Presentation}|^\p{RI}\p{RI}|^\p{Extended_Pictographic}\ufe0f/u;
const widthless = /^[\p{M}\u200c\u200d]+$/u;

/** Columns that a grapheme takes. */
function widthOf(grapheme: string): number {
  return widthless.test(grapheme) ? 0 : wide.test(grapheme) ? 2 : 1;
}

/** Columns that a text takes. */
export function cellsOf(text: string): number {
  return [...segmenter.segment(text)].reduce((sum, { segment }) => sum + widthOf(segment), 0);
}

export class Screen {
  columns: number;
  height: number;
  /** Bracketed paste is on. */
  paste = false;
  /** Everything written so far. */
  written = "";
  /** All rows there ever were; the last ones are on the screen. */
  #rows: Row[] = [{ cells: [], wraps: false }];
  #x = 0;
  #y = 0;

  constructor(columns: number, height: number) {
    this.columns = columns;
    this.height = height;
  }

  /** Lines as they were written, wherever they wrap, oldest first. */
  get lines(): string[] {
    const lines: string[] = [];
    let line = "";
    for (const { cells, wraps } of this.#rows) {
      line += cells.join("");
      if (wraps) continue;
      lines.push(line);
      line = "";
    }
    return lines;
  }

  /** Where the cursor stands: cells from the beginning of its line, and how many lines come after that line. */
  get cursor(): { cells: number; linesBelow: number } {
    let first = this.#y;
    while (this.#rows[first - 1]?.wraps) first--;
    const above = this.#rows.slice(first, this.#y);
    const cells = above.reduce((sum, row) => sum + row.cells.length, 0) + this.#x;
    const linesBelow = this.#rows.slice(this.#y).filter(({ wraps }) => !wraps).length - 1;
    return { cells, linesBelow };
  }

  /** Takes what a program writes. Throws on anything that a program of ours has no business to write. */
  write(text: string): void {
    this.written += text;
    const parts = text.matchAll(/\u001b\[(\??)([0-9;]*)([A-Za-z])|[\r\n]|[^\p{Cc}]+|[\s\S]/gu);
    for (const [part, mark = "", given = "", final = ""] of parts) {
      if (part === "\r") this.#x = 0;
      else if (part === "\n") this.#lineFeed(false);
      else if (part.length > 2 && part.startsWith("\u001b[")) this.#control(mark, given, final);
      else if (/^\p{Cc}$/u.test(part)) throw new Error(`wrote ${JSON.stringify(part)}`);
      else for (const { segment } of segmenter.segment(part)) this.#put(segment);
    }
  }

  /** Another width: lines are broken anew, the cursor stays at its character. */
  resize(columns: number): void {
    const rows: Row[] = [];
    let [x, y] = [0, 0];
    let line: string[] = [];
    let cursorAt: number | null = null;
    for (const [index, { cells, wraps }] of this.#rows.entries()) {
      if (index === this.#y) cursorAt = line.length + this.#x;
      line.push(...cells);
      if (wraps) continue;
      const broken = brokenInto(line, columns);
      if (cursorAt !== null) {
        let row = 0;
        let left = Math.min(cursorAt, line.length);
        // At the end of its line it stays at the edge.
        while (row < broken.length - 1 && left >= (broken[row]?.cells.length ?? 0)) {
          left -= broken[row++]?.cells.length ?? 0;
        }
        [x, y] = [left, rows.length + row];
        cursorAt = null;
      }
      rows.push(...broken);
      line = [];
    }
    this.columns = columns;
    this.#rows = rows;
    [this.#x, this.#y] = [x, y];
  }

  #put(grapheme: string): void {
    const width = widthOf(grapheme);
    if (this.#x + width > this.columns) {
      this.#lineFeed(true);
      this.#x = 0;
    }
    const { cells } = this.#row();
    while (cells.length < this.#x) cells.push(" ");
    if (width === 0) {
      const at = cells[this.#x - 1] === "" ? this.#x - 2 : this.#x - 1;
      if (at >= 0) cells[at] += grapheme;
      return;
    }
    cells.splice(this.#x, width, grapheme, ...(width === 2 ? [""] : []));
    this.#x += width;
  }

  #row(): Row {
    return (this.#rows[this.#y] ??= { cells: [], wraps: false });
  }

  #lineFeed(wraps: boolean): void {
    this.#row().wraps = wraps;
    this.#y++;
    this.#row();
  }

  get #top(): number {
    return Math.max(0, this.#rows.length - this.height);
  }

  #control(mark: string, given: string, final: string): void {
    const count = Number(given || "1");
    const x = Math.min(this.#x, this.columns - 1);
    if (mark === "?" && given === "2004") this.paste = final === "h";
    else if (mark !== "") throw new Error(`wrote CSI ?${given}${final}`);
    else if (final === "A") [this.#x, this.#y] = [x, Math.max(this.#top, this.#y - count)];
    else if (final === "C") this.#x = Math.min(this.columns - 1, x + count);
    else if (final === "H" && given === "") [this.#x, this.#y] = [0, this.#top];
    else if (final === "J" && given === "2") this.#rows.length = this.#top;
    else if (final === "J" && given === "") {
      this.#rows.length = this.#y + 1;
      this.#row().cells.length = Math.min(this.#row().cells.length, x);
      this.#row().wraps = false;
    } else throw new Error(`wrote CSI ${given}${final}`);
    this.#row();
  }
}

/** A line in rows of so many columns; a wide character is not cut. */
function brokenInto(line: string[], columns: number): Row[] {
  const rows: Row[] = [];
  let rest = line;
  while (rest.length > columns) {
    const cut = rest[columns] === "" ? columns - 1 : columns;
    rows.push({ cells: rest.slice(0, cut), wraps: true });
    rest = rest.slice(cut);
  }
  return [...rows, { cells: rest, wraps: false }];
}

/** A person's terminal: keys go in, what is drawn is on the screen. */
export class FakeTty {
  readonly screen: Screen;
  readonly input: ReadStream;
  readonly output: WriteStream;
  raw = false;
  readonly #keys = new EventEmitter();
  readonly #view = new EventEmitter();

  constructor(columns = 80, rows = 24) {
    this.screen = new Screen(columns, rows);
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
      write: (text: string) => this.screen.write(text),
    });
    this.input = input as unknown as ReadStream;
    this.output = output as unknown as WriteStream;
  }

  /** Bytes from the keyboard. */
  type(keys: string | Buffer): void {
    this.#keys.emit("data", Buffer.from(keys as string));
  }

  /** No more keys will come. */
  hangUp(): void {
    this.#keys.emit("end");
  }

  resize(columns: number): void {
    this.screen.resize(columns);
    Object.assign(this.output, { columns });
    this.#view.emit("resize");
  }
}

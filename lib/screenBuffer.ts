/**
 * screenBuffer: a grid of styled cells, and the shortest way from one grid to the next. Only what differs is written,
 * wrapped in a synchronized update so that no half frame is seen. No I/O. Where terminals disagree about the width of
 * a character, its place is said again behind it: a row may look odd there, but it is never torn.
 */
import { graphemeColumns, graphemesOf, isCertainWidth } from "./displayText.ts";

/** SGR parameters ("1;31"), "" for plain text; only palette makes them. */
export type Style = string;

/** One line of text in one style. */
export interface Span {
  text: string;
  style: Style;
}

export interface Cursor {
  row: number;
  column: number;
}

interface Row {
  /** One grapheme a cell; behind a wide one there is "". */
  cells: string[];
  styles: Style[];
  /** Some of its characters are of uncertain width. */
  uncertain: boolean;
}

const synchronizedOn = "\u001b[?2026h";
const synchronizedOff = "\u001b[?2026l";
const hideCursor = "\u001b[?25l";
const showCursor = "\u001b[?25h";

/** What a terminal shows, or should: rows x columns, and where the cursor stands (null: it is hidden). */
export class ScreenBuffer {
  readonly columns: number;
  readonly rows: number;
  readonly #rows: Row[];
  cursor: Cursor | null = null;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
    this.#rows = Array.from({ length: rows }, () => ({
      cells: new Array<string>(columns).fill(" "),
      styles: new Array<Style>(columns).fill(""),
      uncertain: false,
    }));
  }

  /**
   * Puts text, which has no control characters, into a row, as much as fits before column `end`; a wide character is
   * never cut. Gives the column behind it.
   */
  put({ row, column }: Cursor, spans: Span[], end: number = this.columns): number {
    const target = this.#rows[row];
    if (!target) return column;
    const limit = Math.min(end, this.columns);
    let at = column;
    for (const { text, style } of spans) {
      for (const grapheme of graphemesOf(text)) {
        const width = graphemeColumns(grapheme);
        if (width === 0) {
          // Nothing to stand on, or one mark more on what stands there already.
          const under = target.cells[at - 1] === "" ? at - 2 : at - 1;
          if (under >= column) target.cells[under] += grapheme;
          target.uncertain = true;
          continue;
        }
        if (at + width > limit) return at;
        setCell(target, { at, width, text: grapheme, style });
        if (!isCertainWidth(grapheme)) target.uncertain = true;
        at += width;
      }
    }
    return at;
  }

  /** Fills the rest of a row, from a column up to `end`, with blanks of a style. */
  fill({ row, column }: Cursor, style: Style, end: number = this.columns): void {
    const target = this.#rows[row];
    if (!target) return;
    for (let at = column; at < Math.min(end, this.columns); at++) {
      setCell(target, { at, width: 1, text: " ", style });
    }
  }

  /** Each row as plain text, blanks at its end left out. */
  get lines(): string[] {
    return this.#rows.map(({ cells }) => cells.join("").trimEnd());
  }

  /**
   * The bytes that turn a terminal which shows `before` into one which shows this; null: it may show anything. Empty
   * when nothing differs.
   */
  from(before: ScreenBuffer | null): string {
    const known =
      before !== null && before.columns === this.columns && before.rows === this.rows ? before : null;
    let drawn = known ? "" : "\u001b[0m\u001b[2J";
    for (const [index, row] of this.#rows.entries())
      drawn += rowFrom(known ? known.#rows[index] : undefined, row, index);
    const moved = this.cursor?.row !== known?.cursor?.row || this.cursor?.column !== known?.cursor?.column;
    if (drawn === "" && !moved && known) return "";
    const cursor = this.cursor ? `${moveTo(this.cursor)}${showCursor}` : "";
    if (drawn === "") return this.cursor && known?.cursor ? moveTo(this.cursor) : cursor || hideCursor;
    return `${synchronizedOn}${hideCursor}${drawn}\u001b[0m${cursor}${synchronizedOff}`;
  }
}

/** What is written over half of a wide character leaves a blank of the other half. */
function setCell(
  { cells, styles }: Row,
  { at, width, text, style }: { at: number; width: number; text: string; style: Style },
): void {
  if (cells[at] === "") cells[at - 1] = " ";
  if (cells[at + width] === "") cells[at + width] = " ";
  cells[at] = text;
  styles[at] = style;
  if (width < 2) return;
  cells[at + 1] = "";
  styles[at + 1] = style;
}

function moveTo({ row, column }: Cursor): string {
  return `\u001b[${row + 1};${column + 1}H`;
}

/** Draws what differs in one row. Runs that are the same and short are cheaper drawn again than stepped over. */
function rowFrom(before: Row | undefined, row: Row, index: number): string {
  const { cells, styles } = row;
  const same = (at: number): boolean =>
    before !== undefined && cells[at] === before.cells[at] && styles[at] === before.styles[at];
  let first = 0;
  while (first < cells.length && before && same(first)) first++;
  if (first === cells.length) return "";
  let last = cells.length - 1;
  while (last > first && before && same(last)) last--;
  if (row.uncertain || before?.uncertain) {
    // Nobody knows which cells such a character covered: the whole row is drawn.
    first = 0;
    last = cells.length - 1;
  } else {
    while (first > 0 && (cells[first] === "" || before?.cells[first] === "")) first--;
    if (cells[last + 1] === "" || before?.cells[last + 1] === "") last++;
  }
  // Blanks to the end of the row are one short command.
  let end = last;
  if (last === cells.length - 1) while (end >= first && cells[end] === " " && styles[end] === "") end--;
  const clears = end < last;
  let drawn = moveTo({ row: index, column: first });
  if (row.uncertain || before?.uncertain) drawn += "\u001b[0m\u001b[K";
  let style: Style | null = null;
  for (let at = first; at <= end; at++) {
    const cell = cells[at] ?? " ";
    if (cell === "") continue;
    const wanted = styles[at] ?? "";
    if (wanted !== style) {
      drawn += wanted === "" ? "\u001b[0m" : `\u001b[0;${wanted}m`;
      style = wanted;
    }
    drawn += cell;
    if (row.uncertain && !isCertainWidth(cell)) {
      const next = at + (cells[at + 1] === "" ? 2 : 1);
      if (next < cells.length) drawn += `\u001b[${next + 1}G`;
    }
  }
  return clears ? `${drawn}\u001b[0m\u001b[K` : drawn;
}

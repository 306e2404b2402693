/**
 * inputLayout: where the text being typed stands: broken into rows, the cursor's place, and of a text that is higher
 * than its room the rows around the cursor. A wide character never hangs over the edge; what could steer is shown as
 * the screen shows it everywhere.
 */
import { columnsOf, graphemeColumns, graphemesOf, harmless } from "./displayText.ts";
import type { Cursor } from "./screenBuffer.ts";

export interface InputLayout {
  rows: string[];
  /** Within `rows`. */
  cursor: Cursor;
  /** Rows that are above and below and not shown. */
  above: number;
  below: number;
}

/**
 * Lays out `text` behind `prompt` in rows of so many columns, at most `rowsMax` of them. `at` is the cursor, in units.
 * The last column stays empty, so that the cursor always has a place.
 */
export function layoutInput(
  { prompt, text, at }: { prompt: string; text: string; at: number },
  { columns, rowsMax }: { columns: number; rowsMax: number },
): InputLayout {
  const rows = [prompt];
  let column = columnsOf(prompt);
  let units = 0;
  let cursor: Cursor | null = null;
  const place = (): Cursor => ({ row: rows.length - 1, column });
  const breakRow = (): void => {
    rows.push("");
    column = 0;
  };
  for (const grapheme of graphemesOf(text)) {
    const isBehind = units >= at;
    units += grapheme.length;
    if (grapheme === "\n" || grapheme === "\r\n") {
      if (isBehind) cursor ??= place();
      breakRow();
      continue;
    }
    // One character may be shown as several, which break like any others.
    for (const shown of graphemesOf(harmless(grapheme))) {
      const width = graphemeColumns(shown);
      if (column + width >= columns) breakRow();
      if (isBehind) cursor ??= place();
      rows[rows.length - 1] += shown;
      column += width;
    }
  }
  cursor ??= place();
  const first = Math.max(0, Math.min(cursor.row - Math.floor(rowsMax / 2), rows.length - rowsMax));
  const shown = rows.slice(first, first + rowsMax);
  return {
    rows: shown,
    cursor: { row: cursor.row - first, column: cursor.column },
    above: first,
    below: rows.length - first - shown.length,
  };
}

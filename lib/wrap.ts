/**
 * wrap: styled text broken into rows: at blanks where it can be, between ideographs, inside a word only when the word is
 * longer than a row. A wide character never hangs over the edge.
 */
import { columnsOf, graphemeColumns, graphemesOf } from "./displayText.ts";
import type { Span, Style } from "./screenBuffer.ts";

interface Piece {
  text: string;
  columns: number;
  style: Style;
}

/** Rows of spans; the first begins at column `firstIndent` (drawn by the caller), the others are moved in by `indent`. */
export function wrapSpans(
  spans: Span[],
  { columns, firstIndent, indent }: { columns: number; firstIndent: number; indent: number },
): Span[][] {
  const rows: Span[][] = [[]];
  let room = Math.max(columns - firstIndent, 2);
  let used = 0;
  const breakRow = (): void => {
    rows.push(indent > 0 ? [{ text: " ".repeat(indent), style: "" }] : []);
    room = Math.max(columns - indent, 2);
    used = 0;
  };
  const put = ({ text, columns: width, style }: Piece): void => {
    const row = rows.at(-1);
    const last = row?.at(-1);
    if (last && last.style === style && used > 0) last.text += text;
    else row?.push({ text, style });
    used += width;
  };
  for (const word of wordsOf(spans)) {
    if (word === "\n") {
      breakRow();
      continue;
    }
    const width = word.reduce((sum, piece) => sum + piece.columns, 0);
    if (used + width > room && used > 0) {
      breakRow();
      // The blank at which it was broken is not moved to the next row.
      if (word.every(({ text }) => text === " ")) continue;
    }
    if (width <= room) {
      word.forEach(put);
      continue;
    }
    for (const { text, style } of word) {
      for (const grapheme of graphemesOf(text)) {
        const one = graphemeColumns(grapheme);
        if (used + one > room) breakRow();
        put({ text: grapheme, columns: one, style });
      }
    }
  }
  return rows;
}

/** What is not broken: words with their style, one blank, one wide character, "\n". */
function* wordsOf(spans: Span[]): Generator<Piece[] | "\n"> {
  let word: Piece[] = [];
  for (const { text, style } of spans) {
    for (const run of text.split(/(\n| )/)) {
      if (run === "") continue;
      if (run === "\n" || run === " ") {
        if (word.length > 0) yield word;
        word = [];
        yield run === "\n" ? "\n" : [{ text: " ", columns: 1, style }];
        continue;
      }
      // A run of narrow characters is one piece, a wide character may be broken off on both sides.
      let narrow = "";
      let narrowColumns = 0;
      const close = (): void => {
        if (narrow !== "") word.push({ text: narrow, columns: narrowColumns, style });
        narrow = "";
        narrowColumns = 0;
      };
      if (columnsOf(run) === run.length) {
        word.push({ text: run, columns: run.length, style });
        continue;
      }
      for (const grapheme of graphemesOf(run)) {
        const width = graphemeColumns(grapheme);
        if (width < 2 || /^[，。！？；：、）」』】》”’]/.test(grapheme)) {
          // A closing mark stays with what it closes.
          narrow += grapheme;
          narrowColumns += width;
          continue;
        }
        close();
        if (word.length > 0) yield word;
        word = [];
        narrow = grapheme;
        narrowColumns = width;
        close();
      }
      close();
    }
  }
  if (word.length > 0) yield word;
}

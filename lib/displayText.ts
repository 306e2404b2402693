/**
 * displayText: other people's text on a terminal. What could steer it is made visible (clause [C-4]); how many columns
 * a text takes is measured by grapheme, as terminals draw it.
 */
import { eastAsianWidth } from "get-east-asian-width";

// Controls, line separators, bidi controls, tag characters, and what is invisible without joining anything.
const steering =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** The text without a character that could steer a terminal: C0 and DEL as ^X, others as <U+XXXX>. */
export function harmless(text: string): string {
  return text.toWellFormed().replace(steering, (char) => {
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x20) return `^${String.fromCharCode(code + 0x40)}`;
    if (code === 0x7f) return "^?";
    return `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
  });
}

const printableAscii = /^[\u0020-\u007e]*$/;
const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** The text as its graphemes: what a person takes for one character. */
export function graphemesOf(text: string): string[] {
  // What most text is made of needs no table.
  if (printableAscii.test(text)) return text.split("");
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

const wideBySequence = /^(?:\p{Extended_Pictographic}\ufe0f|\p{Regional_Indicator}{2})/u;
const zeroWidth = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;

/** Columns of one grapheme: 0, 1 or 2. */
export function graphemeColumns(grapheme: string): number {
  const codePoint = grapheme.codePointAt(0) ?? 0;
  if (codePoint < 0x300) return 1;
  if (zeroWidth.test(grapheme)) return 0;
  return wideBySequence.test(grapheme) ? 2 : eastAsianWidth(codePoint);
}

/**
 * Whether terminals agree on how wide a grapheme is. They do on ASCII, Latin letters, kana and ideographs; they do not
 * on emoji with joiners, flags, combining marks and most symbols: whoever draws those says afterwards where it is.
 */
export function isCertainWidth(grapheme: string): boolean {
  const codePoint = grapheme.codePointAt(0) ?? 0;
  if (grapheme.length > 1) return false;
  return codePoint < 0x300 || (codePoint >= 0x3000 && codePoint < 0xa000 && codePoint !== 0x303f);
}

/** Columns of a text that has no control characters. */
export function columnsOf(text: string): number {
  if (printableAscii.test(text)) return text.length;
  let columns = 0;
  for (const grapheme of graphemesOf(text)) columns += graphemeColumns(grapheme);
  return columns;
}

/** As much of a text as fits into so many columns; what was cut is shown by a … at its end. */
export function cutToColumns(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  let used = 0;
  let cut = "";
  for (const grapheme of graphemesOf(text)) {
    used += graphemeColumns(grapheme);
    if (used > columns - 1) break;
    cut += grapheme;
  }
  return columns < 1 ? "" : `${cut}…`;
}

/** Somebody's words as they are shown: harmless, line by line. */
export function shownContent(content: string): string {
  return content
    .replaceAll("\t", "    ")
    .split(/\r\n|\n/)
    .map(harmless)
    .join("\n");
}

/** "name(id)", harmless: two names that look alike are still two. The name is cut, the id never. */
export function personText(userName: string, userId: number, columnsMax: number = 28): string {
  if (userName === "") return String(userId);
  const id = `(${userId})`;
  const name = cutToColumns(harmless(userName), Math.max(columnsMax - id.length, 4));
  return `${name}${id}`;
}

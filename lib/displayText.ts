/**
 * displayText: other people's text on a terminal. What could steer it is made visible (clause [C-4]); how many columns
 * a text takes is measured by grapheme, as terminals draw it.
 */

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

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** The text as its graphemes: what a person takes for one character. */
export function graphemesOf(text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

const wide =
  /^(?:\p{Emoji_Presentation}|\p{Regional_Indicator}{2}|\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Script=Bopomofo}|\p{Script=Yi}|[\u3000-\u303e\u30fb\u30fc\u3200-\u33ff\ua960-\ua97c\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6])/u;
const narrowHangul = /^[\uff61-\uffdc]/;
const emojiByVariation = /^\p{Extended_Pictographic}\ufe0f/u;
const zeroWidth = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;

/** Columns of one grapheme: 0, 1 or 2. */
export function graphemeColumns(grapheme: string): number {
  if (zeroWidth.test(grapheme)) return 0;
  if (narrowHangul.test(grapheme)) return 1;
  return wide.test(grapheme) || emojiByVariation.test(grapheme) ? 2 : 1;
}

/** Columns of a text that has no control characters. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const grapheme of graphemesOf(text)) columns += graphemeColumns(grapheme);
  return columns;
}

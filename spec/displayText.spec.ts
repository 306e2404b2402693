/**
 * displayText: what other people write, made harmless for a terminal, and how many columns it takes there.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { columnsOf, harmless } from "../lib/displayText.ts";

const chars = [..."abc XYZ 0-/中文字あ한！é", "e\u0301", "👩‍🚀", "😀", "🇨🇳", "❤️"];
const words = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...chars), maxLength });

// Widths by a table of the spec's own.
const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const wide =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff60]|^\p{Emoji_Presentation}|^\p{RI}\p{RI}|^\p{Extended_Pictographic}\ufe0f/u;
const widthless = /^[\p{M}\u200c\u200d]+$/u;

/** Columns that a grapheme takes. */
function widthOf(grapheme: string): number {
  return widthless.test(grapheme) ? 0 : wide.test(grapheme) ? 2 : 1;
}

/** Columns that a text takes. */
function cellsOf(text: string): number {
  return [...segmenter.segment(text)].reduce((sum, { segment }) => sum + widthOf(segment), 0);
}

const hostileUnits = [
  ...["\u0000", "\u0007", "\u0008", "\t", "\n", "\r", "\r\n", "\u000b", "\u000e", "\u001b", "\u007f"],
  ...[
    "\u001b[2J",
    "\u001b]0;title\u0007",
    "\u001b[31m",
    "\u001bP",
    "\u001bc",
    "\u001b[6n",
    "\u009b2J",
    "\u0085",
  ],
  ...[
    "\u0090",
    "\u009d",
    "\u061c",
    "\u200b",
    "\u200e",
    "\u200f",
    "\u202a",
    "\u202e",
    "\u2066",
    "\u2069",
    "\ufeff",
  ],
  ...["\u2028", "\u2029", "\u00ad", "\u{e0001}", "\u{e0041}", "\u{e007f}", "\ufff9", "\ud800", "\udc00"],
  ...["a", " ", "中", "👩‍🚀", "e\u0301", "[12:00] me: "],
];
const hostile = fc.oneof(
  fc.string({ unit: fc.constantFrom(...hostileUnits), maxLength: 30 }),
  fc.string({ unit: "binary", maxLength: 30 }),
);
/** What may steer a terminal, by what Unicode says of it. */
const steering = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}\u{e0000}-\u{e007f}]/u;

test("[C-4] harmless leaves nothing that steers a terminal, and everything else as it was", () => {
  fc.assert(
    fc.property(hostile, (text) => {
      assert.doesNotMatch(harmless(text), steering);
      assert.equal(harmless(harmless(text)), harmless(text));
    }),
    { numRuns: 1_500 },
  );
  for (let code = 0; code < 0x110000; code++) {
    const char = String.fromCodePoint(code);
    if (steering.test(char) && harmless(char) === char) assert.fail(`U+${code.toString(16)}`);
  }
  const plain = "Grüße, 你好！ 👩‍🚀 e\u0301 🇨🇳 ❤️ नमस्ते السلام עליכם";
  assert.equal(harmless(plain), plain);
  assert.equal(harmless("a\u001b[2Jb\u007f\u202e\u{e0041}"), "a^[[2Jb^?<U+202E><U+E0041>");
});

test("[C-4] a text takes the columns that a terminal gives it", () => {
  fc.assert(fc.property(words(30), (text) => assert.equal(columnsOf(text), cellsOf(text))));
  const columns = { "": 0, ａ: 2, ｱ: 1, "。": 2, "①": 1, "—": 1, 한글: 4, "👍🏽": 2, "☎": 1, "\u0301": 0 };
  for (const [text, wanted] of Object.entries(columns)) assert.equal(columnsOf(text), wanted, text);
});

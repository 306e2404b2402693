/**
 * lineEditor: keys to a line. Whatever is typed, and wherever its bytes are cut, the line is what a small model says:
 * a text, a place in it that is never inside a character, and the lines that were entered.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type EditorEvent, LineEditor } from "../lib/lineEditor.ts";
import { inputHistoryMaxLines, inputMaxUnits } from "../lib/limits.ts";
import { piecesOf, sizesArbitrary } from "./helpers/cuts.ts";

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** The line as a text and a place in it. */
class Model {
  text = "";
  at = 0;
  readonly lines: string[] = [];
  readonly other: string[] = [];
  #history: string[] = [];
  #index = 0;
  #draft = "";

  press(key: Key): void {
    // A character that is being typed is not whole yet: only another key finds the cursor behind it.
    if (!("text" in key) && !("paste" in key)) this.at = this.place;
    const [before, after] = [this.text.slice(0, this.at), this.text.slice(this.at)];
    if ("text" in key) this.#set(before + key.text, after);
    else if ("paste" in key) this.#paste(key.paste);
    else if (key.name === "enter") this.#enter();
    else if (key.name === "left") this.at = this.#ends().findLast((end) => end < this.at) ?? 0;
    else if (key.name === "right") this.at = this.#ends().find((end) => end > this.at) ?? this.at;
    else if (key.name === "home") this.at = 0;
    else if (key.name === "end") this.at = this.text.length;
    else if (key.name === "backspace") {
      this.#set(
        before.slice(
          0,
          this.#ends().findLast((end) => end < this.at),
        ),
        after,
      );
    } else if (key.name === "delete" || (key.name === "ctrl-d" && this.text !== "")) {
      this.#set(before, this.text.slice(this.#ends().find((end) => end > this.at) ?? this.text.length));
    } else if (key.name === "kill") this.#set(before, "");
    else if (key.name === "unix-kill") this.#set("", after);
    else if (key.name === "word") {
      const kept = before.trimEnd();
      this.#set(kept.slice(0, kept.search(/\S+$/u)), after);
    } else if (key.name === "up") this.#recall(-1);
    else if (key.name === "down") this.#recall(1);
    else if (key.name !== "nothing") {
      this.other.push(key.name === "ctrl-d" ? "end" : key.name);
      if (key.name === "interrupt") this.#set("", "");
    }
  }

  /** Places where a character ends, and the very beginning. */
  #ends(): number[] {
    return [0, ...Array.from(segmenter.segment(this.text), ({ index, segment }) => index + segment.length)];
  }

  get place(): number {
    return this.#ends().find((end) => end >= this.at) ?? 0;
  }

  #set(before: string, after: string): void {
    this.text = before + after;
    this.at = before.length;
  }

  #paste(text: string): void {
    for (const part of text.split(/(\r\n|\r|\n)/)) {
      if (/[\r\n]/.test(part)) this.#enter();
      // Of a paste only its text counts: a tab is a space, other controls are nothing.
      else this.press({ text: part.replaceAll("\t", " ").replace(/[\u0000-\u001f\u007f]/g, ""), keys: "" });
    }
  }

  #enter(): void {
    this.lines.push(this.text);
    if (this.text !== "" && this.#history.at(-1) !== this.text) this.#history.push(this.text);
    this.#index = this.#history.length;
    this.#set("", "");
  }

  #recall(step: number): void {
    const index = this.#index + step;
    if (index < 0 || index > this.#history.length) return;
    if (this.#index === this.#history.length) this.#draft = this.text;
    this.#index = index;
    this.#set(this.#history[index] ?? this.#draft, "");
  }
}

type Key = { keys: string } & ({ text: string } | { paste: string } | { name: string });

const named = (name: string, ...keys: string[]): fc.Arbitrary<Key>[] =>
  keys.map((one) => fc.constant({ name, keys: one }));
const chars = [..."aZ 9-/中文あ한ﾊ！é\u0301\u200d\ufe0f👩🚀😀🇨🇳\u009b\u202e", "👩‍🚀", "e\u0301", "🇨🇳"];
const text = fc.string({ unit: fc.constantFrom(...chars), minLength: 1, maxLength: 8 });
const keyArbitrary: fc.Arbitrary<Key> = fc.oneof(
  { weight: 12, arbitrary: text.map((one) => ({ text: one, keys: one })) },
  {
    weight: 3,
    arbitrary: fc
      .string({
        unit: fc.constantFrom(...chars, "\r", "\n", "\r\n", "\t", "\u0003", "\u0008"),
        maxLength: 12,
      })
      .map((paste) => ({ paste, keys: `\u001b[200~${paste}\u001b[201~` })),
  },
  {
    weight: 20,
    arbitrary: fc.oneof(
      ...named("enter", "\r", "\n", "\u001b\r"),
      ...named("left", "\u001b[D", "\u0002"),
      ...named("right", "\u001b[C", "\u0006", "\u001b\u001b[C"),
      ...named("home", "\u001b[H", "\u001bOH", "\u001b[1~", "\u0001"),
      ...named("end", "\u001b[F", "\u001bOF", "\u001b[4~", "\u0005"),
      ...named("backspace", "\u007f", "\b"),
      ...named("delete", "\u001b[3~"),
      ...named("ctrl-d", "\u0004"),
      ...named("kill", "\u000b"),
      ...named("unix-kill", "\u0015"),
      ...named("word", "\u0017"),
      ...named("up", "\u001b[A", "\u0010"),
      ...named("down", "\u001b[B", "\u000e"),
      ...named("interrupt", "\u0003", "\u001b\u0003"),
      ...named("redraw", "\u000c"),
      ...named("suspend", "\u001a"),
      ...named("nothing", "\u001b[5~", "\u001b[15;2~", "\u001bOP", "\u001bx", "\u001b😀", "\t", "\u0000"),
    ),
  },
);

/** What an editor makes of bytes; it is told to remember lines and to clear as its owner does. */
function fed(editor: LineEditor, pieces: Buffer[]): { lines: string[]; other: string[] } {
  const lines: string[] = [];
  const other: string[] = [];
  for (const piece of pieces) {
    for (const event of editor.feed(piece)) {
      if (event.kind === "line") {
        lines.push(event.text);
        editor.remember(event.text);
      } else if (event.kind !== "changed") other.push(event.kind);
      if (event.kind === "interrupt") editor.clear();
    }
  }
  return { lines, other };
}

const pressed = (editor: LineEditor, keys: string): EditorEvent[] => [...editor.feed(Buffer.from(keys))];

test("[C-2] any keys, cut anywhere, make the line that a small model makes", () => {
  fc.assert(
    fc.property(fc.array(keyArbitrary, { maxLength: 40 }), sizesArbitrary, (keys, sizes) => {
      const model = new Model();
      for (const key of keys) model.press(key);
      const editor = new LineEditor();
      const bytes = Buffer.from(keys.map((key) => key.keys).join(""));
      const { lines, other } = fed(editor, piecesOf(bytes, sizes));
      assert.deepEqual(lines, model.lines);
      assert.deepEqual(other, model.other);
      assert.equal(editor.text, model.text);
      assert.equal(editor.beforeCursor, model.text.slice(0, model.place));
    }),
    { numRuns: 2_000 },
  );
});

test("[C-2] any bytes at all, cut anywhere, make the same line", () => {
  const anyBytes = fc.array(
    fc.oneof(
      fc.constantFrom(0x1b, 0x5b, 0x3b, 0x30, 0x7e, 0x0d, 0x4f, 0x03),
      fc.integer({ min: 0, max: 255 }),
    ),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(anyBytes, sizesArbitrary, (numbers, sizes) => {
      const bytes = Buffer.from(numbers);
      const [whole, cut] = [new LineEditor(), new LineEditor()];
      assert.deepEqual(fed(whole, [bytes]), fed(cut, piecesOf(bytes, sizes)));
      assert.deepEqual([whole.text, whole.beforeCursor], [cut.text, cut.beforeCursor]);
      assert.doesNotMatch(whole.text, /[\u0000-\u001f\u007f]/);
    }),
    { numRuns: 2_000 },
  );
});

test("[C-2] a character is one key, whatever it is made of", () => {
  for (const char of ["中", "👩‍🚀", "e\u0301", "🇨🇳", "👍🏽", "❤️", "नि", "각"]) {
    const editor = new LineEditor();
    pressed(editor, `a${char}b`);
    pressed(editor, "\u001b[D\u001b[D");
    assert.equal(editor.beforeCursor, "a");
    pressed(editor, "\u001b[3~");
    assert.equal(editor.text, "ab");
    pressed(editor, char);
    assert.equal(editor.beforeCursor, `a${char}`);
    pressed(editor, "\u007f");
    assert.equal(editor.text, "ab");
  }
});

test("[C-2] a line has a longest length; what is too much of a paste is left out, in one piece or in many", () => {
  const long = "😀".repeat(inputMaxUnits);
  const [whole, pieces] = [new LineEditor(), new LineEditor()];
  pressed(whole, `a${long}`);
  fed(pieces, piecesOf(Buffer.from(`a${long}`), [4_097]));
  assert.equal(whole.text, `a${"😀".repeat((inputMaxUnits - 2) / 2)}`);
  assert.equal(pieces.text, whole.text);
  pressed(whole, "b");
  assert.equal(whole.text.length, inputMaxUnits, "there is room for one small one");
  pressed(whole, "c");
  assert.equal(whole.text.at(-1), "b");
});

test("[C-2] so many lines are remembered, the oldest forgotten; what was being typed comes back", () => {
  const editor = new LineEditor();
  for (let line = 0; line < inputHistoryMaxLines + 5; line++) editor.remember(`line ${line}`);
  editor.remember("");
  editor.remember(`line ${inputHistoryMaxLines + 4}`);
  pressed(editor, "draft");
  pressed(editor, "\u001b[A");
  assert.equal(editor.text, `line ${inputHistoryMaxLines + 4}`);
  pressed(editor, "\u001b[A".repeat(1_000));
  assert.equal(editor.text, "line 5");
  pressed(editor, "\u001b[B".repeat(1_000));
  assert.equal(editor.text, "draft");
});

/**
 * inputEditor.spec: keys to text, against a model that knows only graphemes; readline's keys; what Tab completes; how
 * bytes become keys, wherever they are cut; where the text stands (clauses [C-22], [C-25]).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { completionOf } from "../lib/completion.ts";
import { columnsOf, graphemesOf } from "../lib/displayText.ts";
import { InputEditor } from "../lib/inputEditor.ts";
import { layoutInput } from "../lib/inputLayout.ts";
import { type KeyEvent, KeyEvents } from "../lib/keyEvents.ts";

const chars = [..."abc xyz-/中文字あ한！é", "e\u0301", "👩‍🚀", "😀", "🇨🇳", "❤️", "\n"];
const words = fc.string({ unit: fc.constantFrom(...chars), minLength: 1, maxLength: 20 });

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** What the editor should be: a text and a place in it, each key said in one line; it knows nothing of the editor. */
class Model {
  text = "";
  at = 0;

  insert(text: string): void {
    this.#put(this.at, this.at, text);
  }

  key(name: string): void {
    const line = this.text.slice(0, this.at).split("\n").at(-1)?.length ?? 0;
    const [start, end] = [this.at - line, `${this.text}\n`.indexOf("\n", this.at)];
    const { before, behind } = this.#neighbours();
    if (name === "left") this.at = before;
    else if (name === "right") this.at = behind;
    else if (name === "home") this.at = start;
    else if (name === "end") this.at = end;
    else if (name === "backspace") this.#put(before, this.at, "");
    else if (name === "delete") this.#put(this.at, behind, "");
    else if (name === "ctrl-k") this.#put(this.at, end === this.at ? behind : end, "");
    else if (name === "ctrl-u") this.#put(start === this.at ? before : start, this.at, "");
    else if (name === "ctrl-w") {
      let from = this.at;
      while (from > 0 && /\s/.test(this.text[from - 1] ?? "")) from--;
      while (from > 0 && !/\s/.test(this.text[from - 1] ?? "")) from--;
      this.#put(from, this.at, "");
    }
  }

  #put(from: number, to: number, text: string): void {
    this.text = this.text.slice(0, from) + text + this.text.slice(to);
    this.at = from + text.length;
  }

  /** The edges of characters nearest to the cursor, on both sides of it. */
  #neighbours(): { before: number; behind: number } {
    const edges = [...segmenter.segment(this.text)].map(({ index }) => index);
    return {
      before: edges.findLast((edge) => edge < this.at) ?? 0,
      behind: edges.find((edge) => edge > this.at) ?? this.text.length,
    };
  }
}

test("[C-25] any keys and texts: the text and the cursor are those of a model that knows only graphemes", () => {
  const names = ["left", "right", "home", "end", "backspace", "delete", "ctrl-k", "ctrl-u", "ctrl-w"];
  const act = fc.oneof(
    words.map((insert) => ({ insert })),
    fc.constantFrom(...names).map((key) => ({ key })),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
      const editor = new InputEditor();
      const model = new Model();
      for (const one of acts) {
        if ("insert" in one) {
          editor.insert(one.insert);
          model.insert(one.insert);
        } else {
          editor.key(one.key);
          model.key(one.key);
        }
        assert.deepEqual([editor.text, editor.at], [model.text, model.at], JSON.stringify(one));
        assert.ok(editor.text.isWellFormed(), "no character is cut");
      }
    }),
    { numRuns: 500 },
  );
});

test("[C-25] readline's keys: words, ends, kill and yank, transpose, undo; history and drafts are each conversation's own", () => {
  const editor = new InputEditor();
  editor.insert("one two  three");
  editor.key("ctrl-w");
  assert.equal(editor.text, "one two  ");
  editor.key("ctrl-w");
  assert.equal(editor.text, "one ");
  editor.key("ctrl-y");
  assert.equal(editor.text, "one two  three", "kills in a row come back together");
  editor.key("alt-b");
  assert.equal(editor.at, 9);
  editor.key("ctrl-a");
  editor.key("alt-d");
  assert.equal(editor.text, " two  three");
  editor.key("ctrl-_");
  assert.equal(editor.text, "one two  three");
  editor.key("alt-f");
  editor.key("ctrl-k");
  assert.equal(editor.text, "one");
  editor.key("ctrl-t");
  assert.equal(editor.text, "oen");
  editor.key("ctrl-u");
  assert.equal(editor.text, "");
  editor.insert("first");
  assert.equal(editor.take({ remember: true }), "first");
  editor.insert("draft");
  editor.switchTo("u:100");
  assert.equal(editor.text, "");
  editor.key("up");
  assert.equal(editor.text, "", "the other conversation has a history of its own");
  editor.switchTo("");
  assert.equal(editor.text, "draft");
  editor.key("up");
  assert.equal(editor.text, "first");
  editor.key("down");
  assert.equal(editor.text, "draft");
  editor.key("alt-enter");
  editor.insert("second row");
  editor.key("up");
  editor.key("end");
  assert.equal(editor.at, 5, "Up goes to the row above before it goes to the history");
});

test("[C-25] a text that begins with an empty line: its first row has a beginning too", () => {
  for (const key of ["home", "ctrl-a", "ctrl-u"]) {
    const editor = new InputEditor();
    editor.insert("\nab");
    editor.key("up");
    assert.equal(editor.at, 0);
    editor.key(key);
    assert.deepEqual([editor.text, editor.at], ["\nab", 0], key);
  }
});

test("[C-25] Tab: commands, people behind /msg and after @, conversations, settings", () => {
  const sources = {
    people: [
      { userId: 100, userName: "scott" },
      { userId: 300, userName: "小海" },
      { userId: 301, userName: "Sam Two" },
    ],
    conversations: [
      { conv: "all", name: "everyone" },
      { conv: "u:300", name: "小海" },
    ],
  };
  const inserts = (text: string): string[] =>
    completionOf(text, text.length, sources)?.candidates.map(({ insert }) => insert) ?? [];
  assert.deepEqual(inserts("/se"), ["/search ", "/set "]);
  assert.deepEqual(inserts("/msg s"), ["301 ", "100 "]);
  assert.deepEqual(inserts("/msg 3"), ["301 ", "300 "]);
  assert.deepEqual(inserts("hello @小"), ["@小海 "]);
  assert.deepEqual(inserts("@sam"), ["@301 "], "a name with a blank in it is said by its id");
  assert.deepEqual(inserts("/go e"), ["all "]);
  assert.deepEqual(inserts("/set pres"), ["presence "]);
  assert.deepEqual(inserts("/set presence f"), ["fold "]);
  assert.deepEqual(inserts("/lang "), ["zh ", "en "]);
  assert.deepEqual(inserts("hello"), []);
});

test("[C-22] bytes become the same keys wherever they are cut; a paste is one event and never a command", () => {
  const bytes = Buffer.from(
    "a中\u001b[A\u001bb\u001b\r\u001b[1;5C\u001bOP\u001b[200~x\r\ny\u001b[A\u0003z\u001b[201~\u001b[<64;3;4M\u001b]11;rgb:ffff/0000/8080\u0007👩‍🚀\t\u0001",
  );
  const whole = new KeyEvents().feed(bytes);
  const expected: KeyEvent[] = [
    { kind: "text", text: "a中" },
    { kind: "key", name: "up" },
    { kind: "key", name: "alt-b" },
    { kind: "key", name: "alt-enter" },
    { kind: "key", name: "ctrl-right" },
    { kind: "key", name: "f1" },
    { kind: "paste", text: "x\ny\u001b[A\u0003z" },
    { kind: "wheel", direction: "up" },
    { kind: "background", rgb: [1, 0, 0x8080 / 0xffff] },
    { kind: "text", text: "👩‍🚀" },
    { kind: "key", name: "tab" },
    { kind: "key", name: "ctrl-a" },
  ];
  assert.deepEqual(whole, expected);
  const merged = (events: KeyEvent[]): KeyEvent[] =>
    events.reduce<KeyEvent[]>((all, event) => {
      const last = all.at(-1);
      if (event.kind === "text" && last?.kind === "text") last.text += event.text;
      else all.push({ ...event });
      return all;
    }, []);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
      const keys = new KeyEvents();
      const places = [0, ...cuts.sort((one, other) => one - other), bytes.length];
      const events = places.slice(1).flatMap((to, index) => keys.feed(bytes.subarray(places[index], to)));
      assert.deepEqual(merged(events), expected);
    }),
  );
  const keys = new KeyEvents();
  assert.deepEqual(keys.feed(Buffer.from("\u001b")), []);
  assert.ok(keys.waits, "an Esc alone waits");
  assert.deepEqual(keys.flush(), [{ kind: "key", name: "escape" }]);
});

test("[C-22] the text being typed stands in its rows: nothing hangs over the edge, the cursor is where it belongs", () => {
  fc.assert(
    fc.property(
      words,
      fc.integer({ min: 12, max: 40 }),
      fc.integer({ min: 1, max: 5 }),
      fc.nat(20),
      (text, columns, rowsMax, place) => {
        const graphemes = graphemesOf(text);
        const at = graphemes.slice(0, place % (graphemes.length + 1)).join("").length;
        const { rows, cursor, above, below } = layoutInput({ prompt: "> ", text, at }, { columns, rowsMax });
        assert.ok(rows.length <= rowsMax, "no more rows than there is room for");
        for (const row of rows) assert.ok(columnsOf(row) < columns, `${row} in ${columns}`);
        assert.ok(cursor.row >= 0 && cursor.row < rows.length, "the cursor's row is shown");
        if (above + below > 0) return;
        assert.equal(rows.join(""), `> ${text.replaceAll("\n", "")}`);
        const before = rows.slice(0, cursor.row).join("");
        const shownBefore = graphemesOf(`> ${text.slice(0, at).replaceAll("\n", "")}`).join("");
        assert.equal(columnsOf(before) + cursor.column, columnsOf(shownBefore));
      },
    ),
    { numRuns: 300 },
  );
});

/**
 * terminal: the screen of a person, drawn on a small terminal of the spec's own: whatever is typed and whatever comes
 * meanwhile, printed lines are unbroken, the line being typed is whole below them, the cursor at its place. And nothing
 * that other people wrote steers it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ChatClient, type Delivered } from "../lib/chatClient.ts";
import { ChatView } from "../lib/chatView.ts";
import { columnsOf, harmless } from "../lib/displayText.ts";
import { type Lang, texts } from "../lib/lang.ts";
import { LineEditor } from "../lib/lineEditor.ts";
import { Terminal } from "../lib/terminal.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { FakeTty, Screen, cellsOf } from "./helpers/screen.ts";

/** When everything that is due has been done. */
const quiet = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const chars = [..."abc XYZ 0-/中文字あ한！é", "e\u0301", "👩‍🚀", "😀", "🇨🇳", "❤️"];
const words = (maxLength: number, minLength = 0): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...chars), minLength, maxLength });

type Act = { type: string } | { print: string } | { resize: number } | { fitRows: number };
const keys = ["\r", "\u001b[D", "\u001b[C", "\u0001", "\u0005", "\u007f", "\u001b[3~", "\u000b", "\u001b[A"];
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: words(25, 1).map((type) => ({ type })) },
  { weight: 4, arbitrary: fc.constantFrom(...keys).map((type) => ({ type })) },
  { weight: 3, arbitrary: words(60).map((print) => ({ print })) },
  {
    weight: 1,
    arbitrary: fc.array(words(20), { minLength: 2, maxLength: 3 }).map((all) => ({ print: all.join("\n") })),
  },
  { weight: 2, arbitrary: fc.integer({ min: 10, max: 90 }).map((resize) => ({ resize })) },
  // So many columns that the line just fills its rows: there the cursor has two places to be.
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 4 }).map((fitRows) => ({ fitRows })) },
);

test("[C-2] whatever is typed, comes in or is resized: printed lines are unbroken, the input is whole below them", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(act, { maxLength: 30 }),
      fc.boolean(),
      fc.constantFrom("> ", "（离线）> "),
      async (acts, fleeting, prompt) => {
        const tty = new FakeTty(40, 40);
        const terminal = new Terminal(tty);
        const editor = new LineEditor();
        const printed: string[] = [];
        const answers: string[] = [];
        const asking = (async () => {
          for (;;) {
            const line = await terminal.ask(prompt, { fleeting });
            if (line === null) return;
            answers.push(line);
          }
        })();
        for (const one of acts) {
          if ("print" in one) {
            terminal.print(one.print);
            printed.push(...one.print.split("\n"));
          } else if ("resize" in one) tty.resize(one.resize);
          else if ("fitRows" in one) {
            const columns = cellsOf(prompt + editor.text) / one.fitRows;
            if (Number.isInteger(columns) && columns >= 10) tty.resize(columns);
          } else {
            // An input that is higher than the screen is another test's.
            if (cellsOf(editor.text + one.type) > 200) continue;
            tty.type(one.type);
            for (const event of editor.feed(Buffer.from(one.type))) {
              if (event.kind !== "line") continue;
              if (fleeting) editor.remember(event.text);
              else printed.push(prompt + event.text);
            }
          }
          await quiet();
          const { lines, cursor } = tty.screen;
          const input = prompt + editor.text;
          assert.deepEqual(lines.slice(0, printed.length), printed);
          // A blank behind it holds the cursor's place where the last row is full.
          assert.deepEqual(
            lines.slice(printed.length).map((line) => (line === `${input} ` ? input : line)),
            [input],
          );
          assert.deepEqual(cursor, { cells: cellsOf(prompt + editor.beforeCursor), linesBelow: 0 });
        }
        terminal.close();
        assert.deepEqual(tty.screen.lines, [...printed, ""]);
        tty.hangUp();
        void asking;
      },
    ),
    {
      numRuns: 200,
      // The cursor on a wide character that another width takes to the next row.
      examples: [[[{ type: "文a" }, { type: "\u0001" }, { resize: 11 }], false, "（离线）> "]],
    },
  );
});

test("[C-2] an input higher than the screen: the part around the cursor is shown, and nothing scrolls away", async () => {
  const tty = new FakeTty(40, 8);
  const terminal = new Terminal(tty);
  terminal.print("before");
  void terminal.ask("> ");
  const long = "字".repeat(500);
  tty.type(`begin${long}end`);
  for (const key of ["x", "\u007f", "\u001b[D", "\u001b[C"]) tty.type(key);
  const shown = (): string => tty.screen.lines.slice(1).join("|");
  assert.equal(tty.screen.lines[0], "before");
  assert.match(shown(), /^> …字+end$/);
  assert.equal(tty.screen.cursor.linesBelow, 0);
  tty.type("\u0001");
  assert.match(shown(), /^> begin字+$/);
  assert.equal(tty.screen.cursor.cells, 2);
  terminal.print("meanwhile");
  assert.deepEqual(tty.screen.lines.slice(0, 2), ["before", "meanwhile"]);
  assert.ok(cellsOf(tty.screen.lines[2] ?? "") <= 40 * 8, "it fits the screen");
  tty.type("\u0005");
  const answer = terminal.ask("> ");
  tty.type("\r");
  assert.equal(await answer, `begin${long}end`);
  terminal.close();
});

test("[C-3] a secret is drawn nowhere, neither while it is typed nor later, and is not remembered", async () => {
  const tty = new FakeTty();
  const terminal = new Terminal(tty);
  const secret = terminal.ask("Password: ", { secret: true });
  tty.type("hunter2");
  terminal.print("somebody says something");
  tty.resize(50);
  tty.type("\u001b[D\u001b[D");
  terminal.refresh();
  tty.type("\u001b[A\u001b[B\r");
  assert.equal(await secret, "hunter2");
  const next = terminal.ask("> ", { fleeting: true });
  tty.type("\u001b[A");
  tty.type("\r");
  assert.equal(await next, "");
  // A secret that is not finished ends with its question.
  const over = new AbortController();
  const ended = terminal.ask("Password: ", { secret: true, signal: over.signal });
  tty.type("tiger9");
  over.abort();
  assert.equal(await ended, null);
  const after = terminal.ask("> ");
  tty.type("\r");
  assert.equal(await after, "");
  terminal.close();
  assert.doesNotMatch(tty.screen.written, /h.?u.?n.?t|tiger/);
  assert.deepEqual(
    tty.screen.lines.filter((line) => line.startsWith("Password")),
    ["Password: "],
  );
});

test("[C-2] lines typed ahead are answers in their order; Up brings back what was said, not what was chosen", async () => {
  const tty = new FakeTty();
  const terminal = new Terminal(tty);
  tty.type("1\r200\rhello\rmore");
  assert.equal(tty.screen.lines.join(""), "", "nobody asked yet");
  assert.equal(await terminal.ask("Choose: "), "1");
  assert.equal(await terminal.ask("User: "), "200");
  assert.equal(await terminal.ask("> ", { fleeting: true }), "hello");
  const next = terminal.ask("> ", { fleeting: true });
  assert.deepEqual(tty.screen.lines, ["Choose: 1", "User: 200", "> more"]);
  tty.type("\u0015\u001b[A\u001b[A\u001b[A\r");
  assert.equal(await next, "hello");
  terminal.close();
});

test("[C-2] Ctrl-C empties a started line, on an empty one it is the end, like Ctrl-D; the rest is still handed out", async () => {
  for (const end of ["\u0003", "\u0004"]) {
    const tty = new FakeTty();
    const terminal = new Terminal(tty);
    assert.deepEqual([tty.raw, tty.screen.paste], [true, true]);
    const answer = terminal.ask("> ");
    tty.type("half a line\u0003whole\r");
    assert.equal(await answer, "whole");
    tty.type(`ahead\r${end}`);
    assert.equal(terminal.ended, false);
    assert.equal(await terminal.ask("> "), "ahead");
    assert.equal(terminal.ended, true);
    assert.equal(await terminal.ask("> "), null);
    assert.deepEqual([tty.raw, tty.screen.paste], [false, false], "given back");
    terminal.print("still told");
    terminal.close();
    assert.equal(tty.screen.lines.at(-2), "still told");
  }
});

test("[C-2] a terminal that hangs up ends the question; questions leave nothing behind on their signal", async () => {
  const tty = new FakeTty();
  const terminal = new Terminal(tty);
  const { signal } = new AbortController();
  let added = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...given: Parameters<typeof add>) => (added++, add(...given));
  signal.removeEventListener = (...given: Parameters<typeof remove>) => (added--, remove(...given));
  for (let line = 0; line < 50; line++) {
    const answer = terminal.ask("> ", { signal });
    tty.type(`${line}\r`);
    assert.equal(await answer, `${line}`);
  }
  assert.equal(added, 0);
  const last = terminal.ask("> ");
  tty.hangUp();
  assert.equal(await last, null);
  assert.equal(tty.raw, false);
  terminal.close();
});

test("[C-2] Ctrl-L clears the screen and draws the line again", () => {
  const tty = new FakeTty(40, 5);
  const terminal = new Terminal(tty);
  for (let line = 0; line < 9; line++) terminal.print(`line ${line}`);
  void terminal.ask("> ");
  tty.type("being typed\u001b[D\u000c");
  assert.deepEqual(tty.screen.lines.slice(-2), ["line 4", "> being typed"]);
  assert.deepEqual(tty.screen.cursor, { cells: "> being type".length, linesBelow: 0 });
  terminal.close();
});

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

function delivered(fields: Partial<Delivered>): Delivered {
  return {
    content: "",
    userId: 200,
    userName: "alice",
    conv: "all",
    id: "1-1",
    time: 0,
    ...fields,
  } as Delivered;
}

test("[C-4] [C-2] hostile names and contents through a real view: nothing steers, no line looks like another's", () => {
  const clock = new ManualClock();
  fc.assert(
    fc.property(
      fc.array(fc.record({ userName: hostile, content: hostile, isPrivate: fc.boolean() }), {
        minLength: 1,
        maxLength: 6,
      }),
      fc.constantFrom<Lang>("zh", "en"),
      (messages, lang) => {
        // The screen throws at whatever we do not write ourselves.
        const tty = new FakeTty(40, 12);
        const terminal = new Terminal(tty);
        const view = new ChatView({
          ask: terminal,
          texts: texts[lang],
          clock,
          over: new AbortController(),
          outbox: null,
        });
        const client = new ChatClient({ host: "127.0.0.1", port: 1, userId: 100 });
        view.attach(client);
        view.open();
        void terminal.ask("> ");
        tty.type("being typed");
        let lines = 0;
        for (const { userName, content, isPrivate } of messages) {
          client.online.set(200, userName);
          view.message(delivered({ userName, content, conv: isPrivate ? "u:200" : "all" }));
          const after = tty.screen.lines;
          assert.match(after[lines] ?? "", /^\[\d{4}-\d\d-\d\d \d\d:\d\d\] (?:（私聊）|\(private\) )?/);
          assert.equal(after.at(-1), "> being typed");
          for (const line of after.slice(lines + 1, -1)) assert.match(line, /^ {4}/);
          lines = after.length - 1;
          // Own words from another device, and what else names people.
          view.message(delivered({ userId: 100, userName, content, conv: "u:200" }));
          view.presence({ online: [{ userId: 200, userName }], offline: [200], initial: false });
          view.gap({ conv: "u:200", after: "1-1", before: "1-3", count: 1, reason: "skipped" });
          view.state({ kind: "offline", reason: content, nextTryMs: 5 });
          view.state({ kind: "online" });
          lines = tty.screen.lines.length - 1;
        }
        assert.doesNotMatch(tty.screen.lines.join(""), steering);
        terminal.close();
        client.close();
      },
    ),
    { numRuns: 100 },
  );
});

test("[C-4] what one pastes oneself does not steer either", async () => {
  const steeringKeys = "\u009b2J\u202e\u{e0041}\u2028";
  for (const fleeting of [true, false]) {
    const tty = new FakeTty();
    const terminal = new Terminal(tty);
    const answer = terminal.ask("> ", { fleeting });
    tty.type(`\u001b[200~a${steeringKeys}b\u001b[201~`);
    assert.equal(tty.screen.lines.at(-1), "> a<U+009B>2J<U+202E><U+E0041><U+2028>b");
    tty.type("\u001b[D\r");
    assert.equal(await answer, `a${steeringKeys}b`, "the line itself is as it was typed");
    assert.doesNotMatch(tty.screen.lines.join(""), steering);
    terminal.close();
  }
});

test("[C-2] the screen of this spec is a fair one", () => {
  const screen = new Screen(5, 3);
  screen.write("abcdefg中文\r\nx");
  assert.deepEqual(screen.lines, ["abcdefg中文", "x"]);
  screen.resize(3);
  screen.write("\u001b[1A\r\u001b[J!");
  assert.deepEqual(screen.lines, ["abcdefg中!"]);
  assert.throws(() => screen.write("\u001b[31m"));
  assert.throws(() => screen.write("\u0007"));
  assert.throws(() => screen.write("\u009b"));
});

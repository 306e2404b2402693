/**
 * plainParts.spec: the parts of the chat line by line, with the clock in hand: when what is appended, how comings and
 * goings are folded, and that nobody's text steers a terminal or looks like another line.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { texts } from "../lib/lang.ts";
import { plainBurstMs, presenceFoldFirstMs, presenceFoldMs } from "../lib/limits.ts";
import { type LinesContext, spokenLine, waitingLine } from "../lib/plainLines.ts";
import { PlainOutput } from "../lib/plainOutput.ts";
import { PresenceFold } from "../lib/presenceFold.ts";
import { Room, type RoomMessage } from "../lib/room.ts";
import { screenTexts } from "../lib/screenTexts.ts";
import { ManualClock } from "./helpers/manualClock.ts";

/** An output that keeps what it is given. */
function outputOn({ isTTY }: { isTTY: boolean }): {
  clock: ManualClock;
  output: PlainOutput;
  written: string[];
} {
  const clock = new ManualClock();
  const written: string[] = [];
  const output = new PlainOutput({ clock, output: { isTTY, write: (text) => written.push(text) } });
  return { clock, output, written };
}

test("[C-42] what is asked for follows its Enter at once; what comes by itself begins a line, a few times a second", () => {
  const { clock, output, written } = outputOn({ isTTY: true });
  output.prompt("> ");
  output.entered();
  output.print("an answer");
  output.print("of two lines");
  clock.advance(1);
  output.prompt("> ");
  assert.deepEqual(written.splice(0), ["> ", "an answer\nof two lines\n", "> "]);
  clock.advance(plainBurstMs);
  output.print("by itself");
  clock.advance(1);
  assert.deepEqual(written.splice(0), ["\nby itself\n"]);
  for (let line = 0; line < 3; line++) output.print(`flood ${line}`);
  clock.advance(plainBurstMs - 2);
  assert.deepEqual(written.splice(0), []);
  clock.advance(2);
  assert.deepEqual(written.splice(0), ["\nflood 0\nflood 1\nflood 2\n"]);
  // Enter has begun a line already, and nothing that waited is left out.
  output.print("waited");
  output.entered();
  assert.deepEqual(written.splice(0), ["waited\n"]);
});

test("[C-42] in a log, to which the terminal does not echo, there is no empty line, and a prompt is a line", () => {
  const { clock, output, written } = outputOn({ isTTY: false });
  output.prompt("> ");
  output.print("by itself");
  clock.advance(plainBurstMs);
  output.ring();
  output.prompt("> ");
  assert.equal(written.join(""), "> \nby itself\n> \n");
});

test("[C-29] line by line comings and goings are folded into a line a minute at most, or told each, or not at all", () => {
  const clock = new ManualClock();
  const printed: string[] = [];
  const fold = new PresenceFold({
    clock,
    texts: () => ({ texts: screenTexts.en, say: texts.en }),
    print: (line) => printed.push(line),
  });
  const some = (count: number, from = 1): { userId: number; userName: string }[] =>
    Array.from({ length: count }, (_, index) => ({ userId: from + index, userName: "x" }));
  fold.add({ came: some(1), left: some(1, 2) }, "fold");
  assert.deepEqual(printed.splice(0), []);
  clock.advance(presenceFoldFirstMs);
  assert.deepEqual(printed.splice(0), ["* +x(1) −x(2)"]);
  fold.add({ came: some(12), left: [] }, "fold");
  clock.advance(presenceFoldMs / 2);
  fold.add({ came: [], left: some(3) }, "fold");
  assert.deepEqual(printed.splice(0), []);
  clock.advance(presenceFoldMs / 2);
  assert.deepEqual(printed.splice(0), ["* +12 −3 online"]);
  fold.add({ came: some(1), left: [] }, "off");
  fold.add({ came: some(1), left: some(1, 2) }, "all");
  assert.deepEqual(printed.splice(0), ["* x(1) is online", "* x(2) has left"]);
  fold.add({ came: some(100), left: [] }, "all");
  assert.deepEqual(printed.splice(0), ["* 100 came, 0 left"]);
  fold.add({ came: some(1), left: [] }, "fold");
  fold.stop();
  clock.advance(presenceFoldMs);
  assert.deepEqual(printed, []);
});

const hostile = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom(
      "\u001b[2J",
      "\n",
      "\r\n",
      "\r",
      "\u009b",
      "\u202e",
      "\u2028",
      "\t",
      "[09:41] me: ",
      "中",
      "a",
    ),
    maxLength: 20,
  }),
);

test("[C-4] [C-2] whatever others are called and write: one line of its own, what follows is moved in, nothing steers", () => {
  const timeMs = Date.UTC(2026, 10, 24, 9, 41);
  fc.assert(
    fc.property(hostile, hostile, fc.boolean(), fc.boolean(), (userName, content, isPrivate, isOwn) => {
      const room = new Room({ conv: isPrivate ? "u:7" : "all", name: userName, reader: 5 });
      const message: RoomMessage = {
        ...{ kind: "message", id: { epoch: 1, seq: 1 }, timeMs, userId: isOwn ? 5 : 7 },
        ...{ userName, content, mid: "m", stored: null, mentions: true },
      };
      for (const lang of ["zh", "en"] as const) {
        const context: LinesContext = {
          ...{ texts: screenTexts[lang], say: texts[lang], reader: 5, nowMs: timeMs, marks: true },
        };
        for (const text of [spokenLine(room, message, context), waitingLine(room, message, context)]) {
          const [first = "", ...more] = text.split("\n");
          assert.match(first, /^\[\d\d:\d\d\] [@·…] /);
          for (const line of more) assert.match(line, /^ {4}/);
          assert.doesNotMatch(
            text.replaceAll("\n", ""),
            /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}\u{e0000}-\u{e007f}]/u,
          );
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

test("[C-23] line by line a message of another day has its date, and own, private and mentioned ones their signs", () => {
  const today = new Date(2026, 10, 24, 9, 41).getTime();
  const context: LinesContext = {
    ...{ texts: screenTexts.en, say: texts.en, reader: 5, nowMs: today, marks: true },
  };
  const message = (fields: Partial<RoomMessage>): RoomMessage => ({
    ...{ kind: "message", id: { epoch: 1, seq: 1 }, timeMs: today, userId: 7, userName: "bob" },
    ...{ content: "hi", mid: "m", stored: null, mentions: false },
    ...fields,
  });
  const all = new Room({ conv: "all", name: "", reader: 5 });
  const bob = new Room({ conv: "u:7", name: "bob", reader: 5 });
  const yesterday = new Date(2026, 10, 23, 23, 59).getTime();
  assert.equal(spokenLine(all, message({ timeMs: yesterday }), context), "[2026-11-23 23:59] bob(7): hi");
  assert.equal(spokenLine(all, message({ mentions: true }), context), "[09:41] @ bob(7): hi");
  assert.equal(spokenLine(bob, message({}), context), "[09:41] (private) bob(7): hi");
  const own = message({ userId: 5, stored: "disk" });
  assert.equal(spokenLine(all, own, context), "[09:41] ✓ me: hi");
  assert.equal(
    spokenLine(bob, { ...own, stored: "memory" }, context),
    "[09:41] ~ me: (private to bob(7)) hi",
  );
  bob.deliveredTo = own.id;
  assert.equal(spokenLine(bob, own, context), "[09:41] ✓✓ me: (private to bob(7)) hi");
  assert.equal(spokenLine(all, own, { ...context, marks: false }), "[09:41] me: hi");
});

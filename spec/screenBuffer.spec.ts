/**
 * screenBuffer.spec: a grid of cells on a real terminal emulator: whatever was drawn before, the difference turns it
 * into what is to be shown, cell by cell (clause [C-22]), and says nothing where nothing differs.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ScreenBuffer } from "../lib/screenBuffer.ts";
import { ScreenTty } from "./helpers/screenTty.ts";

const chars = [..."abc XYZ 0-/中文字あ한！é─│✓…", "e\u0301", "👩‍🚀", "😀", "🇨🇳", "❤️", "👍🏽"];
const text = fc.string({ unit: fc.constantFrom(...chars), maxLength: 24 });
const style = fc.constantFrom("", "1", "2", "7", "38;5;210", "1;38;2;10;20;30");
const put = fc.record({
  row: fc.nat(5),
  column: fc.nat(19),
  text,
  style,
  end: fc.integer({ min: 1, max: 20 }),
});
const grid = fc.array(put, { maxLength: 8 });

type Put = { row: number; column: number; text: string; style: string; end: number };

function bufferOf(puts: Put[]): ScreenBuffer {
  const buffer = new ScreenBuffer(20, 6);
  for (const { row, column, text: what, style: how, end } of puts) {
    const behind = buffer.put({ row, column }, [{ text: what, style: how }], end);
    if (column < 4) buffer.fill({ row, column: behind }, how, end);
  }
  buffer.cursor = { row: puts.length % 6, column: (puts[0]?.column ?? 0) % 20 };
  return buffer;
}

test("[C-22] any grid after any other: the terminal shows it cell by cell, the cursor at its place", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(grid, { minLength: 1, maxLength: 4 }), async (grids) => {
      const tty = new ScreenTty({ columns: 20, rows: 6 });
      tty.write("garbage from before");
      let before: ScreenBuffer | null = null;
      for (const puts of grids) {
        const buffer = bufferOf(puts);
        tty.write(buffer.from(before));
        before = buffer;
        await tty.settled();
        assert.deepEqual(tty.lines, buffer.lines);
        assert.deepEqual(tty.cursor, buffer.cursor);
        // Drawn from nothing it looks the same, styles too.
        const fresh = new ScreenTty({ columns: 20, rows: 6 });
        fresh.write(buffer.from(null));
        await fresh.settled();
        assert.deepEqual(tty.cells, fresh.cells);
      }
      assert.equal(before?.from(bufferOf(grids.at(-1) ?? [])), "");
    }),
    { numRuns: 150 },
  );
});

test("[C-22] on a terminal that knows no emoji a row may look odd, and nothing behind it moves", async () => {
  const tty = new ScreenTty({ columns: 20, rows: 6, oldWidths: true });
  const buffer = new ScreenBuffer(20, 6);
  const end = buffer.put({ row: 0, column: 0 }, [{ text: "a👩‍🚀b🇨🇳c❤️d", style: "" }]);
  buffer.put({ row: 0, column: end }, [{ text: "|end", style: "1" }]);
  buffer.put({ row: 1, column: 0 }, [{ text: "中文|", style: "" }]);
  tty.write(buffer.from(null));
  await tty.settled();
  const row = tty.cells[0]?.map((cell) => cell.text) ?? [];
  assert.equal(end, 10);
  assert.equal(row.slice(10, 14).join(""), "|end");
  assert.deepEqual([row[0], row[3], row[6], row[9]], ["a", "b", "c", "d"]);
  assert.equal(tty.lines[1], "中文|");
});

test("[C-22] a change of one character costs a few bytes, no change none, and each update is one synchronized whole", () => {
  const before = new ScreenBuffer(80, 24);
  const after = new ScreenBuffer(80, 24);
  for (let row = 0; row < 24; row++) {
    before.put({ row, column: 0 }, [{ text: "x".repeat(80), style: "" }]);
    after.put({ row, column: 0 }, [{ text: "x".repeat(80), style: "" }]);
  }
  assert.equal(after.from(before), "");
  after.put({ row: 12, column: 40 }, [{ text: "y", style: "" }]);
  const bytes = after.from(before);
  assert.ok(bytes.length < 60, JSON.stringify(bytes));
  assert.match(bytes, /^\u001b\[\?2026h.*y.*\u001b\[\?2026l$/);
  const whole = after.from(null);
  assert.equal(whole.split("\u001b[?2026h").length, 2);
  assert.ok(whole.includes("\u001b[2J"), "a screen that may show anything is emptied first");
});

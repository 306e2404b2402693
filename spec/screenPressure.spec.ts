/**
 * screenPressure.spec: much at once on the full screen: a flood of messages while a person types, a paste of many lines.
 * Time is the stage's own, so that every frame has its millisecond.
 */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { pasteMaxUnits, urgentFrameMs } from "../lib/limits.ts";
import { Stage, closeStages } from "./helpers/screenStage.ts";

afterEach(closeStages);

/** The rows from the prompt on, and the cursor within them. */
function inputOf(stage: Stage): { text: string; cursor: { row: number; column: number } } {
  const { lines, cursor } = stage.tty;
  const first = lines.findLastIndex((line) => line.startsWith("everyone>"));
  return {
    text: lines.slice(first).join("\n"),
    cursor: { row: cursor.row - first, column: cursor.column },
  };
}

test("[C-22] at 2,000 messages a second at most 20 frames a second are drawn, and a key has a frame of its own at once", async () => {
  const stage = new Stage();
  await stage.logIn();
  const startMs = stage.clock.monotonicMs();
  const frameTimesMs: number[] = [];
  let count = 0;
  /** A millisecond of the flood; whether something was drawn in it. */
  const pass = (): boolean => {
    const before = stage.tty.frames;
    stage.clock.advance(1);
    for (let n = 0; n < 2; n++) stage.hears({ userId: 100, content: `line ${++count}.` });
    // What is due at once is drawn in this very millisecond.
    stage.clock.advance(0);
    for (let n = before; n < stage.tty.frames; n++) frameTimesMs.push(stage.clock.monotonicMs() - startMs);
    return stage.tty.frames > before;
  };
  for (let ms = 0; ms < 2_000; ms++) pass();
  assert.equal(count, 4_000);
  for (const [index, fromMs] of frameTimesMs.entries()) {
    const within = frameTimesMs.slice(index).filter((atMs) => atMs < fromMs + 1_000);
    assert.ok(within.length <= 20, `${within.length} frames in the second from ${fromMs} ms`);
  }
  assert.ok(frameTimesMs.length >= 38, `${frameTimesMs.length} frames in 2 s: what comes in is shown`);

  // Each key at another distance from the flood's last frame, and farther from its next one than a key may wait.
  let typed = "";
  for (const [index, key] of [..."海yu, e\u0301!"].entries()) {
    while (!pass());
    for (let ms = 0; ms < index * 5; ms++) pass();
    const [typedMs, before] = [stage.clock.monotonicMs(), stage.tty.frames];
    stage.tty.type(key);
    typed += key;
    while (stage.tty.frames === before) pass();
    const waitedMs = stage.clock.monotonicMs() - typedMs;
    assert.ok(waitedMs <= urgentFrameMs, `${key} was shown after ${waitedMs} ms`);
    await stage.tty.settled();
    assert.equal(inputOf(stage).text, `everyone> ${typed}`.trimEnd());
  }
  await stage.settled();
  const { lines } = stage.tty;
  const bar = lines.findLastIndex((line) => /^ connected/.test(line));
  assert.match(lines[bar - 1] ?? "", new RegExp(` line ${count}\\.$`), "the newest is on the screen");
});

test("[C-22] on a slow line: nothing waits for an answer of the terminal, a key costs few bytes, a frame of a flood no more than its rows", async () => {
  const stage = new Stage({ depth: "true" });
  for (let n = 1; n <= 40; n++) stage.log({ userId: 100, content: `line ${n}.` });
  await stage.logIn();
  // Questions that a terminal answers: the background, once, and whatever the answer, or none, all goes on.
  const questions = /\u001b\[[0-9;?>=]*[nc]|\u001b\[[?>]?[0-9;]*u|\u001b\]\d+;\?|\u001bP|\u0005/g;
  assert.deepEqual(stage.tty.written.match(questions), ["\u001b]11;?"]);
  /** Bytes of what keys do. */
  const costOf = async (...keys: string[]): Promise<number> => {
    stage.tty.written = "";
    await stage.type(...keys);
    assert.equal(stage.tty.written.match(questions), null);
    return Buffer.byteLength(stage.tty.written);
  };
  // Where terminals disagree about a width the whole row is drawn.
  for (const [keys, most] of [
    ["hello 中文", 80],
    ["👩‍🚀e\u0301 hm", 240],
  ] as const) {
    for (const key of keys) {
      const cost = await costOf(key);
      assert.ok(
        cost <= most,
        `${cost} bytes for ${JSON.stringify(key)}: ${JSON.stringify(stage.tty.written)}`,
      );
    }
  }
  assert.ok((await costOf("\u001b[D")) <= 16, "the cursor moves");
  const page = await costOf("\u001b[5~");
  assert.ok(page <= 24 * 200, `${page} bytes for a page`);
  await costOf("\u001b[1;5F");
  for (let frame = 0; frame < 20; frame++) {
    stage.tty.written = "";
    for (let n = 0; n < 100; n++) stage.hears({ userId: 100 + n, content: `flood ${frame} ${n}` });
    await stage.settled();
    const cost = Buffer.byteLength(stage.tty.written);
    assert.ok(cost <= 24 * 200, `${cost} bytes for a frame of 100 new messages`);
  }
});

const pasted = Array.from({ length: 200 }, (_, index) => `${index + 1}. 行 👩‍🚀 e\u0301`);

/** A paste as it comes over a line: in pieces that end anywhere, within characters too, while others talk. */
async function pasteInPieces(stage: Stage, text: string, checks: () => void): Promise<void> {
  const bytes = Buffer.from(`\u001b[200~${text}\u001b[201~`);
  for (let from = 0; from < bytes.length; from += 211) {
    stage.tty.type(bytes.subarray(from, from + 211));
    stage.hears({ userId: 100, content: `meanwhile ${from}` });
    stage.clock.advance(60);
    await stage.tty.settled();
    checks();
  }
}

test("[C-22] a paste of 200 lines asks first: nothing is sent on no, all of it in order on yes, and the input is never torn", async () => {
  const stage = new Stage({ columns: 100 });
  await stage.logIn();
  await stage.type("草稿 half", "\u001b[D\u001b[D");
  const draft = { text: "everyone> 草稿 half", cursor: { row: 0, column: 17 } };
  const isWhole = (): void => {
    assert.deepEqual(inputOf(stage), draft);
    assert.deepEqual(stage.link.sent, []);
  };
  isWhole();
  const asks = /Pasted 200 lines \(\d+ characters\)\. E: edit first · S: send 200 messages · Esc: no/;
  await pasteInPieces(stage, pasted.join("\r"), isWhole);
  assert.match(stage.text, asks);
  // What is no answer changes nothing, another paste and the Enter of a person in a hurry least of all.
  await stage.type("\r", "x", "\t");
  stage.tty.paste("s");
  await stage.settled();
  isWhole();
  assert.match(stage.text, asks);
  await stage.type("\u001b");
  stage.clock.advance(100);
  await stage.settled();
  assert.doesNotMatch(stage.text, /Pasted/);
  isWhole();

  await pasteInPieces(stage, pasted.join("\n"), isWhole);
  assert.match(stage.text, asks);
  await stage.type("s");
  assert.deepEqual(
    stage.link.sent.map(({ conv, content }) => ({ conv, content })),
    pasted.map((content) => ({ conv: "all", content })),
  );
  assert.doesNotMatch(stage.text, /Pasted/);
  assert.match(stage.text, /200\. 行 👩‍🚀 e\u0301/);
  assert.deepEqual(inputOf(stage), draft);
});

test("[C-22] a paste that no message holds is asked about too: edited first, or sent in pieces of which nothing is lost", async () => {
  const stage = new Stage();
  await stage.logIn();
  const word = "这是一个很长的段落 👩‍🚀 e\u0301 ";
  const long = word.repeat(500).trimEnd();
  stage.tty.paste(long);
  await stage.settled();
  assert.match(stage.text, /Pasted \d+ characters, a message has at most 4000\. E: edit first · S: send 3/);
  await stage.type("s");
  const contents = stage.link.sent.map(({ content }) => content);
  assert.equal(contents.length, 3);
  for (const content of contents) assert.ok(content.length <= 4_000 && content.isWellFormed(), "it fits");
  assert.equal(contents.join(" "), long);
  // No blank anywhere: cut between characters.
  stage.link.sent.length = 0;
  stage.tty.paste("👩‍🚀".repeat(1_000));
  await stage.type("s");
  assert.deepEqual(
    stage.link.sent.map(({ content }) => content),
    ["👩‍🚀".repeat(800), "👩‍🚀".repeat(200)],
  );
  // Edited first: Enter does not take what is too long, and loses nothing of it.
  stage.link.sent.length = 0;
  stage.tty.paste("x".repeat(4_001));
  await stage.type("e", "\r");
  assert.match(stage.text, /Too long: 4001 characters, at most 4000; not sent\./);
  await stage.type("\u007f", "\r");
  assert.deepEqual(
    stage.link.sent.map(({ content }) => content),
    ["x".repeat(4_000)],
  );
  // More than anybody means to paste is told, not cut in silence.
  stage.tty.paste("y".repeat(pasteMaxUnits + 1));
  await stage.type("s", "e");
  assert.match(stage.text, /Pasted more than 1000000 characters: too much, not taken\. Esc closes/);
  assert.equal(stage.link.sent.length, 1);
  await stage.type("\u0003");
  assert.equal(inputOf(stage).text, "everyone>");
});

test("[C-22] a paste put into the input is one message, whole", async () => {
  const stage = new Stage();
  await stage.logIn();
  await pasteInPieces(stage, pasted.join("\r\n"), () => assert.deepEqual(stage.link.sent, []));
  await stage.type("e");
  assert.deepEqual(stage.link.sent, []);
  const rows = inputOf(stage).text.split("\n");
  assert.equal(rows.at(-1)?.trim(), pasted.at(-1), "the end of it is in sight, where the cursor is");
  await stage.type("\r");
  assert.deepEqual(
    stage.link.sent.map(({ content }) => content),
    [pasted.join("\n")],
  );
  assert.equal(inputOf(stage).text, "everyone>");
});

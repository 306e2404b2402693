/**
 * screenChat.spec: what a person sees on the full screen, row by row, in every state of the link and of their messages.
 */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { commandsIn } from "../lib/commands.ts";
import { ownCodes } from "../lib/codes.ts";
import { Outbox } from "../lib/outbox.ts";
import { screenTexts } from "../lib/screenTexts.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { Stage, closeStages, epoch } from "./helpers/screenStage.ts";

const say = screenTexts.en;
afterEach(closeStages);

/** The row of the status bar. */
function statusOf(stage: Stage): string {
  return stage.lines.find((line) => /^ (connected|offline|connecting)/.test(line)) ?? "";
}

test("[C-26] the link's state is always in sight: connecting, connected, offline with both clocks, back; unsent, server, durability, lag", async () => {
  const stage = new Stage();
  await stage.settled();
  assert.match(statusOf(stage), /^ connecting \| 127\.0\.0\.1:8889$/);
  assert.match(stage.lines[0] ?? "", /everyone$/, "how many are online is not known");
  stage.log({ userId: 100, content: "hi" });
  await stage.logIn();
  assert.match(statusOf(stage), /^ connected \| 127\.0\.0\.1:8889$/);
  stage.link.lagMs = 12.4;
  await stage.type("hello\r");
  assert.match(statusOf(stage), /^ connected \| 1 unsent \| 127\.0\.0\.1:8889 \| 12 ms$/);
  await stage.stores("disk");
  assert.match(statusOf(stage), /^ connected \| 127\.0\.0\.1:8889 \| disk \| 12 ms$/);
  assert.match(stage.lines[0] ?? "", /everyone · 3 online$/);
  await stage.loseLink(4_000);
  assert.match(stage.lines[0] ?? "", /everyone$/);
  await stage.type("one\r", "two\r");
  assert.match(
    statusOf(stage),
    /^ offline for 0 s, next try in 4 s \| 2 unsent \| 127\.0\.0\.1:8889 \| disk$/,
  );
  stage.clock.advance(3_000);
  await stage.settled();
  assert.match(statusOf(stage), /offline for 3 s, next try in 1 s/);
  stage.clock.advance(9_000);
  await stage.loseLink(8_000);
  assert.match(statusOf(stage), /offline for 12 s, next try in 8 s/);
  await stage.linkBack();
  assert.match(statusOf(stage), /^ connected \| 2 unsent/);
  assert.match(stage.text, /-- connected again \(after 13 s\)/);
});

test("[C-26] on a narrow screen the state and what is unsent stay, the rest goes first", async () => {
  const stage = new Stage({ columns: 40, rows: 12 });
  await stage.logIn();
  await stage.loseLink(4_000);
  await stage.type("x\r");
  const row = stage.lines.at(-2) ?? "";
  assert.match(row, /^ off 0s, try in 4s \| 1 unsent$/);
});

test("[C-27] a message of one's own shows what became of it: on disk, in memory, on disk there, on a replica", async () => {
  const stage = new Stage();
  await stage.logIn();
  await stage.type("one\r", "two\r", "three\r");
  const own = (): string[] => stage.lines.flatMap((line) => /│ \d\d:\d\d +(.*)$/.exec(line)?.[1] ?? []);
  assert.deepEqual(own(), ["… me: one", "… me: two", "… me: three"]);
  await stage.stores("memory");
  await stage.stores("disk");
  await stage.stores("replica");
  assert.deepEqual(own(), ["~ me: one", "✓ me: two", "✓+ me: three"]);
});

test("[C-27] [L-3] what was said at another time, or by another device, shows how safely the server keeps it; from the log-in on the status bar tells it", async () => {
  for (const [stored, mark, told] of [
    ["disk", "✓", "disk"],
    ["memory", "~", "memory"],
    [undefined, "·", ""],
  ] as const) {
    const stage = new Stage();
    for (let n = 1; n <= 5; n++) stage.log({ userId: n % 2 === 0 ? 100 : 200, content: `line ${n}.` });
    await stage.logIn({ ...(stored && { stored }) });
    assert.match(
      stage.text,
      new RegExp(` ${mark} me: line 1\\.[^]* {4}scott\\(100\\): line 2\\.[^]* ${mark} me: line 5`),
    );
    stage.hears({ userId: 200, content: "from my other device" });
    await stage.settled();
    assert.match(stage.text, new RegExp(` ${mark} me: from my other device`));
    assert.equal(
      statusOf(stage),
      [" connected", "127.0.0.1:8889", told].filter((part) => part !== "").join(" | "),
    );
    stage.close();
  }
});

test("[C-27] a refused message says why and stays; Alt-R sends it again, Alt-X drops it", async () => {
  const folder = scratchFolder();
  const outbox = Outbox.open({ folder, account: "stage", device: "d" });
  const stage = new Stage({ outbox });
  await stage.logIn();
  await stage.type("/msg 999999 anybody?\r");
  await stage.refuses(404);
  assert.match(stage.text, /! me» anybody\?/);
  assert.match(stage.words, /not sent: no such user · Alt-R sends it again · Alt-X drops/);
  assert.match(statusOf(stage), /! 1 to decide/);
  await stage.type("\u001br");
  assert.equal(stage.link.sent.length, 1);
  assert.match(stage.text, /… me» anybody\?/);
  assert.doesNotMatch(stage.text, /not sent/);
  await stage.refuses(404);
  await stage.type("\u001bx");
  assert.doesNotMatch(stage.text, /anybody/);
  assert.doesNotMatch(statusOf(stage), /to decide/);
  outbox.close();
});

test("[C-27] what an earlier client left on disk is there, and gets its fate", async () => {
  const folder = scratchFolder();
  const outbox = Outbox.open({ folder, account: "stage", device: "d" });
  outbox.put({
    mid: "old1",
    conv: "all",
    content: "said before the crash",
    timeMs: Date.UTC(2026, 10, 24, 9, 30),
  });
  const stage = new Stage({ outbox });
  await stage.settled();
  assert.match(stage.text, /09:30  … me: said before the crash/);
  await stage.logIn();
  stage.events.restored?.(
    { mid: "old1", conv: "all", content: "said before the crash" },
    { kind: "stored", mid: "old1", id: `${epoch}-1`, time: Date.UTC(2026, 10, 24, 9, 42), stored: "disk" },
  );
  await stage.settled();
  assert.match(stage.text, /09:42  ✓ me: said before the crash/);
  assert.doesNotMatch(stage.text, /…/);
  outbox.close();
});

test("[C-24] unread is counted for each conversation; Alt-A goes to private ones and mentions first; what mentions one is marked and rings", async () => {
  const stage = new Stage();
  stage.log({ conv: "u:100", userId: 100, content: "old" });
  stage.log({ conv: "u:300", userId: 300, content: "旧的" });
  await stage.logIn();
  await stage.type("\u001b2");
  assert.match(stage.text, /private with scott\(100\)/);
  for (const content of ["one", "two", "@alice three"]) stage.hears({ userId: 300, content });
  stage.hears({ conv: "u:300", userId: 300, content: "私下说" });
  await stage.settled();
  assert.equal(stage.tty.bells, 2, "the mention and the private one");
  const sidebar = stage.lines.map((line) => line.slice(0, 20).trimEnd());
  assert.ok(
    sidebar.includes(" #everyone         @3") || sidebar.some((line) => /^ #everyone +@3$/.test(line)),
    sidebar.join("\n"),
  );
  assert.ok(
    stage.lines.some((line) => /^ @小海\(300\) +1│/.test(line)),
    stage.text,
  );
  assert.match(statusOf(stage), /4 unread Alt-A/);
  await stage.type("\u001ba");
  assert.match(stage.text, /private with 小海\(300\)/);
  await stage.type("\u001ba");
  assert.match(stage.text, /everyone · 3 online/);
  assert.match(stage.text, /@ 小海\(300\): @alice three/);
  await stage.type("\u001ba");
  assert.match(stage.text, /Nothing is unread/);
  // Longer than the screen: it begins where reading stopped, and the same key reads it to the end.
  await stage.type("/go 300\r");
  for (let n = 1; n <= 40; n++) stage.hears({ userId: 300, content: `line ${n}.` });
  await stage.type("\u001ba");
  assert.match(stage.lines[1] ?? "", new RegExp(say.newSince));
  assert.match(stage.lines[2] ?? "", /line 1\./);
  await stage.type("\u001ba");
  assert.match(stage.lines.at(-3) ?? "", /line 40\./);
  assert.doesNotMatch(stage.text, /#everyone +@?\d/);
  await stage.type("/set bell off\r");
  stage.hears({ userId: 300, content: "alice?" });
  await stage.settled();
  assert.equal(stage.tty.bells, 2);
});

test('[C-24] "new since you left" stands where reading stopped, over restarts too', async () => {
  const folder = scratchFolder();
  const stage = new Stage({ folder });
  stage.log({ userId: 100, content: "first" });
  await stage.logIn();
  await stage.type("/go 100\r");
  stage.hears({ userId: 300, content: "second" });
  await stage.type("\u001b1");
  const at = (text: string): number => stage.lines.findIndex((line) => line.includes(text));
  assert.ok(at("first") < at(say.newSince) && at(say.newSince) < at("second"), stage.text);
  await stage.type("/go 100\r");
  stage.hears({ userId: 300, content: "third" });
  await stage.settled();
  // Received, acknowledged, and not read: another client, with the same state folder, finds it unread.
  stage.clock.advance(2_000);
  stage.close();
  const again = new Stage({ folder });
  for (const content of ["first", "second", "third"]) again.log({ userId: 300, content });
  await again.logIn();
  const line = (text: string): number => again.lines.findIndex((row) => row.includes(text));
  assert.ok(line("second") < line(say.newSince) && line(say.newSince) < line("third"), again.text);
  assert.match(again.text, /while you were away/);
});

test("[C-28] scrolling back goes into the server's history without a seam, and down again", async () => {
  const stage = new Stage();
  for (let n = 1; n <= 1_000; n++)
    stage.log({ userId: 100, content: `line ${n}.`, agoMs: (1_000 - n) * 100 });
  await stage.logIn();
  assert.match(stage.text, /line 1000\./);
  const seen = new Set<number>();
  let lowest = 1_001;
  for (let presses = 0; presses < 80 && lowest > 1; presses++) {
    const shown = [...stage.text.matchAll(/line (\d+)\./g)].map(([, n]) => Number(n));
    for (const [index, n] of shown.entries()) {
      seen.add(n);
      if (index > 0) assert.equal(n, (shown[index - 1] ?? 0) + 1, "in order");
    }
    assert.doesNotMatch(stage.text, /missing/);
    lowest = Math.min(...shown);
    await stage.type("\u001b[5~");
  }
  assert.equal(seen.size, 1_000);
  assert.match(stage.text, /the beginning/);
  stage.hears({ userId: 100, content: "a new one" });
  await stage.settled();
  assert.doesNotMatch(stage.text, /a new one/);
  assert.match(stage.text, /↓ 1 new below · End/);
  await stage.type("\u001b[F");
  assert.match(stage.text, /a new one/);
  assert.match(stage.lines.at(-2) ?? "", /connected/);
});

test("[C-28] a hole is counted, shown and filled; what was trimmed or lost stays in sight", async () => {
  const stage = new Stage();
  for (let n = 1; n <= 10; n++) stage.log({ userId: 100, content: `line ${n}.` });
  await stage.logIn();
  stage.link.holdsHistory = true;
  for (const n of [11, 12, 13]) stage.log({ userId: 200, content: `from elsewhere ${n}.` });
  stage.hears({ userId: 100, content: "line 14." });
  await stage.settled();
  assert.match(stage.text, /── 3 missing, fetching ──/);
  stage.link.answerHistory();
  await stage.settled();
  assert.doesNotMatch(stage.text, /missing/);
  assert.match(stage.text, /from elsewhere 11\..*from elsewhere 13\..*line 14\./s);
  // Two that the server does not have any more.
  const log = stage.link.logs.get("all") ?? [];
  stage.log({ userId: 100, content: "lost 15." });
  stage.log({ userId: 100, content: "lost 16." });
  stage.hears({ userId: 100, content: "line 17." });
  log.splice(14, 2);
  await stage.settled();
  assert.match(stage.text, /── 2 lost/);
  await stage.loseLink();
  stage.log({ userId: 100, content: "line 18." });
  await stage.linkBack();
  await stage.loseLink();
  stage.hears({ userId: 100, content: "line 19." });
  await stage.settled();
  assert.match(stage.text, /── 1 missing, fetched when connected ──/);
});

/** The numbers of the lines on the screen; each is the one behind that above it, but over a hole. */
function numbersOf(stage: Stage): number[] {
  return [...stage.text.matchAll(/line (\d+)\./g)].map(([, n]) => Number(n));
}

test("[C-28] who reads down into a hole of hundreds stays at the line above it, and reads every line of it", async () => {
  const stage = new Stage();
  for (let n = 1; n <= 100; n++) stage.log({ userId: 100, content: `line ${n}.` });
  await stage.logIn();
  await stage.type("\u001b[5~");
  for (let n = 101; n <= 600; n++) stage.log({ userId: 100, content: `line ${n}.` });
  for (let n = 601; n <= 650; n++) stage.hears({ userId: 100, content: `line ${n}.` });
  stage.link.holdsHistory = true;
  const wheelDown = "\u001b[<65;30;5M";
  const asked = stage.link.asked.length;
  for (let turns = 0; turns < 30 && !/500 missing/.test(stage.text); turns++) await stage.type(wheelDown);
  await stage.type(wheelDown, wheelDown);
  const above = stage.lines.slice(
    1,
    stage.lines.findIndex((line) => line.includes("missing")),
  );
  assert.ok(above.length > 3 && /line 100\./.test(above.at(-1) ?? ""), stage.text);
  stage.link.answerHistory();
  await stage.settled();
  const unread = (row: string): string => row.slice(row.indexOf("│"));
  assert.deepEqual(stage.lines.slice(1, above.length + 1).map(unread), above.map(unread), "nothing moved");
  assert.match(stage.lines[above.length + 1] ?? "", /line 101\./);
  const pages = stage.link.asked.slice(asked).map(({ after, before }) => ({ after, before }));
  assert.deepEqual(pages, [{ after: `${epoch}-100`, before: undefined }], "what is read next, and no more");
  const seen = new Set(numbersOf(stage));
  for (let presses = 0; presses < 60 && !seen.has(650); presses++) {
    await stage.type("\u001b[6~");
    const shown = numbersOf(stage);
    for (const [index, n] of shown.entries()) {
      seen.add(n);
      if (index > 0) assert.equal(n, (shown[index - 1] ?? 0) + 1, "in order");
    }
  }
  for (let n = 101; n <= 650; n++) assert.ok(seen.has(n), `line ${n}. was passed over`);
});

test("[C-28] behind an absence that is longer than what is fetched at once, reading down goes on line by line to the newest", async () => {
  const stage = new Stage();
  for (let n = 1; n <= 1_450; n++) stage.log({ userId: 100, content: `line ${n}.` });
  await stage.logIn({ read: { all: 0 } });
  // What was not fetched was not read either.
  assert.match(stage.text, /everyone 1450\n/);
  assert.match(stage.text, /↓ 1450 new below/);
  const seen = new Set(numbersOf(stage));
  assert.ok(seen.has(1), stage.text);
  for (let presses = 0; presses < 120 && !seen.has(1_450); presses++) {
    await stage.type("\u001b[6~");
    for (const n of numbersOf(stage)) seen.add(n);
  }
  for (let n = 1; n <= 1_450; n++) assert.ok(seen.has(n), `line ${n}. was passed over`);
  assert.doesNotMatch(stage.text, /#everyone +\d/);
});

test("[C-28] a hole that was asked for from its upper end says what the server had trimmed, and what was lost", async () => {
  for (const [kept, wanted] of [
    [0, "── 20 trimmed"],
    [5, "── 20 lost"],
  ] as const) {
    const stage = new Stage();
    for (let n = 1; n <= 60; n++) stage.log({ userId: 100, content: `line ${n}.` });
    await stage.logIn();
    await stage.type("\u001b[5~");
    for (let n = 61; n <= 600; n++) stage.log({ userId: 100, content: `line ${n}.` });
    stage.hears({ userId: 100, content: "line 601." });
    // Of the hole 61 to 600 the server has 81 to 600; of what is older all, or some.
    stage.link.logs.get("all")?.splice(kept, 80 - kept);
    const passed: string[] = [];
    for (let presses = 0; presses < 60 && !/line 90\./.test(stage.text); presses++) {
      await stage.type("\u001b[6~");
      passed.push(stage.text);
    }
    assert.ok(passed.join("\n").includes(wanted), `${wanted} in\n${stage.text}`);
    assert.match(stage.text, /line 90\./);
    stage.close();
  }
});

test("[C-28] the wheel moves through a message of one's own that waits and is taller than the screen", async () => {
  const stage = new Stage();
  stage.log({ userId: 100, content: "line 1." });
  await stage.logIn();
  // Ctrl-J is a new line of the message.
  await stage.type(`${Array.from({ length: 60 }, (_, index) => `verse ${index}`).join("\n")}\r`);
  assert.match(stage.text, /verse 59/);
  for (let turns = 0; turns < 30 && !/line 1\./.test(stage.text); turns++)
    await stage.type("\u001b[<64;30;5M");
  assert.match(stage.text, /line 1\.[^]*verse 0\b/);
  for (let turns = 0; turns < 30 && !/verse 59/.test(stage.text); turns++)
    await stage.type("\u001b[<65;30;5M");
  assert.match(stage.text, /verse 59/);
});

test("[C-24] what the person sees as it comes is read, though a page of history brought it first", async () => {
  const stage = new Stage();
  stage.link.holdsHistory = true;
  await stage.logIn();
  const first = stage.log({ userId: 100, content: "line 1." });
  stage.link.answerHistory();
  await stage.settled();
  stage.events.message?.(first);
  await stage.settled();
  assert.match(stage.text, /line 1\./);
  assert.doesNotMatch(stage.text, /#everyone +\d/);
});

test("[C-24] a conversation in which nothing was ever said is gone when it is left, but for a draft", async () => {
  const folder = scratchFolder();
  const stage = new Stage({ folder });
  await stage.logIn();
  await stage.type("/msg 999 anybody?\r");
  assert.match(stage.text, />@999/);
  await stage.refuses(404);
  await stage.type("/go all\r");
  assert.match(stage.text, / @999/, "what was refused waits there");
  await stage.type("/go 999\r", "\u001bx", "half a line");
  await stage.type("\u001b1");
  assert.match(stage.text, / @999/, "what is being typed waits there");
  await stage.type("\u001b2");
  assert.match(stage.text, /999> half a line/);
  await stage.type("\u0015", "\u001b1");
  assert.doesNotMatch(stage.text, /999/);
  await stage.type("/go 998\r");
  stage.close();
  const again = new Stage({ folder });
  await again.logIn();
  assert.doesNotMatch(again.text, /99[89]/, "nor is it kept");
  // Not even what was kept while something waited there.
  await again.type("/msg 997 anybody?\r");
  again.clock.advance(5_000);
  await again.refuses(404);
  await again.type("\u001bx", "\u001b1");
  again.close();
  const third = new Stage({ folder });
  await third.logIn();
  assert.doesNotMatch(third.text, /997/);
});

test("[C-28] what the server trimmed at the beginning is told with its count", async () => {
  const stage = new Stage();
  for (let n = 1; n <= 60; n++) stage.log({ userId: 100, content: `line ${n}.` });
  stage.link.logs.get("all")?.splice(0, 41);
  await stage.logIn();
  await stage.type("\u001b[5~", "\u001b[5~");
  assert.match(stage.text, /── 41 trimmed ──/);
  assert.match(stage.text, /line 42\./);
});

test("[C-29] comings and goings are one quiet line, each, or none", async () => {
  const stage = new Stage();
  await stage.logIn();
  const change = (online: number[], offline: number[]): void => {
    const came = online.map((userId) => ({ userId, userName: `user${userId}` }));
    stage.events.presence?.({ online: came, offline, initial: false });
  };
  change([501, 502], []);
  change([], [100]);
  await stage.settled();
  assert.match(stage.text, /-- \+user501\(501\) \+user502\(502\) −scott\(100\)/);
  change(
    Array.from({ length: 10 }, (_, index) => 510 + index),
    [300, 501],
  );
  await stage.settled();
  const notes = stage.lines.filter((line) => line.includes(" -- "));
  assert.deepEqual(
    notes.map((line) => /-- .*/.exec(line)?.[0]),
    ["-- +12 −3 online"],
  );
  stage.hears({ userId: 100, content: "a word" });
  change([530], []);
  await stage.settled();
  assert.equal(stage.lines.filter((line) => line.includes(" -- ")).length, 2, "behind a message a new line");
  await stage.type("/set presence off\r");
  change([531], []);
  await stage.settled();
  assert.doesNotMatch(stage.text, /531/);
  await stage.type("/set presence all\r");
  change([532], [530]);
  await stage.settled();
  assert.match(stage.text, /-- \+user532\(532\)\n.*-- −/);
});

test("[C-39] after an absence a digest tells who and how many, and reading begins at the first unread", async () => {
  const stage = new Stage();
  for (let n = 1; n <= 100; n++) {
    stage.log({ userId: 100, content: n === 60 || n === 70 ? `@alice line ${n}.` : `line ${n}.` });
  }
  for (let n = 1; n <= 4; n++) stage.log({ conv: "u:300", userId: 300, content: `私 ${n}` });
  stage.log({ conv: "u:400", userId: 400, content: "hm" });
  await stage.logIn({ read: { all: 43, "u:300": 2, "u:400": 0 } });
  const shown = stage.lines.slice(1, 7).map((line) => line.replace(/^.*?│ /, ""));
  assert.deepEqual(shown.slice(0, 4), [
    "09:41 -- while you were away:",
    "      --   3 private: 小海(300) 2, bob(400) 1",
    "      --   everyone 57, 2 mention you",
    "      -- Alt-A goes to the next unread",
  ]);
  assert.match(shown[4] ?? "", new RegExp(say.newSince));
  assert.match(shown[5] ?? "", /line 44\./);
  assert.match(stage.lines.at(-2) ?? "", /↓ 57 new below · End/);
  await stage.type("\u001b[F");
  assert.match(stage.lines.at(-3) ?? "", /line 100\./);
  await stage.type("\u001b[5~");
  stage.hears({ userId: 100, content: "one more" });
  await stage.settled();
  assert.match(stage.text, /#everyone +1│/);
  // Whoever says something is at the end, and has read what is above it.
  await stage.type("here I am\r");
  assert.doesNotMatch(stage.text, /#everyone +@?\d/);
});

test("[C-39] [C-24] of an absence of several pages, the end of which was sent at the log-in, every message is counted", async () => {
  const stage = new Stage();
  for (let n = 1; n <= 731; n++) stage.log({ userId: 100, content: `line ${n}.` });
  const arriving = stage.logIn({ read: { all: 0 } });
  for (const message of stage.link.logs.get("all")?.slice(-31) ?? []) stage.events.message?.(message);
  await arriving;
  await stage.settled();
  assert.match(stage.text, /#everyone +731│/);
  assert.match(stage.text, /everyone 731\n/);
  assert.match(stage.text, /new since you left .*\n.*line 1\./);
});

test("[C-40] /search finds Chinese and everything else page by page, tells how far it is, and stops at Esc", async () => {
  const stage = new Stage();
  for (let n = 1; n <= 450; n++) {
    stage.log({ userId: 100, content: n % 150 === 7 ? `第 ${n} 条：中文 Ünïcode ＡＢＣ` : `line ${n}.` });
  }
  stage.log({ conv: "u:300", userId: 300, content: "私下的中文" });
  await stage.logIn();
  await stage.type("/search 中文\r");
  assert.match(stage.text, /search "中文"/);
  assert.match(stage.text, /第 307 条.*第 157 条.*第 7 条.*小海\(300\) » 小海\(300\): 私下的中文/s);
  assert.match(stage.text, /all 451 searched, 4 found/);
  await stage.type("\u001b");
  stage.clock.advance(100);
  await stage.settled();
  assert.doesNotMatch(stage.text, /searched/);
  await stage.type("/search abc\r");
  assert.match(stage.text, /3 found/);
  await stage.type("/search line\r");
  assert.match(stage.lines[0] ?? "", /447 found/);
  stage.link.holdsHistory = true;
  await stage.type("/search nothing of the kind\r");
  assert.match(stage.lines[0] ?? "", /0 of 451 searched, 0 found/);
  assert.match(stage.lines.at(-2) ?? "", /Esc stops/);
  const asked = stage.link.asked.length;
  await stage.type("\u001b");
  stage.clock.advance(100);
  stage.link.answerHistory();
  await stage.settled();
  assert.equal(stage.link.asked.length, asked, "no further page was asked for");
});

test("[C-40] /verify reads a conversation from end to end and tells holes, doubles, disorder and what differs", async () => {
  const stage = new Stage();
  for (let n = 1; n <= 420; n++) stage.log({ userId: 100, content: `line ${n}.` });
  await stage.logIn();
  await stage.type("/verify\r");
  assert.match(
    stage.words,
    new RegExp(`420 messages, ${epoch}-1 to ${epoch}-420: numbers without a hole, none twice`),
  );
  const log = stage.link.logs.get("all") ?? [];
  log.splice(100, 2);
  Object.assign(log[0] ?? {}, { mid: "m419" });
  Object.assign(log.at(-1) ?? {}, { content: "not what was said" });
  await stage.type("/verify\r");
  assert.match(stage.words, new RegExp(`2 missing between ${epoch}-100 and ${epoch}-103`));
  assert.match(stage.words, new RegExp(`one message \\(m419\\) was stored twice: ${epoch}-1, ${epoch}-419`));
  assert.match(stage.words, new RegExp(`${epoch}-420 is not the same here and on the server`));
  assert.match(stage.text, /3 faults in all/);
});

test("[C-40] [B-3] /why tells what the server knows: each device of the other side, when it confirmed, or since when it is away", async () => {
  for (const [lang, wanted] of [
    [
      "en",
      [
        `09:41 the server received and stored it: id ${epoch}-1, synced to disk`,
        "at least one device of theirs has confirmed it",
        "their phone confirmed it at 2026-11-24 09:43",
        "their web has not confirmed it yet",
        "bob(400) terminal has been offline since 2026-11-24 10:02; it waits",
      ],
    ],
    [
      "zh",
      [
        `09:41 服务器收到并存好：编号 ${epoch}-1，已同步到磁盘`,
        "对方至少一台设备已确认收到",
        "对方的 phone 2026-11-24 09:43 确认收到",
        "对方的 web 还没确认",
        "bob(400) terminal 从 2026-11-24 10:02 起不在线；消息等着",
      ],
    ],
  ] as const) {
    const stage = new Stage({ lang, columns: 120 });
    stage.log({ conv: "u:400", userId: 400, content: "hm" });
    stage.link.logs.get("u:400")?.splice(0);
    await stage.logIn();
    await stage.type("/msg 400 are you there?\r");
    const { id = "" } = await stage.stores("disk");
    stage.events.delivered?.({ conv: "u:400", id });
    const at = (hour: number, minute: number): number => Date.UTC(2026, 10, 24, hour, minute);
    stage.link.devices = [
      { kind: "phone", acked: true, ackedTime: at(9, 43), online: true },
      { kind: "web", acked: false, online: true },
      { kind: "terminal", acked: false, online: false, since: at(10, 2) },
    ];
    await stage.settled();
    assert.match(stage.text, /✓✓ (me|我)» are you there\?/);
    await stage.type("/why\r");
    for (const line of wanted) assert.ok(stage.words.includes(line), `${line} in\n${stage.text}`);
    assert.deepEqual(stage.link.whyAsked, [{ conv: "u:400", id }]);
    stage.close();
  }
});

test("[C-40] /why tells what became of a message: queued, stored and how, refused", async () => {
  const stage = new Stage();
  await stage.logIn();
  await stage.type("/why\r");
  assert.match(stage.text, /There is no message of yours here/);
  await stage.type("one\r", "two\r");
  await stage.stores("disk");
  await stage.type("/why 2\r");
  assert.match(stage.words, new RegExp(`stored it: id ${epoch}-1, synced to disk`));
  await stage.type("/why\r");
  assert.match(stage.text, /not answered yet \(connected\)/);
  assert.doesNotMatch(stage.text, /this machine's disk/);
  await stage.refuses(429);
  await stage.type("/why\r");
  assert.match(stage.text, /the server refused it: too often/);
});

test("[C-40] what could not be kept on disk is not said to be there, nor to have been refused by the server", async () => {
  const outbox = Outbox.open({ folder: scratchFolder(), account: "stage", device: "d" });
  const stage = new Stage({ outbox });
  await stage.logIn();
  await stage.type("kept\r", "/why\r");
  assert.match(stage.words, /typed, and on this machine's disk not answered yet \(connected\)/);
  await stage.stores("disk");
  await stage.type("not kept\r");
  await stage.refuses(ownCodes.notWritten);
  await stage.type("/why\r");
  assert.match(stage.words, /not sent: it could not be written to this machine's disk/);
  assert.doesNotMatch(stage.words, /typed, and on|the server refused it/);
  stage.close();
});

test("[C-41] the hint of how to change the conversation goes away with any key that does", async () => {
  for (const key of ["\u001b1", "\u001ba", "\u001b[1;3A"]) {
    const stage = new Stage({ hints: true });
    await stage.logIn();
    await stage.type("hello\r");
    assert.ok(stage.text.includes(say.hints.switch), stage.text);
    await stage.type(key);
    assert.ok(!stage.text.includes(say.hints.switch), stage.text);
    stage.close();
  }
});

test("[C-41] every text changes its language while running, /help lists every command, and hints go away when they have done their work", async () => {
  const stage = new Stage({ hints: true });
  await stage.logIn();
  assert.match(stage.text, /Enter sends it to this conversation/);
  await stage.type("hello\r");
  assert.doesNotMatch(stage.text, /Enter sends it/);
  assert.match(stage.text, /Alt-A goes to the next unread/);
  await stage.type("\u001b[1;3B");
  assert.match(stage.text, /\/help or F1/);
  await stage.type("\u001bOP");
  assert.match(stage.lines.at(-2) ?? "", /PgDn: more · Esc closes$/);
  for (const name of commandsIn("screen")) {
    const shows = (): boolean => stage.lines.some((line) => line.includes(`/${name}`));
    if (!shows()) await stage.type("\u001b[6~");
    assert.ok(shows(), `/${name} in\n${stage.text}`);
  }
  await stage.type("\u001b[6~", "\u001b[6~", "\u001b[6~");
  assert.match(stage.lines.at(-2) ?? "", /\| Esc closes$/);
  // What does nothing here is not offered here.
  assert.doesNotMatch(stage.text, /\/back/);
  await stage.type("/lang zh\r");
  assert.match(stage.text, /大家 · 在线 3 人/);
  assert.match(stage.text, /现在说中文/);
  assert.match(stage.text, /已连接/);
  await stage.type("/lang en\r");
  assert.match(stage.text, /everyone · 3 online/);
});

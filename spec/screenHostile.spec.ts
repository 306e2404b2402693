/**
 * screenHostile.spec: whatever others write and are called, no byte reaches the terminal that we did not write; and
 * whatever is typed, pasted, resized and comes in, the text being typed and the newest lines are where they belong.
 * HAIYU_HOSTILE sets the number of strings (`HAIYU_HOSTILE=1000000` for a soak).
 */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import fc from "fast-check";
import { Stage, closeStages } from "./helpers/screenStage.ts";

afterEach(closeStages);

const strings = Number(process.env.HAIYU_HOSTILE ?? 2_000);
const steering = fc.constantFrom(
  ...[
    "\u001b[2J",
    "\u001b]0;owned\u0007",
    "\u001bP+q\u001b\\",
    "\u009b31m",
    "\u0090",
    "\u009d",
    "\r",
    "\b",
    "\u0007",
    "\u007f",
  ],
  ...[
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\u2028",
    "\u{e0041}",
    "\u00ad",
    "\ud800",
    "\u001b[200~",
    "\u000e",
    "a\u0301",
    "👩‍🚀",
    "аdmin",
  ],
);
const hostile = fc
  .array(fc.oneof(steering, fc.string({ unit: "binary", maxLength: 6 })), { maxLength: 12 })
  .map((parts) => parts.join(""));
// What we write ourselves.
const ours = /\u001b\[(?:\?(?:1049|7|2004|2026|25|1000|1006)[hl]|[0-9;]*[mHGJK])|\u001b\]11;\?\u0007|\u0007/g;
const foreign =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/u;

/** Every way by which a text of somebody else, of the server or of a paste gets onto the screen. */
const ways: ((stage: Stage, text: string, name: string) => void | Promise<void>)[] = [
  (stage, content, userName) => void stage.hears({ userId: 100, content, userName }),
  (stage, content, userName) => void stage.hears({ conv: "u:501", userId: 501, content, userName }),
  (stage, text) => stage.tty.paste(text),
  (stage, text, userName) => {
    stage.link.online.set(502, `${userName}${text}`);
    const online = [{ userId: 502, userName }];
    stage.events.presence?.({ online, offline: [503], initial: false });
    stage.tty.type("\u0003/msg 50\t\t");
  },
  (stage, text) => {
    stage.link.state = { kind: "offline", reason: text, nextTryMs: 1_000 };
    stage.events.state?.(stage.link.state);
    stage.link.state = { kind: "online" };
    stage.events.state?.(stage.link.state);
  },
  async (stage, text) => {
    await stage.type("\u0003x\r");
    await stage.refuses(499, text);
    stage.tty.type(stage.link.sent.length % 2 === 0 ? "/unsent\r" : "/why\r");
    stage.tty.type("\u001bx");
  },
  (stage, text) => {
    stage.tty.type("\u0003/users\r");
    stage.tty.type(`/${text.replace(/[\u0000-\u001f\u007f]/g, "")}\r`);
  },
  (stage, text) => stage.tty.type(`\u0003/search ${text.replace(/[\u0000-\u001f\u007f]/g, "")}\r`),
  (stage, text) => {
    stage.link.devices = [{ kind: text, acked: true, ackedTime: 0, online: true }];
    stage.tty.type("\u0003/go 501\r/why\r/verify\r/go all\r");
  },
];

test("[C-4] hostile texts and names put no byte on the terminal that we did not write", async () => {
  const seed = Number(process.env.HAIYU_SEED ?? Date.now() % 2 ** 31);
  const random = fc.sample(fc.tuple(hostile, hostile, fc.nat(ways.length * 4)), { numRuns: strings, seed });
  let stage = new Stage({ columns: 120, rows: 40 });
  await stage.logIn();
  const check = (): void => {
    const rest = stage.tty.written.replace(ours, "");
    const found = foreign.exec(rest);
    const around = JSON.stringify(
      rest.slice(Math.max((found?.index ?? 0) - 80, 0), (found?.index ?? 0) + 80),
    );
    assert.equal(found, null, `HAIYU_SEED=${seed}: ${around}`);
    stage.tty.written = "";
  };
  for (const [index, [text, name, way]] of random.entries()) {
    // Most are what somebody says; each way is gone by some.
    await (ways[way] ?? ways[0])?.(stage, text || "x", name);
    if (index % 8 === 0) await stage.settled();
    if (stage.tty.written.length > 100_000) check();
    if (index % 2_000 !== 1_999) continue;
    await stage.settled();
    check();
    stage.close();
    stage = new Stage({ columns: 40 + (index % 90), rows: 12 + (index % 30) });
    for (const line of [name, text]) stage.log({ userId: 100, content: line || "x", userName: name });
    await stage.logIn({ read: { all: 0 } });
  }
  await stage.settled();
  check();
});

test("[C-22] whatever is typed, resized and comes in: the typed text, the cursor and the newest line are right", async () => {
  const chars = [..."abc xyz 中文字あ한é", "e\u0301", "👩‍🚀", "😀"];
  const words = fc.string({ unit: fc.constantFrom(...chars), minLength: 1, maxLength: 12 });
  const act = fc.oneof(
    words.map((type) => ({ type })),
    fc.integer({ min: 1, max: 40 }).map((hears) => ({ hears })),
    fc.record({ columns: fc.integer({ min: 40, max: 130 }), rows: fc.integer({ min: 10, max: 40 }) }),
    fc.constantFrom("\u001b[5~", "\u001b[6~", "\u001b[D", "\u001b[C").map((key) => ({ key })),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 12 }), async (acts) => {
      const stage = new Stage();
      await stage.logIn();
      let [typed, count, columns] = ["", 0, 80];
      for (const one of acts) {
        if ("type" in one) {
          if (typed.length > 60) continue;
          await stage.type("\u0005", one.type);
          typed += one.type;
        } else if ("hears" in one) {
          for (let n = 0; n < one.hears; n++) stage.hears({ userId: 100, content: `line ${++count}.` });
        } else if ("key" in one) await stage.type(one.key);
        else {
          ({ columns } = one);
          stage.tty.resize(one.columns, one.rows);
        }
        await stage.settled();
      }
      await stage.type("\u001b[1;5F", "\u0005");
      const { lines, cells, cursor } = stage.tty;
      const bar = lines.findLastIndex((line) => /^ (connected|online)/.test(line));
      assert.ok(bar > 0, stage.text);
      const input = cells
        .slice(bar + 1)
        .map((row) =>
          row
            .slice(0, columns)
            .map(({ text }) => text)
            .join(""),
        )
        .join("\n");
      const flat = (text: string): string => text.replace(/[\n ]/g, "");
      assert.equal(flat(input), flat(`everyone> ${typed}`));
      assert.equal(
        cursor.row,
        lines.findLastIndex((line, index) => index > bar && line !== "") || cursor.row,
      );
      if (count > 0) assert.match(lines[bar - 1] ?? "", new RegExp(`line ${count}\\.$`));
      stage.close();
    }),
    { numRuns: 25 },
  );
});

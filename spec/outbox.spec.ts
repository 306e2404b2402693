/**
 * outbox.spec: messages on disk until their fate is known (clause [C-7]).
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { Outbox, type OutboxItem } from "../lib/outbox.ts";
import { scratchFolder, tied } from "./helpers/scratch.ts";

const itemOf = (n: number): OutboxItem => ({ mid: `m${n}`, conv: "all", content: `行 ${n}\n"`, timeMs: n });
const open = (folder: string, device = "one"): Outbox =>
  Outbox.open({ folder, account: "host_1_200", device });
const midsOf = (items: OutboxItem[]): string[] => items.map(({ mid }) => mid);
const fileOf = (folder: string, device = "one"): string => join(folder, `host_1_200@${device}.outbox`);

test("[C-7] what was put is on disk, readable by its owner only, and there again in order", () => {
  const folder = join(scratchFolder(), "outbox");
  const outbox = open(folder);
  for (const n of [1, 2, 3]) outbox.put(itemOf(n));
  assert.equal(fs.statSync(fileOf(folder)).mode & 0o777, 0o600);
  assert.equal(fs.statSync(folder).mode & 0o777, 0o700);
  // Not closed: as after a kill, but for the lock, which this living process holds.
  const copy = scratchFolder();
  fs.copyFileSync(fileOf(folder), fileOf(copy));
  const again = open(copy);
  assert.deepEqual(again.waiting, [1, 2, 3].map(itemOf));
  outbox.close();
  again.close();
});

test("[C-7] only a 200 or the person's word takes a message out; a refused one stays, and says why", () => {
  const folder = scratchFolder();
  let outbox = open(folder);
  for (const n of [1, 2, 3]) outbox.put(itemOf(n));
  outbox.remove("m1");
  outbox.refuse("m2", { code: 404, error: "no such user" });
  outbox.close();
  outbox = open(folder);
  assert.deepEqual(midsOf(outbox.waiting), ["m3"]);
  assert.deepEqual(outbox.refused, [{ ...itemOf(2), refused: { code: 404, error: "no such user" } }]);
  outbox.remove("m2");
  outbox.remove("m3");
  outbox.close();
  assert.deepEqual(fs.readdirSync(folder), []);
});

test("[C-7] a file torn at any byte gives every message whose line was whole, and goes on", () => {
  const folder = scratchFolder();
  const outbox = open(folder);
  const ends: number[] = [];
  for (let n = 1; n <= 4; n++) {
    outbox.put(itemOf(n));
    ends.push(fs.statSync(fileOf(folder)).size);
  }
  const whole = fs.readFileSync(fileOf(folder));
  outbox.close();
  for (let bytes = 0; bytes <= whole.length; bytes++) {
    fs.writeFileSync(fileOf(folder), whole.subarray(0, bytes));
    const torn = open(folder);
    // The newline alone may be missing: the line is whole.
    const count = ends.filter((end) => end - 1 <= bytes).length;
    assert.equal(torn.waiting.length, count, `${bytes} bytes`);
    torn.put(itemOf(9));
    torn.close();
    const after = open(folder);
    assert.equal(after.waiting.length, count + 1, `${bytes} bytes, then one more`);
    after.close();
  }
});

test("[C-7] any history of puts, removals and refusals, with any garbage behind, is there again", () => {
  const step = fc.record({ what: fc.constantFrom("put", "remove", "refuse"), n: fc.nat({ max: 8 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.string(), (steps, garbage) => {
      const folder = scratchFolder();
      const outbox = open(folder);
      const model = new Map<string, OutboxItem>();
      for (const { what, n } of steps) {
        if (what === "put") {
          outbox.put(itemOf(n));
          model.set(`m${n}`, itemOf(n));
        } else if (what === "remove") {
          outbox.remove(`m${n}`);
          model.delete(`m${n}`);
        } else {
          outbox.refuse(`m${n}`, { code: 404, error: "no" });
          const item = model.get(`m${n}`);
          if (item) item.refused = { code: 404, error: "no" };
        }
      }
      outbox.close();
      if (model.size > 0) fs.appendFileSync(fileOf(folder), garbage);
      const again = open(folder);
      const wanted = [...model.values()].sort((one, other) => one.timeMs - other.timeMs);
      assert.deepEqual(
        [...again.waiting, ...again.refused].sort((one, other) => one.timeMs - other.timeMs),
        wanted,
      );
      again.close();
    }),
    { numRuns: 60 },
  );
});

/** A process that puts messages until it is killed; it says each one's number when `put` has returned. */
function spawnPutter(folder: string, device: string): { killed: () => Promise<number> } {
  const script = `
    import { Outbox } from ${JSON.stringify(new URL("../lib/outbox.ts", import.meta.url).href)};
    const outbox = Outbox.open({ folder: ${JSON.stringify(folder)}, account: "host_1_200", device: "${device}" });
    for (let n = 1; ; n++) {
      outbox.put({ mid: "${device}." + n, conv: "all", content: "x".repeat(n % 500), timeMs: n });
      process.stdout.write(n + "\\n");
      await new Promise(setImmediate);
    }`;
  const args = ["--import", import.meta.resolve("tsx"), "--input-type=module", "-e", script];
  const child = tied(spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] }));
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
    if (text.split("\n").length > 20) child.kill("SIGKILL");
  });
  return {
    killed: async () => {
      await once(child, "close");
      return Number(text.split("\n").at(-2));
    },
  };
}

test("[C-7] kill -9 in the middle: all that was said to be kept is, and the next client takes it over", async () => {
  const folder = scratchFolder();
  const [one, two] = await Promise.all([
    spawnPutter(folder, "one").killed(),
    spawnPutter(folder, "two").killed(),
  ]);
  const heir = open(folder, "three");
  const mids = new Set(midsOf(heir.waiting));
  for (const [device, count] of [
    ["one", one],
    ["two", two],
  ] as const) {
    for (let n = 1; n <= count; n++)
      assert.ok(mids.has(`${device}.${n}`), `${device}.${n} of ${count} is kept`);
  }
  heir.close();
  assert.deepEqual(
    fs.readdirSync(folder).filter((name) => name.endsWith(".outbox")),
    ["host_1_200@three.outbox"],
  );
});

test("[C-7] two clients of one account beside each other leave each other's messages alone", () => {
  const folder = scratchFolder();
  const one = open(folder, "one");
  one.put(itemOf(1));
  const two = open(folder, "two");
  two.put(itemOf(2));
  assert.deepEqual(midsOf(two.waiting), ["m2"]);
  assert.throws(() => open(folder, "one"), /in use by another client/);
  // Another account's are nobody's business.
  const other = Outbox.open({ folder, account: "host_1_2", device: "one" });
  assert.deepEqual(other.waiting, []);
  for (const outbox of [one, two, other]) outbox.close();
});

test("[C-7] a folder that cannot be written is an error of one line", () => {
  const file = join(scratchFolder(), "file");
  fs.writeFileSync(file, "");
  assert.throws(() => open(join(file, "outbox")), /ENOTDIR/);
});

/** A process whose files may have 4,096 bytes, in place of a full disk: runs a script's lines on an outbox of its own. */
async function onFullDisk(folder: string, lines: string): Promise<string> {
  const script = `
    import { Outbox } from ${JSON.stringify(new URL("../lib/outbox.ts", import.meta.url).href)};
    const outbox = Outbox.open({ folder: ${JSON.stringify(folder)}, account: "host_1_200", device: "one" });
    const put = (mid, length) => outbox.put({ mid, conv: "all", content: "x".repeat(length), timeMs: 1 });
    ${lines}`;
  const args = ["--import", import.meta.resolve("tsx"), "--input-type=module", "-e", script];
  const limited = ["-c", 'ulimit -f 8 && exec "$0" "$@"', process.execPath, ...args];
  const child = tied(spawn("sh", limited, { stdio: ["ignore", "pipe", "inherit"] }));
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  await once(child, "close");
  return text;
}

test("[C-7] a full disk: what does not fit whole is said to be not kept, and harms nothing before or behind it", async () => {
  const folder = scratchFolder();
  const said = await onFullDisk(
    folder,
    `put("kept", 3000);
     try { put("too long", 3000); } catch (error) { process.stdout.write(error.code); }
     put("fits", 500);
     process.exit();`,
  );
  assert.equal(said, "EFBIG");
  const heir = open(folder);
  assert.deepEqual(midsOf(heir.waiting), ["kept", "fits"]);
  heir.close();
});

test("[C-7] a full disk: an answer still counts; what cannot be written of it is written when there is room", async () => {
  const folder = scratchFolder();
  const said = await onFullDisk(
    folder,
    `put("stored", 1981);
     put("refused", 1981);
     outbox.remove("stored");
     outbox.refuse("refused", { code: 404, error: "no such user" });
     process.stdout.write(outbox.waiting.length + " " + outbox.refused.length);
     process.exit();`,
  );
  assert.equal(said, "0 1");
  // Nothing had room: both are there again, each with its mid, so that neither can become two.
  const heir = open(folder);
  assert.deepEqual(midsOf(heir.waiting), ["stored", "refused"]);
  heir.close();
  fs.rmSync(fileOf(folder), { force: true });
  const emptied = await onFullDisk(
    folder,
    `put("one", 1985); put("two", 1985);
     outbox.remove("one"); outbox.remove("two");
     put("next", 10); process.exit();`,
  );
  assert.equal(emptied, "");
  const last = open(folder);
  assert.deepEqual(midsOf(last.waiting), ["next"]);
  last.close();
});

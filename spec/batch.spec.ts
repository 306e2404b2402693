/**
 * batch: what one reader gets of messages that were encoded once for everybody: not its own lines, and every hole.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { batchesOf } from "../lib/batch.ts";
import { fanOut } from "../lib/fanout.ts";
import { Scratch } from "../lib/scratch.ts";
import type { Reader } from "../lib/session.ts";
import type { Entry } from "../lib/smsDao.ts";

const id = (text: string): Entry["id"] => {
  const [epoch = 0, seq = 0] = text.split("-").map(Number);
  return { epoch, seq };
};

const entry = (at: string, sender: number): Entry => ({
  ...{ id: id(at), sender, device: "d", mid: at, time: 1, name: "n", sex: "", content: at },
});

/** What user 1 gets: contents, and gaps as "7-1 3 8-5". */
function heard(entries: Entry[], { from, at = from }: { from: string; at?: string }): string[] {
  const [batch] = batchesOf("all", id(from), entries);
  const reader = { session: { userId: 1, device: "d" }, position: id(at) } as Reader;
  return toldBy(batch?.bytesFor(reader, new Scratch()) ?? Buffer.alloc(0));
}

function toldBy(bytes: Buffer): string[] {
  const told: string[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = start + 4 + bytes.readUInt32BE(start);
    const { type, data } = JSON.parse(bytes.toString("utf8", start + 4, end)) as Record<string, string>;
    const fields = JSON.parse(data ?? "") as Record<string, string>;
    told.push(
      type === "GapMes" ? `${fields.after} ${fields.count} ${fields.before}` : String(fields.content),
    );
    start = end;
  }
  return told;
}

test("[D-5] [D-1] a hole in front of one's own line is told like any other", () => {
  const log = [entry("7-1", 2), entry("8-5", 1), entry("8-6", 2), entry("9-9", 1), entry("9-10", 1)];
  assert.deepEqual(heard(log, { from: "7-0" }), ["7-1", "7-1 3 8-5", "8-6", "8-6 2 9-9"]);
  assert.deepEqual(heard(log, { from: "7-0", at: "7-1" }), ["7-1 3 8-5", "8-6", "8-6 2 9-9"]);
  assert.deepEqual(heard(log, { from: "7-0", at: "8-5" }), ["8-6", "8-6 2 9-9"]);
  assert.deepEqual(heard([entry("8-5", 1)], { from: "7-1" }), ["7-1 3 8-5"]);
});

test("[D-1] [D-6] what speakers get without their own lines stays theirs while their sockets still read from it", async () => {
  const entries = Array.from({ length: 100 }, (_, index) => entry(`7-${index + 1}`, index % 5));
  const [batch, ...more] = batchesOf("all", id("7-0"), entries);
  assert.ok(batch, "there is a batch");
  assert.equal(more.length, 0);
  const written: Buffer[] = [];
  // The kernel takes what 0 and 3 are sent at once; of the others each byte waits.
  const readers = [0, 1, 2, 3, 4].map((userId) => {
    const takesAtOnce = userId % 3 === 0;
    const output = {
      backlogBytes: 0,
      write(bytes: Buffer): void {
        written[userId] = takesAtOnce ? Buffer.from(bytes) : bytes;
        output.backlogBytes = takesAtOnce ? 0 : bytes.length;
      },
    };
    return {
      session: { userId, device: "d", legacy: null, output },
      position: id("7-0"),
    } as unknown as Reader;
  });
  await fanOut(batch, new Set(readers), () => assert.fail("nobody is slow"));
  for (const [userId, bytes] of written.entries()) {
    const others = entries.filter(({ sender }) => sender !== userId).map(({ content }) => content);
    assert.deepEqual(toldBy(bytes), others);
  }
});

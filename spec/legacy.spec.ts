/**
 * legacy: what a first-generation session may rely on, proven on the parts that make it so: the frames of a message,
 * the log-in answer, and the pacer with a clock moved by hand.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { systemClock } from "../lib/clock.ts";
import { LegacyPacer, legacyFramesOf, legacyLoginAnswer } from "../lib/legacy.ts";
import { legacyUnsettledMax } from "../lib/limits.ts";
import type { Entry } from "../lib/smsDao.ts";
import { WakeTime } from "../lib/wakeTime.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import type { Data } from "./helpers/wireClient.ts";

const payloadMaxBytes = 8096;
const burstMaxBytes = 16 * 1024;

/** The messages of whole frames one behind the other; fails on anything else. */
function read(bytes: Buffer): { type: string; data: Data; bytes: number }[] {
  const messages = [];
  let at = 0;
  while (at < bytes.length) {
    const length = bytes.readUInt32BE(at);
    const payload = bytes.subarray(at + 4, at + 4 + length);
    assert.equal(payload.length, length, "a torn frame");
    const { type, data } = JSON.parse(payload.toString()) as { type: string; data: string };
    messages.push({ type, data: JSON.parse(data) as Data, bytes: length });
    at += 4 + length;
  }
  return messages;
}

function entryOf(fields: Partial<Entry>): Entry {
  const id = { epoch: 1, seq: 1 };
  return {
    id,
    sender: 7,
    device: "d",
    mid: "m",
    time: 1,
    name: "seven",
    sex: "",
    content: "hello",
    ...fields,
  };
}

function contentsOf(entry: Entry, conv = "all", reader = 8): string[] {
  return legacyFramesOf(entry, conv, reader).flatMap((frame) => {
    const messages = read(frame);
    assert.equal(messages.length, 1, "one frame a Buffer");
    return messages.map(({ data }) => String(data.content));
  });
}

// Unicode's own property and categories, not the list of lib/.
const steering = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u;

const anyContent = fc
  .oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 300 }),
    // Long ones, of pieces that take very different room on the wire: 1 to 7 bytes a unit.
    fc
      .array(fc.constantFrom("x", "海", "😀", '"', "\\", "\u0001", "\n", "\u202e", "\u200f", "é", "👨‍👩‍👧‍👦"), {
        minLength: 1,
        maxLength: 40,
      })
      .chain((pieces) =>
        fc.nat({ max: 120 }).map((times) =>
          pieces
            .join("")
            .repeat(times + 1)
            .slice(0, 4000),
        ),
      ),
  )
  .map((content) => content.toWellFormed());
const anyName = fc
  .array(fc.constantFrom("n", "海", "😀", '"', "\\", "\u0001", "\u2066"), { minLength: 1, maxLength: 32 })
  .map((points) => points.join(""));

test("[G-2] [G-5] [G-6] any message: frames that fit, all its characters in order, none that steers, none cut", async () => {
  fc.assert(
    fc.property(
      anyContent,
      anyName,
      fc.string({ maxLength: 16 }),
      fc.boolean(),
      (content, name, sex, isPrivate) => {
        const conv = isPrivate ? "dm:7:8" : "all";
        const messages = legacyFramesOf(entryOf({ content, name, sex }), conv, 8).flatMap(read);
        for (const { type, data, bytes } of messages) {
          assert.equal(type, "SmsMes");
          assert.ok(bytes <= payloadMaxBytes, `${bytes} bytes`);
          assert.equal(data.userId, 7);
          for (const text of [data.content, data.userName, data.sex]) {
            assert.ok(String(text).isWellFormed(), "cut inside a character");
            assert.doesNotMatch(String(text), steering);
          }
        }
        const mark = isPrivate ? "（私聊）" : "";
        const parts = messages.map(({ data }) => String(data.content));
        for (const part of parts) {
          assert.ok(part.startsWith(mark), "part.startsWith(mark)");
          assert.ok(part.length > mark.length, "an empty part");
        }
        // Each character is itself, unless it steers: then it is one that does not.
        const told = [...parts.map((part) => part.slice(mark.length)).join("")];
        const said = [...content];
        assert.equal(told.length, said.length);
        said.forEach((char, index) => {
          if (!steering.test(char)) assert.equal(told[index], char);
        });
      },
    ),
    { numRuns: 400 },
  );
});

test("[G-5] content is split only where it has to be, and as seldom as can be", () => {
  const [empty = Buffer.alloc(0)] = legacyFramesOf(entryOf({ content: "" }), "all", 8);
  const room = payloadMaxBytes - (empty.length - 4);
  const cjk = Math.floor(room / 3);
  assert.deepEqual(contentsOf(entryOf({ content: "海".repeat(cjk) })), ["海".repeat(cjk)]);
  assert.deepEqual(contentsOf(entryOf({ content: "海".repeat(cjk + 1) })), ["海".repeat(cjk), "海"]);
  // A quote takes four bytes, since it is JSON inside JSON.
  const quotes = Math.floor(room / 4);
  assert.deepEqual(contentsOf(entryOf({ content: '"'.repeat(quotes + 1) })), ['"'.repeat(quotes), '"']);
  // A character of two units, at every place around the cut.
  for (let shift = 0; shift < 5; shift++) {
    const content = "x".repeat(room - 5 + shift) + "😀😀😀";
    const parts = contentsOf(entryOf({ content }));
    assert.equal(parts.length, 2);
    assert.equal(parts.join(""), content);
  }
});

test("[G-6] control and bidi control characters are made visible, in content, name and sex", () => {
  const bad = "\u0000\u0007\u001b[2J\r\n\u007f\u009b\u061c\u200e\u200f\u202a\u202e\u2066\u2069\u2028";
  const [message] = legacyFramesOf(entryOf({ content: bad, name: bad, sex: bad }), "all", 8).flatMap(read);
  for (const text of [message?.data.content, message?.data.userName, message?.data.sex]) {
    assert.doesNotMatch(String(text), steering);
    assert.match(String(text), /^␀␇␛\[2J␍␊␡/);
    assert.equal([...String(text)].length, [...bad].length);
  }
});

test("[G-7] a private message is marked at the start of each of its parts; to the room, or to oneself, it is not", () => {
  assert.deepEqual(contentsOf(entryOf({}), "dm:7:8", 8), ["（私聊）hello"]);
  assert.deepEqual(contentsOf(entryOf({}), "all", 8), ["hello"]);
  assert.deepEqual(contentsOf(entryOf({}), "dm:7:7", 7), ["hello"]);
  for (const part of contentsOf(entryOf({ content: "海".repeat(4000) }), "dm:7:8", 8)) {
    assert.match(part, /^（私聊）海/);
  }
});

test("[G-2] [L-1] UsersId: everybody where they fit, else as many as do, oneself always", () => {
  const online = fc
    .array(fc.oneof(fc.integer({ min: 1, max: 9999 }), fc.maxSafeNat()), { maxLength: 1500 })
    .map((ids) => new Set(ids.map((id) => Math.max(1, id))));
  fc.assert(
    fc.property(fc.maxSafeNat(), online, (own, ids) => {
      const [answer] = read(legacyLoginAnswer(own, ids));
      assert.ok(answer, "answer");
      assert.ok(answer.bytes <= payloadMaxBytes, `${answer.bytes} bytes`);
      assert.deepEqual(Object.keys(answer.data), ["code", "UsersId", "error"]);
      const told = answer.data.UsersId as number[];
      const all = new Set([own, ...ids]);
      assert.ok(told.includes(own), "told.includes(own)");
      assert.equal(new Set(told).size, told.length);
      assert.ok(
        told.every((id) => all.has(id)),
        "told.every((id) => all.has(id))",
      );
      // One more, of the most digits an id has, would not fit.
      if (told.length < all.size) assert.ok(answer.bytes + 17 > payloadMaxBytes, `${answer.bytes} bytes`);
    }),
    { numRuns: 200 },
  );
});

/** The pacer with an output that takes nothing before it is told to. */
class Bench {
  readonly clock = new ManualClock();
  readonly wakeTime = new WakeTime(this.clock);
  readonly writes: { atMs: number; bytes: Buffer; taken: () => void }[] = [];
  readonly settled: string[] = [];
  readonly closes: string[] = [];
  online: number[] = [];
  /** Whether the kernel takes what is written at once. */
  takesAtOnce = true;
  takenBytes = 0;
  readonly pacer: LegacyPacer;

  constructor(userId = 8) {
    const takenBytes = (): number => this.takenBytes;
    this.pacer = new LegacyPacer({
      userId,
      clock: this.clock,
      wakeTime: this.wakeTime,
      online: () => this.online,
      settled: (conv, id) => this.settled.push(`${conv} ${id.epoch}-${id.seq}`),
      output: {
        backlogBytes: 0,
        get takenBytes() {
          return takenBytes();
        },
        write: (bytes, written) => {
          const taken = (): void => {
            this.takenBytes += bytes.length;
            written?.();
          };
          this.writes.push({ atMs: this.clock.monotonicMs(), bytes, taken });
          if (this.takesAtOnce) taken();
        },
        whenDrained: (callback) => callback(),
        close: (reason) => void this.closes.push(reason),
      },
    });
  }

  deliver(seq: number, bytes = 100, conv = "all"): void {
    this.pacer.deliver(conv, { epoch: 1, seq }, [frame(bytes, seq)]);
  }

  get messages(): ReturnType<typeof read> {
    return this.writes.flatMap(({ bytes }) => read(bytes));
  }

  /** User ids of the notices, with the time of each. */
  get notices(): [number, unknown][] {
    return this.writes.flatMap(({ atMs, bytes }) =>
      read(bytes)
        .filter(({ type }) => type === "NotifyUserStatusMes")
        .map(({ data }): [number, unknown] => [atMs, data.userId]),
    );
  }
}

/** A frame of about so many payload bytes that can be told apart. */
function frame(bytes: number, n: number): Buffer {
  const payload = JSON.stringify({ type: "SmsMes", data: JSON.stringify({ n, pad: "x".repeat(bytes) }) });
  const header = Buffer.alloc(4);
  header.writeUInt32BE(Buffer.byteLength(payload));
  return Buffer.concat([header, Buffer.from(payload)]);
}

test("[G-4] whole frames in order, bursts of at most 16 KiB, at least 2 ms between them, whatever comes when", () => {
  const step = fc.record({
    bytes: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 8000 })),
    waitMs: fc.constantFrom(0, 0, 0, 0, 1, 3),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.nat({ max: 3 }), (steps, takeLateMs) => {
      const bench = new Bench();
      bench.takesAtOnce = takeLateMs === 0;
      const taken: number[] = [];
      const tick = (): void => {
        const last = bench.writes.at(-1);
        if (takeLateMs > 0 && last && taken.length < bench.writes.length) {
          // Until the kernel has taken a burst there is no other.
          if (bench.clock.monotonicMs() - last.atMs >= takeLateMs) {
            taken.push(bench.clock.monotonicMs());
            last.taken();
          }
        }
        bench.clock.advance(1);
      };
      steps.forEach(({ bytes, waitMs }, n) => {
        bench.deliver(n, bytes);
        for (let ms = 0; ms < waitMs; ms++) tick();
      });
      for (let ms = 0; ms < 2000 && bench.messages.length < steps.length; ms++) tick();
      assert.deepEqual(
        bench.messages.map(({ data }) => data.n),
        steps.map((_, n) => n),
      );
      bench.writes.forEach(({ atMs, bytes }, index) => {
        assert.ok(bytes.length <= burstMaxBytes, `${bytes.length} bytes`);
        const before = takeLateMs > 0 ? taken[index - 1] : bench.writes[index - 1]?.atMs;
        if (before !== undefined) assert.ok(atMs - before >= 2, `a pause of ${atMs - before} ms`);
      });
    }),
    { numRuns: 200 },
  );
});

test("[G-4] the log-in answer is a part of the first burst", () => {
  const bench = new Bench();
  bench.online = Array.from({ length: 2000 }, (_, index) => 100_000 + index);
  const answer = bench.pacer.loginAnswer();
  assert.ok(answer.length > 8000, "answer.length > 8000");
  for (let seq = 1; seq <= 200; seq++) bench.deliver(seq, 100);
  const [first] = bench.writes;
  assert.ok(
    first && answer.length + first.bytes.length <= burstMaxBytes,
    "first && answer.length + first.bytes.length <= burstMaxBytes",
  );
  bench.clock.advance(100);
  assert.equal(bench.messages.length, 200);
  assert.ok(
    bench.writes.some(({ bytes }) => bytes.length > burstMaxBytes - 400),
    "bench.writes.some(({ bytes }) => bytes.length > burstMaxBytes - 400)",
  );
});

test("[G-4] the pause is no shorter in a busy process: the machine's clock never calls before its time", async () => {
  for (let round = 0; round < 20; round++) {
    const passedMs = await new Promise<number>((resolve) => {
      setImmediate(() => {
        const busyUntilMs = performance.now() + 10;
        while (performance.now() < busyUntilMs);
        const startMs = performance.now();
        systemClock.after(2, () => resolve(performance.now() - startMs));
      });
    });
    assert.ok(passedMs >= 2, `${passedMs} ms`);
  }
});

test("[G-3] notices: status 0, never oneself, never who left, at most 20 in any second", () => {
  const bench = new Bench(8);
  const ids = Array.from({ length: 100 }, (_, index) => index + 1);
  bench.pacer.presenceChanged(ids, []);
  bench.pacer.presenceChanged([], [55, 60]);
  bench.clock.advance(10_000);
  assert.deepEqual(
    bench.notices.map(([, id]) => id).sort((left, right) => Number(left) - Number(right)),
    ids.filter((id) => ![8, 55, 60].includes(id)),
  );
  for (const { type, data } of bench.messages) {
    assert.equal(type, "NotifyUserStatusMes");
    assert.deepEqual(Object.keys(data), ["userId", "status"]);
    assert.equal(data.status, 0);
  }
  const times = bench.notices.map(([atMs]) => atMs);
  for (const startMs of times) {
    const inSecond = times.filter((atMs) => atMs >= startMs && atMs < startMs + 1000);
    assert.ok(inSecond.length <= 20, `${inSecond.length} in the second from ${startMs}`);
  }
});

test("[G-3] who left before the notice was due is left out; who came again is told", () => {
  const bench = new Bench();
  bench.pacer.presenceChanged([1, 2, 3], []);
  bench.pacer.presenceChanged([], [2]);
  bench.pacer.presenceChanged([], [3]);
  bench.pacer.presenceChanged([3], []);
  // Who had been told and leaves is not told: that client would print "online" once more.
  bench.pacer.presenceChanged([], [1]);
  bench.clock.advance(5_000);
  assert.deepEqual(
    bench.notices.map(([, id]) => id),
    [1, 3],
  );
  bench.pacer.presenceChanged([1], []);
  bench.clock.advance(5_000);
  assert.equal(bench.notices.length, 3);
});

test("[G-9] the cursor moves when 5 s went by since bytes have arrived, however long ago they were written", () => {
  const bench = new Bench();
  bench.takesAtOnce = false;
  bench.deliver(1);
  bench.clock.advance(60_000);
  assert.equal(bench.pacer.asksWhatArrived, false);
  bench.writes[0]?.taken();
  assert.equal(bench.pacer.asksWhatArrived, true);
  bench.clock.advance(60_000);
  const firstBytes = bench.takenBytes;
  bench.pacer.arrived(firstBytes - 1);
  bench.clock.advance(60_000);
  assert.deepEqual(bench.settled, []);
  bench.pacer.arrived(firstBytes);
  assert.equal(bench.pacer.asksWhatArrived, false);
  bench.clock.advance(3_000);
  bench.deliver(2);
  bench.writes[1]?.taken();
  bench.pacer.arrived(bench.takenBytes);
  // What was known already is known since then.
  bench.pacer.arrived(bench.takenBytes);
  bench.clock.advance(1_999);
  assert.deepEqual(bench.settled, []);
  bench.clock.advance(1);
  assert.deepEqual(bench.settled, ["all 1-1"]);
  bench.clock.advance(2_999);
  assert.deepEqual(bench.settled, ["all 1-1"]);
  bench.clock.advance(1);
  assert.deepEqual(bench.settled, ["all 1-1", "all 1-2"]);
});

test("[G-9] [D-6] a reader that takes nothing for long costs so much and no more, and is settled as far as it got", () => {
  const bench = new Bench();
  const ends: number[] = [];
  for (let seq = 1; seq <= 5 * legacyUnsettledMax; seq++) {
    bench.deliver(seq);
    bench.clock.advance(2);
    ends.push(bench.takenBytes);
  }
  const arrivedSeqs = 3 * legacyUnsettledMax + 1;
  bench.pacer.arrived(ends[arrivedSeqs - 1] ?? 0);
  bench.clock.advance(5_000);
  assert.ok(bench.settled.length <= legacyUnsettledMax, `${bench.settled.length} steps`);
  const settledSeq = Number(/-(\d+)$/.exec(bench.settled.at(-1) ?? "")?.[1]);
  // In steps of eight by then; never more than has arrived.
  assert.ok(settledSeq <= arrivedSeqs && settledSeq > arrivedSeqs - 8, `${settledSeq} of ${arrivedSeqs}`);
  bench.pacer.arrived(bench.takenBytes);
  bench.clock.advance(5_000);
  assert.equal(bench.settled.at(-1), `all 1-${5 * legacyUnsettledMax}`);
});

test("[G-9] at a clean FIN what was written at least 2 s before is settled; at any other end nothing more is", () => {
  for (const [clean, settled] of [
    [true, ["all 1-1", "dm:7:8 1-9"]],
    [false, []],
  ] as const) {
    const bench = new Bench();
    bench.deliver(1);
    bench.clock.advance(2);
    bench.deliver(9, 100, "dm:7:8");
    bench.clock.advance(1_000);
    bench.deliver(2);
    bench.clock.advance(1_000);
    bench.pacer.ended(clean);
    bench.clock.advance(60_000);
    assert.deepEqual(bench.settled, settled);
  }
});

test("[G-9] [G-5] a message of several frames is settled when the last of them is, not with the first", () => {
  const bench = new Bench();
  bench.takesAtOnce = false;
  bench.pacer.deliver("all", { epoch: 1, seq: 1 }, [frame(8000, 1), frame(8000, 2), frame(8000, 3)]);
  bench.writes[0]?.taken();
  bench.clock.advance(4_000);
  assert.equal(bench.writes.length, 2);
  bench.pacer.arrived(bench.takenBytes);
  bench.writes[1]?.taken();
  bench.pacer.arrived(bench.takenBytes);
  bench.clock.advance(4_000);
  assert.deepEqual(bench.settled, []);
  bench.clock.advance(1_000);
  assert.deepEqual(bench.settled, ["all 1-1"]);
});

test("[K-4] [G-4] a close waits for what was handed over, and notices do not outlive it", () => {
  const bench = new Bench();
  for (let seq = 1; seq <= 10; seq++) bench.deliver(seq, 7000);
  bench.pacer.presenceChanged([1, 2, 3], []);
  bench.pacer.close("restart");
  assert.deepEqual(bench.closes, []);
  bench.clock.advance(1_000);
  assert.deepEqual(bench.closes, ["restart"]);
  assert.equal(bench.messages.filter(({ type }) => type === "SmsMes").length, 10);
  assert.ok(bench.notices.length <= 1, "bench.notices.length <= 1");
  bench.pacer.ended(false);
  bench.wakeTime.close();
  assert.equal(bench.clock.waiting, 0);
});

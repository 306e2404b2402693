/**
 * bench: what the benchmark believes. A benchmark that cannot see a loss proves nothing: its readers and its books are
 * given losses, doubles and strays, at all cuts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeServer } from "../lib/message.ts";
import { numbered } from "./bench/crowd.ts";
import { Figures, medianOf, ratiosOf } from "./bench/figures.ts";
import { FramedReader } from "./bench/framedReader.ts";
import { verdictsOf } from "./bench/goals.ts";
import { growthExponent } from "./bench/growthAxis.ts";
import { Latencies } from "./bench/latencies.ts";
import { MarkedReader } from "./bench/markedReader.ts";
import { peopleIn } from "./bench/presenceCount.ts";
import { Tally } from "./bench/tally.ts";
import { piecesOf } from "./helpers/cuts.ts";

const sms = (number: number): Buffer =>
  encodeServer("SmsMes", {
    ...{ content: numbered(number, 40), userId: 1, userPwd: "", userName: "u", userStatus: "\0", sex: "" },
    ...{ conv: "all", id: "1-1", time: 1, mid: "m" },
  });
const cuts = [[1], [3, 7], [60], [1450, 3], [1e6]];

/** Numbers, and types of other frames, that a framed reader finds in bytes that come in pieces of some sizes. */
function framed(bytes: Buffer, sizes: number[], wantsOther = true): { numbers: number[]; others: string[] } {
  const found = { numbers: [] as number[], others: [] as string[] };
  const reader = new FramedReader({
    delivered: (number) => void found.numbers.push(number),
    other: (payload) => void found.others.push((JSON.parse(payload.toString()) as { type: string }).type),
    wantsOther,
  });
  for (const piece of piecesOf(bytes, sizes)) reader.read(piece, piece.length);
  return found;
}

test("[bench] the framed reader finds every number, and every other frame, at all cuts", () => {
  const answer = encodeServer("SmsResMes", { code: 200, error: "", mid: "m" });
  const bytes = Buffer.concat([
    ...[sms(1), answer, sms(22_222_222), encodeServer("PongMes", { n: 1 }), sms(3), sms(3)],
    ...[encodeServer("PresenceMes", { online: [], offline: [1], total: 1, more: false }), sms(5), answer],
  ]);
  for (const sizes of cuts) {
    const { numbers, others } = framed(bytes, sizes);
    assert.deepEqual(numbers, [1, 22_222_222, 3, 3, 5]);
    assert.deepEqual(others, ["SmsResMes", "PongMes", "PresenceMes", "SmsResMes"]);
    assert.deepEqual(framed(bytes, sizes, false), { numbers, others: [] });
  }
});

test("[bench] the marked reader finds every number in any protocol, at all cuts", () => {
  const text = `MSG room 1 40\r\n${numbered(7, 40)}\r\n:a~b PRIVMSG #room :${numbered(12_345_678, 9)}\r\n~1234x`;
  for (const sizes of cuts) {
    const numbers: number[] = [];
    const reader = new MarkedReader((number) => void numbers.push(number));
    for (const piece of piecesOf(Buffer.from(text), sizes)) reader.read(piece, piece.length);
    assert.deepEqual(numbers, [7, 12_345_678]);
  }
});

test("[bench] the books see what is lost, what comes twice and what nobody sent", () => {
  const open = (): { tally: Tally; number: number } => {
    const tally = new Tally({ members: 3, most: 10, readersOf: () => 2 });
    return { tally, number: tally.send(0, 100) };
  };
  const { tally, number } = open();
  tally.got(1, number, 101);
  assert.throws(() => tally.assertExactlyOnce("lost"), /1 deliveries lost/);
  tally.got(2, number, 104);
  tally.assertExactlyOnce("complete");
  assert.deepEqual([tally.delivered, tally.complete, tally.incomplete], [2, 1, 0]);
  assert.equal(tally.latencies.maxMs, 4);
  tally.got(2, number, 105);
  assert.throws(() => tally.assertExactlyOnce("twice"), /1 doubled/);
  const stray = open();
  for (const member of [1, 2]) stray.tally.got(member, stray.number, 101);
  stray.tally.got(1, number, 101);
  assert.throws(() => stray.tally.assertExactlyOnce("an earlier one"), /1 strays/);
});

test("[bench] latencies: percentiles are those of the values", () => {
  const latencies = new Latencies();
  for (let ms = 1; ms <= 1000; ms++) latencies.add(ms);
  for (const [percent, ms] of [
    [50, 500],
    [99, 990],
    [99.9, 999],
    [100, 1000],
  ] as const) {
    assert.ok(
      Math.abs(latencies.percentile(percent) - ms) < 0.1,
      `p${percent} ${latencies.percentile(percent)}`,
    );
  }
  assert.equal(latencies.count, 1000);
});

test("[bench] people in a PresenceMes are counted by its length", () => {
  for (const count of [0, 1, 2, 399, 400]) {
    for (const [total, more] of [
      [1, true],
      [9000, false],
    ] as const) {
      const online = Array.from({ length: count }, (_, n) => ({
        userId: 100_000 + n,
        userName: `u${100_000 + n}`,
      }));
      assert.equal(
        peopleIn(encodeServer("PresenceMes", { online, offline: [], total, more }).subarray(4)),
        count,
      );
    }
  }
});

test("[bench] figures: medians, ratios of neighbours, growth, verdicts", () => {
  assert.deepEqual([medianOf([3, 1, 2]), medianOf([4, 1, 2, 3])], [2, 2.5]);
  const points = [100, 1000, 9000].map((members) => ({ members, cpuPerDelivery: 2 * members ** 0.1 }));
  assert.ok(Math.abs(growthExponent(points) - 1.1) < 1e-9, `${growthExponent(points)}`);
  const figures = new Figures();
  const name = { axis: "fanout", work: "N=1000, 256 in flight" };
  for (const [ours, floor] of [
    [80, 100],
    [40, 50],
    [70, 100],
  ] as const) {
    figures.add({ ...name, system: "haiyu" }, { "deliveries 1/s": ours });
    figures.add({ ...name, system: "floor" }, { "deliveries 1/s": floor });
  }
  const [one, other] = figures.all;
  assert.ok(one && other, "both are there");
  assert.deepEqual(ratiosOf(one, other), [0.8, 0.8, 0.7]);
  const judged = verdictsOf(figures, { minutes: 30 }).filter(({ reached }) => reached !== null);
  assert.deepEqual(
    judged.map(({ seen, reached }) => [seen, reached]),
    [["0.800 x (0.700 to 0.800)", true]],
  );
});

/**
 * ids: the names of conversations and messages, on lib/conv.ts and lib/messageId.ts alone: what is a name and what is
 * not, one stored name for the two sides of a private conversation, ids in the order of their two integers.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CodedError } from "../lib/codes.ts";
import { allConv, convFor, participantsOf, peerOf, privateConv, storedConv } from "../lib/conv.ts";
import { compareIds, earlierId, formatId, laterId, parseId, zeroId } from "../lib/messageId.ts";

const userIdMax = Number.MAX_SAFE_INTEGER;
const userIds = fc.oneof(
  fc.integer({ min: 1, max: 12 }),
  fc.integer({ min: 1, max: userIdMax }),
  fc.constantFrom(1, userIdMax - 1, userIdMax),
);

test("[M-6] `all` and `u:<id>` are conversations, for whoever reads", () => {
  assert.equal(storedConv("all", 7), allConv);
  assert.equal(convFor(allConv, 7), "all");
  assert.equal(participantsOf(allConv), null);
  assert.equal(peerOf(allConv, 7), null);
  fc.assert(
    fc.property(userIds, userIds, (reader, peer) => {
      const stored = storedConv(`u:${peer}`, reader);
      assert.equal(convFor(stored, reader), `u:${peer}`, "its reader sees the other side");
      assert.equal(peerOf(stored, reader), peer);
      assert.deepEqual(participantsOf(stored), [Math.min(reader, peer), Math.max(reader, peer)]);
    }),
  );
});

test("[M-6] both sides of a private conversation mean the same one, nobody else does", () => {
  fc.assert(
    fc.property(userIds, userIds, userIds, userIds, (one, other, third, fourth) => {
      assert.equal(storedConv(`u:${other}`, one), storedConv(`u:${one}`, other));
      assert.equal(privateConv(one, other), privateConv(other, one));
      const isSamePair = JSON.stringify([one, other].sort()) === JSON.stringify([third, fourth].sort());
      assert.equal(privateConv(one, other) === privateConv(third, fourth), isSamePair);
      assert.notEqual(privateConv(one, other), allConv);
    }),
    { numRuns: 500 },
  );
});

test("[M-6] any other name is 404", () => {
  const names = [
    ...[
      "",
      " ",
      "ALL",
      "All",
      "all ",
      " all",
      "all\n",
      "u",
      "u:",
      "u:0",
      "u:-1",
      "u:+1",
      "u:01",
      "u: 1",
      "u:1 ",
    ],
    ...[
      "u:1\n",
      "u:1.0",
      "u:1e3",
      "u:0x1",
      "u:1:2",
      "U:1",
      "1",
      "u:abc",
      "u:١",
      "dm:1:2",
      "r:room",
      "{c:all}",
    ],
    ...["u:9007199254740992", "u:9999999999999999", "u:99999999999999999999", "__proto__", "constructor"],
    ...["x".repeat(60_000), "u:" + "1".repeat(60_000), "\u0000", "all,u:1"],
  ];
  const is404 = (error: unknown): boolean => error instanceof CodedError && error.code === 404;
  for (const name of names) assert.throws(() => storedConv(name, 7), is404, name.slice(0, 40));
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (name) => {
      fc.pre(name !== "all" && !/^u:[1-9]\d*$/.test(name));
      assert.throws(() => storedConv(name, 7), is404);
    }),
  );
});

test("[M-6] the refusal of a long name is short", () => {
  assert.throws(
    () => storedConv("x".repeat(60_000), 7),
    (error: Error) => error.message.length < 200,
  );
});

const parts = fc.oneof(fc.integer({ min: 0, max: 12 }), fc.maxSafeNat());
const ids = fc.record({ epoch: parts, seq: parts }, { noNullPrototype: true });
const big = (value: { epoch: number; seq: number }): bigint =>
  BigInt(value.epoch) * 2n ** 64n + BigInt(value.seq);

test("[S-3] ids are compared as two integers, the epoch first, never as text", () => {
  const order = [
    "0-0",
    "0-9",
    "0-10",
    "1-0",
    "9-99",
    "10-1",
    "10-2",
    "10-10",
    "1790000000-7",
    "1790000001-1",
  ];
  for (const [index, text] of order.entries()) {
    for (const [otherIndex, other] of order.entries()) {
      const [left, right] = [parseId(text) ?? zeroId, parseId(other) ?? zeroId];
      assert.equal(Math.sign(compareIds(left, right)), Math.sign(index - otherIndex), `${text} and ${other}`);
    }
  }
  fc.assert(
    fc.property(ids, ids, (left, right) => {
      const wanted = big(left) < big(right) ? -1 : big(left) > big(right) ? 1 : 0;
      assert.equal(Math.sign(compareIds(left, right)), wanted);
      assert.deepEqual(laterId(left, right), wanted < 0 ? right : left);
      assert.deepEqual(earlierId(left, right), wanted > 0 ? right : left);
    }),
    { numRuns: 500 },
  );
});

test("[S-3] an id is `<epoch>-<seq>`, each up to 2^53-1, in one spelling only", () => {
  fc.assert(
    fc.property(ids, (id) => {
      assert.equal(formatId(id), `${id.epoch}-${id.seq}`);
      assert.deepEqual(parseId(formatId(id)), id);
    }),
  );
  assert.deepEqual(parseId(`${userIdMax}-${userIdMax}`), { epoch: userIdMax, seq: userIdMax });
  for (const text of [
    "",
    "-",
    "1",
    "1-",
    "-1",
    "01-1",
    "1-01",
    "00-0",
    "1-1-1",
    "+1-1",
    "1--1",
    "1-1 ",
    "1-1\n",
  ]) {
    assert.equal(parseId(text), null, text);
  }
  for (const part of [
    "9007199254740992",
    "9999999999999999",
    "18446744073709551615",
    "1e3",
    "1.0",
    "0x1",
    "*",
  ]) {
    assert.equal(parseId(`${part}-1`), null, part);
    assert.equal(parseId(`1-${part}`), null, part);
  }
});

/**
 * envelope: which payload breaks its frame, and which only its message: depth, UTF-8, `{type, data}`. On
 * lib/message.ts alone; what a connection then does is in the specs of the edge.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { clientShapes, decodeClient } from "../lib/message.ts";
import { isBroken, nestedLists, payloadOf, readAs } from "./helpers/payloads.ts";

const clientTypes = Object.keys(clientShapes);

const envelopeWith = (extra: string): Buffer =>
  Buffer.from(`{"type":"PingMes","data":"{\\"n\\":1}","extra":${extra}}`);

test("[F-4] an envelope of depth 8 is read, of depth 9 it is a broken frame", () => {
  assert.equal(isBroken(envelopeWith(nestedLists(7))), false);
  assert.equal(isBroken(envelopeWith(nestedLists(8))), true);
  assert.equal(isBroken(envelopeWith('{"a":'.repeat(8) + "1" + "}".repeat(8))), true);
  assert.equal(isBroken(envelopeWith(nestedLists(30_000))), true, "deep enough to cost a stack");
});

test("[F-4] [M-1] data of depth 8 is read, of depth 9 it is 400 and no broken frame", () => {
  assert.deepEqual(readAs("PingMes", `{"n":1,"x":${nestedLists(7)}}`), { n: 1 });
  assert.equal(readAs("PingMes", `{"n":1,"x":${nestedLists(8)}}`), 400);
  assert.equal(readAs("PingMes", `{"n":1,"x":${'{"a":'.repeat(8)}1${"}".repeat(8)}}`), 400);
  assert.equal(readAs("PingMes", nestedLists(30_000)), 400);
  assert.equal(readAs("PingMes", "[".repeat(30_000)), 400, "never closed");
});

test("[F-4] brackets inside strings and brackets side by side are not depth", () => {
  const brackets = "[{".repeat(20);
  for (const string of [
    brackets,
    `"${brackets}`,
    `\\${brackets}`,
    `\\"${brackets}`,
    `${brackets}\\`,
    "]}]}",
  ]) {
    const json = `{"n":1,${JSON.stringify(string)}:${JSON.stringify(string)},"x":${nestedLists(7)}}`;
    assert.deepEqual(readAs("PingMes", json), { n: 1 }, json);
    assert.equal(
      readAs("PingMes", json.replace(nestedLists(7), nestedLists(8))),
      400,
      "and do not hide it either",
    );
    assert.equal(isBroken(envelopeWith(`${JSON.stringify(string)},"y":${nestedLists(7)}`)), false);
  }
  assert.deepEqual(readAs("PingMes", `{"n":1,"x":[${"[],{},".repeat(50)}[[[[[[]]]]]]]}`), { n: 1 });
});

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

test("[F-4] [M-1] any JSON is read up to its depth", () => {
  const anyJson = fc.jsonValue({ maxDepth: 10, depthSize: "max" });
  fc.assert(
    fc.property(anyJson, (x) => {
      const wanted = depthOf(x) <= 7 ? { n: 1 } : 400;
      assert.deepEqual(readAs("PingMes", JSON.stringify({ x, n: 1 })), wanted);
    }),
    { numRuns: 500 },
  );
});

const badUtf8 = [
  "80",
  "bf",
  "c0af",
  "c1bf",
  "c3",
  "e282",
  "e08080",
  "eda080",
  "edbfbf",
  "f08080af",
  "f09f98",
];
const hopelessUtf8 = ["f4908080", "f8888080", "fe", "ff", "c328", "e28228", "f09f9828"];

test("[F-5] bytes that are not UTF-8 are a broken frame, wherever they are", () => {
  const places = [
    ['{"type":"PingMes', '","data":"{\\"n\\":1}"}'],
    ['{"type":"PingMes","data":"{\\"n\\":1,\\"x\\":\\"', '\\"}"}'],
    ['{"type":"PingMes","data":"{\\"n\\":1}","x":"', '"}'],
    ['{"type":"PingMes","data":"{\\"n\\":1}"}', ""],
  ] as const;
  for (const hex of [...badUtf8, ...hopelessUtf8]) {
    for (const [before, behind] of places) {
      const payload = Buffer.concat([Buffer.from(before), Buffer.from(hex, "hex"), Buffer.from(behind)]);
      assert.equal(isBroken(payload), true, `${hex} after ${before}`);
    }
  }
});

test("[F-5] any well-formed text is UTF-8 enough: 1 to 4 bytes, non-characters, a BOM inside", () => {
  for (const content of ["\u007f", "é", "中", "😀", "\uffff", "\u{10ffff}", "\ufeffx", "\ud7ff\ue000"]) {
    assert.deepEqual(readAs("SmsMes", JSON.stringify({ content })), { content });
  }
});

test("[F-5] anything but {type: string, data: string} is a broken frame", () => {
  const broken = [
    ..."{}|[]|null|true|1|\"x\"| |{|}|{}}|'|nul|{type:'PingMes'}".split("|"),
    '{"type":"PingMes"}',
    '{"data":"{}"}',
    '{"type":1,"data":"{}"}',
    '{"type":null,"data":"{}"}',
    '{"type":["PingMes"],"data":"{}"}',
    '{"type":"PingMes","data":{"n":1}}',
    '{"type":"PingMes","data":null}',
    '{"type":"PingMes","data":1}',
    '["PingMes","{}"]',
    '{"Type":"PingMes","Data":"{}"}',
    '{"__proto__":{"type":"PingMes","data":"{}"}}',
    '{"type":"PingMes","__proto__":{"data":"{}"}}',
    '{"type":"PingMes","data":"{}"}x',
    '{"type":"PingMes","data":"{}"}{"type":"PingMes","data":"{}"}',
    '{"type":"PingMes","data":"{}",}',
    '\ufeff{"type":"PingMes","data":"{}"}',
    '{"type":"Ping\nMes","data":"{}"}',
  ];
  for (const text of broken) assert.equal(isBroken(Buffer.from(text)), true, text);
  assert.equal(isBroken(Buffer.from(' {\n"data" : "{}" ,\t"type":"PingMes" } ')), false, "space is JSON's");
});

test("[F-5] whatever the bytes are, they are a message, a refusal or a broken frame, and nothing else", () => {
  const anyBytes = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  const anyData = fc.oneof(fc.string({ unit: "binary" }), fc.json(), fc.constantFrom("", " ", "{", "null"));
  const anyMessage = fc
    .tuple(fc.oneof(fc.constantFrom(...clientTypes), fc.string({ unit: "binary" })), anyData)
    .map(([type, data]) => payloadOf(type, data));
  fc.assert(
    fc.property(fc.oneof(anyBytes, anyMessage), (payload) => {
      if (isBroken(payload)) return;
      const message = decodeClient(payload);
      const isKnown =
        message.type === null ? [400, 413].includes(message.error.code) : clientTypes.includes(message.type);
      assert.equal(isKnown, true, JSON.stringify(message));
    }),
    { numRuns: 1000 },
  );
});

/**
 * frame: bytes to payloads and back, on lib/frame.ts alone. Whatever the cuts and merges, the payloads are the same.
 * What it may cost is in frameCost.spec.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameDecoder, FrameError, encodeFrame } from "../lib/frame.ts";
import { frameMaxBytes, framePreLoginMaxBytes } from "../lib/limits.ts";
import { headerBytes, headerOf, payloadOf, piecesOf, pulled, sizesArbitrary } from "./helpers/cuts.ts";
import { frameOfPayload } from "./helpers/wireClient.ts";

const payloadArbitrary = fc.uint8Array({ minLength: 1, maxLength: 700 }).map((bytes) => Buffer.from(bytes));
test("[F-1] a frame is the payload's length in bytes, big-endian, then the payload", () => {
  assert.equal(encodeFrame("é中😀").toString("hex"), "00000009" + "c3a9" + "e4b8ad" + "f09f9880");
  assert.equal(encodeFrame("x".repeat(258)).subarray(0, 5).toString("hex"), "0000010278");
  const decoder = new FrameDecoder(frameMaxBytes);
  decoder.push(Buffer.from("0000000" + "3616263" + "00000001" + "64", "hex"));
  assert.deepEqual(pulled(decoder), [Buffer.from("abc"), Buffer.from("d")]);
});

test("[F-1] the length is unsigned", () => {
  const decoder = new FrameDecoder(0xffff_ffff);
  decoder.push(headerOf(0x8000_0001));
  assert.equal(decoder.next(), null, "2,147,483,649 bytes are awaited, not a negative number of them");
});

test("[F-1] encoding is what an encoder of the spec's own makes, and decodes to the same text", () => {
  const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 300 });
  const anyText = fc.oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 300 }),
    units.map((codes) => String.fromCharCode(...codes)),
  );
  fc.assert(
    fc.property(anyText, (text) => {
      const frame = encodeFrame(text);
      assert.deepEqual(frame, frameOfPayload(Buffer.from(text, "utf8")));
      const decoder = new FrameDecoder(frameMaxBytes);
      decoder.push(frame);
      assert.equal(decoder.next()?.toString(), text.toWellFormed());
      assert.equal(decoder.heldBytes, 0);
    }),
    { numRuns: 300 },
  );
});

test("[F-2] lengths from 1 to the bound are frames, 0 and one more are not, before log-in and after it", () => {
  for (const maxBytes of [framePreLoginMaxBytes, frameMaxBytes]) {
    for (const length of [1, 2, maxBytes - 1, maxBytes]) {
      const decoder = new FrameDecoder(maxBytes);
      const payload = payloadOf(length);
      decoder.push(frameOfPayload(payload));
      assert.deepEqual(decoder.next(), payload, `${length} of ${maxBytes}`);
    }
    for (const length of [0, maxBytes + 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
      const decoder = new FrameDecoder(maxBytes);
      decoder.push(headerOf(length));
      assert.throws(() => decoder.next(), FrameError, `${length} of ${maxBytes}: the header alone is enough`);
    }
  }
});

test("[F-2] any length out of bounds is refused by its header, after any good frames and at any cuts", () => {
  const bad = fc.oneof(
    fc.constant(0),
    fc.integer({ min: framePreLoginMaxBytes + 1, max: 0xffff_ffff }),
    fc.integer({ min: framePreLoginMaxBytes + 1, max: framePreLoginMaxBytes + 9 }),
  );
  fc.assert(
    fc.property(fc.array(payloadArbitrary), bad, sizesArbitrary, (payloads, length, sizes) => {
      const decoder = new FrameDecoder(framePreLoginMaxBytes);
      const got: Buffer[] = [];
      for (const piece of piecesOf(Buffer.concat(payloads.map(frameOfPayload)), sizes)) {
        decoder.push(piece);
        got.push(...pulled(decoder));
      }
      assert.deepEqual(got, payloads);
      const pieces = piecesOf(headerOf(length), sizes);
      for (const [index, piece] of pieces.entries()) {
        decoder.push(piece);
        const isWhole = pieces.slice(index + 1).every((later) => later.length === 0);
        if (!isWhole) assert.equal(decoder.next(), null);
      }
      assert.throws(() => decoder.next(), FrameError);
      // A broken stream stays broken: nothing after it is taken for a frame.
      decoder.push(frameOfPayload(Buffer.from("good")));
      assert.throws(() => decoder.next(), FrameError);
    }),
    { numRuns: 200 },
  );
});

test("[F-3] the same payloads come out at any cuts and merges, pulled at any time", () => {
  fc.assert(
    fc.property(
      fc.array(payloadArbitrary, { maxLength: 20 }),
      sizesArbitrary,
      fc.infiniteStream(fc.boolean()),
      (payloads, sizes, pullsNow) => {
        const bytes = Buffer.concat(payloads.map(frameOfPayload));
        const given = Buffer.from(bytes);
        const decoder = new FrameDecoder(frameMaxBytes);
        const got: Buffer[] = [];
        let pushedBytes = 0;
        let pulledBytes = 0;
        const pull = (): void => {
          const now = pulled(decoder);
          got.push(...now);
          for (const payload of now) pulledBytes += headerBytes + payload.length;
        };
        for (const piece of piecesOf(given, sizes)) {
          decoder.push(piece);
          pushedBytes += piece.length;
          if (pullsNow.next().value) pull();
          assert.equal(decoder.heldBytes, pushedBytes - pulledBytes);
        }
        pull();
        // Compared only now: a view that was written over by later pushes would show.
        assert.deepEqual(got, payloads);
        assert.deepEqual(given, bytes, "the pushed chunks themselves stay as they were");
        decoder.end();
      },
    ),
    { numRuns: 400 },
  );
});

test("[F-3] a payload comes out with its last byte, not later", () => {
  const bytes = Buffer.concat([payloadOf(3), payloadOf(1), payloadOf(300)].map(frameOfPayload));
  const ends = [7, 12, 316];
  const decoder = new FrameDecoder(frameMaxBytes);
  for (const [index, piece] of piecesOf(bytes, [1]).entries()) {
    decoder.push(piece);
    assert.equal(pulled(decoder).length, ends.includes(index + 1) ? 1 : 0, `byte ${index + 1}`);
  }
});

test("[F-3] views given out stay valid while more is pushed", () => {
  const decoder = new FrameDecoder(frameMaxBytes);
  const payloads = Array.from({ length: 400 }, (_, round) => payloadOf(1 + ((round * 37) % 150), round));
  const views: Buffer[] = [];
  for (const piece of piecesOf(Buffer.concat(payloads.map(frameOfPayload)), [3, 1, 70, 2])) {
    decoder.push(piece);
    views.push(...pulled(decoder));
  }
  assert.deepEqual(views, payloads);
});

test("[F-2] [F-3] the bound may be raised between two frames of one chunk", () => {
  const [small, large] = [payloadOf(40), payloadOf(framePreLoginMaxBytes + 1)];
  const bytes = Buffer.concat([small, large, small].map(frameOfPayload));
  for (const sizes of [[bytes.length], [1], [41, 3, 2]]) {
    const decoder = new FrameDecoder(framePreLoginMaxBytes);
    const got: Buffer[] = [];
    for (const piece of piecesOf(bytes, sizes)) {
      decoder.push(piece);
      // The log-in is answered after the first payload: what follows in the same chunk is under the new bound.
      for (let payload = decoder.next(); payload; payload = decoder.next()) {
        got.push(payload);
        decoder.maxBytes = frameMaxBytes;
      }
    }
    assert.deepEqual(got, [small, large, small]);
  }
  const strict = new FrameDecoder(framePreLoginMaxBytes);
  strict.push(bytes);
  assert.deepEqual(strict.next(), small);
  assert.throws(() => strict.next(), FrameError, "without a log-in the second is too long");
});

test("[F-6] an end is clean between frames and broken inside one, at every byte", () => {
  const frames = [payloadOf(1), payloadOf(9), payloadOf(2)].map(frameOfPayload);
  const bytes = Buffer.concat(frames);
  const boundaries = new Set([0, 5, 18, 24]);
  for (let length = 0; length <= bytes.length; length++) {
    for (const sizes of [[1], [bytes.length], [3, 8]]) {
      const decoder = new FrameDecoder(frameMaxBytes);
      for (const piece of piecesOf(bytes.subarray(0, length), sizes)) {
        decoder.push(piece);
        pulled(decoder);
      }
      if (boundaries.has(length)) decoder.end();
      else assert.throws(() => decoder.end(), FrameError, `${length} bytes of ${bytes.length}`);
    }
  }
});

/**
 * frameCost: what frames may cost, on lib/frame.ts alone. What a header claims costs nothing; what has come costs what
 * it weighs, however small the pieces. Counted in bytes allocated and copied, never in time.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameDecoder, FrameError } from "../lib/frame.ts";
import { frameMaxBytes } from "../lib/limits.ts";
import { headerBytes, headerOf, payloadOf, piecesOf, pulled } from "./helpers/cuts.ts";
import { frameOfPayload } from "./helpers/wireClient.ts";

/** Bytes allocated and copied through Buffer while `work` runs. */
function costOf(work: () => void): number {
  let cost = 0;
  const { alloc, allocUnsafe, allocUnsafeSlow, concat } = Buffer;
  const { copy } = Buffer.prototype;
  const { set } = Uint8Array.prototype;
  for (const [name, original] of Object.entries({ alloc, allocUnsafe, allocUnsafeSlow })) {
    Object.assign(Buffer, { [name]: (size: number) => ((cost += size), original(size)) });
  }
  Buffer.concat = (list, total) => {
    const joined = concat(list, total);
    cost += joined.length;
    return joined;
  };
  Buffer.prototype.copy = function (...args: Parameters<Buffer["copy"]>) {
    const bytes = copy.apply(this, args);
    cost += bytes;
    return bytes;
  };
  Uint8Array.prototype.set = function (list, at) {
    cost += list.length;
    set.call(this, list, at);
  };
  try {
    work();
  } finally {
    Object.assign(Buffer, { alloc, allocUnsafe, allocUnsafeSlow, concat });
    Buffer.prototype.copy = copy;
    Uint8Array.prototype.set = set;
  }
  return cost;
}

test("[F-2] a header that claims 4 GiB is refused before anything is allocated for it", () => {
  const pieces = piecesOf(headerOf(0xffff_ffff), [1]);
  const decoder = new FrameDecoder(frameMaxBytes);
  const cost = costOf(() => {
    for (const piece of pieces) decoder.push(piece);
    assert.throws(() => decoder.next(), FrameError);
  });
  assert.equal(decoder.heldBytes, headerBytes);
  assert.ok(cost < 1024, `${cost} bytes allocated and copied`);
});

test("[F-2] what is held grows with what has come, not with what a header within the bounds claims", () => {
  const decoders: FrameDecoder[] = [];
  const before = process.memoryUsage().arrayBuffers;
  for (let index = 0; index < 2_000; index++) {
    const decoder = new FrameDecoder(frameMaxBytes);
    for (const piece of piecesOf(Buffer.concat([headerOf(frameMaxBytes), Buffer.from("12345")]), [1])) {
      decoder.push(piece);
      assert.equal(decoder.next(), null);
    }
    assert.equal(decoder.heldBytes, headerBytes + 5);
    decoders.push(decoder);
  }
  const grownBytes = process.memoryUsage().arrayBuffers - before;
  assert.ok(grownBytes < decoders.length * 4096, `${grownBytes} bytes for ${decoders.length} started frames`);
});

/** Bytes allocated and copied while `bytes` are pushed in pieces of the given sizes and pulled. */
function costOfPushing(bytes: Buffer, sizes: number[]): number {
  const pieces = piecesOf(bytes, sizes);
  const decoder = new FrameDecoder(bytes.length);
  const cost = costOf(() => {
    for (const piece of pieces) {
      decoder.push(piece);
      pulled(decoder);
    }
  });
  assert.equal(decoder.heldBytes, 0, "all of it was pulled");
  return cost;
}

test("[F-3] one-byte reads of one long frame cost in proportion to its length", () => {
  for (const bytes of [4_096, 16_384, 65_536]) {
    const cost = costOfPushing(frameOfPayload(payloadOf(bytes)), [1]);
    assert.ok(cost <= 10 * bytes + 1024, `${cost} bytes allocated and copied for ${bytes}`);
  }
});

test("[F-3] a stream of frames at small cuts costs in proportion to its length", () => {
  const one = frameOfPayload(payloadOf(333));
  for (const frames of [200, 800]) {
    const bytes = Buffer.concat(Array.from({ length: frames }, () => one));
    for (const sizes of [[1], [7, 1, 2], [1450, 3], [bytes.length - 1, 1]]) {
      const cost = costOfPushing(bytes, sizes);
      assert.ok(cost <= 10 * bytes.length + 1024, `${cost} bytes allocated and copied for ${bytes.length}`);
    }
  }
});

/**
 * cuts: bytes in pieces, as a transport may cut and merge them, and a decoder that is fed with them.
 */
import fc from "fast-check";
import type { FrameDecoder } from "../../lib/frame.ts";

export const headerBytes = 4;

/** A header that claims `length` bytes of payload. */
export function headerOf(length: number): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.writeUInt32BE(length);
  return bytes;
}

/** A payload of so many bytes, each seed another one. */
export function payloadOf(length: number, seed = 0): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 7 + seed) & 0xff));
}

/** Everything that can be pulled now; the views themselves, not copies. */
export function pulled(decoder: FrameDecoder): Buffer[] {
  const payloads: Buffer[] = [];
  for (let payload = decoder.next(); payload; payload = decoder.next()) payloads.push(payload);
  return payloads;
}

/** The bytes in pieces of the given sizes, used over and over; 0 is an empty piece. */
export function piecesOf(bytes: Buffer, sizes: number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let start = 0, index = 0; start < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? 1;
    pieces.push(bytes.subarray(start, start + size));
    start += size;
  }
  return pieces;
}

/** Sizes of pieces for `piecesOf`. */
export const sizesArbitrary = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 900 })), { minLength: 1 })
  .filter((sizes) => sizes.some((size) => size > 0));

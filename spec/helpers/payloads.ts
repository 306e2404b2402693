/**
 * payloads: payloads with any JSON text as their data, and what lib/message.ts makes of them. The JSON is text, since
 * what a stranger can spell there (1e400, -0, a key twice) no object of ours can hold.
 */
import assert from "node:assert/strict";
import { FrameError } from "../../lib/frame.ts";
import { decodeClient } from "../../lib/message.ts";

/** A payload with the given JSON text as data. */
export function payloadOf(type: string, dataJson: string): Buffer {
  return Buffer.from(JSON.stringify({ type, data: dataJson }));
}

/** What becomes of a client's message whose data is this JSON text: its fields, or the code of its refusal. */
export function readAs(type: string, dataJson: string): unknown {
  const message = decodeClient(payloadOf(type, dataJson));
  return message.type === null ? message.error.code : message.fields;
}

/** Whether a client's payload is a broken frame. Anything thrown but FrameError is a failure. */
export function isBroken(payload: Buffer): boolean {
  try {
    decodeClient(payload);
    return false;
  } catch (error) {
    assert.ok(error instanceof FrameError, `threw ${String(error)}`);
    return true;
  }
}

/** `depth` lists, one in the other. */
export function nestedLists(depth: number): string {
  return "[".repeat(depth) + "]".repeat(depth);
}

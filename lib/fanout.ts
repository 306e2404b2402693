/**
 * fanout: one batch to everybody who is live in its conversation, in slices with the event loop in between, since
 * the writes are what costs (design 5). A reader that cannot keep up is set aside, not buffered for ([D-6]).
 */
import type { Batch } from "./batch.ts";
import { legacyFramesOf } from "./legacy.ts";
import { fanoutSliceSessions, outputBacklogMaxBytes } from "./limits.ts";
import { compareIds } from "./messageId.ts";
import { Scratch } from "./scratch.ts";
import type { Reader } from "./session.ts";

/** Sends a batch to one reader: what it lacks of it, and how many that is. Its position is then the batch's end. */
export function deliver(reader: Reader, batch: Batch, scratch = new Scratch()): number {
  const { session } = reader;
  const count = batch.countFor(reader);
  if (session.legacy) {
    for (const entry of batch.entriesFor(reader)) {
      session.legacy.deliver(batch.conv, entry.id, legacyFramesOf(entry, batch.conv, session.userId));
    }
  } else {
    const bytes = batch.bytesFor(reader, scratch);
    if (bytes) session.output.write(bytes);
    // Where the kernel did not take all of it, the socket still reads from there.
    if (session.output.backlogBytes > 0) scratch.keep();
  }
  reader.toAck = batch.toAckFor(session) ?? reader.toAck;
  reader.position = batch.to;
  return count;
}

/** Whether a reader's socket is so far behind that more must not be handed to it. */
export function isSlow({ session }: Reader): boolean {
  return session.output.backlogBytes > outputBacklogMaxBytes;
}

/**
 * Gives the batch to all of `live`; `setAside` is called for each reader that is slow, after it was taken out. Gives
 * how many messages were handed to readers, counted once for each.
 */
export async function fanOut(
  batch: Batch,
  live: Set<Reader>,
  setAside: (reader: Reader) => void,
): Promise<number> {
  let delivered = 0;
  let inSlice = 0;
  const scratch = new Scratch();
  // A Set may change while it is walked: who has gone is passed over, who has come has the batch already.
  for (const reader of live) {
    if (reader.position !== batch.from && compareIds(reader.position, batch.to) >= 0) continue;
    if (isSlow(reader)) {
      live.delete(reader);
      setAside(reader);
      continue;
    }
    delivered += deliver(reader, batch, scratch);
    if (++inSlice % fanoutSliceSessions === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return delivered;
}

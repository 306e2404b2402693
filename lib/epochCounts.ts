/**
 * epochCounts: what a server knows of how many messages were given out in a conversation under each epoch ([D-5]). An
 * epoch belongs to one Redis and only goes on, so of two numbers the larger one is true, and what was learned here and
 * there can be put together in any order. append.lua keeps the same, and writes it down.
 */
import { epochsCountedMax } from "./limits.ts";
import { type MessageId, laterId, zeroId } from "./messageId.ts";

/** What a log says of itself, as it lies in its meta: null what was never written. */
export interface LogMark {
  /** The epoch under which it goes on. */
  epoch: number;
  /** What had been given out when that began. */
  floor: number;
  /** Under which epochs that was: "<epoch>:<count> ...", ascending, the latest ones. */
  counts: string;
}

/** What was seen of one log. */
export interface Seen {
  /** The newest id. */
  readonly id: MessageId;
  /** Belongs to the epoch of `id`. */
  readonly floor: number;
  readonly counts: string;
}

export const nothingSeen: Seen = { id: zeroId, floor: 0, counts: "" };

/** A mark as Redis gives it: epoch, floor and counts. */
export function markOf([epoch, floor, counts]: readonly unknown[]): LogMark {
  return { epoch: Number(epoch ?? 0), floor: Number(floor ?? 0), counts: String(counts ?? "") };
}

/** What is known when `id` was seen in a log, and, where that was asked for, its mark. */
export function learn(seen: Seen, id: MessageId, mark: LogMark | null): Seen {
  const newest = laterId(id, seen.id);
  if (!mark) return newest === seen.id ? seen : { ...seen, id: newest };
  if (seen === nothingSeen) return { id: newest, floor: mark.floor, counts: mark.counts };
  const all = countsOf(seen);
  for (const [epoch, count] of parse(mark.counts)) if (count > (all.get(epoch) ?? 0)) all.set(epoch, count);
  // Of an epoch that may still go on the seq of the newest id tells it. What was asked for earlier may come later.
  const isOlder = mark.epoch < newest.epoch;
  if (mark.epoch === newest.epoch || (isOlder && !parse(seen.counts).has(newest.epoch)))
    all.delete(newest.epoch);
  return { id: newest, floor: isOlder ? seen.floor : mark.floor, counts: format(all) };
}

/** Whether a log has counted all that was seen: what it gives out itself it has. */
export function isCounted(seen: Seen, mark: LogMark): boolean {
  const counted = parse(mark.counts);
  const oldest = counted.size >= epochsCountedMax ? Math.min(...counted.keys()) : 0;
  return [...countsOf(seen)].every(
    ([epoch, count]) => epoch === mark.epoch || epoch < oldest || count <= (counted.get(epoch) ?? 0),
  );
}

function countsOf({ id, floor, counts }: Seen): Map<number, number> {
  const all = parse(counts);
  if (id.seq > floor && !all.has(id.epoch)) all.set(id.epoch, id.seq - floor);
  return all;
}

function parse(counts: string): Map<number, number> {
  const parts = counts.split(" ").filter((part) => part !== "");
  return new Map(parts.map((part) => part.split(":").map(Number) as [epoch: number, count: number]));
}

function format(counts: Map<number, number>): string {
  const ascending = [...counts].sort(([one], [other]) => one - other).slice(-epochsCountedMax);
  return ascending.map(([epoch, count]) => `${epoch}:${count}`).join(" ");
}

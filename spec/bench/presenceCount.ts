/**
 * presenceCount: how many people a PresenceMes tells of, by its length alone: ids and names of the benchmark are all of
 * one length, so that 25,000,000 entries are counted without being parsed.
 */
import { encodeServer } from "../../lib/message.ts";
import { firstUserId, nameOf } from "./haiyuWire.ts";

const person = { userId: firstUserId, userName: nameOf(firstUserId) };
const bytesOf = (people: number): number =>
  encodeServer("PresenceMes", { online: Array(people).fill(person), offline: [], total: 1, more: true })
    .length - 4;
const empty = bytesOf(0);
const each = bytesOf(2) - bytesOf(1);

/** People in the payload of a PresenceMes that tells of nobody who left. */
export function peopleIn(payload: Buffer): number {
  return Math.round((payload.length - empty) / each);
}

/** Whether a payload is a PresenceMes: 'r' of its second letter, PongMes has another. */
export function isPresence(payload: Buffer): boolean {
  return payload[9] === 0x50 && payload[10] === 0x72;
}

/** Who came and who left, parsed. */
export function changesIn(payload: Buffer): { online: number[]; offline: number[] } {
  const { data } = JSON.parse(payload.toString()) as { data: string };
  const { online, offline } = JSON.parse(data) as { online: { userId: number }[]; offline: number[] };
  return { online: online.map(({ userId }) => userId), offline };
}

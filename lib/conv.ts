/**
 * conv: the two names of a conversation. Its reader says "all" or "u:<other user>" (clause [M-6]); Redis knows it as
 * "all" or "dm:<low>:<high>", one name for both sides. A private conversation with oneself is allowed.
 */
import { CodedError, codes } from "./codes.ts";

export const allConv = "all";

/** "all" or "dm:<low>:<high>": how a conversation is called in Redis and inside the node. */
export type StoredConv = string;

/** The stored name of the private conversation of two users. */
export function privateConv(one: number, other: number): StoredConv {
  return one <= other ? `dm:${one}:${other}` : `dm:${other}:${one}`;
}

/** Reads a reader's name of a conversation. Throws CodedError 404 when it names none. */
export function storedConv(conv: string, reader: number): StoredConv {
  if (conv === allConv) return allConv;
  const match = /^u:([1-9]\d{0,15})$/.exec(conv);
  const peer = match ? Number(match[1]) : NaN;
  if (!Number.isSafeInteger(peer))
    throw new CodedError(codes.notFound, { detail: `conv ${conv.slice(0, 64)}` });
  return privateConv(reader, peer);
}

/** The two users of a private conversation, low first; null for "all". */
export function participantsOf(conv: StoredConv): [number, number] | null {
  if (conv === allConv) return null;
  const [, low, high] = conv.split(":");
  return [Number(low), Number(high)];
}

/** The other side of a private conversation, as `reader` sees it; null for "all". */
export function peerOf(conv: StoredConv, reader: number): number | null {
  const participants = participantsOf(conv);
  if (!participants) return null;
  return participants[0] === reader ? participants[1] : participants[0];
}

/** The other one of a private conversation of `userId`; null where there is none: "all", oneself, somebody else's. */
export function otherSideOf(conv: StoredConv, userId: number): number | null {
  const [low, high] = participantsOf(conv) ?? [];
  if (low === high) return null;
  if (low === userId) return high ?? null;
  return high === userId ? (low ?? null) : null;
}

/** The name that `reader` uses for a stored conversation. */
export function convFor(conv: StoredConv, reader: number): string {
  const peer = peerOf(conv, reader);
  return peer === null ? allConv : `u:${peer}`;
}

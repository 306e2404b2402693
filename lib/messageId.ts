/**
 * messageId: the id of a message is "<epoch>-<seq>", the stream entry's own id (clause [S-3]). It is compared as two
 * integers, epoch first, never as text. seq is dense in its conversation; epoch goes up when Redis may have lost a
 * tail. Ids are immutable and shared, so `===` is a cheap first look.
 */

export interface MessageId {
  readonly epoch: number;
  readonly seq: number;
}

/** Before everything: the position of a reader that has seen nothing. */
export const zeroId: MessageId = { epoch: 0, seq: 0 };

const pattern = /^(0|[1-9]\d{0,15})-(0|[1-9]\d{0,15})$/;

/** Reads "<epoch>-<seq>"; null when the text is not one, or a part is beyond 2^53-1. */
export function parseId(text: string): MessageId | null {
  const match = pattern.exec(text);
  if (!match) return null;
  const epoch = Number(match[1]);
  const seq = Number(match[2]);
  return Number.isSafeInteger(epoch) && Number.isSafeInteger(seq) ? { epoch, seq } : null;
}

/** "<epoch>-<seq>". */
export function formatId(id: MessageId): string {
  return `${id.epoch}-${id.seq}`;
}

/** Below 0, 0 or above 0, as left comes before, is, or comes after right. */
export function compareIds(left: MessageId, right: MessageId): number {
  return left.epoch - right.epoch || left.seq - right.seq;
}

/** The later of two ids. */
export function laterId(left: MessageId, right: MessageId): MessageId {
  return compareIds(left, right) >= 0 ? left : right;
}

/** The earlier of two ids. */
export function earlierId(left: MessageId, right: MessageId): MessageId {
  return compareIds(left, right) <= 0 ? left : right;
}

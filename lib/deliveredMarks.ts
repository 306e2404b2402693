/**
 * deliveredMarks: how far the other side of each private conversation has received it, as a client was told ([B-1]); a
 * mark never goes back, whatever a later log-in says.
 */
import { type MessageId, compareIds, formatId, parseId } from "./messageId.ts";

/** The marks of one client, over all its links. */
export class DeliveredMarks {
  readonly #marks = new Map<string, MessageId>();

  /** Notes that a conversation was received up to `id`; false when so much was known. */
  note(conv: string, id: string): boolean {
    const parsed = parseId(id);
    const before = this.#marks.get(conv);
    if (!parsed || parsed.seq === 0 || (before && compareIds(parsed, before) <= 0)) return false;
    this.#marks.set(conv, parsed);
    return true;
  }

  /** How far the conversation was received; null: nothing is known to have been. */
  of(conv: string): string | null {
    const mark = this.#marks.get(conv);
    return mark ? formatId(mark) : null;
  }

  /** Whether the message with this id is among what was received. */
  covers(conv: string, id: string): boolean {
    const mark = this.#marks.get(conv);
    const parsed = parseId(id);
    return mark !== undefined && parsed !== null && compareIds(parsed, mark) <= 0;
  }
}

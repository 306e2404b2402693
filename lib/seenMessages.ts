/**
 * seenMessages: how far a client has got in each conversation, so that nothing is handed on twice, and what of it the
 * server does not know yet (clause [D-2]).
 */
import { clientAckMessages } from "./limits.ts";
import { type MessageId, compareIds, formatId, parseId } from "./messageId.ts";

/** What one client has seen and acknowledged, over all its links. */
export class SeenMessages {
  readonly #positions = new Map<string, MessageId>();
  readonly #unacked = new Map<string, MessageId>();
  #unackedCount = 0;

  /** Notes a message; false when it, or a later one of its conversation, was noted before. */
  note(conv: string, id: string): boolean {
    const parsed = parseId(id);
    if (!parsed) return true;
    const seen = this.#positions.get(conv);
    const isNew = !seen || compareIds(parsed, seen) > 0;
    if (isNew) this.#positions.set(conv, parsed);
    // What comes again was never known to be safe: its acknowledgement was lost with a link.
    this.#unacked.set(conv, isNew ? parsed : seen);
    this.#unackedCount++;
    return isNew;
  }

  /** Whether so much is unacknowledged that it should not wait. */
  get ackDue(): boolean {
    return this.#unackedCount >= clientAckMessages;
  }

  /** What AckMes has to say, and then counts as said. */
  takeUnacked(): { conv: string; id: string }[] {
    this.#unackedCount = 0;
    return this.#take(() => true);
  }

  /** The same of private conversations only. */
  takeUnackedPrivate(): { conv: string; id: string }[] {
    return this.#take((conv) => conv !== "all");
  }

  #take(isWanted: (conv: string) => boolean): { conv: string; id: string }[] {
    const wanted = [...this.#unacked].filter(([conv]) => isWanted(conv));
    for (const [conv] of wanted) this.#unacked.delete(conv);
    return wanted.map(([conv, id]) => ({ conv, id: formatId(id) }));
  }
}

/**
 * tail: what was said, message by message, each once and without a seam (clause [C-34]). A device of its own listens
 * live from the head (`replay: "none"`); what lies between the last message written out and the head is read from
 * history, at every log-in, and whenever a message is not the next one by its seq. So there is one truth, the position
 * of each conversation, and neither the server's cursors nor an unbroken link are needed for it. The server's cursor is
 * moved behind it, once the position is kept: it tells senders that their words arrived, and keeps the list of
 * conversations with something new short.
 *
 * Invariants: a position moves only when its line was taken by the output; it is kept (`save`) before it is acknowledged;
 * what waits to be written is bounded: beyond that it is left to history.
 */
import type { ChatClient, Delivered, LoginInfo } from "./chatClient.ts";
import * as limits from "./limits.ts";
import { type MessageId, compareIds, formatId, parseId, zeroId } from "./messageId.ts";
import type { Gap } from "./messageLine.ts";

export interface TailOptions {
  /** Only this conversation; null: all. */
  scope: string | null;
  /** What was written out; grows. */
  positions: Map<string, MessageId>;
  /** Unix ms: what is older is not told where a conversation has no position yet. */
  startedMs: number;
  message: (message: Delivered) => Promise<void>;
  gap: (gap: Gap) => Promise<void>;
  /** Keeps the positions. May throw, which ends the tail. */
  save: () => void;
  /** How long a page of history may take, waiting for a new link included. */
  inTime: <T>(page: Promise<T>) => Promise<T>;
}

/** One tail, over as many links as it takes. */
export class Tail {
  readonly #options: TailOptions;
  #client: ChatClient | null = null;
  #queue: ("log-in" | Delivered)[] = [];
  /** Conversations of which more was heard than may wait. */
  readonly #behind = new Set<string>();
  #working: Promise<void> | null = null;
  #online: () => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;
  /** Where a conversation without a position was looked through and nothing of it is told. */
  readonly #passedOver = new Map<string, MessageId>();
  /** Conversations whose position is not kept, or not acknowledged, yet. */
  readonly #moved = new Set<string>();
  #unsavedLines = 0;
  /** Rejects when the tail cannot go on. */
  readonly failed: Promise<never>;

  constructor(options: TailOptions) {
    this.#options = options;
    this.failed = new Promise((_, reject) => (this.#fail = reject));
    this.failed.catch(() => undefined);
  }

  /** The client has logged in (again): what came meanwhile is in history. */
  loggedIn(client: ChatClient): void {
    this.#client = client;
    this.#online();
    this.#put("log-in");
  }

  /** The client has heard a message. */
  heard(message: Delivered): void {
    const { conv = "all" } = message;
    if (!this.#isInScope(conv)) return;
    if (this.#queue.length >= limits.tailQueueMaxMessages) this.#behind.add(conv);
    else this.#put(message);
  }

  /** The client has ended: so does the tail. */
  end(error: Error): void {
    this.#fail(error);
  }

  /** Resolves when nothing waits to be written out and kept. */
  async idle(): Promise<void> {
    await Promise.race([this.failed, this.#working ?? Promise.resolve()]);
  }

  /** Keeps what was written out, and acknowledges it. */
  keep(): void {
    if (this.#moved.size === 0) return;
    this.#options.save();
    for (const conv of this.#moved) this.#client?.ack(conv, formatId(this.#positionOf(conv)));
    this.#moved.clear();
    this.#unsavedLines = 0;
  }

  #put(item: "log-in" | Delivered): void {
    this.#queue.push(item);
    this.#working ??= this.#work().finally(() => (this.#working = null));
  }

  /** One thing after the other. */
  async #work(): Promise<void> {
    try {
      while (this.#queue.length + this.#behind.size > 0) {
        const item = this.#queue.shift();
        if (item === "log-in") await this.#catchUpAll();
        else if (item !== undefined) await this.#take(item);
        else await this.#catchUpBehind();
        if (this.#queue.length === 0) this.keep();
      }
    } catch (error) {
      this.#fail(error);
      // What comes now is for the next one.
      this.#queue = [];
    }
  }

  /** Everything that is there now, in the conversations that are known and in those that have something new. */
  async #catchUpAll(): Promise<void> {
    const listed = (this.#client?.info?.convs ?? []).map(({ conv }) => conv);
    const convs = new Set([...this.#options.positions.keys(), ...listed]);
    for (const conv of convs) if (this.#isInScope(conv)) await this.#catchUp(conv);
  }

  async #catchUpBehind(): Promise<void> {
    const convs = [...this.#behind];
    this.#behind.clear();
    for (const conv of convs) await this.#catchUp(conv);
  }

  async #take(message: Delivered): Promise<void> {
    const { conv = "all" } = message;
    const id = parseId(message.id ?? "");
    if (!id) return;
    const position = this.#positionOf(conv);
    // What history had already: the server may want to hear again that it is safe.
    if (compareIds(id, position) <= 0) return void this.#moved.add(conv);
    if (id.seq !== position.seq + 1) await this.#catchUp(conv);
    if (compareIds(id, this.#positionOf(conv)) > 0) await this.#write(conv, id, message);
  }

  /** From the position to the end of what is stored. */
  async #catchUp(conv: string): Promise<void> {
    for (let more = true; more;) {
      const page = await this.#options.inTime(this.#page(conv, this.#positionOf(conv)));
      for (const message of page.messages) {
        const id = parseId(message.id ?? "");
        if (id) await this.#write(conv, id, message);
      }
      more = page.more;
    }
  }

  /** One page; a link that was lost is waited for. Throws what the server refuses. */
  async #page(conv: string, after: MessageId): ReturnType<ChatClient["history"]> {
    for (;;) {
      const again = new Promise<void>((resolve) => (this.#online = resolve));
      try {
        if (this.#client?.state.kind !== "online") throw new Error("not connected");
        return await this.#client.history({
          conv,
          after: formatId(after),
          limit: limits.historyPageMaxMessages,
        });
      } catch (error) {
        if ((error as { code?: number }).code !== undefined) throw error;
        await Promise.race([again, this.failed]);
      }
    }
  }

  async #write(conv: string, id: MessageId, message: Delivered): Promise<void> {
    const { positions, startedMs } = this.#options;
    const before = positions.get(conv);
    if (!before && (message.time ?? 0) < startedMs - limits.tailStartSlackMs) {
      // From before the tail's beginning: neither told nor acknowledged.
      this.#passedOver.set(conv, id);
      return;
    }
    const gap = gapBetween(conv, before ?? (startedMs === 0 ? zeroId : null), id);
    if (gap) await this.#options.gap(gap);
    await this.#options.message({ ...message, conv });
    positions.set(conv, id);
    this.#moved.add(conv);
    if (++this.#unsavedLines >= limits.tailSaveMaxLines) this.keep();
  }

  #positionOf(conv: string): MessageId {
    return this.#options.positions.get(conv) ?? this.#passedOver.get(conv) ?? zeroId;
  }

  #isInScope(conv: string): boolean {
    return this.#options.scope === null || this.#options.scope === conv;
  }
}

/** Where a tail begins that has no positions yet: at the head of what the log-in tells of. */
export function headsOf({ convs = [] }: LoginInfo): Map<string, MessageId> {
  return new Map(convs.map(({ conv, head }) => [conv, parseId(head) ?? zeroId]));
}

/** What is not there between a position and the message behind it; null: nothing is missing, or nobody knows. */
export function gapBetween(conv: string, after: MessageId | null, before: MessageId): Gap | null {
  if (!after || before.seq <= after.seq + 1) return null;
  // A log that lost its end goes on in a new epoch; one that was trimmed lacks its beginning.
  const reason = after.seq > 0 && before.epoch > after.epoch ? "lost" : "trimmed";
  return {
    conv,
    after: formatId(after),
    before: formatId(before),
    count: before.seq - after.seq - 1,
    reason,
  };
}

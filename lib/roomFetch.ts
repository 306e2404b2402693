/**
 * roomFetch: brings what is missing in a room from the server's history: older messages, holes, what was delivered
 * earlier and never read. One page at a time for each room; what failed is tried again when it is wanted again, not at
 * once.
 */
import type { ChatClient } from "./chatClient.ts";
import type { Clock } from "./clock.ts";
import { fetchRetryMs, historyPageMaxMessages, replayMaxMessages } from "./limits.ts";
import { type MessageId, compareIds, formatId, zeroId } from "./messageId.ts";
import type { Room, RoomMessage } from "./room.ts";
import type { Rooms } from "./rooms.ts";
import type { Viewport } from "./viewport.ts";

export interface RoomFetchOptions {
  client: Pick<ChatClient, "history" | "state">;
  rooms: Rooms;
  clock: Clock;
  changed: () => void;
}

interface Range {
  before?: MessageId;
  after?: MessageId;
  to?: MessageId;
}

interface Page {
  messages: RoomMessage[];
  more: boolean;
}

/** Fetches for all rooms of one client. */
export class RoomFetch {
  readonly #options: RoomFetchOptions;
  readonly #busy = new Set<Room>();
  readonly #notBeforeMs = new Map<Room, number>();

  constructor(options: RoomFetchOptions) {
    this.#options = options;
  }

  /** Whether a page is on its way for a room. */
  isBusy(room: Room): boolean {
    return this.#busy.has(room);
  }

  /** What a person sees is missing, from the end of it where they read on, or what is older than the screen's top. */
  want(room: Room, { wanted, wantsOlder }: Pick<Viewport, "wanted" | "wantsOlder">): void {
    if (wanted) {
      const { after, before } = wanted.hole;
      void this.#fetch(room, wanted.fromAbove ? { after, to: before } : { before });
    } else if (wantsOlder) void this.#fetch(room, room.first ? { before: room.first.id } : {});
  }

  /** Brings everything after where reading stopped, as far as it can be replayed, so that unread is counted. */
  async catchUp(room: Room): Promise<void> {
    for (let fetched = 0; fetched < replayMaxMessages; fetched += historyPageMaxMessages) {
      // What is newest may be here already, sent at the log-in: the hole before it is what has to be filled.
      const after = room.wholeTo(room.readTo ?? zeroId);
      if (compareIds(after, room.head) >= 0 || !(await this.#fetch(room, { after }))) break;
    }
    room.recount();
    room.countMissing();
  }

  /** One page: behind `after` (all that is before `to`, if it ends the log), or before `before`, or the newest. */
  async #fetch(room: Room, { before, after, to }: Range): Promise<boolean> {
    const { client, clock, changed } = this.#options;
    if (this.#busy.has(room) || client.state.kind !== "online") return false;
    if (clock.monotonicMs() < (this.#notBeforeMs.get(room) ?? -Infinity)) return false;
    this.#busy.add(room);
    try {
      if (after) return await this.#fetchBehind(room, after, to);
      const { messages, more } = await this.#page(room, { ...(before && { before: formatId(before) }) });
      room.addPage(messages, { ...(before && { before }), isStart: !more });
      return true;
    } catch {
      this.#notBeforeMs.set(room, clock.monotonicMs() + fetchRetryMs);
      return false;
    } finally {
      this.#busy.delete(room);
      changed();
    }
  }

  async #fetchBehind(room: Room, after: MessageId, to?: MessageId): Promise<boolean> {
    const { messages, more } = await this.#page(room, { after: formatId(after) });
    const [first] = messages;
    // What does not follow was trimmed where the server has nothing older either, else it was lost.
    const isGap = first !== undefined && first.id.seq > after.seq + 1;
    const isStart =
      isGap && !(await this.#page(room, { before: formatId(first.id), limit: 1 })).messages.length;
    room.addPage(messages, { after, ...(to && !more && { before: to }), isStart });
    return more;
  }

  async #page(room: Room, range: { before?: string; after?: string; limit?: number }): Promise<Page> {
    const { client, rooms } = this.#options;
    const asked = { conv: room.conv, limit: historyPageMaxMessages, ...range };
    const { messages, more } = await client.history(asked);
    return { messages: messages.map((message) => rooms.messageOf(message)), more };
  }
}

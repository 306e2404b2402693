/**
 * roomFetch: brings what is missing in a room from the server's history: older messages, holes, what was delivered
 * earlier and never read. One page at a time for each room; what failed is tried again when it is wanted again, not at
 * once.
 */
import type { ChatClient } from "./chatClient.ts";
import type { Clock } from "./clock.ts";
import { fetchRetryMs, historyPageMaxMessages, replayMaxMessages } from "./limits.ts";
import { type MessageId, compareIds, formatId, zeroId } from "./messageId.ts";
import type { Hole, Room } from "./room.ts";
import type { Rooms } from "./rooms.ts";

export interface RoomFetchOptions {
  client: Pick<ChatClient, "history" | "state">;
  rooms: Rooms;
  clock: Clock;
  changed: () => void;
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

  /** What a person sees is missing, or begins where the screen does. */
  want(room: Room, { holes, wantsOlder }: { holes: Hole[]; wantsOlder: boolean }): void {
    const hole = holes[0];
    if (hole) void this.#fetch(room, { before: hole.before });
    else if (wantsOlder) void this.#fetch(room, room.first ? { before: room.first.id } : {});
  }

  /** Brings everything after where reading stopped, as far as it can be replayed, so that unread is counted. */
  async catchUp(room: Room): Promise<void> {
    for (let fetched = 0; fetched < replayMaxMessages; fetched += historyPageMaxMessages) {
      // What is newest may be here already, sent at the log-in: the hole before it is what has to be filled.
      const after = room.wholeTo(room.readTo ?? zeroId);
      if (compareIds(after, room.head) >= 0 || !(await this.#fetch(room, { after }))) break;
    }
    room.recount();
  }

  async #fetch(room: Room, { before, after }: { before?: MessageId; after?: MessageId }): Promise<boolean> {
    const { client, rooms, clock, changed } = this.#options;
    if (this.#busy.has(room) || client.state.kind !== "online") return false;
    if (clock.monotonicMs() < (this.#notBeforeMs.get(room) ?? -Infinity)) return false;
    this.#busy.add(room);
    try {
      const { messages, more } = await client.history({
        conv: room.conv,
        limit: historyPageMaxMessages,
        ...(before && { before: formatId(before) }),
        ...(after && { after: formatId(after) }),
      });
      const made = messages.map((message) => rooms.messageOf(message));
      room.addPage(made, {
        ...(before && { before }),
        ...(after && { after }),
        isStart: after === undefined && !more,
      });
      return after === undefined || more;
    } catch {
      this.#notBeforeMs.set(room, clock.monotonicMs() + fetchRetryMs);
      return false;
    } finally {
      this.#busy.delete(room);
      changed();
    }
  }
}

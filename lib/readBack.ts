/**
 * readBack: what was said before, line by line: what is unread, and history page after page without a seam, with what is
 * missing told where it is missing (clause [C-28]).
 */
import type { Chat } from "./chat.ts";
import { reasonText } from "./chatPages.ts";
import { clientHistoryPageMessages } from "./limits.ts";
import { compareIds, parseId } from "./messageId.ts";
import { type LinesContext, holeLine, spokenLine } from "./plainLines.ts";
import type { Room, RoomMessage } from "./room.ts";

export interface ReadBackOptions {
  chat: Chat;
  /** In the language of the moment. */
  context: () => LinesContext;
  print: (line: string) => void;
}

/** Reads back in the conversations of one chat. */
export class ReadBack {
  readonly #options: ReadBackOptions;
  /** The conversation whose history was told last, and where the next older page begins. */
  #older: { conv: string; before: string } | null = null;

  constructor(options: ReadBackOptions) {
    this.#options = options;
  }

  /** Tells what is unread in some rooms, in the order of time. */
  unread(rooms: Room[]): void {
    const unread = rooms.flatMap((room) =>
      room.items.flatMap((item, index) => {
        const isUnread = item.kind === "message" && (!room.readTo || compareIds(item.id, room.readTo) > 0);
        return isUnread ? [{ room, item, index }] : [];
      }),
    );
    unread.sort((one, other) => one.item.timeMs - other.item.timeMs);
    for (const { room, item, index } of unread) this.#tell(room, item, { index, tellsHole: true });
  }

  /** Tells a page of a conversation: the newest, or, asked again, the one before. Whether there is more. Never throws. */
  async history(room: Room): Promise<boolean> {
    const { chat, context, print } = this.#options;
    const { conv } = room;
    const from = this.#older?.conv === conv ? this.#older.before : undefined;
    try {
      const asked = { conv, limit: clientHistoryPageMessages, ...(from !== undefined && { before: from }) };
      const { messages, more } = await chat.client.history(asked);
      const before = from === undefined ? null : parseId(from);
      const page = messages.map((message) => chat.rooms.messageOf(message));
      room.addPage(page, { ...(before && { before }), isStart: !more });
      const { say } = context();
      if (!more) print(page.length === 0 ? say.noHistory : say.historyStart);
      for (const [place, message] of page.entries()) {
        const index = room.items.findIndex(
          (item) => item.kind === "message" && compareIds(item.id, message.id) === 0,
        );
        // What is before the first one is the next page, if there is one.
        this.#tell(room, message, { index, tellsHole: place > 0 || !more });
      }
      const oldest = messages[0]?.id;
      this.#older = more && oldest !== undefined ? { conv, before: oldest } : null;
      return more;
    } catch (error) {
      print(reasonText(error, chat.texts, chat.codeTexts));
      return false;
    }
  }

  /** The next history begins with the newest page again. */
  forget(): void {
    this.#older = null;
  }

  #tell(room: Room, message: RoomMessage, { index, tellsHole }: { index: number; tellsHole: boolean }): void {
    const { context, print } = this.#options;
    const hole = tellsHole ? room.holeBefore(index) : null;
    if (hole) print(holeLine(hole, context().say));
    // What is held may know more of its fate.
    const held = room.items[index];
    print(spokenLine(room, held?.kind === "message" ? held : message, context()));
  }
}

/**
 * fateReport: what became of a message of one's own, as far as anybody knows it: typed, on disk here, received and
 * stored there and how durably, and what the other side's devices have of it.
 */
import type { ClientState } from "./chatClient.ts";
import { ownCodes } from "./codes.ts";
import { type PageContext, type PageWriter, longTimeText, reasonText } from "./chatPages.ts";
import { harmless, personText, shownContent } from "./displayText.ts";
import { compareIds, formatId } from "./messageId.ts";
import type { PendingMessage, Room, RoomMessage } from "./room.ts";
import type { ScreenTexts } from "./screenTexts.ts";

/** Tells of the message of one's own at `place` in the current conversation, 1 being the newest. Never throws. */
export async function whyPage(page: PageWriter, place: number, context: PageContext): Promise<void> {
  const { rooms, texts } = context;
  const room = rooms.current;
  const own = [
    ...room.items.filter((item) => item.kind === "message" && item.userId === rooms.reader.userId),
    ...room.pending,
  ] as (RoomMessage | PendingMessage)[];
  const message = own.at(-place);
  if (!message) return page.line(texts.why.none);
  page.line(texts.why.content(shownContent(message.content).replaceAll("\n", " / ")), "own");
  if ("fate" in message) tellPending(page, message, context);
  else await tellStored(page, { message, room }, context);
}

function tellPending(
  page: PageWriter,
  { timeMs, fate }: PendingMessage,
  { texts, codeTexts, client, isKept }: PageContext,
): void {
  const { why } = texts;
  const isOnDisk = isKept && !(fate.kind === "refused" && fate.code === ownCodes.notWritten);
  page.line((isOnDisk ? why.kept : why.typed)(longTimeText(timeMs)));
  if (fate.kind === "unknown") return page.line(texts.unknownFate, "warning");
  if (fate.kind === "refused") {
    const isOurs = Object.values<number>(ownCodes).includes(fate.code);
    const reason = codeTexts[fate.code] ?? harmless(fate.error);
    return page.line((isOurs ? texts.refused : why.refused)(reason), "warning");
  }
  page.line(why.queued(stateText(client.state, texts)));
}

function stateText(state: ClientState, texts: ScreenTexts): string {
  if (state.kind === "online") return texts.state.online;
  if (state.kind === "ended") return texts.state[state.reason];
  return state.kind === "offline" ? texts.why.noLink : texts.state.connecting;
}

async function tellStored(
  page: PageWriter,
  { message, room }: { message: RoomMessage; room: Room },
  { texts, codeTexts, client }: PageContext,
): Promise<void> {
  const { why } = texts;
  const how = why.storedHow[message.stored ?? ""] ?? harmless(message.stored ?? "");
  page.line(why.stored(formatId(message.id), how, longTimeText(message.timeMs)), "good");
  if (!room.isPrivate) return page.line(why.everyone);
  page.line(compareIds(message.id, room.deliveredTo) <= 0 ? why.delivered : why.notDelivered);
  try {
    const told = await client.why({ conv: room.conv, id: formatId(message.id) });
    for (const { kind, acked, ackedTime, online, since } of told.devices) {
      const name = harmless(kind);
      if (acked) page.line(why.device(name, ackedTime === undefined ? "" : longTimeText(ackedTime)), "good");
      else if (online || since === undefined) page.line(why.deviceWaits(name));
      else page.line(why.offlineSince(`${personText(room.name, room.peer)} ${name}`, longTimeText(since)));
    }
  } catch (error) {
    // 400 is a server that does not know the question.
    const isOld = (error as { code?: number }).code === 400;
    page.line(isOld ? why.tooOld : why.failed(reasonText(error, texts, codeTexts)), "dim");
  }
}

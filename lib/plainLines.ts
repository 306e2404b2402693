/**
 * plainLines: a conversation as lines of text: each message is one, with its time, its conversation and its name, and
 * what belongs to it but begins a new line is moved in, so that no line looks like another's. Everybody's text is made
 * harmless here ([C-4]). Pure.
 */
import { type Status, linkText } from "./chatStatus.ts";
import { harmless, personText, shownContent } from "./displayText.ts";
import type { Texts } from "./lang.ts";
import type { Hole, Room, RoomMessage } from "./room.ts";
import { dayText, ownMark, timeText } from "./roomRows.ts";
import type { ScreenTexts } from "./screenTexts.ts";

export interface LinesContext {
  texts: ScreenTexts;
  say: Texts;
  /** Who reads. */
  reader: number;
  /** Unix ms. */
  nowMs: number;
  /** How far one's own messages have got, and what mentions the reader, are marked. */
  marks: boolean;
}

/** A message that is in its log. */
export function spokenLine(room: Room, message: RoomMessage, context: LinesContext): string {
  const { say, reader, marks } = context;
  const { timeMs, userId, userName, content } = message;
  const isOwn = userId === reader;
  const mark = isOwn ? ownMark(room, message).trim() : message.mentions ? "@" : "";
  const who = isOwn
    ? `${say.me}: ${addressed(room, content, say)}`
    : `${room.isPrivate ? say.privateMark : ""}${personText(userName, userId, nameColumns)}: ${indented(content)}`;
  return `${stampText(timeMs, context)} ${marks && mark !== "" ? `${mark} ` : ""}${who}`;
}

/** A message of one's own that has no answer yet. */
export function waitingLine(
  room: Room,
  { timeMs, content }: { timeMs: number; content: string },
  context: LinesContext,
): string {
  return `${stampText(timeMs, context)} … ${context.say.me}: ${addressed(room, content, context.say)}`;
}

/** A message of one's own, with whom it is for. */
export function addressed(room: Room, content: string, say: Texts): string {
  return `${room.isPrivate ? say.privateTo(peerText(room)) : ""}${indented(content)}`;
}

/** The other side of a private conversation. */
export function peerText({ name, peer }: Room): string {
  return personText(name, peer, nameColumns);
}

/** What a conversation is called in a prompt. */
export function placeText(room: Room, texts: ScreenTexts): string {
  return room.isPrivate ? peerText(room) : texts.everyone;
}

/** What is missing before a message. */
export function holeLine({ state, count }: Hole, say: Texts): string {
  return say.gap[state](count);
}

/** The link, what is unsent, undecided, unread: as far as there is something to be said. */
export function concernParts(
  { link, unsent, undecided, unreadElsewhere, ...times }: Status,
  context: LinesContext,
): string[] {
  const { texts, say } = context;
  return [
    ...(link.kind === "online" ? [] : [linkText({ link, ...times }, texts.state)]),
    ...(unsent > 0 ? [texts.unsent(unsent)] : []),
    ...(undecided > 0 ? [texts.undecided(undecided)] : []),
    ...(unreadElsewhere > 0 ? [say.unreadCount(unreadElsewhere)] : []),
  ];
}

/** All of the state, in one line. */
export function statusLine(status: Status, context: LinesContext): string {
  const { texts } = context;
  const { link, server, durability, lagMs } = status;
  return [
    ...(link.kind === "online" ? [texts.state.online] : []),
    ...concernParts(status, context),
    server,
    ...(durability !== null ? [texts.durability[durability] ?? harmless(durability)] : []),
    ...(lagMs !== null && link.kind === "online" ? [texts.lag(lagMs)] : []),
  ].join(" | ");
}

/** The time of day, with the date in front when it was another day. */
function stampText(timeMs: number, { nowMs, texts }: LinesContext): string {
  const isToday = dayText(timeMs, texts) === dayText(nowMs, texts);
  return `[${isToday ? "" : `${dayText(timeMs, texts).slice(0, 10)} `}${timeText(timeMs)}]`;
}

/** Somebody's words: their further lines are moved in. */
export function indented(content: string): string {
  return shownContent(content).replaceAll("\n", "\n    ");
}

// A line may be as long as it likes: no name is cut.
const nameColumns = 1_000;

/**
 * roomRows: what a conversation looks like, item by item: day lines, holes, the line where reading stopped, messages,
 * notes, and what of one's own has no id yet. Own, private, mentioned and said-by-us differ by signs, not by colour
 * only. Everybody's text is made harmless here ([C-4]).
 */
import { columnsOf, cutToColumns, harmless, personText, shownContent } from "./displayText.ts";
import { compareIds } from "./messageId.ts";
import { noteLines } from "./noteLines.ts";
import type { Palette } from "./palette.ts";
import type { Hole, PendingMessage, Room, RoomItem, RoomMessage, RoomNote } from "./room.ts";
import type { Span } from "./screenBuffer.ts";
import type { ScreenTexts } from "./screenTexts.ts";
import { wrapSpans } from "./wrap.ts";

export interface RowsContext {
  texts: ScreenTexts;
  /** What a code of the server means, in the person's language. */
  codeTexts: Record<number, string>;
  palette: Palette;
  columns: number;
  /** Who reads. */
  reader: number;
  isConnected: boolean;
}

/** The rows of the item at `index`, with what stands above it: day, hole, the line where reading stopped. */
export function itemRows(room: Room, index: number, context: RowsContext): Span[][] {
  const item = room.items[index];
  if (!item) return [];
  const own = item.kind === "message" ? messageRows(room, item, context) : noteRows(item, context);
  return [...linesAbove(room, index, context), ...own];
}

function linesAbove(room: Room, index: number, context: RowsContext): Span[][] {
  const item = room.items[index];
  const { texts, palette } = context;
  const rows: Span[][] = [];
  const isBeginning = index === 0 && room.isWhole && (room.first?.id.seq ?? 1) === 1;
  if (isBeginning) rows.push(ruled(texts.beginning, context, palette.role("dim")));
  if (item?.kind !== "message") return rows;
  const before = messageBefore(room, index);
  const hole = room.holeBefore(index);
  if (hole) rows.push(holeRow(hole, context));
  if (!before || dayOf(before.timeMs) !== dayOf(item.timeMs)) {
    rows.push(ruled(dayText(item.timeMs, texts), context, palette.role("dim")));
  }
  const { newBehind } = room;
  const isFirstNew =
    newBehind && compareIds(item.id, newBehind) > 0 && (!before || compareIds(before.id, newBehind) <= 0);
  if (isFirstNew) rows.push(ruled(texts.newSince, context, palette.role("warning")));
  return rows;
}

/** The row of a hole: how many are missing, and what is done about it. */
export function holeRow({ count, state }: Hole, context: RowsContext): Span[] {
  const { texts, palette, isConnected } = context;
  const missing = isConnected ? texts.missing(count) : texts.missingOffline(count);
  const text = state === "missing" ? missing : state === "trimmed" ? texts.trimmed(count) : texts.lost(count);
  return ruled(text, context, palette.role(state === "trimmed" ? "dim" : "warning"));
}

/** The rows of a message of one's own that has no id yet. */
export function pendingRows(room: Room, pending: PendingMessage, context: RowsContext): Span[][] {
  const { texts, palette, codeTexts } = context;
  const { fate } = pending;
  const mark = fate.kind === "refused" ? "!" : fate.kind === "unknown" ? "?" : "…";
  const rows = spokenRows(
    { room, timeMs: pending.timeMs, mark, markRole: fate.kind === "queued" ? "dim" : "warning" },
    { who: { text: texts.me, style: palette.role("own") }, content: pending.content },
    context,
  );
  if (fate.kind === "queued") return rows;
  const why =
    fate.kind === "refused" ? texts.refused(codeTexts[fate.code] ?? harmless(fate.error)) : texts.unknownFate;
  const indent = Math.min(6, context.columns >> 2);
  const words = { text: `${why} · ${texts.decide.screen}`, style: palette.role("warning") };
  const said = wrapSpans([words], { columns: context.columns - indent, firstIndent: 0, indent: 0 });
  return [...rows, ...said.map((row) => [{ text: " ".repeat(indent), style: "" }, ...row])];
}

function messageRows(room: Room, message: RoomMessage, context: RowsContext): Span[][] {
  const { palette, reader, texts } = context;
  const isOwn = message.userId === reader;
  const mark = isOwn ? ownMark(room, message) : message.mentions ? "@" : "";
  const who = isOwn
    ? { text: texts.me, style: palette.role("own") }
    : { text: personText(message.userName, message.userId), style: palette.person(message.userId) };
  return spokenRows(
    {
      room,
      timeMs: message.timeMs,
      mark,
      markRole: isOwn ? (message.stored === "memory" ? "warning" : "good") : "mention",
    },
    { who, content: message.content },
    context,
  );
}

/** How far a message of one's own has got; at most two columns. */
export function ownMark(room: Room, { id, stored }: RoomMessage): string {
  if (room.isPrivate && compareIds(id, room.deliveredTo) <= 0) return "✓✓";
  if (stored === "memory") return "~";
  return stored === "replica" ? "✓+" : stored === "disk" ? "✓" : "·";
}

function spokenRows(
  {
    room,
    timeMs,
    mark,
    markRole,
  }: { room: Room; timeMs: number; mark: string; markRole: "dim" | "good" | "warning" | "mention" },
  { who, content }: { who: Span; content: string },
  { palette, columns }: RowsContext,
): Span[][] {
  const time = `${timeText(timeMs)} `;
  const marked = `${mark.padStart(2)} `;
  const separator = room.isPrivate ? "» " : ": ";
  const head: Span[] = [
    { text: time, style: palette.role("dim") },
    { text: marked, style: mark === "" ? "" : palette.role(markRole) },
    who,
    { text: separator, style: room.isPrivate ? palette.role("private") : palette.role("dim") },
  ];
  const indent = columns >= 60 ? columnsOf(time + marked) : 2;
  const body = [{ text: shownContent(content), style: "" }];
  const firstIndent = columnsOf(head.map(({ text }) => text).join(""));
  const rows = wrapSpans(body, { columns, firstIndent, indent });
  return [[...head, ...(rows[0] ?? [])], ...rows.slice(1)];
}

function noteRows({ timeMs, tone, text }: RoomNote, context: RowsContext): Span[][] {
  const { palette, columns } = context;
  const style = palette.role(tone);
  const lines = noteLines(text, { texts: context.texts, hint: context.texts.digestHint });
  return lines.flatMap((line, index) => {
    const head = index === 0 ? `${timeText(timeMs)} -- ` : "      -- ";
    const rows = wrapSpans([{ text: line, style }], { columns, firstIndent: 9, indent: 9 });
    return [[{ text: head, style: palette.role("dim") }, ...(rows[0] ?? [])], ...rows.slice(1)];
  });
}

/** A line across the screen with a text in it. */
function ruled(text: string, { columns, palette }: RowsContext, style: string): Span[] {
  const shown = cutToColumns(text, columns - 8);
  const right = Math.max(columns - columnsOf(shown) - 6, 0);
  const line = palette.role("line");
  return [
    { text: "──── ", style: line },
    { text: shown, style },
    { text: ` ${"─".repeat(right)}`, style: line },
  ];
}

function messageBefore(room: Room, index: number): RoomMessage | null {
  for (let at = index - 1; at >= 0; at--) {
    const item: RoomItem | undefined = room.items[at];
    if (item?.kind === "message") return item;
  }
  return null;
}

function dayOf(timeMs: number): string {
  return new Date(timeMs).toDateString();
}

/** "2026-11-24 Tue". */
export function dayText(timeMs: number, texts: ScreenTexts): string {
  const date = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${texts.weekdays[date.getDay()] ?? ""}`;
}

/** "09:41". */
export function timeText(timeMs: number): string {
  const date = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

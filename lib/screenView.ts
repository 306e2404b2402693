/**
 * screenView: everything the person sees, from what is known to a grid of cells; pure. Conversations on the left (not
 * on a narrow screen), a title, messages or a page over them, the status bar, what is being asked or said at the
 * bottom, and the input, which grows.
 */
import type { Status } from "./chatStatus.ts";
import { columnsOf, cutToColumns, personText } from "./displayText.ts";
import { type InputLayout, layoutInput } from "./inputLayout.ts";
import {
  inputRowsMax,
  screenColumnsMin,
  screenRowsMin,
  sidebarColumns,
  sidebarFromColumns,
} from "./limits.ts";
import type { Palette, Role } from "./palette.ts";
import type { Room } from "./room.ts";
import { type RowsContext } from "./roomRows.ts";
import type { Rooms } from "./rooms.ts";
import { ScreenBuffer, type Span } from "./screenBuffer.ts";
import type { ScreenTexts } from "./screenTexts.ts";
import { statusColumnsMin, statusSpans } from "./statusBar.ts";
import { RoomWindow, type Scroll, type Viewport } from "./viewport.ts";
import { wrapSpans } from "./wrap.ts";

/** A page over the messages: help, what was found. */
export interface PageView {
  title: string;
  progress: string;
  isRunning: boolean;
  lines: { text: string; role: Role }[];
  /** Rows above the first one shown. */
  top: number;
}

export interface ScreenModel {
  columns: number;
  rows: number;
  texts: ScreenTexts;
  codeTexts: Record<number, string>;
  palette: Palette;
  rooms: Rooms;
  scroll: Scroll;
  /** How many are online; null: it is not known now. */
  online: number | null;
  showsSidebar: boolean;
  page: PageView | null;
  status: Status;
  /** A line above the input: a question, completions, a hint; "" is none. */
  notice: { text: string; isUrgent: boolean } | null;
  input: { prompt: string; text: string; at: number };
}

export interface DrawnScreen {
  screen: ScreenBuffer;
  /** What of the conversation is on the screen; null: a page is over it. */
  viewport: Viewport | null;
  /** How far the page over it can be moved. */
  pageTopMax: number;
}

/** Where things are on a screen of this size. */
export interface Layout {
  left: number;
  columns: number;
  messageRows: number;
  input: InputLayout;
  noticeRows: Span[][];
}

/** The layout of a model: a window for messages is never smaller than two rows. */
export function layoutOf(model: ScreenModel): Layout {
  const { columns, rows, showsSidebar, input, notice, palette } = model;
  const left = showsSidebar && columns >= sidebarFromColumns ? sidebarColumns : 0;
  const rowsMax = Math.max(1, Math.min(inputRowsMax, Math.floor(rows / 3)));
  const laid = layoutInput(input, { columns, rowsMax });
  const style = palette.role(notice?.isUrgent ? "warning" : "dim");
  const noticeRows = notice
    ? wrapSpans([{ text: notice.text, style }], { columns, firstIndent: 0, indent: 0 }).slice(0, 3)
    : [];
  const messageRows = Math.max(rows - 2 - laid.rows.length - noticeRows.length, 2);
  return { left, columns: columns - left, messageRows, input: laid, noticeRows };
}

/** The rows' context of a model, for its window of messages. */
export function rowsContextOf(
  { texts, codeTexts, palette, rooms, status }: ScreenModel,
  columns: number,
): RowsContext {
  const { userId: reader } = rooms.reader;
  return { texts, codeTexts, palette, columns, reader, isConnected: status.link.kind === "online" };
}

/** Draws everything. */
export function drawScreen(model: ScreenModel): DrawnScreen {
  const { columns, rows, texts, palette, rooms, scroll, page } = model;
  const screen = new ScreenBuffer(columns, rows);
  if (columns < screenColumnsMin || rows < screenRowsMin) {
    screen.put({ row: 0, column: 0 }, [{ text: texts.tooSmall(screenColumnsMin, screenRowsMin), style: "" }]);
    return { screen, viewport: null, pageTopMax: 0 };
  }
  const layout = layoutOf(model);
  const window = new RoomWindow(rooms.current, rowsContextOf(model, layout.columns), layout.messageRows);
  const viewport = page ? null : window.view(scroll);
  drawTitle(screen, model, layout);
  if (layout.left > 0) drawSidebar(screen, model, layout);
  const paged = page ? pageRows(page, { ...layout, palette }) : null;
  const shown = paged?.rows ?? viewport?.rows ?? [];
  for (const [index, spans] of shown.entries()) {
    const row = 1 + layout.messageRows - shown.length + index;
    screen.put({ row, column: layout.left }, spans);
  }
  const isMore = page !== null && page.top < (paged?.topMax ?? 0);
  drawBottom(screen, model, { ...layout, hint: bottomHint(model, { ...layout, isMore }) });
  return { screen, viewport, pageTopMax: paged?.topMax ?? 0 };
}

function pageRows(
  { lines, top }: PageView,
  { columns, messageRows, palette }: Layout & { palette: Palette },
): { rows: Span[][]; topMax: number } {
  const all = lines.flatMap(({ text, role }) =>
    wrapSpans([{ text, style: palette.role(role) }], { columns: columns - 1, firstIndent: 0, indent: 2 }),
  );
  const topMax = Math.max(all.length - messageRows, 0);
  const first = Math.min(top, topMax);
  const rows = all.slice(first, first + messageRows).map((row) => [{ text: " ", style: "" }, ...row]);
  while (rows.length < messageRows) rows.push([]);
  return { rows, topMax };
}

/** What a conversation is called, for the title, the prompt and the list. */
export function roomName(room: Room, texts: ScreenTexts, columnsMax: number = 28): string {
  return room.isPrivate ? personText(room.name, room.peer, columnsMax) : texts.everyone;
}

function drawTitle(screen: ScreenBuffer, model: ScreenModel, { left, columns }: Layout): void {
  const { texts, palette, rooms, page, online } = model;
  const room = rooms.current;
  const title = page
    ? pageTitle(page, columns - 2)
    : room.isPrivate
      ? texts.privateWith(roomName(room, texts))
      : texts.everyoneTitle(online);
  const bar = palette.role("bar");
  if (left > 0)
    screen.put({ row: 0, column: 0 }, [{ text: ` ${texts.welcome}`, style: palette.role("barStrong") }]);
  const behind = left > 0 ? 1 + columnsOf(texts.welcome) : 0;
  screen.fill({ row: 0, column: behind }, bar);
  const shown = cutToColumns(title, columns - 2);
  screen.put({ row: 0, column: left }, [
    { text: " ", style: bar },
    { text: shown, style: palette.role("barStrong") },
  ]);
}

/** How far it is matters more than what it is called. */
function pageTitle({ title, progress }: PageView, columns: number): string {
  const behind = progress === "" ? "" : ` · ${progress}`;
  return `${cutToColumns(title, Math.max(columns - columnsOf(behind), 4))}${behind}`;
}

/** The conversations, the chosen one always among them. */
function drawSidebar(screen: ScreenBuffer, model: ScreenModel, { left, messageRows }: Layout): void {
  const { rooms, palette, texts } = model;
  const at = rooms.all.indexOf(rooms.current);
  const first = Math.max(0, Math.min(at - messageRows + 2, rooms.all.length - messageRows));
  const line = palette.role("line");
  for (let row = 0; row < messageRows; row++) {
    screen.put({ row: row + 1, column: left - 2 }, [{ text: "│", style: line }]);
    const room = rooms.all[first + row];
    if (!room) continue;
    const isCurrent = room === rooms.current;
    const count =
      room.unread > 0 ? ` ${room.mentions > 0 ? "@" : ""}${room.unread > 999 ? "999+" : room.unread}` : "";
    const sign = isCurrent ? ">" : " ";
    const mark = room.isPrivate ? "@" : "#";
    const name = roomName(room, texts, left - 5 - count.length);
    const base = isCurrent ? palette.role("chosen") : room.unread > 0 ? palette.role("own") : "";
    const width = left - 2;
    const end = screen.put(
      { row: row + 1, column: 0 },
      [{ text: `${sign}${mark}${name}`, style: base }],
      width - count.length,
    );
    screen.fill({ row: row + 1, column: end }, isCurrent ? base : "", width - count.length);
    const style = room.mentions > 0 || room.isPrivate ? palette.role("mention") : base;
    screen.put(
      { row: row + 1, column: width - count.length },
      [{ text: count, style: isCurrent ? base : style }],
      width,
    );
  }
}

function drawBottom(screen: ScreenBuffer, model: ScreenModel, layout: Layout & { hint: string }): void {
  const { columns, rows, status, texts, palette, page } = model;
  const { input, noticeRows, hint } = layout;
  let row = rows - input.rows.length - noticeRows.length - 1;
  const bar = palette.role("bar");
  screen.fill({ row, column: 0 }, bar);
  const left = columns - columnsOf(hint) - 3;
  const showsHint = hint !== "" && left >= statusColumnsMin(status, texts);
  const end = showsHint ? left : columns;
  screen.put({ row, column: 0 }, statusSpans(status, { texts, palette, columns: end }));
  if (showsHint) {
    screen.put({ row, column: end }, [
      { text: `| ${hint}`, style: palette.role(page ? "bar" : "barStrong") },
    ]);
  }
  for (const spans of noticeRows) screen.put({ row: ++row, column: 0 }, spans);
  const own = palette.role("own");
  for (const [index, text] of input.rows.entries()) {
    row++;
    const { prompt } = model.input;
    const isFirst = index === 0 && input.above === 0;
    const spans = isFirst
      ? [
          { text: prompt, style: own },
          { text: text.slice(prompt.length), style: "" },
        ]
      : [{ text, style: "" }];
    screen.put({ row, column: 0 }, spans);
  }
  const firstRow = rows - input.rows.length;
  screen.cursor = { row: firstRow + input.cursor.row, column: Math.min(input.cursor.column, columns - 1) };
}

/** At the right of the status bar: that one is not at the end, that the input or a page goes on. */
function bottomHint(
  { columns, page, scroll, rooms, texts }: ScreenModel,
  { input, isMore }: Layout & { isMore: boolean },
): string {
  if (input.above + input.below > 0) return texts.moreInput(input.above, input.below);
  if (page) {
    const end = page.isRunning ? texts.page.stop : texts.page.close;
    return isMore ? `${texts.page.more} · ${end}` : end;
  }
  if (scroll.kind === "end") return "";
  const { unread } = rooms.current;
  if (columns < sidebarFromColumns) return `↓${unread > 0 ? ` ${unread}` : ""} · End`;
  return unread > 0 ? texts.moreBelow(unread) : texts.scrolled;
}

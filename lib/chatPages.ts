/**
 * chatPages: what commands tell at length: who is online, what was found, whether a conversation is whole, what became
 * of a message. They write lines to whoever asked, a page on the screen or plain lines, and can be stopped. Never throw.
 */
import type { ChatClient, Delivered } from "./chatClient.ts";
import { type CommandPlace, commandLines } from "./commands.ts";
import { harmless, personText, shownContent } from "./displayText.ts";
import { type Fault, type WalkEnd, searchHistory, verifyHistory } from "./historyWalk.ts";
import { usersPageMaxUsers } from "./limits.ts";
import { formatId } from "./messageId.ts";
import type { Role } from "./palette.ts";
import type { Room } from "./room.ts";
import { timeText } from "./roomRows.ts";
import type { Rooms } from "./rooms.ts";
import type { ScreenTexts } from "./screenTexts.ts";

export interface PageWriter {
  line(text: string, role?: Role): void;
  /** How far it is. */
  progress(text: string): void;
  /** It has ended, and how. */
  done(text: string): void;
  readonly signal: AbortSignal;
}

export interface PageContext {
  client: Pick<ChatClient, "history" | "users" | "why" | "online" | "state" | "userId">;
  rooms: Rooms;
  texts: ScreenTexts;
  codeTexts: Record<number, string>;
  /** What is said is on disk before anything else. */
  isKept: boolean;
}

/** All commands and keys of a place; what the marks mean. */
export function helpPage(
  page: PageWriter,
  { texts, place }: { texts: ScreenTexts; place: CommandPlace },
): void {
  const { help } = texts;
  page.line(help.commands, "own");
  page.line(help.sayLine);
  for (const line of commandLines(texts, place)) page.line(line);
  page.line("");
  page.line(help.keys, "own");
  for (const line of help.keyLines[place]) page.line(line);
  page.line("");
  page.line(help.marks, "own");
  for (const line of help.markLines) page.line(line);
}

/** Who is online, by user id. */
export async function usersPage(page: PageWriter, { client, texts, codeTexts }: PageContext): Promise<void> {
  try {
    const { users, total, more } = await client.users({ limit: usersPageMaxUsers });
    page.line(texts.users.title(total), "own");
    for (const { userId, userName } of users) page.line(`  ${personText(userName, userId, 60)}`);
    if (more) page.line(`  ${texts.users.more(total - users.length)}`);
  } catch (error) {
    page.line(reasonText(error, texts, codeTexts), "warning");
  }
}

/** Looks for a word in every conversation there is, the current one first. */
export async function searchPage(page: PageWriter, word: string, context: PageContext): Promise<void> {
  const { client, rooms, texts } = context;
  const inOrder = [rooms.current, ...rooms.all.filter((room) => room !== rooms.current)];
  const total = inOrder.reduce((sum, { head }) => sum + head.seq, 0);
  let found = 0;
  let searched = 0;
  const tell = (): void => page.progress(texts.search.progress(searched, Math.max(total, searched), found));
  tell();
  const end = await searchHistory({
    ask: (fields) => client.history(fields),
    convs: inOrder.map(({ conv }) => conv),
    word,
    signal: page.signal,
    found: (message) => {
      found++;
      page.line(foundText(message, context));
      tell();
    },
    progress: (count) => {
      searched = count;
      tell();
    },
  });
  const said = searchEnd(end, { searched, found }, context);
  page.done(said);
  page.line(said, end.kind === "failed" ? "warning" : "dim");
}

function searchEnd(
  end: WalkEnd,
  { searched, found }: { searched: number; found: number },
  { texts, codeTexts }: Pick<PageContext, "texts" | "codeTexts">,
): string {
  const { search } = texts;
  switch (end.kind) {
    case "done":
      return search.done(searched, found);
    case "stopped":
      return search.stopped(searched, found);
    case "full":
      return search.full(found);
    case "failed":
      return search.failed(reasonText(end.error, texts, codeTexts));
  }
}

function foundText(
  { conv, time = 0, userId, userName, content }: Delivered,
  { rooms, texts }: PageContext,
): string {
  const room = rooms.get(conv ?? "all");
  const where = room?.isPrivate ? `${personText(room.name, room.peer)} » ` : "";
  const who = userId === rooms.reader.userId ? texts.me : personText(userName, userId);
  return `${longTimeText(time)} ${where}${who}: ${shownContent(content).replaceAll("\n", " / ")}`;
}

/** Reads a conversation from end to end. */
export async function verifyPage(
  page: PageWriter,
  room: Room,
  { client, texts, codeTexts }: PageContext,
): Promise<void> {
  const { verify } = texts;
  let faults = 0;
  let state: { checked: number; first: string; firstSeq: number; last: string } | null = null;
  const shown = new Map(
    room.items.flatMap((item) => (item.kind === "message" ? [[formatId(item.id), item.content]] : [])),
  );
  page.progress(verify.progress(0, room.head.seq));
  const end = await verifyHistory({
    ask: (fields) => client.history(fields),
    conv: room.conv,
    signal: page.signal,
    held: (id) => shown.get(id),
    fault: (fault) => {
      faults++;
      page.line(faultText(fault, texts), "warning");
    },
    progress: (checked, first, last) => {
      state = { checked, first: formatId(first), firstSeq: first.seq, last: formatId(last) };
      page.progress(verify.progress(checked, Math.max(room.head.seq - first.seq + 1, checked)));
    },
  });
  page.done("");
  const seen = state as { checked: number; first: string; firstSeq: number; last: string } | null;
  if (end.kind === "failed") {
    return page.line(verify.failed(reasonText(end.error, texts, codeTexts)), "warning");
  }
  if (end.kind === "stopped") return page.line(verify.stopped(seen?.checked ?? 0), "warning");
  if (!seen) return page.line(verify.empty);
  if (seen.firstSeq > 1) page.line(verify.trimmedBefore(seen.firstSeq - 1));
  if (faults > 0) page.line(verify.faults(faults), "warning");
  else page.line(verify.whole(seen.checked, seen.first, seen.last), "good");
}

function faultText(fault: Fault, { verify }: ScreenTexts): string {
  switch (fault.kind) {
    case "missing":
      return verify.missing(fault.count, formatId(fault.after), formatId(fault.before));
    case "doubled":
      return verify.doubled(formatId(fault.id));
    case "disordered":
      return verify.disordered(formatId(fault.id));
    case "sameMid":
      return verify.sameMid(harmless(fault.mid), fault.ids.join(", "));
    case "different":
      return verify.different(formatId(fault.id));
  }
}

/** What is not confirmed, and what was refused, in all conversations; false when there is nothing of it. */
export function unsentPage(page: PageWriter, { rooms, texts, codeTexts }: PageContext): boolean {
  let isEmpty = true;
  for (const room of rooms.all) {
    for (const { content, fate, timeMs } of room.pending) {
      isEmpty = false;
      const to = room.isPrivate ? personText(room.name, room.peer) : texts.everyone;
      const mark = fate.kind === "queued" ? "…" : fate.kind === "refused" ? "!" : "?";
      page.line(`${mark} ${longTimeText(timeMs)} → ${to}: ${shownContent(content).replaceAll("\n", " / ")}`);
      if (fate.kind === "refused") {
        page.line(`    ${texts.refused(codeTexts[fate.code] ?? harmless(fate.error))}`, "warning");
      }
    }
  }
  return !isEmpty;
}

/** Why something could not be asked, in the person's language. */
export function reasonText(error: unknown, texts: ScreenTexts, codeTexts: Record<number, string>): string {
  const { code } = error as { code?: number };
  if (code === undefined) return texts.commands.notConnected;
  return codeTexts[code] ?? harmless((error as Error).message);
}

/** "2026-11-24 09:41". */
export function longTimeText(timeMs: number): string {
  const date = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${timeText(timeMs)}`;
}

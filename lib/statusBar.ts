/**
 * statusBar: what is always in sight: the link, how long it is away and when it is tried again, the server, how durably
 * it stores, the lag, what is unsent or undecided, what is unread elsewhere. The narrower the screen, the fewer of them;
 * the state of the link and what is unsent never go.
 */
import type { ClientState } from "./chatClient.ts";
import { columnsOf, cutToColumns } from "./displayText.ts";
import type { Palette, Role } from "./palette.ts";
import type { Span } from "./screenBuffer.ts";
import type { ScreenTexts } from "./screenTexts.ts";

export interface Status {
  link: ClientState;
  /** How long there has been no link; 0 while there is one. */
  offlineMs: number;
  /** Until the next try. */
  nextTryMs: number;
  server: string;
  /** How the server stores; null: it did not say. */
  durability: string | null;
  lagMs: number | null;
  unsent: number;
  undecided: number;
  unreadElsewhere: number;
}

interface Part {
  text: string;
  role: Role;
  /** The lowest ones go last. */
  rank: number;
}

/** One row of so many columns. */
export function statusSpans(
  status: Status,
  { texts, palette, columns }: { texts: ScreenTexts; palette: Palette; columns: number },
): Span[] {
  const parts = partsOf(status, texts, columns < 80 ? texts.stateShort : texts.state);
  let shown = parts;
  while (columnsOfParts(shown) > columns && shown.some(({ rank }) => rank > 0)) {
    const most = Math.max(...shown.map(({ rank }) => rank));
    shown = shown.filter(({ rank }) => rank !== most);
  }
  const spans: Span[] = [{ text: " ", style: palette.role("bar") }];
  let left = columns - 1;
  for (const [index, { text, role }] of shown.entries()) {
    const separator = index === 0 ? "" : " | ";
    const cut = cutToColumns(text, left - separator.length);
    spans.push({ text: separator, style: palette.role("bar") }, { text: cut, style: palette.role(role) });
    left -= separator.length + columnsOf(cut);
  }
  return spans;
}

/** How many columns the state of the link and what is unsent want: nothing else may take those. */
export function statusColumnsMin(status: Status, texts: ScreenTexts): number {
  const parts = partsOf(status, texts, texts.stateShort).filter(({ rank }) => rank === 0);
  return columnsOfParts(parts);
}

function columnsOfParts(parts: Part[]): number {
  return parts.reduce((sum, { text }) => sum + columnsOf(text) + 3, -1);
}

function partsOf(status: Status, texts: ScreenTexts, state: ScreenTexts["state"]): Part[] {
  const { server, durability, lagMs, unsent, undecided, unreadElsewhere } = status;
  const part = (text: string, role: Role, rank: number): Part => ({ text, role, rank });
  return [
    part(linkText(status, state), status.link.kind === "online" ? "bar" : "barStrong", 0),
    ...(unsent > 0 ? [part(texts.unsent(unsent), "barStrong", 0)] : []),
    ...(undecided > 0 ? [part(`! ${texts.undecided(undecided)}`, "barStrong", 1)] : []),
    ...(unreadElsewhere > 0 ? [part(texts.unreadElsewhere(unreadElsewhere), "barStrong", 2)] : []),
    part(server, "bar", 4),
    ...(durability !== null ? [part(texts.durability[durability] ?? durability, "bar", 5)] : []),
    ...(lagMs !== null && status.link.kind === "online" ? [part(texts.lag(lagMs), "bar", 6)] : []),
  ];
}

/** The state of the link, as a person wants it told. */
export function linkText(
  { link, offlineMs, nextTryMs }: Pick<Status, "link" | "offlineMs" | "nextTryMs">,
  state: ScreenTexts["state"],
): string {
  const seconds = (ms: number): number => Math.max(0, Math.ceil(ms / 1000));
  switch (link.kind) {
    case "idle":
    case "connecting":
      return state.connecting;
    case "online":
      return state.online;
    case "offline":
      return state.offline(Math.floor(offlineMs / 1000), seconds(nextTryMs));
    case "ended":
      return state[link.reason];
  }
}

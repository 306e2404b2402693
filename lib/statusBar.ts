/**
 * statusBar: what is always in sight: the link, how long it is away and when it is tried again, the server, how durably
 * it stores, the lag, what is unsent or undecided, what is unread elsewhere. The narrower the screen, the fewer of them;
 * the state of the link and what is unsent never go.
 */
import { type Status, linkText } from "./chatStatus.ts";
import { columnsOf, cutToColumns } from "./displayText.ts";
import type { Palette, Role } from "./palette.ts";
import type { Span } from "./screenBuffer.ts";
import type { ScreenTexts } from "./screenTexts.ts";

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

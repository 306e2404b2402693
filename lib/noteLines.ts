/**
 * noteLines: what we say ourselves, as lines in the person's language.
 */
import { harmless, personText } from "./displayText.ts";
import type { DigestLine, NoteText } from "./room.ts";
import type { ScreenTexts } from "./screenTexts.ts";

export interface NoteContext {
  texts: ScreenTexts;
  /** How one gets to what is unread. */
  hint: string;
}

/** The lines of a note. */
export function noteLines(text: NoteText, { texts, hint }: NoteContext): string[] {
  switch (text.kind) {
    case "words":
      return text.words.split("\n");
    case "lost":
      return [texts.linkLost(linkReasonText(text.reason, texts))];
    case "back":
      return [texts.linkBack(text.seconds)];
    case "presence":
      return [presenceLine(text, texts)];
    case "digest":
      return digestLines(text.lines, { texts, hint });
  }
}

/** Why there is no link: in the person's language, as far as it is said by us and not by the system. */
export function linkReasonText(reason: string, { linkReasons }: ScreenTexts): string {
  return linkReasons[reason] ?? harmless(reason);
}

/** One quiet line; with few people it says who. */
export function presenceLine(
  { came, left, cameCount, leftCount }: Omit<NoteText & { kind: "presence" }, "kind">,
  texts: ScreenTexts,
): string {
  const person = ({ userName, userId }: { userName: string; userId: number }): string =>
    personText(userName, userId);
  if (cameCount + leftCount > came.length + left.length) return texts.presence(cameCount, leftCount);
  const names = [...came.map((one) => `+${person(one)}`), ...left.map((one) => `−${person(one)}`)];
  return names.length === 0 ? texts.presence(0, 0) : names.join(" ");
}

function digestLines(lines: DigestLine[], { texts, hint }: NoteContext): string[] {
  const people = lines.filter(({ conv }) => conv !== "all");
  const all = lines.find(({ conv }) => conv === "all");
  const total = people.reduce((sum, { unread }) => sum + unread, 0);
  const names = people.map(({ name, unread, conv }) =>
    texts.digestOne(personText(name, Number(conv.slice(2))), unread),
  );
  const said = [
    ...(people.length > 0 ? [texts.digestPrivate(total, names.join(", "))] : []),
    ...(all && all.unread > 0 ? [texts.digestEveryone(all.unread, all.mentions)] : []),
  ];
  return [texts.digestTitle, ...said.map((line) => `  ${line}`), hint];
}

/**
 * commands: the one table of slash commands, for the full screen and line by line alike, and how a line is read: a
 * command, or something to say. Their texts are in screenTexts, by the same names.
 */
import { columnsOf } from "./displayText.ts";
import type { ScreenTexts } from "./screenTexts.ts";

export type CommandName = keyof ScreenTexts["about"];
/** What Tab completes behind a command. */
export type Completes = "person" | "conversation" | "setting" | "lang" | "nothing";

/** Where a command is typed. */
export type CommandPlace = "screen" | "lines";

export const commands: Record<CommandName, { completes: Completes; onlyIn?: CommandPlace }> = {
  msg: { completes: "person" },
  go: { completes: "conversation" },
  next: { completes: "nothing" },
  users: { completes: "nothing" },
  history: { completes: "person" },
  search: { completes: "nothing" },
  why: { completes: "nothing" },
  verify: { completes: "nothing" },
  unsent: { completes: "nothing" },
  again: { completes: "nothing" },
  drop: { completes: "nothing" },
  set: { completes: "setting" },
  lang: { completes: "lang" },
  logout: { completes: "nothing" },
  help: { completes: "nothing" },
  back: { completes: "nothing", onlyIn: "lines" },
  quit: { completes: "nothing" },
};

export type Line =
  | { kind: "say"; content: string }
  | { kind: "command"; name: CommandName; rest: string }
  | { kind: "unknown"; given: string };

/** The commands that do something in a place. */
export function commandsIn(place: CommandPlace): CommandName[] {
  const names = Object.keys(commands) as CommandName[];
  return names.filter((name) => (commands[name].onlyIn ?? place) === place);
}

/** Reads a line: `/name rest` is a command, `//…` says what begins with a slash, anything else is said. */
export function readLine(line: string): Line {
  const match = /^\/(?!\/)(\S*)\s*([\s\S]*)$/u.exec(line);
  if (!match) return { kind: "say", content: line.startsWith("//") ? line.slice(1) : line };
  const [, name = "", rest = ""] = match;
  if (Object.hasOwn(commands, name)) return { kind: "command", name: name as CommandName, rest };
  return { kind: "unknown", given: `/${name}` };
}

/** All commands of a place in one language, a line each: how it is written, and what it does. */
export function commandLines({ about }: ScreenTexts, place: CommandPlace): string[] {
  const lines = commandsIn(place).map((name) => about[name]);
  const widest = Math.max(...lines.map(([usage = ""]) => columnsOf(usage)));
  return lines.map(
    ([usage = "", does = ""]) => `${usage}${" ".repeat(widest - columnsOf(usage) + 2)}${does}`,
  );
}

/**
 * commands: the one table of slash commands, for the full screen and line by line alike, and how a line is read: a
 * command, or something to say. Their texts are in screenTexts, by the same names.
 */
import type { ScreenTexts } from "./screenTexts.ts";

export type CommandName = keyof ScreenTexts["about"];
/** What Tab completes behind a command. */
export type Completes = "person" | "conversation" | "setting" | "lang" | "nothing";

export const commands: Record<CommandName, { completes: Completes }> = {
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
  back: { completes: "nothing" },
  quit: { completes: "nothing" },
};

export type Line =
  | { kind: "say"; content: string }
  | { kind: "command"; name: CommandName; rest: string }
  | { kind: "unknown"; given: string };

/** Reads a line: `/name rest` is a command, `//…` says what begins with a slash, anything else is said. */
export function readLine(line: string): Line {
  const match = /^\/(?!\/)(\S*)\s*([\s\S]*)$/u.exec(line);
  if (!match) return { kind: "say", content: line.startsWith("//") ? line.slice(1) : line };
  const [, name = "", rest = ""] = match;
  if (Object.hasOwn(commands, name)) return { kind: "command", name: name as CommandName, rest };
  return { kind: "unknown", given: `/${name}` };
}

/** All commands in one language, a line each: how it is written, and what it does. */
export function commandLines({ about }: ScreenTexts, columnsOf: (text: string) => number): string[] {
  const widest = Math.max(...Object.values(about).map(([usage = ""]) => columnsOf(usage)));
  return Object.values(about).map(
    ([usage = "", does = ""]) => `${usage}${" ".repeat(widest - columnsOf(usage) + 2)}${does}`,
  );
}

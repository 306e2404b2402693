/**
 * completion: what Tab makes of the word before the cursor: commands, what goes behind a command, names after `@`. Pure.
 * A person is completed by name or by id; where an id is wanted the id is put in.
 */
import { type CommandName, type Completes, commands, commandsIn } from "./commands.ts";
import { completionsMax } from "./limits.ts";
import { settingValues } from "./settings.ts";

export interface CompletionSources {
  people: { userId: number; userName: string }[];
  conversations: { conv: string; name: string }[];
}

export interface Completion {
  /** The part of the text that is replaced, in units. */
  from: number;
  to: number;
  /** What may stand there, and how it is shown; the best first. */
  candidates: { insert: string; label: string }[];
}

type Candidate = Completion["candidates"][number];

/** What may stand before the cursor; null: nothing can be completed there. */
export function completionOf(text: string, at: number, sources: CompletionSources): Completion | null {
  const before = text.slice(0, at);
  const command = /^\/(\S*)$/.exec(before);
  if (command) return made(0, at, commandCandidates(command[1] ?? ""));
  const argument = /^\/(\S+)\s+(\S*)$/.exec(before);
  const name = argument?.[1] ?? "";
  if (argument && Object.hasOwn(commands, name)) {
    const word = argument[2] ?? "";
    const found = argumentCandidates(commands[name as CommandName].completes, word, sources);
    if (found.length > 0) return made(at - word.length, at, found);
  }
  const value = /^\/set\s+(\S+)\s+(\S*)$/.exec(before);
  if (value && Object.hasOwn(settingValues, value[1] ?? "")) {
    const values: readonly string[] = settingValues[value[1] as keyof typeof settingValues];
    return made(at - (value[2] ?? "").length, at, plain(values, value[2] ?? ""));
  }
  const mention = /@([^\s@]*)$/u.exec(before);
  if (!mention) return null;
  const people = peopleFor(mention[1] ?? "", sources.people);
  const candidates = people.map(({ userId, userName }) => ({
    // A name with blanks in it would end at the first one.
    insert: `@${/\s/.test(userName) ? userId : userName} `,
    label: `${userName}(${userId})`,
  }));
  return made(at - mention[0].length, at, candidates);
}

function made(from: number, to: number, candidates: Candidate[]): Completion | null {
  return candidates.length === 0 ? null : { from, to, candidates: candidates.slice(0, completionsMax) };
}

function commandCandidates(start: string): Candidate[] {
  return plain(commandsIn("screen"), start).map(({ label }) => ({
    insert: `/${label} `,
    label: `/${label}`,
  }));
}

function argumentCandidates(
  completes: Completes,
  word: string,
  { people, conversations }: CompletionSources,
): Candidate[] {
  switch (completes) {
    case "person":
      return peopleFor(word, people).map(({ userId, userName }) => ({
        insert: `${userId} `,
        label: `${userName}(${userId})`,
      }));
    case "conversation":
      return conversations
        .filter(({ conv, name }) => fits(word, name) || fits(word, conv.replace(/^u:/, "")))
        .map(({ conv, name }) => ({
          insert: `${conv.replace(/^u:/, "")} `,
          label: conv === "all" ? name : `${name}(${conv.slice(2)})`,
        }));
    case "setting":
      return plain(Object.keys(settingValues), word);
    case "lang":
      return plain(["zh", "en"], word);
    case "nothing":
      return [];
  }
}

function plain(words: readonly string[], start: string): Candidate[] {
  return words.filter((word) => word.startsWith(start)).map((word) => ({ insert: `${word} `, label: word }));
}

function peopleFor(start: string, people: CompletionSources["people"]): CompletionSources["people"] {
  return people
    .filter(({ userId, userName }) => fits(start, userName) || String(userId).startsWith(start))
    .sort((one, other) => one.userName.localeCompare(other.userName) || one.userId - other.userId);
}

function fits(start: string, name: string): boolean {
  return name.toLowerCase().startsWith(start.toLowerCase());
}

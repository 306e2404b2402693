/**
 * askPerson: the questions of a log-in and of a registration, asked until the answer fits; a mistake gets one sentence
 * and the question again ([C-6]). Null: there will be no answer.
 */
import type { Ask, AskOptions } from "./ask.ts";
import { harmless } from "./displayText.ts";
import type { Texts } from "./lang.ts";
import { passwordMaxBytes, userIdMax, userNameMaxCodePoints } from "./limits.ts";

/** Asks until `read` is content; its sentence goes before the question is asked again. */
export async function askUntil<T extends string | number>(
  ask: Ask,
  { prompt, ...options }: AskOptions & { prompt: string },
  read: (line: string) => T | { wrong: string },
): Promise<T | null> {
  for (;;) {
    const line = await ask.ask(prompt, options);
    if (line === null) return null;
    const value = read(line);
    if (typeof value !== "object") return value;
    ask.print(value.wrong);
  }
}

/** A user id. */
export function askUserId(ask: Ask, texts: Texts, prompt: string = texts.askUserId): Promise<number | null> {
  return askUntil(ask, { prompt }, (line) => readUserId(line) ?? { wrong: texts.badUserId });
}

/** A password; it is shown nowhere. */
export function askPassword(
  ask: Ask,
  texts: Texts,
  prompt: string = texts.askPassword,
): Promise<string | null> {
  return askUntil(ask, { prompt, secret: true }, (line) => {
    const bytes = Buffer.byteLength(line);
    const fits = bytes > 0 && bytes <= passwordMaxBytes;
    return fits ? line : { wrong: texts.badPassword(passwordMaxBytes) };
  });
}

/** A name. */
export function askUserName(
  ask: Ask,
  texts: Texts,
  prompt: string = texts.askUserName,
): Promise<string | null> {
  return askUntil(ask, { prompt }, (line) => {
    const name = line.trim();
    const length = [...name].length;
    // What the screen would have to make harmless is no name.
    const fits = length > 0 && length <= userNameMaxCodePoints && harmless(name) === name;
    return fits ? name : { wrong: texts.badUserName(userNameMaxCodePoints) };
  });
}

/** A user id as a person types it; null when it is none. */
export function readUserId(text: string): number | null {
  const id = /^[0-9]{1,16}$/.test(text.trim()) ? Number(text.trim()) : 0;
  return id >= 1 && id <= userIdMax ? id : null;
}

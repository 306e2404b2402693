/**
 * passwordFile: where a script's password comes from: a file that nobody else can read, or whoever sits at the terminal;
 * never the command line, which everybody can see (clause [C-31]).
 */
import * as fs from "node:fs";
import { ReadStream, WriteStream } from "node:tty";
import { systemClock } from "./clock.ts";
import { ScriptError, exitCodes } from "./exitCodes.ts";
import { reasonOf } from "./journal.ts";
import { type Lang, texts } from "./lang.ts";
import { passwordMaxBytes } from "./limits.ts";
import { PlainTerminal } from "./plainTerminal.ts";
import type { ScriptTexts } from "./scriptTexts.ts";

/** The first line of the file. Throws ScriptError "usage" where it cannot be had, or others can read it too. */
export function readPasswordFile(path: string, say: ScriptTexts): string {
  let line: string;
  try {
    const file = fs.openSync(path, "r");
    try {
      // Asked of what was opened: it cannot become another file in between.
      if ((fs.fstatSync(file).mode & 0o077) !== 0) throw new Error(say.othersCanRead);
      line = fs.readFileSync(file, "utf8").split(/\r?\n/, 1)[0] ?? "";
    } finally {
      fs.closeSync(file);
    }
    if (line === "") throw new Error(say.emptyFile);
    if (Buffer.byteLength(line) > passwordMaxBytes) throw new Error(say.wantedPassword(passwordMaxBytes));
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? reasonOf(error);
    throw new ScriptError(exitCodes.usage, say.passwordFile(path, why));
  }
  return line;
}

/** Asks at the terminal that started us, whatever stdin is; null where there is none, or nobody answers. */
export async function askPassword(prompt: string, lang: Lang): Promise<string | null> {
  let file: number;
  try {
    file = fs.openSync("/dev/tty", "r+");
  } catch {
    return null;
  }
  const terminal = new PlainTerminal({
    ...{ input: new ReadStream(file), fd: file, output: new WriteStream(file) },
    ...{ clock: systemClock, texts: () => texts[lang] },
  });
  try {
    return (await terminal.ask(prompt, { secret: true })) || null;
  } finally {
    terminal.close();
  }
}

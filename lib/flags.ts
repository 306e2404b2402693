/**
 * flags: a command line read strictly, the same way by every script: what is unknown, given twice, empty or no number
 * is refused with one line that names it (clause ). What a flag means is its script's own matter.
 */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { reasonOf } from "./journal.ts";

type FlagTable = NonNullable<ParseArgsConfig["options"]>;

/**
 * Values of the flags of a table, and what stands beside them: at most `positionalsMax`. Throws an Error of one line.
 * `wanted` says what a positional should have been.
 */
export function readFlags<T extends FlagTable>(
  args: string[],
  table: T,
  { positionalsMax = 0, wanted = "wanted flags only" }: { positionalsMax?: number; wanted?: string } = {},
) {
  const { values, positionals, tokens } = firstLineOnly(() =>
    parseArgs({ args, options: table, allowPositionals: true, tokens: true }),
  );
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    if (seen.has(token.name) && !table[token.name]?.multiple) throw new Error(`--${token.name}: given twice`);
    seen.add(token.name);
    if (token.value?.trim() === "") throw new Error(`--${token.name} ${quoted(token.value)}: wanted a value`);
  }
  const stray = positionals[positionalsMax];
  if (stray !== undefined) throw new Error(`${quoted(stray)}: ${wanted}`);
  return { values, positionals };
}

/** Node's own refusals go on with advice on further lines. */
function firstLineOnly<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new Error(reasonOf(error).split("\n")[0], { cause: error });
  }
}

/** A whole number from 0 to `most`, in plain decimal digits. Throws an Error of one line that names the flag. */
export function readNumber(name: string, text: string, most: number): number {
  const value = Number(text);
  if (!/^\d{1,16}$/.test(text) || value > most) {
    throw new Error(`--${name} ${quoted(text)}: wanted a number from 0 to ${most}`);
  }
  return value;
}

/** What somebody typed, on one line and told apart from the words around it where that needs telling. */
export function quoted(text: string): string {
  return /^[!-~\u00a1-\uffff]+$/.test(text) ? text : JSON.stringify(text);
}

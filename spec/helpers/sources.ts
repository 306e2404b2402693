/**
 * sources: the project's own files as text, for the specs that hold the house together.
 */
import { readFileSync, readdirSync } from "node:fs";

export interface Source {
  /** Path from the project's folder, as "lib/frame.ts". */
  path: string;
  /** File name without its ending, as "frame". */
  name: string;
  text: string;
  /** The text without its comments; lines stay where they are. */
  code: string;
}

const root = new URL("../../", import.meta.url);

/** Text of one file. */
export function textOf(path: string): string {
  return readFileSync(new URL(path, root), "utf8");
}

/** Files directly in a folder ("" is the project's own) whose name ends so. */
export function sourcesIn(folder: string, ending: string): Source[] {
  return readdirSync(new URL(folder || ".", root))
    .filter((file) => file.endsWith(ending))
    .map((file) => {
      const path = folder ? `${folder}/${file}` : file;
      const text = textOf(path);
      return { path, name: file.slice(0, -ending.length), text, code: withoutComments(text) };
    });
}

/** Good enough for files that prettier wrote: block comments, line comments alone or after a space, those of Lua. */
function withoutComments(text: string): string {
  return text
    .replace(/^\s*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, ""))
    .replace(/(^|\s)\/\/ .*$/gm, "$1")
    .replace(/^\s*-- .*$/gm, "");
}

/**
 * pasteLines: what a paste is as messages: a line each, blank ones left out; a line that is too long for a message goes
 * on in the next one, cut at a blank where there is one, and never within a character. Pure.
 */
import { graphemesOf } from "./displayText.ts";
import { contentMaxUnits } from "./limits.ts";

/** The messages of a text, in order; each fits into one. */
export function pasteLines(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .flatMap(piecesOf);
}

function piecesOf(line: string): string[] {
  const pieces: string[] = [];
  let rest = line;
  while (rest.length > contentMaxUnits) {
    const at = cutOf(rest);
    pieces.push(rest.slice(0, at));
    rest = rest.slice(at).trimStart();
  }
  return rest === "" ? pieces : [...pieces, rest];
}

/** Where a text is cut so that what is before fits. */
function cutOf(text: string): number {
  const start = text.slice(0, contentMaxUnits);
  const blank = start.lastIndexOf(" ");
  // Far before the end it would leave a message half empty.
  if (blank > contentMaxUnits * 0.75) return blank;
  // The last character may go on behind the cut.
  const last = graphemesOf(text.slice(0, contentMaxUnits + 64));
  let at = 0;
  for (const grapheme of last) {
    if (at + grapheme.length > contentMaxUnits) break;
    at += grapheme.length;
  }
  // One that is longer than a message can only be cut within.
  return at > 0 ? at : start.replace(/[\ud800-\udbff]$/, "").length;
}

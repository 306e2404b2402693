/**
 * pasteQuestion: lines that came at once, as only a paste brings them, are sent only as the person says (clause [C-42]).
 */
import type { LineAsk } from "./ask.ts";
import type { Texts } from "./lang.ts";
import { contentMaxUnits } from "./limits.ts";

/** What is to be sent, none where the person does not want that. Lines that come meanwhile belong to the paste. */
export async function askAboutPaste(
  ask: LineAsk,
  pasted: string[],
  { say, signal }: { say: Texts; signal: AbortSignal },
): Promise<string[]> {
  const lines = [...pasted];
  for (;;) {
    const joined = lines.join("\n");
    const isShort = joined.length <= contentMaxUnits;
    const spoken = lines.filter((line) => line.trim() !== "");
    // What stands behind the last line's end has been shown by the terminal.
    ask.print("");
    const answer = await ask.ask(say.pasteAsk(spoken.length, joined.length, isShort), { signal });
    if (answer === null) return [];
    const more = await ask.pasted();
    const choice = more.length === 0 ? answer.trim().toLowerCase() : null;
    if (choice === "s") return spoken;
    if (choice === "o" && isShort) return [joined];
    if (choice === "") {
      ask.print(say.pasteDropped(spoken.length));
      return [];
    }
    // The paste goes on, or its last line had no end.
    lines.push(answer, ...more);
  }
}

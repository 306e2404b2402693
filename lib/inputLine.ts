/**
 * inputLine: the input with what it may be asked: a paste of several lines is never sent, and not even put in, before
 * the person said how; Tab walks through what may stand there. No I/O.
 */
import { type Completion, type CompletionSources, completionOf } from "./completion.ts";
import { harmless } from "./displayText.ts";
import { InputEditor } from "./inputEditor.ts";
import type { KeyEvent } from "./keyEvents.ts";
import { completionsShown, contentMaxUnits } from "./limits.ts";
import type { ScreenTexts } from "./screenTexts.ts";

/** What the line above the input is about. */
type Asking =
  | { kind: "none" }
  | { kind: "paste"; text: string; lines: string[] }
  | { kind: "completing"; completion: Completion; index: number };

export interface InputNotice {
  text: string;
  isQuestion: boolean;
}

/** What a person types, and is asked about it. */
export class InputLine {
  readonly editor = new InputEditor();
  readonly #sources: () => CompletionSources;
  readonly #send: (line: string) => void;
  #asking: Asking = { kind: "none" };

  /** `send` gets each line of a paste that is to be sent as it is. */
  constructor({ sources, send }: { sources: () => CompletionSources; send: (line: string) => void }) {
    this.#sources = sources;
    this.#send = send;
  }

  /** Takes what is its own: text, pastes, answers to its question, Tab. False for any other key. */
  take(event: KeyEvent): boolean {
    if (event.kind === "wheel" || event.kind === "background") return false;
    if (this.#asking.kind === "paste") {
      this.#answerPaste(event, this.#asking);
      return true;
    }
    if (event.kind === "key" && (event.name === "tab" || event.name === "shift-tab")) {
      this.#complete(event.name === "tab" ? 1 : -1);
      return true;
    }
    this.#asking = { kind: "none" };
    if (event.kind === "key") return false;
    if (event.kind === "text") this.editor.insert(event.text);
    else this.#pasted(event.text);
    return true;
  }

  /** What it has to say; null: nothing. */
  notice(texts: ScreenTexts): InputNotice | null {
    const asking = this.#asking;
    switch (asking.kind) {
      case "none":
        return null;
      case "paste": {
        const { length } = asking.text;
        const isLong = length > contentMaxUnits;
        const text = isLong
          ? texts.pasteTooLong(length, contentMaxUnits)
          : texts.pasteAsk(asking.lines.length, length);
        return { text, isQuestion: true };
      }
      case "completing":
        return { text: completionText(asking, texts), isQuestion: false };
    }
  }

  #pasted(text: string): void {
    const whole = text.replace(/\n+$/, "");
    const lines = whole.split("\n").filter((line) => line.trim() !== "");
    if (lines.length < 2 && whole.length <= contentMaxUnits) return this.editor.insert(whole);
    this.#asking = { kind: "paste", text: whole, lines };
  }

  #answerPaste(event: KeyEvent, { text, lines }: Asking & { kind: "paste" }): void {
    const answer = event.kind === "text" ? event.text.toLowerCase() : event.kind === "key" ? event.name : "";
    const isShort = text.length <= contentMaxUnits;
    if (answer === "e" && isShort) this.editor.insert(text);
    else if (answer === "s") for (const line of lines) this.#send(line);
    else if (answer !== "escape" && answer !== "ctrl-c") return;
    this.#asking = { kind: "none" };
  }

  #complete(step: 1 | -1): void {
    const asking = this.#asking;
    const { text, at } = this.editor;
    const completion =
      asking.kind === "completing" ? asking.completion : completionOf(text, at, this.#sources());
    if (!completion) return;
    const { candidates, from, to } = completion;
    const before = asking.kind === "completing" ? asking.index : step > 0 ? -1 : candidates.length;
    const index = (before + step + candidates.length) % candidates.length;
    const { insert = "" } = candidates[index] ?? {};
    this.editor.replace(from, to, insert);
    this.#asking =
      candidates.length === 1
        ? { kind: "none" }
        : { kind: "completing", completion: { ...completion, to: from + insert.length }, index };
  }
}

function completionText({ completion, index }: Asking & { kind: "completing" }, texts: ScreenTexts): string {
  const { candidates } = completion;
  const first = Math.floor(index / completionsShown) * completionsShown;
  const shown = candidates.slice(first, first + completionsShown).map(({ label }, at) => {
    return first + at === index ? `[${harmless(label)}]` : harmless(label);
  });
  return texts.completions(shown.join("  "), Math.max(candidates.length - first - completionsShown, 0));
}

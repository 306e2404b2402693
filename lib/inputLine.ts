/**
 * inputLine: the input with what it may be asked: a paste of several lines, or of more than a message holds, is never
 * sent, and not even put in, before the person said how; Tab walks through what may stand there. No I/O.
 */
import { type Completion, type CompletionSources, completionOf } from "./completion.ts";
import { harmless } from "./displayText.ts";
import { InputEditor } from "./inputEditor.ts";
import type { KeyEvent } from "./keyEvents.ts";
import { completionsShown, contentMaxUnits, inputMaxUnits, pasteMaxUnits } from "./limits.ts";
import { pasteLines } from "./pasteLines.ts";
import type { ScreenTexts } from "./screenTexts.ts";

/** What the line above the input is about. */
type Asking =
  | { kind: "none" }
  | { kind: "told"; text: string; isWarning: boolean }
  | { kind: "paste"; text: string; messages: string[]; isCut: boolean }
  | { kind: "completing"; completion: Completion; index: number };

export interface InputNotice {
  text: string;
  isUrgent: boolean;
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
    else this.#pasted(event.text, event.isCut ?? false);
    return true;
  }

  /** Says something until the next key. */
  tell(text: string, isWarning: boolean): void {
    if (this.#asking.kind !== "paste") this.#asking = { kind: "told", text, isWarning };
  }

  /** What it has to say; null: nothing. */
  notice(texts: ScreenTexts): InputNotice | null {
    const asking = this.#asking;
    switch (asking.kind) {
      case "none":
        return null;
      case "told":
        return { text: asking.text, isUrgent: asking.isWarning };
      case "paste": {
        const text = pasteText(asking, { editor: this.editor, texts });
        return { text, isUrgent: true };
      }
      case "completing":
        return { text: completionText(asking, texts), isUrgent: false };
    }
  }

  #pasted(text: string, isCut: boolean): void {
    const whole = text.replace(/\n+$/, "");
    const messages = pasteLines(whole);
    if (messages.length < 2 && !isCut && canEdit(whole, this.editor)) return this.editor.insert(whole);
    this.#asking = { kind: "paste", text: whole, messages, isCut };
  }

  #answerPaste(event: KeyEvent, { text, messages, isCut }: Asking & { kind: "paste" }): void {
    const answer = event.kind === "text" ? event.text.toLowerCase() : event.kind === "key" ? event.name : "";
    if (answer === "e" && canEdit(text, this.editor)) this.editor.insert(text);
    else if (answer === "s" && !isCut) for (const message of messages) this.#send(message);
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

function pasteText(
  { text, messages, isCut }: Asking & { kind: "paste" },
  { editor, texts: { paste } }: { editor: InputEditor; texts: ScreenTexts },
): string {
  if (isCut) return paste.tooMuch(pasteMaxUnits);
  const lines = text.split("\n").length;
  const what = lines > 1 ? paste.lines(lines, text.length) : paste.long(text.length, contentMaxUnits);
  const edit = canEdit(text, editor) ? [paste.edit] : [];
  return `${what} ${[...edit, paste.send(messages.length), paste.no].join(" · ")}`;
}

function completionText({ completion, index }: Asking & { kind: "completing" }, texts: ScreenTexts): string {
  const { candidates } = completion;
  const first = Math.floor(index / completionsShown) * completionsShown;
  const shown = candidates.slice(first, first + completionsShown).map(({ label }, at) => {
    return first + at === index ? `[${harmless(label)}]` : harmless(label);
  });
  return texts.completions(shown.join("  "), Math.max(candidates.length - first - completionsShown, 0));
}

/** Whether a text can be put to what is there without losing anything of it. */
function canEdit(text: string, { text: there }: InputEditor): boolean {
  return there.length + text.replaceAll("\t", "    ").length <= inputMaxUnits;
}

/**
 * lineEditor: keys to a line, no I/O. It holds graphemes, so that a key never cuts a character. Bytes may come cut
 * anywhere; a paste is taken as text, its line ends as separate lines.
 */
import { StringDecoder } from "node:string_decoder";
import { graphemesOf } from "./displayText.ts";
import { inputHistoryMaxLines, inputMaxUnits } from "./limits.ts";

export type EditorEvent =
  | { kind: "changed" }
  | { kind: "line"; text: string }
  /** Ctrl-C. */
  | { kind: "interrupt" }
  /** Ctrl-D on an empty line. */
  | { kind: "end" }
  /** Ctrl-L. */
  | { kind: "redraw" }
  /** Ctrl-Z. */
  | { kind: "suspend" };

// One escape sequence: CSI, SS3, or a lone key with Alt. A control key after Esc is itself: Esc takes nothing with it.
const escapeSequence = /^\u001b(?:\[[0-?]{0,16}[ -/]{0,4}[@-~]|O[@-~]|[^[O\u0000-\u001f\u007f])/u;
const startedSequence = /^\u001b(?:\[[0-?]{0,16}[ -/]{0,4}|O)?$/;
const controls = /[\u0000-\u001f\u007f]/;

/** The line being typed: bytes in, events and the line to draw out. */
export class LineEditor {
  #before: string[] = [];
  #after: string[] = [];
  #history: string[] = [];
  #historyIndex = 0;
  /** What was being typed when Up was pressed first. */
  #draft = "";
  #pasting = false;
  /** The last key of a paste was CR: an LF after it belongs to it. */
  #returned = false;
  #keys = "";
  readonly #decoder = new StringDecoder("utf8");

  get text(): string {
    return this.#before.join("") + this.#after.join("");
  }

  /** The part left of the cursor. */
  get beforeCursor(): string {
    return this.#before.join("");
  }

  /** Empties the line. */
  clear(): void {
    this.#before = [];
    this.#after = [];
  }

  /** Remembers a line for Up and Down. Not to be called with secrets. */
  remember(line: string): void {
    if (line !== "" && this.#history.at(-1) !== line) this.#history.push(line);
    if (this.#history.length > inputHistoryMaxLines) this.#history.shift();
    this.#historyIndex = this.#history.length;
  }

  /** Takes bytes from the terminal; what came of them, in order. */
  feed(bytes: Buffer): EditorEvent[] {
    this.#keys += this.#decoder.write(bytes);
    const events: EditorEvent[] = [];
    while (this.#keys.length > 0) {
      const taken = this.#takeKey();
      if (taken === null) break;
      const event = this.#apply(taken);
      if (event) events.push(event);
    }
    return events;
  }

  /** A run of plain text, one control character, or one escape sequence; null when a sequence is not whole yet. */
  #takeKey(): string | null {
    const keys = this.#keys;
    if (keys[0] === "\u001b") {
      const sequence = escapeSequence.exec(keys)?.[0];
      if (sequence === undefined && startedSequence.test(keys)) return null;
      return this.#cut((sequence ?? "\u001b").length);
    }
    const control = keys.search(controls);
    return this.#cut(control < 0 ? keys.length : Math.max(control, 1));
  }

  #cut(length: number): string {
    const taken = this.#keys.slice(0, length);
    this.#keys = this.#keys.slice(length);
    return taken;
  }

  #apply(key: string): EditorEvent | null {
    if (key === "\u001b[200~" || key === "\u001b[201~") {
      this.#pasting = key === "\u001b[200~";
      this.#returned = false;
      return null;
    }
    const isLineEndDone = key === "\n" && this.#returned;
    this.#returned = key === "\r" && this.#pasting;
    if (isLineEndDone) return null;
    if (key === "\r" || key === "\n") return this.#enter();
    if (!controls.test(key)) return this.#insert(key);
    if (this.#pasting) return key === "\t" ? this.#insert(" ") : null;
    return this.#command(key);
  }

  #insert(text: string): EditorEvent | null {
    // As much as fits, so that it makes no difference in how many pieces a paste comes.
    const room = inputMaxUnits - this.text.length;
    const fitting = text.length <= room ? text : text.slice(0, room).replace(/[\ud800-\udbff]$/, "");
    // Joined with what stands before: a combining mark belongs to the character it follows.
    const tail = this.#before.splice(-1).join("") + fitting;
    this.#before.push(...graphemesOf(tail));
    this.#join();
    return { kind: "changed" };
  }

  #enter(): EditorEvent {
    const text = this.text;
    this.clear();
    this.#historyIndex = this.#history.length;
    return { kind: "line", text };
  }

  #command(key: string): EditorEvent | null {
    switch (key) {
      case "\u0003":
        return { kind: "interrupt" };
      case "\u0004":
        if (this.text === "") return { kind: "end" };
        this.#after.shift();
        break;
      case "\u000c":
        return { kind: "redraw" };
      case "\u001a":
        return { kind: "suspend" };
      case "\u007f":
      case "\b":
        this.#before.pop();
        break;
      case "\u001b[3~":
        this.#after.shift();
        break;
      case "\u001b[D":
      case "\u0002":
        this.#moveTo(this.#before.length - 1);
        break;
      case "\u001b[C":
      case "\u0006":
        this.#moveTo(this.#before.length + 1);
        break;
      case "\u001b[H":
      case "\u001bOH":
      case "\u001b[1~":
      case "\u0001":
        this.#moveTo(0);
        break;
      case "\u001b[F":
      case "\u001bOF":
      case "\u001b[4~":
      case "\u0005":
        this.#moveTo(Infinity);
        break;
      case "\u000b":
        this.#after = [];
        break;
      case "\u0015":
        this.#before = [];
        break;
      case "\u0017":
        this.#before = graphemesOf(this.beforeCursor.replace(/\S*\s*$/u, ""));
        break;
      case "\u001b[A":
      case "\u0010":
        this.#recall(-1);
        break;
      case "\u001b[B":
      case "\u000e":
        this.#recall(1);
        break;
      default:
        return null;
    }
    this.#join();
    return { kind: "changed" };
  }

  /** What has come to stand side by side may be one character now: the cursor goes behind it. */
  #join(): void {
    const [last, next] = [this.#before.at(-1), this.#after[0]];
    if (last === undefined || next === undefined) return;
    const joined = graphemesOf(last + next);
    if (joined[0] === last) return;
    const before = this.beforeCursor;
    const all = graphemesOf(this.text);
    let index = 0;
    for (let units = 0; units < before.length; index++) units += all[index]?.length ?? Infinity;
    this.#before = all.slice(0, index);
    this.#after = all.slice(index);
  }

  #moveTo(index: number): void {
    const all = [...this.#before, ...this.#after];
    const at = Math.max(0, Math.min(index, all.length));
    this.#before = all.slice(0, at);
    this.#after = all.slice(at);
  }

  #recall(step: number): void {
    const index = this.#historyIndex + step;
    if (index < 0 || index > this.#history.length) return;
    if (this.#historyIndex === this.#history.length) this.#draft = this.text;
    this.#historyIndex = index;
    this.#before = graphemesOf(this.#history[index] ?? this.#draft);
    this.#after = [];
  }
}

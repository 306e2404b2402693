/**
 * lineEditor: keys to a line, no I/O. A key moves and deletes by grapheme: it never cuts a character. Bytes may come cut
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
  #text = "";
  /** Where the next text goes, in UTF-16 units: inside a character only while that is still being typed. */
  #at = 0;
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
    return this.#text;
  }

  /** The part left of the cursor. */
  get beforeCursor(): string {
    return this.#text.slice(0, this.#placeFrom(this.#at));
  }

  /** Empties the line. */
  clear(): void {
    this.#set("", "");
  }

  /** Remembers a line for Up and Down. Not to be called with secrets. */
  remember(line: string): void {
    if (line !== "" && this.#history.at(-1) !== line) this.#history.push(line);
    if (this.#history.length > inputHistoryMaxLines) this.#history.shift();
    this.#historyIndex = this.#history.length;
  }

  /** Takes bytes from the terminal; what comes of them, key by key: a key is looked at when the one before is done. */
  *feed(bytes: Buffer): Generator<EditorEvent, void> {
    this.#keys += this.#decoder.write(bytes);
    while (this.#keys.length > 0) {
      const taken = this.#takeKey();
      if (taken === null) break;
      const event = this.#apply(taken);
      if (event) yield event;
    }
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
    const room = inputMaxUnits - this.#text.length;
    const fitting = text.length <= room ? text : text.slice(0, room).replace(/[\ud800-\udbff]$/, "");
    this.#set(this.#text.slice(0, this.#at) + fitting, this.#text.slice(this.#at));
    return { kind: "changed" };
  }

  #set(before: string, after: string): void {
    this.#text = before + after;
    this.#at = before.length;
  }

  #enter(): EditorEvent {
    const text = this.text;
    this.clear();
    this.#historyIndex = this.#history.length;
    return { kind: "line", text };
  }

  #command(key: string): EditorEvent | null {
    this.#at = this.#placeFrom(this.#at);
    const [before, after] = [this.#text.slice(0, this.#at), this.#text.slice(this.#at)];
    switch (key) {
      case "\u0003":
        return { kind: "interrupt" };
      case "\u0004":
        if (this.#text === "") return { kind: "end" };
        this.#set(before, this.#text.slice(this.#placeFrom(this.#at + 1)));
        break;
      case "\u000c":
        return { kind: "redraw" };
      case "\u001a":
        return { kind: "suspend" };
      case "\u007f":
      case "\b":
        this.#set(before.slice(0, this.#placeBefore(this.#at)), after);
        break;
      case "\u001b[3~":
        this.#set(before, this.#text.slice(this.#placeFrom(this.#at + 1)));
        break;
      case "\u001b[D":
      case "\u0002":
        this.#at = this.#placeBefore(this.#at);
        break;
      case "\u001b[C":
      case "\u0006":
        this.#at = this.#placeFrom(this.#at + 1);
        break;
      case "\u001b[H":
      case "\u001bOH":
      case "\u001b[1~":
      case "\u0001":
        this.#at = 0;
        break;
      case "\u001b[F":
      case "\u001bOF":
      case "\u001b[4~":
      case "\u0005":
        this.#at = this.#text.length;
        break;
      case "\u000b":
        this.#set(before, "");
        break;
      case "\u0015":
        this.#set("", after);
        break;
      case "\u0017":
        this.#set(before.replace(/\S*\s*$/u, ""), after);
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
    return { kind: "changed" };
  }

  /** The first place at or behind `units` that is not inside a character. */
  #placeFrom(units: number): number {
    if (units <= 0 || units >= this.#text.length) return Math.min(Math.max(units, 0), this.#text.length);
    let place = 0;
    for (const grapheme of graphemesOf(this.#text)) {
      place += grapheme.length;
      if (place >= units) break;
    }
    return place;
  }

  /** The last place before `units` that is not inside a character. */
  #placeBefore(units: number): number {
    let place = 0;
    for (const grapheme of graphemesOf(this.#text)) {
      if (place + grapheme.length >= units) break;
      place += grapheme.length;
    }
    return place;
  }

  #recall(step: number): void {
    const index = this.#historyIndex + step;
    if (index < 0 || index > this.#history.length) return;
    if (this.#historyIndex === this.#history.length) this.#draft = this.text;
    this.#historyIndex = index;
    this.#set(this.#history[index] ?? this.#draft, "");
  }
}

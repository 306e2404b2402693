/**
 * inputEditor: what a person types, over several lines, with readline's keys; no I/O. A key moves and deletes by
 * grapheme: it never cuts a character. Each conversation has its own draft and its own history; what was killed
 * (Ctrl-K, Ctrl-U, Ctrl-W, Alt-D) comes back by Ctrl-Y, in any of them.
 */
import { graphemesOf } from "./displayText.ts";
import { inputHistoryMaxLines, inputMaxUnits, inputUndoMaxSteps } from "./limits.ts";

interface Draft {
  text: string;
  at: number;
  history: string[];
  /** Place in the history; its length: what is being typed now. */
  place: number;
  /** What was being typed when the history was entered. */
  kept: string;
  undo: { text: string; at: number }[];
}

/** The text being typed, and all other drafts. */
export class InputEditor {
  readonly #drafts = new Map<string, Draft>();
  #draft: Draft = this.#draftOf("");
  #killed = "";
  /** The key before was a kill too: it adds to what was killed. */
  #killing = false;

  /** Shows the draft of a conversation, or of a question ("" is the first one). */
  switchTo(name: string): void {
    this.#killing = false;
    this.#draft = this.#draftOf(name);
  }

  get text(): string {
    return this.#draft.text;
  }

  /** Where the cursor is, in UTF-16 units. */
  get at(): number {
    return this.#draft.at;
  }

  /** Replaces everything; the cursor goes behind it. */
  set(text: string): void {
    this.#change(text.slice(0, inputMaxUnits), text.length);
  }

  /** Replaces a part and puts the cursor behind it: completion does. */
  replace(from: number, to: number, by: string): void {
    this.#change(this.text.slice(0, from) + by + this.text.slice(to), from + by.length);
  }

  /** Text at the cursor, typed or pasted; as much of it as fits. */
  insert(text: string): void {
    this.#killing = false;
    const room = inputMaxUnits - this.text.length;
    // As much as fits, and no half of a character of two units.
    const fitting = text.length <= room ? text : text.slice(0, room).replace(/[\ud800-\udbff]$/, "");
    this.replace(this.at, this.at, fitting.replaceAll("\t", "    "));
  }

  /** Takes the text and begins anew. What is remembered comes back by Up; not to be done with secrets. */
  take({ remember }: { remember: boolean }): string {
    const { text, history } = this.#draft;
    if (remember && text.trim() !== "" && history.at(-1) !== text) history.push(text);
    if (history.length > inputHistoryMaxLines) history.shift();
    Object.assign(this.#draft, { text: "", at: 0, place: history.length, kept: "", undo: [] });
    this.#killing = false;
    return text;
  }

  /** Does what a key says; false when it is none of the editor's. */
  key(name: string): boolean {
    const act = this.#keys[name];
    if (!act) return false;
    const kills = killKeys.has(name);
    if (!kills) this.#killing = false;
    act();
    this.#killing = kills;
    return true;
  }

  readonly #keys: Record<string, () => void> = {
    left: () => this.#move(this.#before(this.at)),
    "ctrl-b": () => this.#move(this.#before(this.at)),
    right: () => this.#move(this.#behind(this.at)),
    "ctrl-f": () => this.#move(this.#behind(this.at)),
    home: () => this.#move(this.#lineStart()),
    "ctrl-a": () => this.#move(this.#lineStart()),
    end: () => this.#move(this.#lineEnd()),
    "ctrl-e": () => this.#move(this.#lineEnd()),
    "alt-b": () => this.#move(this.#wordBefore()),
    "ctrl-left": () => this.#move(this.#wordBefore()),
    "alt-left": () => this.#move(this.#wordBefore()),
    "alt-f": () => this.#move(this.#wordBehind()),
    "ctrl-right": () => this.#move(this.#wordBehind()),
    "alt-right": () => this.#move(this.#wordBehind()),
    backspace: () => this.replace(this.#before(this.at), this.at, ""),
    delete: () => this.#deleteBehind(),
    "ctrl-d": () => this.#deleteBehind(),
    "alt-enter": () => this.insert("\n"),
    "ctrl-j": () => this.insert("\n"),
    "ctrl-k": () =>
      this.#kill(this.at, this.#lineEnd() === this.at ? this.#behind(this.at) : this.#lineEnd()),
    "ctrl-u": () =>
      this.#kill(this.#lineStart() === this.at ? this.#before(this.at) : this.#lineStart(), this.at),
    "ctrl-w": () => this.#kill(this.#blankBefore(), this.at),
    "alt-backspace": () => this.#kill(this.#wordBefore(), this.at),
    "alt-d": () => this.#kill(this.at, this.#wordBehind()),
    "ctrl-y": () => this.insert(this.#killed),
    "ctrl-t": () => this.#transpose(),
    "ctrl-_": () => this.#undo(),
    up: () => this.#vertical(-1),
    down: () => this.#vertical(1),
    "ctrl-p": () => this.#recall(-1),
    "ctrl-n": () => this.#recall(1),
  };

  #draftOf(name: string): Draft {
    let draft = this.#drafts.get(name);
    if (!draft)
      this.#drafts.set(name, (draft = { text: "", at: 0, history: [], place: 0, kept: "", undo: [] }));
    return draft;
  }

  #change(text: string, at: number): void {
    const { undo } = this.#draft;
    undo.push({ text: this.text, at: this.at });
    if (undo.length > inputUndoMaxSteps) undo.shift();
    this.#draft.text = text;
    this.#draft.at = Math.min(at, text.length);
  }

  #undo(): void {
    const before = this.#draft.undo.pop();
    if (before) Object.assign(this.#draft, before);
  }

  #move(at: number): void {
    this.#draft.at = at;
  }

  #deleteBehind(): void {
    this.replace(this.at, this.#behind(this.at), "");
    this.#draft.at = Math.min(this.at, this.text.length);
  }

  #kill(from: number, to: number): void {
    const killed = this.text.slice(from, to);
    if (!this.#killing) this.#killed = killed;
    else this.#killed = to <= this.at && from < this.at ? killed + this.#killed : this.#killed + killed;
    this.replace(from, to, "");
    this.#draft.at = from;
  }

  #transpose(): void {
    const middle = this.at === this.text.length ? this.#before(this.at) : this.at;
    const [start, end] = [this.#before(middle), this.#behind(middle)];
    if (start === middle || middle === end) return;
    const swapped = this.text.slice(middle, end) + this.text.slice(start, middle);
    this.replace(start, end, swapped);
  }

  /** Up and Down: to the line above or below, and from the first and the last one into the history. */
  #vertical(step: 1 | -1): void {
    const start = this.#lineStart();
    if (step < 0 && start === 0) return this.#recall(-1);
    if (step > 0 && this.#lineEnd() === this.text.length) return this.#recall(1);
    const passed = graphemesOf(this.text.slice(start, this.at)).length;
    const otherStart = step < 0 ? this.#lineStart(start - 1) : this.#lineEnd() + 1;
    const otherEnd = this.text.indexOf("\n", otherStart);
    const other = graphemesOf(this.text.slice(otherStart, otherEnd < 0 ? undefined : otherEnd));
    this.#move(otherStart + other.slice(0, passed).join("").length);
  }

  #recall(step: 1 | -1): void {
    const { history, place } = this.#draft;
    const next = place + step;
    if (next < 0 || next > history.length) return;
    if (place === history.length) this.#draft.kept = this.text;
    this.#draft.place = next;
    this.set(history[next] ?? this.#draft.kept);
  }

  #lineStart(at: number = this.at): number {
    // lastIndexOf takes a place before the beginning for the beginning.
    return at === 0 ? 0 : this.text.lastIndexOf("\n", at - 1) + 1;
  }

  #lineEnd(): number {
    const end = this.text.indexOf("\n", this.at);
    return end < 0 ? this.text.length : end;
  }

  /** The place of the grapheme before `at`. */
  #before(at: number): number {
    let place = 0;
    for (const grapheme of graphemesOf(this.text)) {
      if (place + grapheme.length >= at) break;
      place += grapheme.length;
    }
    return at === 0 ? 0 : place;
  }

  /** The place behind the grapheme at `at`. */
  #behind(at: number): number {
    let place = 0;
    for (const grapheme of graphemesOf(this.text)) {
      place += grapheme.length;
      if (place > at) return place;
    }
    return this.text.length;
  }

  #blankBefore(): number {
    return this.text.slice(0, this.at).replace(/\S*\s*$/u, "").length;
  }

  #wordBefore(): number {
    return this.text.slice(0, this.at).replace(/[\p{L}\p{N}\p{M}]*[^\p{L}\p{N}\p{M}]*$/u, "").length;
  }

  #wordBehind(): number {
    const word = /^[^\p{L}\p{N}\p{M}]*[\p{L}\p{N}\p{M}]*/u.exec(this.text.slice(this.at))?.[0] ?? "";
    return this.at + word.length;
  }
}

const killKeys = new Set(["ctrl-k", "ctrl-u", "ctrl-w", "alt-d", "alt-backspace"]);

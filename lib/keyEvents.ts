/**
 * keyEvents: bytes of a terminal to keys, no I/O. Bytes may come cut anywhere. A lone Esc cannot be told from the start
 * of a sequence but by time: whoever reads calls `flush` when nothing followed for a while. A paste (bracketed) is one
 * event and never a command; what an unknown sequence says is passed over.
 */
import { StringDecoder } from "node:string_decoder";
import { pasteMaxUnits } from "./limits.ts";

export type KeyEvent =
  | { kind: "text"; text: string }
  /** `name` as in keyNames below, or one character for Ctrl and Alt with it: "ctrl-a", "alt-a", "alt-enter". */
  | { kind: "key"; name: string }
  /** `isCut`: there was more of it than anybody takes. */
  | { kind: "paste"; text: string; isCut?: true }
  | { kind: "wheel"; direction: "up" | "down" }
  /** Red, green, blue of the terminal's background, 0 to 1. */
  | { kind: "background"; rgb: [number, number, number] };

const csiFinals: Record<string, string> = {
  A: "up",
  B: "down",
  C: "right",
  D: "left",
  H: "home",
  F: "end",
  Z: "shift-tab",
  P: "f1",
};
const tildeNames: Record<string, string> = {
  1: "home",
  2: "insert",
  3: "delete",
  4: "end",
  5: "pageup",
  6: "pagedown",
  7: "home",
  8: "end",
  11: "f1",
};
const controlNames: Record<string, string> = {
  "\r": "enter",
  "\n": "ctrl-j",
  "\t": "tab",
  "\u007f": "backspace",
  "\b": "backspace",
  "\u0000": "ctrl-space",
  "\u001f": "ctrl-_",
};

// CSI, SS3, OSC (a reply of the terminal), or one character with Alt; Esc before a control character is Alt too.
const sequence =
  /^\u001b(?:\[([<?]?)([0-9;:]{0,32})[ -/]{0,4}([@-~])|O([@-~])|\]([^\u0007\u001b]{0,256})(?:\u0007|\u001b\\)|(\u001b\[[A-D]|[^[O\]\u001b]))/u;
const started = /^\u001b(?:\[[<?]?[0-9;:]{0,32}[ -/]{0,4}|O|\][^\u0007\u001b]{0,256}\u001b?|\u001b(?:\[)?)?$/;
const pasteEnd = "\u001b[201~";

/** Reads keys out of bytes. */
export class KeyEvents {
  #keys = "";
  /** What of a paste has come; null: none is coming. */
  #paste: string | null = null;
  #pasteIsCut = false;
  readonly #decoder = new StringDecoder("utf8");

  /** Whether an Esc or the start of a sequence waits for more, or for `flush`. */
  get waits(): boolean {
    return this.#keys !== "" && this.#paste === null;
  }

  /** Takes bytes; what comes of them, in order. */
  feed(bytes: Buffer): KeyEvent[] {
    this.#keys += this.#decoder.write(bytes);
    return this.#read(false);
  }

  /** Nothing followed: what waits is what it is, an Esc first of all. */
  flush(): KeyEvent[] {
    return this.#read(true);
  }

  #read(whole: boolean): KeyEvent[] {
    const events: KeyEvent[] = [];
    while (this.#keys !== "") {
      if (this.#paste !== null) {
        const event = this.#readPaste();
        if (!event) break;
        events.push(event);
        continue;
      }
      if (this.#keys[0] !== "\u001b") {
        events.push(this.#readPlain());
        continue;
      }
      const match = sequence.exec(this.#keys);
      if (!match) {
        if (!whole && started.test(this.#keys)) break;
        this.#keys = this.#keys.slice(1);
        events.push({ kind: "key", name: "escape" });
        continue;
      }
      this.#keys = this.#keys.slice(match[0].length);
      const event = this.#readSequence(match);
      if (event) events.push(event);
    }
    return events;
  }

  #readPlain(): KeyEvent {
    const control = this.#keys.search(/[\u0000-\u001f\u007f]/);
    const length = control < 0 ? this.#keys.length : Math.max(control, 1);
    const text = this.#keys.slice(0, length);
    this.#keys = this.#keys.slice(length);
    return control === 0 ? { kind: "key", name: controlName(text) } : { kind: "text", text };
  }

  #readSequence([, mark = "", given = "", final, ss3, osc, alt]: RegExpExecArray): KeyEvent | null {
    if (osc !== undefined) return backgroundOf(osc);
    if (alt !== undefined) {
      // Esc Esc [ A: an arrow with Alt, as some terminals say it.
      if (alt.startsWith("\u001b")) return { kind: "key", name: `alt-${csiFinals[alt.slice(2)] ?? ""}` };
      return { kind: "key", name: `alt-${alt < " " || alt === "\u007f" ? controlName(alt) : alt}` };
    }
    if (ss3 !== undefined) {
      const name = csiFinals[ss3];
      return name === undefined ? null : { kind: "key", name };
    }
    if (mark === "<") return wheelOf(given);
    if (mark !== "") return null;
    const [code = "", modifiers = "1"] = given.split(";");
    if (final === "~" && code === "200") {
      this.#paste = "";
      return null;
    }
    // modifyOtherKeys and the kitty protocol say Enter with Alt or Shift in this way.
    if (final === "u" && code === "13")
      return { kind: "key", name: modifiers === "1" ? "enter" : "alt-enter" };
    const name = final === "~" ? tildeNames[code] : csiFinals[final ?? ""];
    if (name === undefined) return null;
    return { kind: "key", name: `${prefixOf(Number(modifiers))}${name}` };
  }

  #readPaste(): KeyEvent | null {
    const end = this.#keys.indexOf(pasteEnd);
    // The last bytes may be the start of the end.
    const keep = end < 0 ? pasteEnd.length - 1 : 0;
    const take = end < 0 ? Math.max(this.#keys.length - keep, 0) : end;
    const room = pasteMaxUnits - (this.#paste ?? "").length;
    if (take > room) this.#pasteIsCut = true;
    this.#paste = (this.#paste ?? "") + this.#keys.slice(0, Math.min(take, room));
    this.#keys = this.#keys.slice(end < 0 ? take : end + pasteEnd.length);
    if (end < 0) return null;
    const text = this.#paste.replace(/\r\n?/g, "\n").replace(/[\ud800-\udbff]$/, "");
    const isCut = this.#pasteIsCut;
    this.#paste = null;
    this.#pasteIsCut = false;
    return { kind: "paste", text, ...(isCut && { isCut }) };
  }
}

function controlName(char: string): string {
  return controlNames[char] ?? `ctrl-${String.fromCharCode(char.charCodeAt(0) + 0x60)}`;
}

/** xterm's modifier number is 1 + shift + 2 alt + 4 ctrl. */
function prefixOf(modifiers: number): string {
  const bits = Number.isInteger(modifiers) && modifiers > 0 ? modifiers - 1 : 0;
  return `${bits & 4 ? "ctrl-" : ""}${bits & 2 ? "alt-" : ""}${bits & 1 ? "shift-" : ""}`;
}

function wheelOf(given: string): KeyEvent | null {
  const button = Number(given.split(";")[0]);
  if (button === 64) return { kind: "wheel", direction: "up" };
  return button === 65 ? { kind: "wheel", direction: "down" } : null;
}

/** The answer to OSC 11: `11;rgb:RRRR/GGGG/BBBB`, one to four hex digits each. */
function backgroundOf(osc: string): KeyEvent | null {
  const match = /^11;rgba?:([0-9a-fA-F]{1,4})\/([0-9a-fA-F]{1,4})\/([0-9a-fA-F]{1,4})/.exec(osc);
  if (!match) return null;
  const [red = 0, green = 0, blue = 0] = match
    .slice(1)
    .map((hex) => parseInt(hex, 16) / (16 ** hex.length - 1));
  return { kind: "background", rgb: [red, green, blue] };
}

/**
 * screenTerminal: a terminal as a full-screen program uses it (clause [C-21]): raw keys, the alternate screen,
 * bracketed paste, the wheel; and everything of it undone however the program ends: quit, crash, SIGTERM, SIGHUP,
 * and while it is suspended. It draws what differs from what it drew, and nothing while the terminal cannot take more.
 */
import type { ReadStream, WriteStream } from "node:tty";
import type { Clock, Timer } from "./clock.ts";
import { type KeyEvent, KeyEvents } from "./keyEvents.ts";
import {
  escapeWaitMs,
  screenColumnsMax,
  screenColumnsMin,
  screenRowsMax,
  screenRowsMin,
  suspendWaitMs,
} from "./limits.ts";
import type { ScreenBuffer } from "./screenBuffer.ts";

export interface ScreenTerminalOptions {
  input: ReadStream;
  output: WriteStream;
  clock: Clock;
}

export interface ScreenTerminalEvents {
  key: (event: KeyEvent) => void;
  /** Size or contents are not what was drawn: everything has to be drawn. */
  changed: () => void;
  /** The person's terminal is gone. */
  ended: () => void;
}

type State = "closed" | "open" | "suspended";

// The alternate screen, no wrapping at the edge, bracketed paste; the order is undone backwards.
const enter = "\u001b[?1049h\u001b[?7l\u001b[?2004h";
const leave = "\u001b[0m\u001b[?2026l\u001b[?2004l\u001b[?7h\u001b[?25h\u001b[?1049l";
const wheelOn = "\u001b[?1000h\u001b[?1006h";
const wheelOff = "\u001b[?1006l\u001b[?1000l";
const askBackground = "\u001b]11;?\u0007";

/** Whether a program can take the whole screen: a terminal on both sides, not a dumb one, large enough. */
export function fitsScreen(
  input: { isTTY?: boolean },
  output: { isTTY?: boolean; columns?: number; rows?: number },
  env: NodeJS.ProcessEnv,
): boolean {
  const { columns = 0, rows = 0 } = output;
  if (!input.isTTY || !output.isTTY || env.TERM === "dumb" || !env.TERM) return false;
  return columns >= screenColumnsMin && rows >= screenRowsMin;
}

/** The terminal of one program. Nothing is written before `open`, nothing after `close`. */
export class ScreenTerminal {
  readonly #options: ScreenTerminalOptions;
  readonly #keys = new KeyEvents();
  #events: ScreenTerminalEvents | null = null;
  #state: State = "closed";
  #wheel = false;
  #drawn: ScreenBuffer | null = null;
  #escapeTimer: Timer | null = null;
  readonly #onData = (bytes: Buffer): void => this.#heard(bytes);
  readonly #onEnd = (): void => this.#events?.ended();
  readonly #onResize = (): void => this.redraw();
  readonly #onDrain = (): void => this.#events?.changed();
  readonly #onContinue = (): void => this.#continue();
  readonly #onExit = (): void => this.#restore();

  constructor(options: ScreenTerminalOptions) {
    this.#options = options;
  }

  get columns(): number {
    return Math.min(Math.max(this.#options.output.columns || 80, 1), screenColumnsMax);
  }

  get rows(): number {
    return Math.min(Math.max(this.#options.output.rows || 24, 1), screenRowsMax);
  }

  /** Takes the terminal. Whatever ends the process from here on, it is given back. */
  open(events: ScreenTerminalEvents): void {
    const { input, output } = this.#options;
    this.#events = events;
    input.on("data", this.#onData);
    input.on("end", this.#onEnd);
    input.on("error", this.#onEnd);
    output.on("resize", this.#onResize);
    output.on("drain", this.#onDrain);
    process.on("SIGCONT", this.#onContinue);
    process.on("exit", this.#onExit);
    // Before a crash is told of: otherwise it would be told on the screen that goes away.
    process.on("uncaughtExceptionMonitor", this.#onExit);
    this.#start();
    output.write(askBackground);
  }

  /** Whether the wheel scrolls; otherwise the terminal keeps the mouse to itself. */
  setWheel(wheel: boolean): void {
    if (this.#wheel === wheel) return;
    this.#wheel = wheel;
    if (this.#state === "open") this.#options.output.write(wheel ? wheelOn : wheelOff);
  }

  /** Draws a screen. False while the terminal cannot take more: `changed` says when it can. */
  draw(screen: ScreenBuffer): boolean {
    const { output } = this.#options;
    if (this.#state !== "open") return true;
    if (output.writableNeedDrain) return false;
    const bytes = screen.from(this.#drawn);
    this.#drawn = screen;
    if (bytes !== "") output.write(bytes);
    return true;
  }

  /** What is on the terminal is not known any more. */
  redraw(): void {
    this.#drawn = null;
    this.#events?.changed();
  }

  bell(): void {
    if (this.#state === "open") this.#options.output.write("\u0007");
  }

  /** Gives the terminal back and stops, as Ctrl-Z does; goes on by itself when the process does. */
  suspend(): void {
    this.#restore();
    this.#state = "suspended";
    // The whole group of the terminal, as its driver does it: who started us stops with us.
    process.kill(0, "SIGTSTP");
    // Where no shell could let us go on, nothing stops: then the screen comes back at once.
    this.#options.clock.after(suspendWaitMs, () => {
      if (this.#state === "suspended") this.#continue();
    });
  }

  /** Gives the terminal back. */
  close(): void {
    const { input, output } = this.#options;
    this.#restore();
    this.#state = "closed";
    this.#escapeTimer?.cancel();
    input.off("data", this.#onData);
    input.off("end", this.#onEnd);
    input.off("error", this.#onEnd);
    output.off("resize", this.#onResize);
    output.off("drain", this.#onDrain);
    process.off("SIGCONT", this.#onContinue);
    process.off("exit", this.#onExit);
    process.off("uncaughtExceptionMonitor", this.#onExit);
    input.pause();
  }

  #start(): void {
    const { input, output } = this.#options;
    this.#state = "open";
    input.setRawMode(true);
    input.resume();
    output.write(enter + (this.#wheel ? wheelOn : ""));
    this.#drawn = null;
  }

  #continue(): void {
    if (this.#state === "closed") return;
    // After a SIGSTOP nothing was given back, and the shell may have changed the settings meanwhile.
    this.#start();
    this.#events?.changed();
  }

  #restore(): void {
    if (this.#state !== "open") return;
    this.#state = "closed";
    const { input, output } = this.#options;
    output.write((this.#wheel ? wheelOff : "") + leave);
    try {
      input.setRawMode(false);
    } catch {
      // The terminal is gone; there is nothing to give back.
    }
  }

  #heard(bytes: Buffer): void {
    this.#escapeTimer?.cancel();
    for (const event of this.#keys.feed(bytes)) this.#events?.key(event);
    if (!this.#keys.waits) return;
    this.#escapeTimer = this.#options.clock.after(escapeWaitMs, () => {
      for (const event of this.#keys.flush()) this.#events?.key(event);
    });
  }
}

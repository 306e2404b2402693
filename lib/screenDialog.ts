/**
 * screenDialog: questions on the full screen, before anybody has logged in: what was said above, the question and the
 * answer being typed at the bottom. A secret is drawn nowhere and remembered nowhere ([C-3]).
 */
import type { Ask, AskOptions } from "./ask.ts";
import { cutToColumns } from "./displayText.ts";
import { InputEditor } from "./inputEditor.ts";
import { layoutInput } from "./inputLayout.ts";
import type { KeyEvent } from "./keyEvents.ts";
import type { Palette } from "./palette.ts";
import { ScreenBuffer, type Span } from "./screenBuffer.ts";
import type { ScreenTerminal } from "./screenTerminal.ts";
import { wrapSpans } from "./wrap.ts";

export interface ScreenDialogOptions {
  terminal: ScreenTerminal;
  palette: () => Palette;
  title: () => string;
}

/** Asks and tells on the full screen. */
export class ScreenDialog implements Ask {
  readonly #options: ScreenDialogOptions;
  #editor = new InputEditor();
  readonly #said: string[] = [];
  #question: { prompt: () => string; secret: boolean; answer: (line: string | null) => void } | null = null;
  #state: "asking" | "ended" = "asking";

  constructor(options: ScreenDialogOptions) {
    this.#options = options;
  }

  get ended(): boolean {
    return this.#state === "ended";
  }

  ask(prompt: string | (() => string), { secret = false }: AskOptions = {}): Promise<string | null> {
    if (this.ended) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#question = {
        prompt: typeof prompt === "string" ? () => prompt : prompt,
        secret,
        answer: resolve,
      };
      this.#editor = new InputEditor();
      this.refresh();
    });
  }

  print(text: string): void {
    this.#said.push(text);
    this.refresh();
  }

  /** Forgets what was said. */
  clear(): void {
    this.#said.length = 0;
  }

  close(): void {
    this.#state = "ended";
    this.#answer(null);
  }

  /** What the terminal heard. */
  key(event: KeyEvent): void {
    if (event.kind === "text") this.#editor.insert(event.text);
    else if (event.kind === "paste") this.#editor.insert(event.text.split("\n")[0] ?? "");
    else if (event.kind === "key") this.#pressed(event.name);
    this.refresh();
  }

  refresh(): void {
    const { terminal, palette, title } = this.#options;
    const { columns, rows } = terminal;
    const screen = new ScreenBuffer(columns, rows);
    const bar = palette().role("bar");
    screen.fill({ row: 0, column: 0 }, bar);
    screen.put({ row: 0, column: 1 }, [
      { text: cutToColumns(title(), columns - 2), style: palette().role("barStrong") },
    ]);
    const { prompt, secret } = this.#question ?? { prompt: () => "", secret: false };
    const text = secret ? "" : this.#editor.text;
    const input = layoutInput(
      { prompt: prompt(), text, at: secret ? 0 : this.#editor.at },
      { columns, rowsMax: Math.max(Math.floor(rows / 3), 1) },
    );
    const said: Span[][] = this.#said.flatMap((one) =>
      one
        .split("\n")
        .flatMap((line) => wrapSpans([{ text: line, style: "" }], { columns, firstIndent: 0, indent: 0 })),
    );
    const room = Math.max(rows - 2 - input.rows.length, 0);
    const shown = said.slice(Math.max(said.length - room, 0));
    for (const [index, spans] of shown.entries()) screen.put({ row: 2 + index, column: 0 }, spans);
    const first = Math.min(2 + shown.length, rows - input.rows.length);
    for (const [index, row] of input.rows.entries()) {
      screen.put({ row: first + index, column: 0 }, [{ text: row, style: palette().role("own") }]);
    }
    if (this.#question) {
      screen.cursor = { row: first + input.cursor.row, column: Math.min(input.cursor.column, columns - 1) };
    }
    terminal.draw(screen);
  }

  #pressed(name: string): void {
    switch (name) {
      case "enter":
        return this.#answer(this.#editor.text);
      case "ctrl-c":
        if (this.#editor.text === "") return this.close();
        this.#editor = new InputEditor();
        return undefined;
      case "ctrl-d":
        if (this.#editor.text === "") return this.close();
        this.#editor.key(name);
        return undefined;
      case "ctrl-l":
        return this.#options.terminal.redraw();
      case "ctrl-z":
        return this.#options.terminal.suspend();
      case "ctrl-j":
      case "alt-enter":
        return undefined;
      default:
        this.#editor.key(name);
        return undefined;
    }
  }

  /** The answer stays in sight, a secret as its question only. */
  #answer(line: string | null): void {
    const question = this.#question;
    if (!question) return;
    this.#question = null;
    const shown = question.secret || line === null ? "" : line;
    this.#said.push(`${question.prompt()}${shown}`);
    // Nothing of a secret is left in any editor.
    this.#editor = new InputEditor();
    this.refresh();
    question.answer(line);
  }
}

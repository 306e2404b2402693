/**
 * pageOver: the page that lies over the messages: help, what was found, what became of a message. Whoever writes it goes
 * on until the person closes it; a page that is closed is stopped. No I/O.
 */
import type { PageWriter } from "./chatPages.ts";
import type { Role } from "./palette.ts";
import type { PageView } from "./screenView.ts";

interface Page {
  view: PageView;
  over: AbortController;
}

/** At most one page, and how far it is moved. */
export class PageOver {
  readonly #changed: () => void;
  #page: Page | null = null;
  #topMax = 0;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get isOpen(): boolean {
    return this.#page !== null;
  }

  /** What is to be drawn; null: nothing is over the messages. */
  get view(): PageView | null {
    return this.#page?.view ?? null;
  }

  /** A new page; one that was there is closed. */
  open(title: string): PageWriter {
    this.close();
    const over = new AbortController();
    const view: PageView = { title, progress: "", isRunning: false, lines: [], top: 0 };
    this.#page = { view, over };
    this.#topMax = 0;
    const told = (what: Partial<PageView>): void => {
      Object.assign(view, what);
      this.#changed();
    };
    this.#changed();
    return {
      signal: over.signal,
      line: (text: string, role: Role = "plain") => {
        view.lines.push({ text, role });
        this.#changed();
      },
      progress: (progress) => told({ progress, isRunning: true }),
      done: (progress) => told({ progress, isRunning: false }),
    };
  }

  close(): void {
    this.#page?.over.abort();
    this.#page = null;
  }

  /** It was drawn, and can be moved so many rows. */
  drawn(topMax: number): void {
    this.#topMax = topMax;
  }

  /** Moves by rows, up (below 0) or down; Infinity is to an end. */
  move(rows: number): void {
    if (this.#page) this.#page.view.top = Math.max(0, Math.min(this.#page.view.top + rows, this.#topMax));
  }
}

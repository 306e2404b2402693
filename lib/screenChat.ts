/**
 * screenChat: the chat of one logged-in person on the full screen: the client's events go into the rooms, keys into the
 * editor or the window, and what is known is drawn at most 20 times a second. What it shows at any time is made anew
 * from the rooms; it keeps only where the person is: which room, how far scrolled, what is over it, what is asked.
 */
import { randomUUID } from "node:crypto";
import { Arrivals, type ArrivalsHost } from "./arrivals.ts";
import type { ChatClient, ChatClientEvents, ClientState } from "./chatClient.ts";
import type { PageWriter } from "./chatPages.ts";
import type { Clock, Timer } from "./clock.ts";
import { Frames } from "./frames.ts";
import { InputLine } from "./inputLine.ts";
import type { KeyEvent } from "./keyEvents.ts";
import { type Lang, texts as plainTexts } from "./lang.ts";
import * as limits from "./limits.ts";
import { LinkStatus } from "./linkStatus.ts";
import { compareIds } from "./messageId.ts";
import type { Outbox } from "./outbox.ts";
import type { Palette, Role } from "./palette.ts";
import type { ReadMarks } from "./readMarks.ts";
import type { Room, RoomItem } from "./room.ts";
import { Rooms } from "./rooms.ts";
import { RoomFetch } from "./roomFetch.ts";
import { type CommandHost, runLine } from "./screenCommands.ts";
import type { ScreenTerminal } from "./screenTerminal.ts";
import { type ScreenTexts, screenTexts } from "./screenTexts.ts";
import { type ScreenModel, drawScreen, layoutOf, roomName, rowsContextOf } from "./screenView.ts";
import type { HintName, Settings } from "./settings.ts";
import { harmless } from "./displayText.ts";
import type { Span } from "./screenBuffer.ts";
import { RoomWindow, type Scroll } from "./viewport.ts";

/** What of a client the chat needs. */
export type ChatLink = Pick<
  ChatClient,
  "userId" | "state" | "info" | "online" | "unsent" | "lagMs" | "send" | "history" | "users" | "why"
>;

export type LeftScreen = "quit" | "logout" | "ended";

export interface ScreenChatOptions {
  terminal: ScreenTerminal;
  clock: Clock;
  userId: number;
  /** As the status bar calls it. */
  server: string;
  lang: Lang;
  settings: Settings;
  palette: Palette;
  /** Where messages are kept until their fate is known; null: in memory only. */
  outbox: Outbox | null;
  marks: ReadMarks;
}

/** What is over the messages. */
type Page =
  | { kind: "none" }
  | {
      kind: "page";
      title: string;
      progress: string;
      isRunning: boolean;
      lines: Span[][];
      top: number;
      over: AbortController;
    };

/** One chat, from the log-in to the end. */
export class ScreenChat implements CommandHost, ArrivalsHost {
  readonly #options: ScreenChatOptions;
  readonly clock: Clock;
  readonly link = new LinkStatus();
  readonly fetch: RoomFetch;
  readonly #arrivals: Arrivals;
  readonly #terminal: ScreenTerminal;
  readonly #frames: Frames;
  readonly #input: InputLine;
  readonly rooms: Rooms;
  readonly settings: Settings;
  client: ChatLink;
  lang: Lang;
  #palette: Palette;
  #scroll: Scroll = { kind: "end" };
  #page: Page = { kind: "none" };
  #pageTopMax = 0;
  #isShown = false;
  #timers: Timer[] = [];
  #marksTimer: Timer | null = null;
  #leave: (left: LeftScreen) => void = () => undefined;
  readonly #left: Promise<LeftScreen>;

  constructor(options: ScreenChatOptions, client: (events: ChatClientEvents) => ChatLink) {
    this.#options = options;
    this.clock = options.clock;
    this.#terminal = options.terminal;
    this.settings = options.settings;
    this.lang = options.lang;
    this.#palette = options.palette;
    this.rooms = new Rooms({ userId: options.userId, userName: "" });
    this.rooms.restore(options.marks.read());
    this.#frames = new Frames(options.clock, () => this.#draw());
    this.#left = new Promise((resolve) => (this.#leave = resolve));
    if (options.outbox) this.rooms.restoreUnsent(options.outbox);
    this.#arrivals = new Arrivals(this);
    this.#input = new InputLine({
      sources: () => this.rooms.completionSources(this.client.online, this.texts.everyone),
      send: (line) => this.say(this.rooms.current.conv, line),
    });
    this.client = client(this.#arrivals.events);
    this.fetch = new RoomFetch({
      client: this.client,
      rooms: this.rooms,
      clock: this.clock,
      changed: () => this.#frames.request(),
    });
  }

  get texts(): ScreenTexts {
    return screenTexts[this.lang];
  }

  get codeTexts(): Record<number, string> {
    return plainTexts[this.lang].codes;
  }

  /** Takes the screen until the person leaves; the terminal is open, and its events come to `key` and `resized`. */
  async run(): Promise<LeftScreen> {
    this.#isShown = true;
    this.#timers.push(this.clock.every(limits.statusTickMs, () => this.#frames.request()));
    this.#terminal.setWheel(this.settings.get("mouse") === "on");
    this.#terminal.redraw();
    try {
      return await this.#left;
    } finally {
      this.#isShown = false;
      this.#frames.stop();
      for (const timer of this.#timers) timer.cancel();
      this.#marksTimer?.cancel();
      this.#arrivals.stop();
      this.#closePage();
      this.#options.marks.write(this.rooms.marks);
    }
  }

  /** What the terminal heard. */
  key(event: KeyEvent): void {
    this.#handle(event);
    this.#frames.request({ isUrgent: true });
  }

  /** The terminal has another size, or what is on it is not known. */
  resized(): void {
    this.#frames.request({ isUrgent: true });
  }

  setPalette(palette: Palette): void {
    this.#palette = palette;
    this.#terminal.redraw();
  }

  // What commands do.

  leave(left: LeftScreen): void {
    this.#leave(left);
  }

  /** Says something; it is on disk when this returns. */
  say(conv: string, content: string): void {
    const { commands } = this.texts;
    if (content.trim() === "") return this.note(commands.emptyMessage);
    if (content.length > limits.contentMaxUnits) {
      return this.note(commands.tooLong(content.length, limits.contentMaxUnits), "warning");
    }
    const mid = randomUUID();
    const timeMs = this.clock.wallMs();
    const room = this.rooms.open(conv, this.client.online.get(Number(conv.slice(2))) ?? "");
    room.pending.push({ mid, timeMs, content, fate: { kind: "queued" } });
    void this.client.send({ conv, content, mid }).then((outcome) => {
      if (outcome.kind === "stored") this.link.durability = outcome.stored;
      this.rooms.settled({ conv, content, timeMs }, outcome);
      this.#frames.request();
    });
    if (room === this.rooms.current) this.#scrollTo("end");
    this.learn("send");
  }

  /** Says something of ours in the conversation of the moment. */
  note(words: string, tone: "notice" | "warning" = "notice"): void {
    const timeMs = this.clock.wallMs();
    this.rooms.current.note({ timeMs, tone, text: { kind: "words", words } });
    this.#frames.request();
  }

  /** A page over the messages; a page that was there is closed. */
  page(title: string): PageWriter {
    this.#closePage();
    const over = new AbortController();
    const page: Page & { kind: "page" } = {
      kind: "page",
      title,
      progress: "",
      isRunning: false,
      lines: [],
      top: 0,
      over,
    };
    this.#page = page;
    this.#frames.request();
    return {
      signal: over.signal,
      line: (text: string, role: Role = "plain") => {
        page.lines.push([{ text, style: this.#palette.role(role) }]);
        this.#frames.request();
      },
      progress: (text: string) => {
        Object.assign(page, { progress: text, isRunning: true });
        this.#frames.request();
      },
      done: (text: string) => {
        Object.assign(page, { progress: text, isRunning: false });
        this.#frames.request();
      },
    };
  }

  /** Goes to a conversation, to the first unread message of it if there is one. */
  go(room: Room): void {
    this.#closePage();
    if (room !== this.rooms.current) {
      const before = this.rooms.current;
      before.newBehind = before.readTo;
      this.rooms.current = room;
      this.#input.editor.switchTo(room.conv);
    }
    this.#enter(room);
  }

  setLang(lang: Lang): void {
    this.lang = lang;
    this.settings.setLang(lang);
    this.#closePage();
  }

  /** A setting has another value. */
  settingChanged(): void {
    this.#terminal.setWheel(this.settings.get("mouse") === "on");
    this.onSetting();
    this.#frames.request();
  }

  /** Set by whoever chooses the palette. */
  onSetting: () => void = () => undefined;

  learn(hint: HintName): void {
    this.settings.learn(hint);
  }

  /** Sends once more what was refused, in one room or all, as new messages. How many. */
  again(rooms: Room[] = this.rooms.all): number {
    return this.#decide(rooms, (conv, content) => this.say(conv, content));
  }

  /** Drops what was refused. How many. */
  drop(rooms: Room[] = this.rooms.all): number {
    return this.#decide(rooms, () => undefined);
  }

  find(given: string): Room | null {
    return this.rooms.find(given, this.client.online);
  }

  #decide(rooms: Room[], act: (conv: string, content: string) => void): number {
    let count = 0;
    for (const room of rooms) {
      for (const { mid, content } of room.undecided) {
        // First it is on disk anew, then the old one goes: a kill in between leaves both, not none.
        act(room.conv, content);
        this.#options.outbox?.remove(mid);
        room.pending.splice(
          room.pending.findIndex((pending) => pending.mid === mid),
          1,
        );
        count++;
      }
    }
    return count;
  }

  // What arrives.

  changed({ marks }: { marks: boolean } = { marks: false }): void {
    if (marks) this.#marksChanged();
    this.#frames.request();
  }

  isWatched(room: Room): boolean {
    const isAtEnd = this.#scroll.kind === "end" && this.#page.kind === "none";
    return this.#arrivals.isReading && isAtEnd && room === this.rooms.current;
  }

  keptItem(room: Room): RoomItem | null {
    return this.#scroll.kind === "at" && room === this.rooms.current ? this.#scroll.item : null;
  }

  ring(): void {
    this.#terminal.bell();
  }

  readingBegins(): void {
    this.#enter(this.rooms.current);
    this.#frames.request();
  }

  /** Set by whoever logs in again: the client has ended by itself. */
  onEnded: (state: ClientState & { kind: "ended" }) => void = () => undefined;

  ended(state: ClientState & { kind: "ended" }): void {
    this.onEnded(state);
  }

  // Where the person is.

  #enter(room: Room): void {
    this.#scroll = { kind: "end" };
    room.newBehind = room.unread > 0 ? room.readTo : null;
    const { newBehind } = room;
    if (newBehind) {
      const first = room.items.find((item) => item.kind === "message" && compareIds(item.id, newBehind) > 0);
      if (first) this.#scroll = this.#window().withTop(first);
    }
    this.#readIfAtEnd();
  }

  #readIfAtEnd(): void {
    if (!this.isWatched(this.rooms.current)) return;
    this.rooms.current.read();
    this.#marksChanged();
  }

  #marksChanged(): void {
    this.#marksTimer ??= this.clock.after(limits.readMarksWriteMs, () => {
      this.#marksTimer = null;
      this.#options.marks.write(this.rooms.marks);
    });
  }

  #closePage(): void {
    if (this.#page.kind === "page") this.#page.over.abort();
    this.#page = { kind: "none" };
    this.#readIfAtEnd();
  }

  // Keys.

  #handle(event: KeyEvent): void {
    if (event.kind === "wheel") return this.#scrollBy(event.direction === "up" ? -3 : 3);
    if (this.#input.take(event) || event.kind !== "key") return;
    const act = this.#keys[event.name];
    if (act) act();
    else if (/^alt-[1-9]$/.test(event.name)) {
      const room = this.rooms.all[Number(event.name.slice(4)) - 1];
      if (room) this.go(room);
    } else if (!this.#input.editor.key(event.name) && /^alt-.$/u.test(event.name)) {
      // An Esc and a character typed fast look the same as that character with Alt, which means nothing here.
      this.#closePage();
      this.#input.editor.insert(event.name.slice(4));
    }
  }

  readonly #keys: Record<string, () => void> = {
    enter: () => this.#enterPressed(),
    escape: () => this.#closePage(),
    "ctrl-c": () => {
      if (this.#page.kind === "page") this.#closePage();
      else if (this.#input.editor.text === "") this.#leave("quit");
      else this.#input.editor.take({ remember: true });
    },
    "ctrl-d": () => {
      if (this.#input.editor.text === "") this.#leave("quit");
      else this.#input.editor.key("ctrl-d");
    },
    "ctrl-l": () => this.#terminal.redraw(),
    "ctrl-z": () => this.#terminal.suspend(),
    pageup: () => this.#scrollBy(-this.#pageRows),
    pagedown: () => this.#scrollBy(this.#pageRows),
    "ctrl-home": () => this.#scrollTo("top"),
    "ctrl-end": () => this.#scrollTo("end"),
    home: () =>
      void (this.#input.editor.text === "" ? this.#scrollTo("top") : this.#input.editor.key("home")),
    end: () => void (this.#input.editor.text === "" ? this.#scrollTo("end") : this.#input.editor.key("end")),
    "alt-a": () => this.next(),
    "alt-up": () => this.#step(-1),
    "alt-down": () => this.#step(1),
    "alt-r": () => void this.again([this.rooms.current]),
    "alt-x": () => void this.drop([this.rooms.current]),
    f1: () => void runLine(this, "/help"),
  };

  /** Goes to the next unread conversation, or says that there is none. */
  next(): void {
    const room = this.rooms.nextUnread();
    if (room) this.go(room);
    else this.note(this.texts.commands.nothingUnread);
    this.learn("switch");
  }

  #step(by: 1 | -1): void {
    const { all, current } = this.rooms;
    const room = all[(all.indexOf(current) + by + all.length) % all.length];
    if (room) this.go(room);
    this.learn("switch");
  }

  #enterPressed(): void {
    if (this.#input.editor.text === "") return;
    const line = this.#input.editor.take({ remember: true });
    this.#closePage();
    void runLine(this, line);
  }

  get #pageRows(): number {
    return Math.max(layoutOf(this.#model()).messageRows - 2, 1);
  }

  #window(): RoomWindow {
    const model = this.#model();
    const { columns, messageRows } = layoutOf(model);
    return new RoomWindow(this.rooms.current, rowsContextOf(model, columns), messageRows);
  }

  #scrollBy(rows: number): void {
    if (this.#page.kind === "page") {
      this.#page.top = Math.max(0, Math.min(this.#page.top + rows, this.#pageTopMax));
      return;
    }
    this.#scroll = this.#window().moved(this.#scroll, rows);
    this.#readIfAtEnd();
  }

  #scrollTo(where: "top" | "end"): void {
    if (this.#page.kind === "page") this.#page.top = where === "top" ? 0 : this.#pageTopMax;
    else this.#scroll = where === "end" ? { kind: "end" } : this.#window().top();
    this.#readIfAtEnd();
  }

  // The screen.

  #draw(): void {
    if (!this.#isShown) return;
    const model = this.#model();
    const { screen, viewport, pageTopMax } = drawScreen(model);
    this.#pageTopMax = pageTopMax;
    this.#terminal.draw(screen);
    if (viewport) this.fetch.want(this.rooms.current, viewport);
  }

  #model(): ScreenModel {
    const { texts, rooms } = this;
    const { state: link, unsent, lagMs } = this.client;
    return {
      columns: this.#terminal.columns,
      rows: this.#terminal.rows,
      texts,
      codeTexts: this.codeTexts,
      palette: this.#palette,
      rooms,
      scroll: this.#scroll,
      online: this.client.online.size,
      showsSidebar: this.settings.get("sidebar") === "on",
      page: this.#page.kind === "page" ? this.#page : null,
      status: {
        link,
        ...this.link.at(this.clock.monotonicMs()),
        server: this.#options.server,
        durability: this.link.durability,
        lagMs: lagMs === null ? null : Math.round(lagMs),
        unsent,
        undecided: rooms.all.reduce((sum, { undecided }) => sum + undecided.length, 0),
        unreadElsewhere: rooms.unread - rooms.current.unread,
      },
      notice: this.#notice(),
      input: {
        prompt: `${harmless(roomName(rooms.current, texts, 20))}> `,
        text: this.#input.editor.text,
        at: this.#input.editor.at,
      },
    };
  }

  /** A question, or a first-run hint that has not done its work yet. */
  #notice(): ScreenModel["notice"] {
    const asked = this.#input.notice(this.texts);
    if (asked) return asked;
    const hint = (["send", "switch", "help"] as const).find((one) => !this.settings.hasLearnt(one));
    return hint ? { text: this.texts.hints[hint], isQuestion: false } : null;
  }
}

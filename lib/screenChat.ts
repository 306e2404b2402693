/**
 * screenChat: the chat of one logged-in person on the full screen: keys into the editor or the window, and what is known
 * is drawn at most 20 times a second. What it shows at any time is made anew from the chat; it keeps only where the
 * person is: which room, how far scrolled, what is over it, what is asked.
 */
import { Chat, type ChatLink, type ChatNews, type ChatOptions, type ChatView } from "./chat.ts";
import type { ChatClientEvents, ClientState } from "./chatClient.ts";
import { type CommandHost, type Left, runLine } from "./chatCommands.ts";
import type { PageWriter } from "./chatPages.ts";
import { statusOf } from "./chatStatus.ts";
import { readLine } from "./commands.ts";
import type { Timer } from "./clock.ts";
import { harmless } from "./displayText.ts";
import { Frames } from "./frames.ts";
import { InputLine } from "./inputLine.ts";
import type { KeyEvent } from "./keyEvents.ts";
import type { Lang } from "./lang.ts";
import { contentMaxUnits, statusTickMs } from "./limits.ts";
import { PageOver } from "./pageOver.ts";
import type { Palette } from "./palette.ts";
import type { Room, RoomItem } from "./room.ts";
import type { ScreenTerminal } from "./screenTerminal.ts";
import { type ScreenModel, drawScreen, layoutOf, roomName, rowsContextOf } from "./screenView.ts";
import { RoomWindow, type Scroll } from "./viewport.ts";

export interface ScreenChatOptions extends ChatOptions {
  terminal: ScreenTerminal;
  palette: Palette;
}

/** One chat on the screen, from the log-in to the end. */
export class ScreenChat implements CommandHost, ChatView {
  readonly chat: Chat;
  readonly place = "screen";
  readonly isScripted = false;
  readonly #terminal: ScreenTerminal;
  readonly #frames: Frames;
  readonly #input: InputLine;
  readonly #page: PageOver;
  #palette: Palette;
  #scroll: Scroll = { kind: "end" };
  #isShown = false;
  #timers: Timer[] = [];
  #leave: (left: Left) => void = () => undefined;
  readonly #left: Promise<Left>;

  constructor(options: ScreenChatOptions, client: (events: ChatClientEvents) => ChatLink) {
    this.#terminal = options.terminal;
    this.#palette = options.palette;
    this.#frames = new Frames(options.clock, () => this.#draw());
    this.#page = new PageOver(() => this.changed());
    this.#left = new Promise((resolve) => (this.#leave = resolve));
    this.chat = new Chat(options, { view: this, client });
    this.#input = new InputLine({
      sources: () => this.chat.rooms.completionSources(this.chat.client.online, this.chat.texts.everyone),
      send: (line) => this.chat.say(this.chat.rooms.current.conv, line),
    });
    this.#input.editor.switchTo(this.chat.rooms.current.conv);
  }

  /** Takes the screen until the person leaves; the terminal is open, and its events come to `key` and `resized`. */
  async run(): Promise<Left> {
    this.#isShown = true;
    this.#timers.push(this.chat.clock.every(statusTickMs, () => this.changed()));
    this.#terminal.setWheel(this.chat.settings.get("mouse") === "on");
    this.#terminal.redraw();
    try {
      return await this.#left;
    } finally {
      this.#isShown = false;
      this.#frames.stop();
      for (const timer of this.#timers) timer.cancel();
      this.#closePage();
      this.chat.stop();
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

  leave(left: Left): void {
    this.#leave(left);
  }

  /** A page over the messages; a page that was there is closed. */
  page(title: string): PageWriter {
    return this.#page.open(title);
  }

  /** Goes to a conversation, to the first unread message of it if there is one. */
  go(room: Room): void {
    this.#closePage();
    if (room !== this.chat.rooms.current) {
      const before = this.chat.rooms.current;
      const hasDraft = this.#input.editor.text !== "";
      before.newBehind = before.readTo;
      this.chat.rooms.current = room;
      if (!hasDraft) this.chat.rooms.forgetBlank(before);
      this.#input.editor.switchTo(room.conv);
    }
    this.#enter(room);
  }

  /** A message was written to a conversation: that is where one is from now on. */
  wrote(room: Room): void {
    this.go(room);
  }

  /** Older messages are where the person scrolls to. */
  history(room: Room): void {
    this.go(room);
  }

  /** There is no menu to go back to. */
  back(): void {
    this.chat.note(this.chat.texts.commands.unknown("/back"));
  }

  setLang(lang: Lang): void {
    this.chat.setLang(lang);
    this.#closePage();
  }

  /** A setting has another value. */
  settingChanged(): void {
    this.#terminal.setWheel(this.chat.settings.get("mouse") === "on");
    this.onSetting();
    this.#frames.request();
  }

  /** Set by whoever chooses the palette. */
  onSetting: () => void = () => undefined;

  // What the chat tells.

  /** What the screen shows is made of the rooms; what we answer is also told at once where it would not be seen there. */
  told(news: ChatNews): void {
    if (news.kind !== "note" || news.note.text.kind !== "words") return;
    const { tone, text } = news.note;
    const { pending } = this.chat.rooms.current;
    // Where the end is not in sight, or what waits stands behind it.
    if (!this.#isAtEnd || pending.length > 0) this.#input.tell(text.words, tone === "warning");
  }

  changed(): void {
    this.#frames.request();
  }

  isWatched(room: Room): boolean {
    return this.chat.isReading && room === this.chat.rooms.current && this.#isAtEnd;
  }

  keptItem(room: Room): RoomItem | null {
    return this.#scroll.kind === "at" && room === this.chat.rooms.current ? this.#scroll.item : null;
  }

  ring(): void {
    this.#terminal.bell();
  }

  readingBegins(): void {
    this.#enter(this.chat.rooms.current);
    this.#frames.request();
  }

  said(room: Room): void {
    if (room === this.chat.rooms.current) this.#scrollTo("end");
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
      const first = room.firstBehind(newBehind);
      if (first) this.#scroll = this.#window().withTop(first);
    }
    this.#readIfAtEnd();
  }

  #readIfAtEnd(): void {
    if (!this.isWatched(this.chat.rooms.current)) return;
    this.chat.rooms.current.read();
    this.chat.marksChanged();
  }

  #closePage(): void {
    this.#page.close();
    this.#readIfAtEnd();
  }

  // Keys.

  #handle(event: KeyEvent): void {
    if (event.kind === "wheel") return this.#scrollBy(event.direction === "up" ? -3 : 3);
    if (this.#input.take(event) || event.kind !== "key") return;
    const act = this.#keys[event.name];
    if (act) act();
    else if (/^alt-[1-9]$/.test(event.name)) {
      const room = this.chat.rooms.all[Number(event.name.slice(4)) - 1];
      if (!room) return;
      this.go(room);
      this.chat.settings.learn("switch");
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
      if (this.#page.isOpen) this.#closePage();
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
    "alt-r": () => void this.chat.again([this.chat.rooms.current]),
    "alt-x": () => void this.chat.drop([this.chat.rooms.current]),
    f1: () => void runLine(this, "/help"),
  };

  /** Goes to the next unread conversation; where only this one is, to its end; or says that there is none. */
  next(): void {
    const room = this.chat.rooms.nextUnread();
    if (room === this.chat.rooms.current && this.#scroll.kind === "at") this.#scrollTo("end");
    else if (room) this.go(room);
    else this.chat.note(this.chat.texts.commands.nothingUnread);
    this.chat.settings.learn("switch");
  }

  #step(by: 1 | -1): void {
    const { all, current } = this.chat.rooms;
    const room = all[(all.indexOf(current) + by + all.length) % all.length];
    if (room) this.go(room);
    this.chat.settings.learn("switch");
  }

  #enterPressed(): void {
    const { text } = this.#input.editor;
    if (text === "") return;
    const read = readLine(text);
    if (read.kind === "say" && read.content.length > contentMaxUnits) {
      // It stays where it can be cut.
      const { tooLong } = this.chat.texts.commands;
      return this.#input.tell(tooLong(read.content.length, contentMaxUnits), true);
    }
    const line = this.#input.editor.take({ remember: true });
    this.#closePage();
    void runLine(this, line);
  }

  get #isAtEnd(): boolean {
    return this.#scroll.kind === "end" && !this.#page.isOpen;
  }

  get #pageRows(): number {
    return Math.max(layoutOf(this.#model()).messageRows - 2, 1);
  }

  #window(): RoomWindow {
    const model = this.#model();
    const { columns, messageRows } = layoutOf(model);
    return new RoomWindow(this.chat.rooms.current, rowsContextOf(model, columns), messageRows);
  }

  #scrollBy(rows: number): void {
    if (this.#page.isOpen) return this.#page.move(rows);
    this.#scroll = this.#window().moved(this.#scroll, rows);
    this.#readIfAtEnd();
  }

  #scrollTo(where: "top" | "end"): void {
    if (this.#page.isOpen) this.#page.move(where === "top" ? -Infinity : Infinity);
    else this.#scroll = where === "end" ? { kind: "end" } : this.#window().top();
    this.#readIfAtEnd();
  }

  // The screen.

  #draw(): void {
    if (!this.#isShown) return;
    if (this.chat.rooms.current.unread > 0) this.#readIfAtEnd();
    const model = this.#model();
    const { screen, viewport, pageTopMax } = drawScreen(model);
    this.#page.drawn(pageTopMax);
    this.#terminal.draw(screen);
    if (!viewport) return;
    this.#scroll = viewport.scroll;
    // Before that all that was missed is fetched, from where reading stopped.
    if (this.chat.isReading) this.chat.fetch.want(this.chat.rooms.current, viewport);
  }

  #model(): ScreenModel {
    const { texts, codeTexts, rooms, settings } = this.chat;
    return {
      columns: this.#terminal.columns,
      rows: this.#terminal.rows,
      texts,
      codeTexts,
      palette: this.#palette,
      rooms,
      scroll: this.#scroll,
      online: this.chat.onlineCount,
      showsSidebar: settings.get("sidebar") === "on",
      page: this.#page.view,
      status: statusOf(this.chat),
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
    const asked = this.#input.notice(this.chat.texts);
    if (asked) return asked;
    const hint = (["send", "switch", "help"] as const).find((one) => !this.chat.settings.hasLearnt(one));
    return hint ? { text: this.chat.texts.hints[hint], isUrgent: false } : null;
  }
}

/**
 * plainChat: the chat of one logged-in person line by line, for people, screen readers, logs and scripts (clause
 * [C-42]): what happens is said once, as it happens, each message a line of its own; the commands are those of the screen.
 */
import type { LineAsk } from "./ask.ts";
import { Chat, type ChatLink, type ChatNews, type ChatOptions, type ChatView } from "./chat.ts";
import { type ChatClientEvents, type ClientState } from "./chatClient.ts";
import { type CommandHost, type Left, runLine } from "./chatCommands.ts";
import type { PageWriter } from "./chatPages.ts";
import { statusOf } from "./chatStatus.ts";
import { readLine } from "./commands.ts";
import { type Lang, type Texts, texts } from "./lang.ts";
import { offlineSayFirstMs, plainProgressMs } from "./limits.ts";
import { linkReasonText, noteLines } from "./noteLines.ts";
import { OwnWords } from "./ownWords.ts";
import { askAboutPaste } from "./pasteQuestion.ts";
import {
  type LinesContext,
  concernParts,
  peerText,
  placeText,
  spokenLine,
  statusLine,
} from "./plainLines.ts";
import { PresenceFold } from "./presenceFold.ts";
import { ReadBack } from "./readBack.ts";
import type { Room, RoomItem, RoomMessage } from "./room.ts";

export interface PlainChatOptions extends ChatOptions {
  ask: LineAsk;
}

/** How a chat was left: back to the menu, too. */
export type LeftPlain = Left | "back";

/** One chat, from the log-in to the end. */
export class PlainChat implements CommandHost, ChatView {
  readonly chat: Chat;
  readonly place = "lines";
  readonly isScripted: boolean;
  readonly own: OwnWords;
  readonly readBack: ReadBack;
  /** Ends the question of the moment when the log-in is over. */
  readonly over = new AbortController();
  readonly #ask: LineAsk;
  readonly #presence: PresenceFold;
  /** Lines that came before reading began; null: it has begun. */
  #held: string[] | null = [];
  #readingBegins: () => void = () => undefined;
  readonly #arrived: Promise<void>;
  /** Stops what a command tells at length; null: no line is being dealt with. */
  #stop: AbortController | null = null;
  #left: LeftPlain | null = null;
  /** How long there had been no link when that was said last. */
  #offlineSaidMs = 0;

  constructor(options: PlainChatOptions, client: (events: ChatClientEvents) => ChatLink) {
    const { ask } = options;
    this.#ask = ask;
    this.isScripted = ask.scripted;
    this.#arrived = new Promise((resolve) => (this.#readingBegins = resolve));
    this.#presence = new PresenceFold({
      clock: options.clock,
      texts: () => this.#context,
      print: (line) => this.#show(line),
    });
    this.chat = new Chat(options, { view: this, client });
    const context = (): LinesContext => this.#context;
    this.own = new OwnWords({ chat: this.chat, context, print: (line) => this.#show(line) });
    this.readBack = new ReadBack({ chat: this.chat, context, print: (line) => ask.print(line) });
  }

  /** The log-in was told; what was missed is told now. */
  async begin(): Promise<void> {
    if (this.isScripted) {
      for (const { conv, userName, unread } of this.chat.client.info?.convs ?? []) {
        if (unread === 0) continue;
        const room = this.chat.rooms.open(conv, userName);
        this.#ask.print(`  ${this.#say.unread(placeText(room, this.chat.texts), unread)}`);
      }
    } else await Promise.race([this.#arrived, aborted(this.over.signal)]);
    const held = this.#held ?? [];
    this.#held = null;
    for (const line of held) this.#ask.print(line);
    if (!this.isScripted) this.readBack.unread(this.chat.rooms.all);
    this.#read(this.chat.rooms.current);
  }

  /** Takes lines until the person leaves, or there are no more. */
  async run(): Promise<LeftPlain> {
    const { settings, rooms } = this.chat;
    const isLearnt = settings.hasLearnt("send") && settings.hasLearnt("help");
    // It says where one's words go: to everybody, at first.
    if ((this.isScripted || !isLearnt) && !rooms.current.isPrivate) this.#ask.print(this.#say.chatHint);
    for (this.#left = null; ;) {
      const line = await this.#ask.ask(() => this.#prompt(), { signal: this.over.signal });
      if (line === null) return this.over.signal.aborted ? "ended" : "quit";
      this.#stop = new AbortController();
      const more = await this.#ask.pasted();
      if (more.length > 0) await this.#pasted([line, ...more]);
      else await this.#line(line);
      this.#stop = null;
      if (this.#left) return this.#left;
    }
  }

  /** Stops what is done about a line; false: none is, or it was stopped before. */
  interrupt(): boolean {
    if (!this.#stop || this.#stop.signal.aborted) return false;
    this.#stop.abort();
    return true;
  }

  /** Nothing is told any more. */
  stop(): void {
    this.#presence.stop();
    this.chat.stop();
  }

  // What commands do.

  /** What is told at length is told as it comes; how far it is, now and then. */
  page(): PageWriter {
    const { clock } = this.chat;
    const { signal } = (this.#stop ??= new AbortController());
    let saidMs = clock.monotonicMs();
    return {
      signal,
      line: (text) => this.#ask.print(text),
      progress: (text) => {
        if (clock.monotonicMs() - saidMs < plainProgressMs) return;
        saidMs = clock.monotonicMs();
        this.#ask.print(`* ${text}${this.isScripted ? "" : ` · ${this.#say.stopHint}`}`);
      },
      done: () => undefined,
    };
  }

  /** Goes to a conversation; what is unread there is said once more, as other lines may be between. */
  go(room: Room): void {
    const { rooms, texts: words } = this.chat;
    rooms.current = room;
    const title = room.isPrivate
      ? words.privateWith(peerText(room))
      : words.everyoneTitle(this.chat.onlineCount);
    const unread = room.unread > 0 ? ` · ${this.#say.unreadCount(room.unread)}` : "";
    this.#ask.print(`---- ${title}${unread} ----`);
    if (room.unread > 0) this.readBack.unread([room]);
    this.#read(room);
  }

  next(): void {
    const room = this.chat.rooms.nextUnread();
    if (room) this.go(room);
    else this.chat.note(this.chat.texts.commands.nothingUnread);
    this.chat.settings.learn("switch");
  }

  /** One is where one was. */
  wrote(): void {}

  async history(room: Room): Promise<void> {
    await this.readBack.history(room);
  }

  back(): void {
    this.#left = "back";
  }

  leave(left: Left): void {
    this.#left = left;
  }

  setLang(lang: Lang): void {
    this.chat.setLang(lang);
  }

  settingChanged(): void {}

  /** Does a command from wherever the person is. */
  async command(line: string): Promise<void> {
    await runLine(this, line);
    this.#stop = null;
  }

  // What the chat tells.

  told(news: ChatNews): void {
    switch (news.kind) {
      case "message":
        if (news.isNew && (this.isScripted || !this.#held)) this.#show(this.#lineOf(news.room, news.message));
        return;
      case "gap": {
        const where = news.room.isPrivate ? this.#say.privateTo(peerText(news.room)) : "";
        return this.#show(where + this.#say.gap[news.reason](news.count));
      }
      case "note": {
        // Of the link is told where it changes, in more words; of what is unread a script has heard.
        const { text } = news.note;
        if (text.kind === "lost" || text.kind === "back") return;
        if (text.kind === "digest" && this.isScripted) return;
        for (const line of noteLines(text, { texts: this.chat.texts, hint: this.#say.digestHint })) {
          this.#show(line);
        }
        return;
      }
      case "presence":
        return this.#presence.add(news, this.isScripted ? "all" : this.chat.settings.get("presence"));
      case "link":
        return this.#linkChanged(news);
      case "settled":
        return this.own.settled(news);
      case "tooLong":
        this.own.anyRefused = true;
        return;
      case "delivered":
        if (!this.isScripted && !this.#held) this.own.delivered(news);
    }
  }

  isWatched(room: Room): boolean {
    return !this.#held && room === this.chat.rooms.current;
  }

  keptItem(): RoomItem | null {
    return null;
  }

  ring(): void {
    this.#ask.ring();
  }

  readingBegins(): void {
    this.#readingBegins();
  }

  said(): void {}

  changed(): void {}

  /** Set by whoever keeps the log-in: the client has ended by itself. */
  onEnded: (state: ClientState & { kind: "ended" }) => void = () => undefined;

  ended(state: ClientState & { kind: "ended" }): void {
    this.onEnded(state);
    this.#show(`* ${state.reason === "replaced" ? this.#say.replaced : this.#say.ended}`);
    this.over.abort();
  }

  #linkChanged({ state, news }: ChatNews & { kind: "link" }): void {
    if (news.kind === "back") {
      this.#offlineSaidMs = 0;
      return this.#show(`* ${this.#say.back(String(news.seconds))}`);
    }
    if (state.kind !== "offline") return;
    const [why, next] = [linkReasonText(state.reason, this.chat.texts), (state.nextTryMs / 1000).toFixed(1)];
    if (!this.chat.client.info) return this.#show(`* ${this.#say.loginWaits(why, next)}`);
    if (news.kind === "lost") return this.#show(`* ${this.#say.lost(why, next)}`);
    // It is said again after twice the time, for as long as it takes.
    const { offlineMs } = this.chat.link.at(this.chat.clock.monotonicMs());
    if (this.isScripted || offlineMs < Math.max(offlineSayFirstMs, this.#offlineSaidMs * 2)) return;
    this.#offlineSaidMs = offlineMs;
    this.#show(`* ${statusLine(statusOf(this.chat), this.#context)}`);
  }

  // Lines.

  async #line(text: string): Promise<void> {
    const line = readLine(text);
    if (line.kind !== "command" || line.name !== "history") this.readBack.forget();
    if (text.trim() === "" && !this.isScripted) {
      return this.#ask.print(`* ${statusLine(statusOf(this.chat), this.#context)}`);
    }
    await this.command(text);
    if (!this.isScripted) await this.own.answered();
  }

  async #pasted(lines: string[]): Promise<void> {
    // A question is stopped by leaving.
    this.#stop = null;
    const { conv } = this.chat.rooms.current;
    const chosen = await askAboutPaste(this.#ask, lines, { say: this.#say, signal: this.over.signal });
    for (const line of chosen) this.chat.say(conv, line);
    if (chosen.length > 0) await this.own.answered();
  }

  #read(room: Room): void {
    room.read();
    this.chat.marksChanged();
  }

  #lineOf(room: Room, message: RoomMessage): string {
    return spokenLine(room, message, this.#context);
  }

  #show(line: string): void {
    if (this.#held) this.#held.push(line);
    else this.#ask.print(line);
  }

  #prompt(): string {
    const parts = concernParts(statusOf(this.chat), this.#context);
    return this.#say.chatPrompt(
      placeText(this.chat.rooms.current, this.chat.texts),
      parts.join(this.#say.comma),
    );
  }

  get #say(): Texts {
    return texts[this.chat.lang];
  }

  get #context(): LinesContext {
    const { chat } = this;
    return {
      texts: chat.texts,
      say: texts[chat.lang],
      reader: chat.rooms.reader.userId,
      nowMs: chat.clock.wallMs(),
      marks: !this.isScripted,
    };
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/**
 * chat: the chat of one logged-in person, whatever shows it, a screen or lines: the client's events go into the rooms,
 * what is said is on disk before anything else and gets its fate, how far was read is kept. It draws nothing and asks
 * nothing; whoever shows it is told when something has changed.
 */
import { randomUUID } from "node:crypto";
import { Arrivals } from "./arrivals.ts";
import type { ChatClient, ChatClientEvents, ClientState } from "./chatClient.ts";
import type { Clock, Timer } from "./clock.ts";
import { type Lang, texts as plainTexts } from "./lang.ts";
import * as limits from "./limits.ts";
import { type LinkNews, LinkStatus } from "./linkStatus.ts";
import type { MessageId } from "./messageId.ts";
import type { Outbox } from "./outbox.ts";
import type { ReadMarks } from "./readMarks.ts";
import type { NoteText, Person, Room, RoomItem, RoomMessage, RoomNote } from "./room.ts";
import { RoomFetch } from "./roomFetch.ts";
import { Rooms } from "./rooms.ts";
import { type ScreenTexts, screenTexts } from "./screenTexts.ts";
import type { SendOutcome } from "./sendQueue.ts";
import type { Settings } from "./settings.ts";

/** What of a client the chat needs. */
export type ChatLink = Pick<
  ChatClient,
  | "userId"
  | "server"
  | "state"
  | "info"
  | "online"
  | "unsent"
  | "lagMs"
  | "send"
  | "history"
  | "users"
  | "why"
>;

export interface ChatOptions {
  clock: Clock;
  userId: number;
  lang: Lang;
  settings: Settings;
  /** Where messages are kept until their fate is known; null: in memory only. */
  outbox: Outbox | null;
  marks: ReadMarks;
}

/** What has happened, and is in the rooms already. */
export type ChatNews =
  | { kind: "message"; room: Room; message: RoomMessage; isNew: boolean }
  | { kind: "gap"; room: Room; count: number; reason: "trimmed" | "lost" | "skipped" }
  | { kind: "note"; note: RoomNote }
  | { kind: "presence"; came: Person[]; left: Person[] }
  | { kind: "link"; state: ClientState; news: LinkNews }
  /** What became of a message of one's own. */
  | { kind: "settled"; room: Room; content: string; outcome: SendOutcome }
  /** It is not even sent. */
  | { kind: "tooLong" }
  /** The other side has what is behind `from`, up to `to`. */
  | { kind: "delivered"; room: Room; from: MessageId; to: MessageId };

/** Whoever shows a chat. */
export interface ChatView {
  told(news: ChatNews): void;
  /** The person looks at the end of this room. */
  isWatched(room: Room): boolean;
  /** What is on the screen of a room that is not at its end. */
  keptItem(room: Room): RoomItem | null;
  ring(): void;
  /** All that was missed is there. */
  readingBegins(): void;
  /** Something was said in this room here. */
  said(room: Room): void;
  /** The client has ended by itself. */
  ended(state: ClientState & { kind: "ended" }): void;
  /** Something is to be shown. */
  changed(): void;
}

/** One chat, from the log-in to the end. */
export class Chat {
  readonly clock: Clock;
  readonly link = new LinkStatus();
  readonly rooms: Rooms;
  readonly settings: Settings;
  readonly client: ChatLink;
  readonly fetch: RoomFetch;
  readonly view: ChatView;
  lang: Lang;
  readonly #arrivals: Arrivals;
  readonly #outbox: Outbox | null;
  readonly #marks: ReadMarks;
  #marksTimer: Timer | null = null;

  /** `client` makes the client, which tells its events to what it is given. */
  constructor(
    { clock, userId, lang, settings, outbox, marks }: ChatOptions,
    { view, client }: { view: ChatView; client: (events: ChatClientEvents) => ChatLink },
  ) {
    this.clock = clock;
    this.settings = settings;
    this.lang = lang;
    this.view = view;
    this.#outbox = outbox;
    this.#marks = marks;
    this.rooms = new Rooms({ userId, userName: "" });
    this.rooms.restore(marks.read());
    if (outbox) this.rooms.restoreUnsent(outbox);
    this.#arrivals = new Arrivals(this);
    this.client = client(this.#arrivals.events);
    const changed = (): void => this.view.changed();
    this.fetch = new RoomFetch({ client: this.client, rooms: this.rooms, clock, changed });
  }

  get texts(): ScreenTexts {
    return screenTexts[this.lang];
  }

  /** What a code of the server means, in the person's language. */
  get codeTexts(): Record<number, string> {
    return plainTexts[this.lang].codes;
  }

  /** How many are online; null: without a link that is not known. */
  get onlineCount(): number | null {
    return this.client.state.kind === "online" ? this.client.online.size : null;
  }

  /** What is said is on disk before anything else. */
  get isKept(): boolean {
    return this.#outbox !== null;
  }

  /** What was missed has been told of; from here on what comes is new. */
  get isReading(): boolean {
    return this.#arrivals.isReading;
  }

  /** Says something; it is on disk when this returns. */
  say(conv: string, content: string): void {
    const { commands } = this.texts;
    if (content.trim() === "") return this.note(commands.emptyMessage);
    if (content.length > limits.contentMaxUnits) {
      this.view.told({ kind: "tooLong" });
      return this.note(commands.tooLong(content.length, limits.contentMaxUnits), "warning");
    }
    const mid = randomUUID();
    const timeMs = this.clock.wallMs();
    const room = this.rooms.open(conv, this.client.online.get(Number(conv.slice(2))) ?? "");
    room.pending.push({ mid, timeMs, content, fate: { kind: "queued" } });
    void this.client.send({ conv, content, mid }).then((outcome) => {
      this.settled({ conv, content, timeMs }, outcome);
    });
    this.settings.learn("send");
    this.view.said(room);
  }

  /** What became of a message of one's own is known. */
  settled(sms: { conv: string; content: string; timeMs: number }, outcome: SendOutcome): void {
    const { conv, content } = sms;
    if (outcome.kind === "stored") this.link.durability = outcome.stored;
    this.rooms.settled(sms, outcome);
    this.view.told({ kind: "settled", room: this.rooms.open(conv), content, outcome });
    this.view.changed();
  }

  /** Says something of ours in the conversation of the moment. */
  note(said: string | NoteText, tone: "notice" | "warning" = "notice"): void {
    const { current } = this.rooms;
    const text: NoteText = typeof said === "string" ? { kind: "words", words: said } : said;
    // What was missed is told where reading goes on, not behind it.
    const behind = text.kind === "digest" && current.unread > 0 ? current.readTo : null;
    const note = current.note({ timeMs: this.clock.wallMs(), tone, text }, behind);
    this.view.told({ kind: "note", note });
    this.view.changed();
  }

  /** Sends once more what was refused, in one room or all, as new messages. How many. */
  again(rooms: Room[] = this.rooms.all): number {
    return this.#decide(rooms, (conv, content) => this.say(conv, content));
  }

  /** Drops what was refused. How many. */
  drop(rooms: Room[] = this.rooms.all): number {
    return this.#decide(rooms, () => undefined);
  }

  /** A conversation by what a person types; null: there is none. */
  find(given: string): Room | null {
    return this.rooms.find(given, this.client.online);
  }

  setLang(lang: Lang): void {
    this.lang = lang;
    this.settings.setLang(lang);
  }

  /** How far was read is another: it is kept, soon. */
  marksChanged(): void {
    this.#marksTimer ??= this.clock.after(limits.readMarksWriteMs, () => {
      this.#marksTimer = null;
      this.#marks.write(this.rooms.marks);
    });
  }

  /** Keeps what is to be kept; nothing is told any more. */
  stop(): void {
    this.#arrivals.stop();
    this.#marksTimer?.cancel();
    this.#marks.write(this.rooms.marks);
  }

  #decide(rooms: Room[], act: (conv: string, content: string) => void): number {
    let count = 0;
    for (const room of rooms) {
      for (const { mid, content } of room.undecided) {
        // First it is on disk anew, then the old one goes: a kill in between leaves both, not none.
        act(room.conv, content);
        this.#outbox?.remove(mid);
        room.pending.splice(
          room.pending.findIndex((pending) => pending.mid === mid),
          1,
        );
        count++;
      }
    }
    return count;
  }
}

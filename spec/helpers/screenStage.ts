/**
 * screenStage: the chat on the full screen with everything around it in the spec's hand: the clock, a link that keeps a
 * small log and answers when told to, and a terminal emulator. What it shows is the same at every run.
 */
import type { ChatLink } from "../../lib/chat.ts";
import type { ChatClientEvents, ClientState, Delivered, LoginInfo } from "../../lib/chatClient.ts";
import type { Left } from "../../lib/chatCommands.ts";
import type { Lang } from "../../lib/lang.ts";
import type { ClientFields, DeviceState, ServerFields, Stored } from "../../lib/message.ts";
import type { Outbox } from "../../lib/outbox.ts";
import { type Background, type ColorDepth, paletteFor } from "../../lib/palette.ts";
import { ReadMarks } from "../../lib/readMarks.ts";
import { ScreenChat } from "../../lib/screenChat.ts";
import { ScreenTerminal } from "../../lib/screenTerminal.ts";
import type { SendOutcome } from "../../lib/sendQueue.ts";
import { Settings } from "../../lib/settings.ts";
import { ManualClock } from "./manualClock.ts";
import { ScreenTty } from "./screenTty.ts";

// What a clock on the wall says depends on where it hangs.
process.env.TZ = "UTC";

export const epoch = 1790000000;
export const people = { 100: "scott", 200: "alice", 300: "小海", 400: "bob" } as Record<number, string>;
const startMs = Date.UTC(2026, 10, 24, 9, 41);

interface Said {
  conv?: string;
  userId: number;
  content: string;
  /** Ms before now. */
  agoMs?: number;
  userName?: string;
  mid?: string;
}

/** A link that knows a log for each conversation. */
class StageLink implements ChatLink {
  readonly server = { host: "127.0.0.1", port: 8889 };
  readonly userId: number;
  state: ClientState = { kind: "connecting", attempt: 1 };
  info: LoginInfo | null = null;
  readonly online = new Map<number, string>();
  lagMs: number | null = null;
  readonly logs = new Map<string, Delivered[]>();
  readonly sent: { conv: string; content: string; mid: string; settle: (outcome: SendOutcome) => void }[] =
    [];
  readonly asked: ClientFields<"HistoryMes">[] = [];
  /** Answers to HistoryMes wait until this is called with true. */
  holdsHistory = false;
  #held: (() => void)[] = [];

  constructor(userId: number) {
    this.userId = userId;
  }

  get unsent(): number {
    return this.sent.length;
  }

  send({
    conv = "all",
    content,
    mid = "",
  }: {
    conv?: string;
    content: string;
    mid?: string;
  }): Promise<SendOutcome> {
    return new Promise((settle) => this.sent.push({ conv, content, mid, settle }));
  }

  async history(fields: ClientFields<"HistoryMes">): Promise<ServerFields<"HistoryResMes">> {
    this.asked.push(fields);
    if (this.holdsHistory) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (this.state.kind !== "online") throw new Error("not connected");
    const { conv, before, after, limit = 50 } = fields;
    const seqOf = (id: string | undefined): number => Number(id?.split("-")[1] ?? 0);
    const log = this.logs.get(conv) ?? [];
    const fits = log.filter(
      ({ id }) =>
        (before === undefined || seqOf(id) < seqOf(before)) &&
        (after === undefined || seqOf(id) > seqOf(after)),
    );
    const messages = after === undefined ? fits.slice(-limit) : fits.slice(0, limit);
    return { code: 200, error: "", conv, messages, more: messages.length < fits.length };
  }

  async users(): Promise<ServerFields<"UsersResMes">> {
    const users = [...this.online].map(([userId, userName]) => ({ userId, userName }));
    return { code: 200, total: users.length, users, more: false };
  }

  /** What is known of the other side's devices; null: as a server that knows no such question. */
  devices: DeviceState[] | null = null;
  readonly whyAsked: ClientFields<"WhyMes">[] = [];

  async why({ conv, id }: ClientFields<"WhyMes">): Promise<ServerFields<"WhyResMes">> {
    this.whyAsked.push({ conv, id });
    if (!this.devices) throw Object.assign(new Error("unknown type"), { code: 400 });
    return { code: 200, error: "", conv, id, time: 0, stored: "disk", devices: this.devices };
  }

  /** Answers what was held back. */
  answerHistory(): void {
    this.holdsHistory = false;
    for (const resolve of this.#held.splice(0)) resolve();
  }
}

export interface StageOptions {
  columns?: number;
  rows?: number;
  lang?: Lang;
  userId?: number;
  depth?: ColorDepth;
  background?: Background;
  oldWidths?: boolean;
  outbox?: Outbox | null;
  /** The state folder; null: nothing is kept. */
  folder?: string | null;
  /** First-run hints are wanted. */
  hints?: boolean;
}

const open = new Set<Stage>();

/** One person at one screen. */
export class Stage {
  readonly clock = new ManualClock(startMs);
  readonly tty: ScreenTty;
  readonly terminal: ScreenTerminal;
  readonly link: StageLink;
  readonly chat: ScreenChat;
  readonly settings: Settings;
  events: ChatClientEvents = {};
  readonly left: Promise<Left>;

  constructor({
    columns = 80,
    rows = 24,
    lang = "en",
    userId = 200,
    depth = "none",
    background = "dark",
    oldWidths = false,
    outbox = null,
    folder = null,
    hints = false,
  }: StageOptions = {}) {
    const { clock } = this;
    this.tty = new ScreenTty({ columns, rows, oldWidths });
    this.terminal = new ScreenTerminal({ input: this.tty.input, output: this.tty.output, clock });
    this.link = new StageLink(userId);
    this.settings = Settings.open(folder);
    if (!hints) for (const hint of ["send", "switch", "help"] as const) this.settings.learn(hint);
    this.chat = new ScreenChat(
      {
        ...{
          terminal: this.terminal,
          clock,
          userId,
          lang,
          settings: this.settings,
        },
        ...{ palette: paletteFor(depth, background), outbox, marks: new ReadMarks(folder, "stage") },
      },
      (events) => {
        this.events = events;
        return this.link;
      },
    );
    this.terminal.open({
      key: (event) => this.chat.key(event),
      changed: () => this.chat.resized(),
      ended: () => this.chat.leave("quit"),
    });
    this.left = this.chat.run();
    open.add(this);
  }

  /** Logs in: every conversation of the log, read up to the given seqs (all of it where none is given). */
  async logIn({
    read = {},
    online = [100, 200, 300],
    stored,
  }: { read?: Record<string, number>; online?: number[]; stored?: Stored } = {}): Promise<void> {
    const { link } = this;
    for (const userId of online) link.online.set(userId, people[userId] ?? `user${userId}`);
    const convs = [...new Set(["all", ...link.logs.keys()])].map((conv) => {
      const head = (link.logs.get(conv) ?? []).at(-1)?.id ?? "0-0";
      const cursor = read[conv] === undefined ? head : `${epoch}-${read[conv]}`;
      return { conv, userName: people[Number(conv.slice(2))] ?? "", head, cursor, unread: 0 };
    });
    link.info = {
      ...{ code: 200, error: "", userName: people[link.userId] ?? "", token: "t" },
      ...{ online: online.length, convs, more: false, limits: {}, time: this.clock.wallMs() },
      ...(stored && { stored }),
    };
    link.state = { kind: "online" };
    this.events.state?.(link.state);
    await this.settled();
  }

  /** The link is lost; the next try is in so many ms. */
  async loseLink(nextTryMs = 4_000): Promise<void> {
    this.link.state = { kind: "offline", reason: "ECONNRESET", nextTryMs };
    this.events.state?.(this.link.state);
    await this.settled();
  }

  /** It is back. */
  async linkBack(): Promise<void> {
    this.link.state = { kind: "online" };
    this.events.state?.(this.link.state);
    await this.settled();
  }

  /** Puts a message into the log, as the server has it; the next seq of its conversation. */
  log({
    conv = "all",
    userId,
    content,
    agoMs = 0,
    userName = people[userId] ?? `user${userId}`,
    mid,
  }: Said): Delivered {
    const log = this.link.logs.get(conv) ?? [];
    this.link.logs.set(conv, log);
    const seq = Number(log.at(-1)?.id?.split("-")[1] ?? 0) + 1;
    const message: Delivered = {
      ...{ content, userId, userName, conv, id: `${epoch}-${seq}` },
      ...{ time: this.clock.wallMs() - agoMs, mid: mid ?? `m${seq}` },
    };
    log.push(message);
    return message;
  }

  /** A message comes in. */
  hears(said: Said): Delivered {
    const message = this.log(said);
    this.events.message?.(message);
    return message;
  }

  /** The server answers the oldest message of one's own: it is stored. */
  async stores(how: "memory" | "disk" | "replica" = "disk"): Promise<Delivered> {
    const sent = this.link.sent.shift();
    if (!sent) throw new Error("nothing was sent");
    const message = this.log({
      conv: sent.conv,
      userId: this.link.userId,
      content: sent.content,
      mid: sent.mid,
    });
    sent.settle({
      kind: "stored",
      mid: sent.mid,
      id: message.id ?? "",
      time: message.time ?? 0,
      stored: how,
    });
    await this.settled();
    return message;
  }

  /** The server refuses the oldest message of one's own. */
  async refuses(code: number, error = ""): Promise<void> {
    const sent = this.link.sent.shift();
    if (!sent) throw new Error("nothing was sent");
    sent.settle({ kind: "refused", mid: sent.mid, code, error });
    await this.settled();
  }

  /** Keys, then what they do. */
  async type(...keys: string[]): Promise<void> {
    for (const key of keys) this.tty.type(key);
    await this.settled();
  }

  /** Until everything that is due has been done, and is on the screen. */
  async settled(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      await new Promise((resolve) => setImmediate(resolve));
      this.clock.advance(60);
    }
    await this.tty.settled();
  }

  get lines(): string[] {
    return this.tty.lines;
  }

  /** All rows in one text. */
  get text(): string {
    return this.lines.join("\n");
  }

  /** What stands beside the conversations, in one line: where a text wraps does not matter. */
  get words(): string {
    const rows = this.tty.cells.map((row) => row.map(({ text }) => text).join(""));
    return rows
      .map((row) => row.replace(/^.*│ /, ""))
      .join(" ")
      .replace(/\s+/g, " ");
  }

  close(): void {
    this.chat.leave("quit");
    this.terminal.close();
    open.delete(this);
  }
}

/** To be called after each test of a file that uses stages. */
export function closeStages(): void {
  for (const stage of open) stage.close();
}

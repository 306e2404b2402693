/**
 * chatView: what a logged-in person sees and types: incoming lines, the state of the link, plain text to everyone, and
 * the commands (clause [C-2]). Everything of other people's is made harmless on its way to the screen ([C-4]).
 */
import type { Ask } from "./ask.ts";
import { readUserId } from "./askPerson.ts";
import type { ChatClient, ClientState, Delivered, PresenceChange } from "./chatClient.ts";
import { type Clock } from "./clock.ts";
import { harmless } from "./displayText.ts";
import type { Texts } from "./lang.ts";
import * as limits from "./limits.ts";
import type { ServerFields } from "./message.ts";
import type { Outbox } from "./outbox.ts";
import type { NewSms, SendOutcome } from "./sendQueue.ts";

export interface ChatViewOptions {
  ask: Ask;
  texts: Texts;
  clock: Clock;
  /** Ends the question of the moment when the log-in is over. */
  over: AbortController;
  /** Where messages are kept; null: in memory only. */
  outbox: Outbox | null;
}

/** Where the chat was left: back to the menu, or for good. */
export type LeftChat = "back" | "quit";

/** The chat of one logged-in person, from the first line to `/back` or `/quit`. */
export class ChatView {
  /** Something that was said here was refused for good. */
  anyRefused = false;
  readonly #ask: Ask;
  readonly #texts: Texts;
  readonly #clock: Clock;
  readonly #over: AbortController;
  readonly #outbox: Outbox | null;
  #client: ChatClient | null = null;
  #lostMs: number | null = null;
  /** Lines that came before the person was told of the log-in. */
  #held: string[] | null = [];
  /** The conversation whose history was shown last, and where the next older page begins. */
  #older: { conv: string; before: string } | null = null;

  constructor({ ask, texts, clock, over, outbox }: ChatViewOptions) {
    this.#outbox = outbox;
    this.#ask = ask;
    this.#texts = texts;
    this.#clock = clock;
    this.#over = over;
  }

  /** The client whose events come here; set before it logs in. */
  attach(client: ChatClient): void {
    this.#client = client;
  }

  /** The log-in was said; what came meanwhile is shown now. */
  open(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const text of held) this.#ask.print(text);
  }

  /** Event of the client: a message has come. */
  message(message: Delivered): void {
    this.#show(this.#lineOf(message));
  }

  /** Event of the client: some messages will not come here. */
  gap({ conv, count, reason }: ServerFields<"GapMes">): void {
    const where = conv === "all" ? "" : `${this.#texts.privateTo(this.#who(userIdOf(conv)))}`;
    this.#show(where + this.#texts.gap[reason](count));
  }

  /** Event of the client: what became of a message of an earlier time. */
  restored({ conv, content }: NewSms, outcome: SendOutcome): void {
    this.#told(conv, content, outcome);
  }

  /** Event of the client: people came and left. */
  presence({ online, offline, initial }: PresenceChange): void {
    if (initial) return;
    const came = online.filter(({ userId }) => userId !== this.#client?.userId);
    if (came.length + offline.length > limits.clientNoticesMax) {
      return this.#show(`* ${this.#texts.comingsAndGoings(came.length, offline.length)}`);
    }
    for (const { userId } of came) this.#show(`* ${this.#texts.cameOnline(this.#who(userId))}`);
    for (const userId of offline) this.#show(`* ${this.#texts.wentOffline(this.#who(userId))}`);
  }

  /** Event of the client: the link was lost, is back, or is over. */
  state(state: ClientState): void {
    const nowMs = this.#clock.monotonicMs();
    if (state.kind === "offline" && !this.#client?.info) {
      this.#show(`* ${this.#texts.loginWaits(harmless(state.reason), secondsText(state.nextTryMs))}`);
    } else if (state.kind === "offline" && this.#lostMs === null) {
      this.#lostMs = nowMs;
      this.#show(`* ${this.#texts.lost(harmless(state.reason), secondsText(state.nextTryMs))}`);
    }
    if (state.kind === "online" && this.#lostMs !== null) {
      this.#show(`* ${this.#texts.back(secondsText(nowMs - this.#lostMs))}`);
      this.#lostMs = null;
    }
    if (state.kind === "ended" && state.reason !== "closed") {
      this.#show(`* ${state.reason === "replaced" ? this.#texts.replaced : this.#texts.ended}`);
      this.#over.abort();
    }
    this.#ask.refresh();
  }

  /** Takes lines until the person leaves, or there are no more. */
  async run(client: ChatClient): Promise<LeftChat> {
    this.#ask.print(this.#texts.chatHint);
    for (;;) {
      const options = { fleeting: true, signal: this.#over.signal };
      const line = await this.#ask.ask(() => this.#prompt(client), options);
      if (line === null) return this.#over.signal.aborted ? "back" : "quit";
      const left = await this.#line(client, line);
      if (left) return left;
    }
  }

  /** Prints who is online, the first ones by id. */
  async showUsers(client: ChatClient): Promise<void> {
    const page = await this.#orNotConnected(client.users({ limit: limits.usersPageDefaultUsers }));
    if (!page) return;
    const lines = page.users.map(({ userId, userName }) => this.#texts.onlineOne(userId, harmless(userName)));
    if (page.more) lines.push(this.#texts.onlineMore(page.total - page.users.length));
    this.#ask.print([this.#texts.onlineList(page.total), ...lines].join("\n"));
  }

  /** Prints a page of a conversation: the newest, or, asked again, the one before. Whether there is more. */
  async showHistory(client: ChatClient, conv: string): Promise<boolean> {
    const before = this.#older?.conv === conv ? { before: this.#older.before } : {};
    const limit = limits.clientHistoryPageMessages;
    const page = await this.#orNotConnected(client.history({ conv, limit, ...before }));
    if (!page) return false;
    const lines = page.messages.map((message) => this.#lineOf({ ...message, conv }));
    if (!page.more) lines.unshift(lines.length === 0 ? this.#texts.noHistory : this.#texts.historyStart);
    this.#ask.print(lines.join("\n"));
    const oldest = page.messages[0]?.id;
    this.#older = page.more && oldest !== undefined ? { conv, before: oldest } : null;
    return page.more;
  }

  /** The next history begins with the newest page again. */
  forgetHistory(): void {
    this.#older = null;
  }

  /** "name(id)" of somebody, "me" of oneself. */
  #who(userId: number, name?: string): string {
    const known = name ?? this.#client?.online.get(userId);
    return known === undefined ? String(userId) : `${harmless(known)}(${userId})`;
  }

  #show(text: string): void {
    if (this.#held) this.#held.push(text);
    else this.#ask.print(text);
  }

  #prompt(client: ChatClient): string {
    if (client.state.kind !== "online") return this.#texts.offlinePrompt(client.unsent);
    return client.unsent > 0 ? this.#texts.unsentPrompt(client.unsent) : this.#texts.chatPrompt;
  }

  async #line(client: ChatClient, line: string): Promise<LeftChat | null> {
    const command = /^\/(?!\/)(\S*)\s*(.*)$/su.exec(line);
    if (command?.[1] !== "history") this.forgetHistory();
    if (!command) {
      this.#say(client, "all", line.startsWith("//") ? line.slice(1) : line);
      return null;
    }
    const [, name = "", rest = ""] = command;
    switch (name) {
      case "msg":
        this.#sayPrivately(client, rest);
        return null;
      case "users":
        await this.showUsers(client);
        return null;
      case "history":
        await this.#history(client, rest.trim());
        return null;
      case "unsent":
        this.#unsent();
        return null;
      case "again":
        client.again();
        return null;
      case "drop":
        for (const { mid } of this.#outbox?.refused ?? []) this.#outbox?.remove(mid);
        this.#unsent();
        return null;
      case "help":
        this.#ask.print(this.#texts.help.join("\n"));
        return null;
      case "back":
        return "back";
      case "quit":
        return "quit";
      default:
        this.#ask.print(this.#texts.unknownCommand(harmless(`/${name}`)));
        return null;
    }
  }

  #sayPrivately(client: ChatClient, rest: string): void {
    const [, id = "", content = ""] = /^(\S*)\s*(.*)$/su.exec(rest) ?? [];
    const userId = readUserId(id);
    if (userId === null || content.trim() === "") this.#ask.print(this.#texts.msgUsage);
    else this.#say(client, `u:${userId}`, content);
  }

  async #history(client: ChatClient, of: string): Promise<void> {
    const userId = readUserId(of);
    if (of !== "" && userId === null) this.#ask.print(this.#texts.historyUsage);
    else await this.showHistory(client, userId === null ? "all" : `u:${userId}`);
  }

  /** What waits for its answer, and what was refused. */
  #unsent(): void {
    const { waiting = [], refused = [] } = this.#outbox ?? {};
    if (waiting.length + refused.length === 0) return this.#ask.print(this.#texts.nothingUnsent);
    const lines = waiting.map(({ conv, content }) => this.#texts.waits(this.#addressed(conv, content)));
    for (const { conv, content, refused: why } of refused) {
      const reason = this.#reason(why?.code ?? 0, why?.error ?? "");
      lines.push(`! ${this.#texts.refused(reason, this.#addressed(conv, content))}`);
    }
    if (refused.length > 0) lines.push(this.#texts.refusedHint);
    this.#ask.print(lines.join("\n"));
  }

  /** A message of one's own, with whom it is for. */
  #addressed(conv: string, content: string): string {
    const to = conv === "all" ? "" : this.#texts.privateTo(this.#who(userIdOf(conv)));
    return to + indented(content);
  }

  /** Sends without waiting: what became of it is said when it is known. */
  #say(client: ChatClient, conv: string, content: string): void {
    if (content.trim() === "") return this.#ask.print(this.#texts.emptyLine);
    if (content.length > limits.contentMaxUnits) {
      this.anyRefused = true;
      return this.#ask.print(this.#texts.tooLong(content.length, limits.contentMaxUnits));
    }
    void client.send({ conv, content }).then((outcome) => this.#told(conv, content, outcome));
    this.#ask.refresh();
  }

  #told(conv: string, content: string, outcome: SendOutcome): void {
    const shown = this.#addressed(conv, content);
    if (outcome.kind === "stored") this.#show(`[${timeText(outcome.time)}] ${this.#texts.me}: ${shown}`);
    else if (outcome.kind === "refused") {
      this.anyRefused = true;
      this.#show(`! ${this.#texts.refused(this.#reason(outcome.code, outcome.error), shown)}`);
    } else if (this.#outbox) this.#show(`! ${this.#texts.kept(shown)}`);
    else this.#show(`! ${this.#texts.unknownOutcome(shown)}`);
  }

  #reason(code: number, error: string): string {
    return this.#texts.codes[code] ?? harmless(error);
  }

  #lineOf({ conv = "all", time, userId, userName, content }: Delivered): string {
    const own = userId === this.#client?.userId;
    const peer = userIdOf(conv);
    const mark = conv === "all" ? "" : own ? this.#texts.privateTo(this.#who(peer)) : this.#texts.privateMark;
    const who = own ? this.#texts.me : this.#who(userId, userName);
    return `[${timeText(time ?? 0)}] ${own ? `${who}: ${mark}` : `${mark}${who}: `}${indented(content)}`;
  }

  async #orNotConnected<T>(page: Promise<T>): Promise<T | null> {
    try {
      return await page;
    } catch (error) {
      const { code } = error as { code?: number };
      this.#ask.print(
        code === undefined ? this.#texts.notConnected : this.#reason(code, (error as Error).message),
      );
      return null;
    }
  }
}

function userIdOf(conv: string): number {
  return Number(conv.slice(2));
}

/** Somebody's text: harmless, and its further lines moved in, so that none of them looks like a message. */
function indented(content: string): string {
  return content
    .replaceAll("\t", "    ")
    .split(/\r\n|\n/)
    .map(harmless)
    .join("\n    ");
}

/** The time of day, with the date in front when it was another day. */
function timeText(unixMs: number): string {
  const date = new Date(unixMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`;
  const sameDay = date.toDateString() === new Date().toDateString();
  return sameDay ? time : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

function secondsText(ms: number): string {
  return (ms / 1000).toFixed(1);
}

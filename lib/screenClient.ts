/**
 * screenClient: the full-screen client from its first question to its end: who one is (the log-in that is kept, or a
 * password, or a registration), then the chat, and after `/logout` the questions again. It joins the parts; each of them
 * knows nothing of the others.
 */
import { Accounts, type Credentials, waitForUnsent } from "./accounts.ts";
import { askPassword, askUntil, askUserId, askUserName, readUserId } from "./askPerson.ts";
import type { ChatClient, ChatClientEvents } from "./chatClient.ts";
import type { Clock } from "./clock.ts";
import { codes } from "./codes.ts";
import { harmless } from "./displayText.ts";
import { reasonOf } from "./journal.ts";
import { type Lang, type Texts, texts } from "./lang.ts";
import { screenQuitWaitMs } from "./limits.ts";
import { linkReasonText } from "./noteLines.ts";
import { type Background, type ColorDepth, backgroundOf, paletteFor } from "./palette.ts";
import type { Left } from "./chatCommands.ts";
import { register } from "./registration.ts";
import { ScreenChat } from "./screenChat.ts";
import { ScreenDialog } from "./screenDialog.ts";
import type { ScreenTerminal } from "./screenTerminal.ts";
import { type ScreenTexts, screenTexts } from "./screenTexts.ts";
import { type ServerAddresses, shownAddresses } from "./serverAddress.ts";
import { Settings } from "./settings.ts";

export interface ScreenClientOptions extends ServerAddresses {
  terminal: ScreenTerminal;
  clock: Clock;
  /** Who logs in, where the command line said so. */
  userId: number | null;
  /** What the command line or the environment says; a language set by /lang goes before the environment's. */
  lang: { lang: Lang; isFlag: boolean };
  device: string;
  stateFolder: string;
  colors: { depth: ColorDepth; background: Background | null };
}

/** One run of the full-screen client. */
export class ScreenClient {
  readonly #options: ScreenClientOptions;
  readonly #settings: Settings;
  readonly #accounts: Accounts;
  readonly #dialog: ScreenDialog;
  #lang: Lang;
  #told: Background | null = null;
  #chat: ScreenChat | null = null;

  constructor(options: ScreenClientOptions) {
    this.#options = options;
    this.#settings = Settings.open(options.stateFolder);
    this.#accounts = new Accounts(options);
    this.#lang = options.lang.isFlag ? options.lang.lang : (this.#settings.lang ?? options.lang.lang);
    this.#dialog = new ScreenDialog({
      terminal: options.terminal,
      palette: () => this.#palette(),
      title: () => `${this.#screenTexts.welcome} · ${this.#screenTexts.login.title}`,
    });
  }

  /** Runs until the person quits, or the terminal is gone; it is given back then. What is still to be told, if anything. */
  async run(): Promise<string> {
    const { terminal } = this.#options;
    terminal.open({
      key: (event) => {
        if (event.kind === "background") this.#learnBackground(event.rgb);
        else if (this.#chat) this.#chat.key(event);
        else this.#dialog.key(event);
      },
      changed: () => (this.#chat ? this.#chat.resized() : this.#dialog.refresh()),
      ended: () => {
        this.#dialog.close();
        this.#chat?.leave("quit");
      },
    });
    let userId = this.#options.userId ?? this.#accounts.lastUser;
    let told = "";
    for (let credentials = userId === null ? null : this.#accounts.kept(userId); ;) {
      credentials ??= await this.#ask(userId);
      if (!credentials) break;
      const left = await this.#talk(credentials);
      ({ told } = left);
      if (left.kind === "quit") break;
      // Whoever logs out may be followed by somebody else; an id that nobody has was a mistake.
      if (left.kind === "logout") userId = this.#options.userId;
      else if (left.kind === "unknown") userId = null;
      else userId = credentials.userId;
      credentials = null;
    }
    terminal.close();
    return told;
  }

  get #texts(): Texts {
    return texts[this.#lang];
  }

  get #screenTexts(): ScreenTexts {
    return screenTexts[this.#lang];
  }

  #palette(): ReturnType<typeof paletteFor> {
    const { depth, background } = this.#options.colors;
    const set = this.#settings.get("background");
    return paletteFor(depth, set === "auto" ? (this.#told ?? background ?? "dark") : (set as Background));
  }

  #learnBackground(rgb: [number, number, number]): void {
    this.#told = backgroundOf(rgb);
    this.#chat?.setPalette(this.#palette());
    if (!this.#chat) this.#dialog.refresh();
  }

  /** Asks who it is; null: nobody any more. */
  async #ask(given: number | null): Promise<Credentials | null> {
    const { login } = this.#screenTexts;
    const dialog = this.#dialog;
    if (given !== null) {
      const password = await askPassword(dialog, this.#texts, `${given} · ${login.password}`);
      return password === null ? null : { userId: given, password };
    }
    dialog.print(login.intro(shownAddresses(this.#options)));
    const userId = await askUntil(dialog, { prompt: login.userId }, (line) =>
      line.trim() === "" ? 0 : (readUserId(line) ?? { wrong: this.#texts.badUserId }),
    );
    if (userId === 0) return this.#register();
    const password = userId === null ? null : await askPassword(dialog, this.#texts, login.password);
    return userId === null || password === null ? null : { userId, password };
  }

  async #register(): Promise<Credentials | null> {
    const { login } = this.#screenTexts;
    const dialog = this.#dialog;
    const userId = await askUserId(dialog, this.#texts, login.newUserId);
    if (userId === null) return null;
    const userName = await askUserName(dialog, this.#texts, login.name);
    if (userName === null) return null;
    const password = await this.#newPassword();
    if (password === null) return null;
    dialog.print(login.working);
    const newUser = { userId, userPwd: password, userName };
    try {
      const { code, error } = await register(this.#options, newUser, this.#options.clock);
      if (code === codes.ok) return { userId, password };
      dialog.print(this.#texts.notRegistered(this.#texts.codes[code] ?? harmless(error)));
    } catch (error) {
      const why = linkReasonText(reasonOf(error), this.#screenTexts);
      dialog.print(this.#texts.unreachable(shownAddresses(this.#options), why));
    }
    return this.#ask(null);
  }

  async #newPassword(): Promise<string | null> {
    const { login } = this.#screenTexts;
    for (;;) {
      const first = await askPassword(this.#dialog, this.#texts, login.newPassword);
      const second = first === null ? null : await askPassword(this.#dialog, this.#texts, login.again);
      if (first === null || second === null) return null;
      if (first === second) return first;
      this.#dialog.print(login.differ);
    }
  }

  /** One log-in, until it is left. */
  async #talk(credentials: Credentials): Promise<{ kind: Left | "unknown"; told: string }> {
    const { terminal, clock } = this.#options;
    const { userId } = credentials;
    const { outbox, why, marks } = this.#accounts.open(userId);
    const made: { client?: ChatClient } = {};
    // With a kept log-in the chat is shown at once, whatever the link does.
    const patient = "token" in credentials;
    const connect = (events: ChatClientEvents): ChatClient =>
      (made.client = this.#accounts.connect(credentials, { outbox, events, patient }));
    const chat = new ScreenChat(
      {
        ...{ terminal, clock, userId, lang: this.#lang, settings: this.#settings },
        ...{ palette: this.#palette(), outbox, marks },
      },
      connect,
    );
    const client = made.client;
    if (!client) return { kind: "quit", told: "" };
    if (why !== "") chat.chat.note(this.#texts.noOutbox(harmless(why)), "warning");
    chat.onSetting = () => chat.setPalette(this.#palette());
    let isOver = false;
    chat.onEnded = ({ reason, code }) => {
      if (reason !== "refused" || code === codes.replaced) return;
      isOver = true;
      chat.leave("ended");
    };
    try {
      const refused = await this.#logIn(client, credentials);
      if (refused) return { kind: refused, told: "" };
      this.#accounts.remember(userId);
      this.#chat = chat;
      const kind = await chat.run();
      this.#lang = chat.chat.lang;
      if (kind === "ended" || isOver) {
        this.#accounts.forget(userId);
        this.#dialog.clear();
        this.#dialog.print(this.#screenTexts.login.tokenOver);
        return { kind: "ended", told: "" };
      }
      const isHopeful = (): boolean => client.state.kind === "online";
      await waitForUnsent(client, { clock, waitMs: screenQuitWaitMs, isHopeful });
      if (kind === "logout") this.#loggedOut(userId);
      const told = client.unsent > 0 && outbox ? this.#texts.keptCount(client.unsent) : "";
      return { kind, told };
    } finally {
      this.#chat = null;
      client.logout();
      outbox?.close();
    }
  }

  /** With a kept log-in the chat is shown at once, whatever the link does; a password is tried first. Null: it goes on. */
  async #logIn(client: ChatClient, credentials: Credentials): Promise<"ended" | "unknown" | null> {
    const answered = client.login();
    if ("token" in credentials) {
      answered.catch(() => undefined);
      return null;
    }
    this.#dialog.print(this.#screenTexts.login.working);
    try {
      const { code, error } = await answered;
      if (code === codes.ok) return null;
      this.#dialog.print(this.#texts.notLoggedIn(this.#texts.codes[code] ?? harmless(error)));
      if (code === codes.userUnknown) return "unknown";
    } catch (error) {
      const why = linkReasonText(reasonOf(error), this.#screenTexts);
      this.#dialog.print(this.#texts.unreachable(shownAddresses(this.#options), why));
    }
    return "ended";
  }

  #loggedOut(userId: number): void {
    this.#accounts.loggedOut(userId);
    this.#dialog.clear();
    this.#dialog.print(this.#screenTexts.loggedOut);
  }
}

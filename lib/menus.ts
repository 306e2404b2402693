/**
 * menus: the first generation's two menus, in two languages (clause [C-1]): log in, register, quit; then who is online,
 * send messages, message list, quit. A mistake gets one sentence and the question again ([C-6]). A person's log-in is
 * kept ([C-20]); a script says its password each time.
 */
import { Accounts, type Credentials, type OpenAccount, waitForUnsent } from "./accounts.ts";
import type { LineAsk } from "./ask.ts";
import { askPassword, askUntil, askUserId, askUserName, readUserId } from "./askPerson.ts";
import type { ChatClient, ChatClientEvents } from "./chatClient.ts";
import type { Clock } from "./clock.ts";
import { codes } from "./codes.ts";
import { harmless } from "./displayText.ts";
import { type ExitCode, exitCodes } from "./exitCodes.ts";
import { reasonOf } from "./journal.ts";
import { type Lang, type Texts, texts } from "./lang.ts";
import { clientQuitWaitMs, screenQuitWaitMs } from "./limits.ts";
import { linkReasonText } from "./noteLines.ts";
import { type LeftPlain, PlainChat } from "./plainChat.ts";
import { ReadMarks } from "./readMarks.ts";
import { register } from "./registration.ts";
import { screenTexts } from "./screenTexts.ts";
import { type ServerAddresses, shownAddresses } from "./serverAddress.ts";
import type { Settings } from "./settings.ts";

export interface MenusOptions extends ServerAddresses {
  ask: LineAsk;
  /** What language is spoken, from `/lang` on another one. */
  speech: { lang: Lang };
  settings: Settings;
  clock: Clock;
  /** Who logs in, where the command line said so. */
  userId: number | null;
  /** This installation's device name. */
  device: string;
  stateFolder: string;
}

/** How a talk was left, and what a script has to hear of it. */
interface Talk {
  left: LeftPlain;
  code: ExitCode;
}

const back: Talk = { left: "back", code: exitCodes.done };
const gone: Talk = { left: "quit", code: exitCodes.done };
const failed = (code: ExitCode): Talk => ({ left: "back", code });

/** One run of the client, line by line. */
export class Menus {
  readonly #options: MenusOptions;
  readonly #accounts: Accounts;
  #chat: PlainChat | null = null;

  constructor(options: MenusOptions) {
    this.#options = options;
    this.#accounts = new Accounts(options);
  }

  /** Runs until the person quits, or there are no more lines; the exit code ([C-9]). */
  async run(): Promise<ExitCode> {
    const { ask, userId } = this.#options;
    ask.print(`---- ${this.#say.welcome} ----\n${this.#say.server(shownAddresses(this.#options))}`);
    // A user id on the command line means: log in right away.
    let talk = userId === null ? back : await this.#logIn(userId);
    while (talk.left !== "quit") {
      // A person chooses anew; the lines of a script must not become answers to questions they were not written for.
      if (talk.code !== exitCodes.done && ask.scripted) return talk.code;
      const choice = await this.#choose(this.#say.firstMenu);
      if (choice === 1) talk = await this.#logIn(null);
      else if (choice === 2) talk = await this.#register();
      else talk = gone;
    }
    ask.print(this.#say.bye);
    return ask.scripted ? talk.code : exitCodes.done;
  }

  /** Stops what is being told at length, else the whole talk; false: it is over already. */
  interrupt(): boolean {
    if (this.#chat?.interrupt()) return true;
    if (this.#options.ask.ended) return false;
    this.#options.ask.end();
    return true;
  }

  get #say(): Texts {
    return texts[this.#options.speech.lang];
  }

  /** Prints a menu and asks until the answer is one of it; null when there are no more lines, or the signal came. */
  #choose(menu: readonly string[], signal?: AbortSignal): Promise<number | null> {
    const { ask } = this.#options;
    const say = this.#say;
    ask.print(menu.map((entry, index) => `  ${index + 1}. ${entry}`).join("\n"));
    return askUntil(ask, { prompt: say.choose(menu.length), ...(signal && { signal }) }, (line) => {
      const choice = Number(line.trim());
      const fits = /^[0-9]{1,2}$/.test(line.trim()) && choice >= 1 && choice <= menu.length;
      return fits ? choice : { wrong: say.notAChoice(harmless(line.trim()).slice(0, 20), menu.length) };
    });
  }

  async #register(): Promise<Talk> {
    const { ask, clock } = this.#options;
    const say = this.#say;
    const userId = await askUserId(ask, say);
    const userPwd = userId === null ? null : await askPassword(ask, say);
    const userName = userPwd === null ? null : await askUserName(ask, say);
    if (userId === null || userPwd === null || userName === null) return back;
    try {
      const { code, error } = await register(this.#options, { userId, userPwd, userName }, clock);
      const why = say.codes[code] ?? harmless(error);
      ask.print(code === codes.ok ? say.registered(userId) : say.notRegistered(why));
      // An id that is taken may be one's own from the last time: the log-in to come tells.
      return code === codes.ok || code === codes.taken ? back : failed(exitCodes.refused);
    } catch (error) {
      return this.#unreachable(error);
    }
  }

  async #logIn(given: number | null): Promise<Talk> {
    const { ask } = this.#options;
    const userId = given ?? (await askUserId(ask, this.#say));
    if (userId === null) return gone;
    const kept = ask.scripted ? null : this.#accounts.kept(userId);
    const first = kept ? await this.#talk(kept) : null;
    if (first) return first;
    const password = await askPassword(ask, this.#say);
    return password === null ? gone : ((await this.#talk({ userId, password })) ?? back);
  }

  /** One log-in, from its answer to the end; null: the log-in that was kept is over. */
  async #talk(credentials: Credentials): Promise<Talk | null> {
    const account = this.#accounts.open(credentials.userId);
    if (account.why !== "") this.#options.ask.print(this.#say.noOutbox(harmless(account.why)));
    const made: { client?: ChatClient } = {};
    const chat = this.#chatOf(credentials, account, (events) => {
      const { outbox } = account;
      return (made.client = this.#accounts.connect(credentials, { outbox, events }));
    });
    try {
      return made.client ? await this.#chatting(credentials, { chat, client: made.client }) : gone;
    } finally {
      this.#chat = null;
      made.client?.logout();
      chat.stop();
      account.outbox?.close();
    }
  }

  #chatOf(
    { userId }: Credentials,
    { outbox, marks }: OpenAccount,
    connect: (events: ChatClientEvents) => ChatClient,
  ): PlainChat {
    const { ask, clock, settings, speech } = this.#options;
    const lang = speech.lang;
    // What a script was told nobody has read.
    const kept = ask.scripted ? new ReadMarks(null, "") : marks;
    return new PlainChat({ ask, clock, userId, lang, settings, outbox, marks: kept }, connect);
  }

  async #chatting(
    credentials: Credentials,
    { chat, client }: { chat: PlainChat; client: ChatClient },
  ): Promise<Talk | null> {
    const { ask } = this.#options;
    const { userId } = credentials;
    chat.onEnded = ({ reason }) => {
      if (reason === "refused") this.#accounts.forget(userId);
    };
    try {
      const { code, error, userName = "" } = await client.login();
      if (code === codes.wrongPassword && "token" in credentials) {
        this.#accounts.forget(userId);
        ask.print(screenTexts[this.#options.speech.lang].login.tokenOver);
        return null;
      }
      if (code !== codes.ok) {
        ask.print(this.#say.notLoggedIn(this.#say.codes[code] ?? harmless(error)));
        return failed(exitCodes.refused);
      }
      ask.print(`---- ${this.#say.loggedIn(harmless(userName), userId)} ----`);
    } catch (error) {
      return this.#unreachable(error);
    }
    if (!ask.scripted) this.#accounts.remember(userId);
    this.#chat = chat;
    await chat.begin();
    const left = await this.#secondMenu(chat, client);
    await this.#waitForUnsent(client);
    const isRefused = chat.own.anyRefused || client.state.kind === "ended";
    const isLate = client.unsent > 0;
    client.logout();
    if (left === "logout") {
      this.#accounts.loggedOut(userId);
      ask.print(screenTexts[this.#options.speech.lang].loggedOut);
    }
    return { left, code: isRefused ? exitCodes.refused : isLate ? exitCodes.late : exitCodes.done };
  }

  async #secondMenu(chat: PlainChat, client: ChatClient): Promise<LeftPlain> {
    const { speech } = this.#options;
    const { signal } = chat.over;
    while (client.state.kind !== "ended") {
      const choice = await this.#choose(this.#say.secondMenu, signal);
      if (choice === null) return signal.aborted ? "back" : "quit";
      if (choice === 1) await chat.command("/users");
      else if (choice === 2) {
        const left = await chat.run();
        speech.lang = chat.chat.lang;
        if (left !== "back") return left;
      } else if (choice === 3) await this.#readBack(chat);
      else return "quit";
    }
    return "back";
  }

  /** The message list: whose, then page after page, the newest first. */
  async #readBack(chat: PlainChat): Promise<void> {
    const { ask } = this.#options;
    const { signal } = chat.over;
    const conv = await askUntil(ask, { prompt: this.#say.askHistory, signal }, (line) => {
      if (line.trim() === "") return "all";
      const userId = readUserId(line);
      return userId === null ? { wrong: this.#say.badUserId } : `u:${userId}`;
    });
    if (conv === null) return;
    chat.readBack.forget();
    while (await chat.readBack.history(chat.chat.rooms.open(conv))) {
      const line = await ask.ask(this.#say.askOlder, { signal });
      if (line === null || line.trim() !== "") break;
    }
    chat.readBack.forget();
  }

  /** What was typed before the end is still said, as long as it is not hopeless. */
  async #waitForUnsent(client: ChatClient): Promise<void> {
    const { ask, clock } = this.#options;
    if (client.unsent === 0 || client.state.kind === "ended") return;
    ask.print(this.#say.waitingUnsent(client.unsent));
    // A script may be the last to know; a person has it on disk, and sees so.
    const waitMs = ask.scripted ? clientQuitWaitMs : screenQuitWaitMs;
    await waitForUnsent(client, { clock, waitMs, isHopeful: () => true });
  }

  #unreachable(error: unknown): Talk {
    const { ask } = this.#options;
    const why = linkReasonText(reasonOf(error), screenTexts[this.#options.speech.lang]);
    ask.print(this.#say.unreachable(shownAddresses(this.#options), why));
    return failed(exitCodes.noConnection);
  }
}

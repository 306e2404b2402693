/**
 * menus: the first generation's two menus, in two languages (clause [C-1]): log in, register, quit; then who is online,
 * send messages, message list, quit. A mistake gets one sentence and the question again ([C-6]).
 */
import type { Ask } from "./ask.ts";
import { askPassword, askUntil, askUserId, askUserName, readUserId } from "./askPerson.ts";
import { ChatClient } from "./chatClient.ts";
import { ChatView } from "./chatView.ts";
import { type Clock } from "./clock.ts";
import { codes } from "./codes.ts";
import { harmless } from "./displayText.ts";
import { type ExitCode, exitCodes } from "./exitCodes.ts";
import type { Texts } from "./lang.ts";
import * as limits from "./limits.ts";
import { Outbox } from "./outbox.ts";
import { register } from "./registration.ts";

export interface MenusOptions {
  ask: Ask;
  texts: Texts;
  clock: Clock;
  host: string;
  port: number;
  /** Who logs in, where the command line said so. */
  userId: number | null;
  /** This installation's device name. */
  device: string;
  /** Folder of the messages whose fate is not known yet. */
  outboxFolder: string;
}

type Left = "back" | "quit";

/** How a talk was left, and what a script has to hear of it. */
interface Talk {
  left: Left;
  code: ExitCode;
}

const back: Talk = { left: "back", code: exitCodes.done };
const failed = (code: ExitCode): Talk => ({ left: "back", code });

/** Runs the menus until the person quits, or there are no more lines; the exit code ([C-9]). */
export async function runMenus(options: MenusOptions): Promise<ExitCode> {
  const { ask, texts, host, port } = options;
  ask.print(`---- ${texts.welcome} ----\n${texts.server(host, port)}`);
  // A user id on the command line means: log in right away.
  let talk = options.userId === null ? back : await logIn(options, options.userId);
  while (talk.left === "back") {
    // A person chooses anew; the lines of a script must not become answers to questions they were not written for.
    if (talk.code !== exitCodes.done && ask.scripted) return talk.code;
    const choice = await chooseFrom(ask, texts, texts.firstMenu);
    if (choice === 1) talk = await logIn(options, null);
    else if (choice === 2) talk = await registerUser(options);
    else talk = { left: "quit", code: exitCodes.done };
  }
  ask.print(texts.bye);
  return ask.scripted ? talk.code : exitCodes.done;
}

/** Prints a menu and asks until the answer is one of it; null when there are no more lines, or the signal came. */
async function chooseFrom(
  ask: Ask,
  texts: Texts,
  menu: readonly string[],
  signal?: AbortSignal,
): Promise<number | null> {
  ask.print(menu.map((entry, index) => `  ${index + 1}. ${entry}`).join("\n"));
  return askUntil(ask, { prompt: texts.choose(menu.length), ...(signal && { signal }) }, (line) => {
    const choice = Number(line.trim());
    const fits = /^[0-9]{1,2}$/.test(line.trim()) && choice >= 1 && choice <= menu.length;
    return fits ? choice : { wrong: texts.notAChoice(harmless(line.trim()).slice(0, 20), menu.length) };
  });
}

async function registerUser(options: MenusOptions): Promise<Talk> {
  const { ask, texts, host, port } = options;
  const userId = await askUserId(ask, texts);
  const userPwd = userId === null ? null : await askPassword(ask, texts);
  const userName = userPwd === null ? null : await askUserName(ask, texts);
  if (userId === null || userPwd === null || userName === null) return back;
  try {
    const { code, error } = await register({ host, port }, { userId, userPwd, userName }, options.clock);
    const why = texts.codes[code] ?? harmless(error);
    ask.print(code === codes.ok ? texts.registered(userId) : texts.notRegistered(why));
    // An id that is taken may be one's own from the last time: the log-in to come tells.
    return code === codes.ok || code === codes.taken ? back : failed(exitCodes.refused);
  } catch (error) {
    ask.print(texts.unreachable(`${host}:${port}`, harmless((error as Error).message)));
    return failed(exitCodes.noConnection);
  }
}

async function logIn(options: MenusOptions, givenUserId: number | null): Promise<Talk> {
  const { ask, texts } = options;
  const userId = givenUserId ?? (await askUserId(ask, texts));
  const password = userId === null ? null : await askPassword(ask, texts);
  if (userId === null || password === null) return { left: "quit", code: exitCodes.done };
  const outbox = openOutbox(options, userId);
  try {
    return await talk(options, { userId, password, outbox });
  } finally {
    outbox?.close();
  }
}

/** The messages of an account whose fate is not known yet; null, and a sentence, where they cannot be kept. */
function openOutbox(
  { ask, texts, host, port, device, outboxFolder }: MenusOptions,
  userId: number,
): Outbox | null {
  const account = `${host}_${port}_${userId}`.replace(/[^A-Za-z0-9._-]/g, "-");
  try {
    return Outbox.open({ folder: outboxFolder, account, device });
  } catch (error) {
    ask.print(texts.noOutbox(harmless((error as Error).message)));
    return null;
  }
}

/** One log-in, from the password to the end. */
async function talk(
  options: MenusOptions,
  { userId, password, outbox }: { userId: number; password: string; outbox: Outbox | null },
): Promise<Talk> {
  const { ask, texts, host, port, device, clock } = options;
  const over = new AbortController();
  const view = new ChatView({ ask, texts, clock, over, outbox });
  const client = new ChatClient({
    host,
    port,
    userId,
    password,
    device,
    clock,
    ...(outbox && { outbox }),
    events: {
      state: (state) => view.state(state),
      message: (message) => view.message(message),
      gap: (gap) => view.gap(gap),
      restored: (sms, outcome) => view.restored(sms, outcome),
      presence: (change) => view.presence(change),
    },
  });
  view.attach(client);
  try {
    const { code, error, userName = "", convs = [] } = await client.login();
    if (code !== codes.ok) {
      ask.print(texts.notLoggedIn(texts.codes[code] ?? harmless(error)));
      return failed(exitCodes.refused);
    }
    ask.print(`---- ${texts.loggedIn(harmless(userName), userId)} ----`);
    for (const { conv, userName: peer, unread } of convs) {
      const who = conv === "all" ? texts.everyone : `${harmless(peer)}(${conv.slice(2)})`;
      if (unread > 0) ask.print(`  ${texts.unread(who, unread)}`);
    }
    view.open();
  } catch (error) {
    ask.print(texts.unreachable(`${host}:${port}`, harmless((error as Error).message)));
    return failed(exitCodes.noConnection);
  }
  const left = await secondMenu(options, client, { view, over });
  await waitForUnsent(options, client);
  const isRefused = view.anyRefused || client.state.kind === "ended";
  const isLate = client.unsent > 0;
  client.logout();
  return { left, code: isRefused ? exitCodes.refused : isLate ? exitCodes.late : exitCodes.done };
}

async function secondMenu(
  { ask, texts }: MenusOptions,
  client: ChatClient,
  { view, over }: { view: ChatView; over: AbortController },
): Promise<Left> {
  while (client.state.kind !== "ended") {
    const choice = await chooseFrom(ask, texts, texts.secondMenu, over.signal);
    if (choice === null) return over.signal.aborted ? "back" : "quit";
    if (choice === 1) await view.showUsers(client);
    else if (choice === 2) {
      if ((await view.run(client)) === "quit") return "quit";
    } else if (choice === 3) await readBack({ ask, texts }, client, { view, over });
    else return "quit";
  }
  return "back";
}

/** The message list: whose, then page after page, the newest first. */
async function readBack(
  { ask, texts }: { ask: Ask; texts: Texts },
  client: ChatClient,
  { view, over }: { view: ChatView; over: AbortController },
): Promise<void> {
  const { signal } = over;
  const conv = await askUntil(ask, { prompt: texts.askHistory, signal }, (line) => {
    if (line.trim() === "") return "all";
    const userId = readUserId(line);
    return userId === null ? { wrong: texts.badUserId } : `u:${userId}`;
  });
  if (conv === null) return;
  view.forgetHistory();
  while (await view.showHistory(client, conv)) {
    const line = await ask.ask(texts.askOlder, { signal });
    if (line === null || line.trim() !== "") break;
  }
  view.forgetHistory();
}

/** What was typed before the end is still said, as long as it is not hopeless. */
async function waitForUnsent({ ask, texts, clock }: MenusOptions, client: ChatClient): Promise<void> {
  if (client.unsent === 0 || client.state.kind === "ended") return;
  ask.print(texts.waitingUnsent(client.unsent));
  const endMs = clock.monotonicMs() + limits.clientQuitWaitMs;
  while (client.unsent > 0 && clock.monotonicMs() < endMs) {
    await new Promise<void>((resolve) => clock.after(limits.clientQuitLookMs, resolve));
  }
}

/**
 * screenCommands: what each slash command does on the full screen; one entry for each of the table.
 */
import {
  type PageContext,
  type PageWriter,
  helpPage,
  searchPage,
  unsentPage,
  usersPage,
  verifyPage,
} from "./chatPages.ts";
import { type CommandName, readLine } from "./commands.ts";
import { harmless } from "./displayText.ts";
import { whyPage } from "./fateReport.ts";
import type { Lang } from "./lang.ts";
import type { Room } from "./room.ts";
import type { Rooms } from "./rooms.ts";
import type { LeftScreen, ChatLink } from "./screenChat.ts";
import type { ScreenTexts } from "./screenTexts.ts";
import { roomName } from "./screenView.ts";
import { type HintName, type SettingName, type Settings, settingValues } from "./settings.ts";

/** What a command may do to the chat. */
export interface CommandHost {
  readonly client: ChatLink;
  readonly rooms: Rooms;
  readonly settings: Settings;
  readonly texts: ScreenTexts;
  readonly codeTexts: Record<number, string>;
  say(conv: string, content: string): void;
  note(words: string, tone?: "notice" | "warning"): void;
  page(title: string): PageWriter;
  go(room: Room): void;
  next(): void;
  find(given: string): Room | null;
  again(): number;
  drop(): number;
  setLang(lang: Lang): void;
  settingChanged(): void;
  learn(hint: HintName): void;
  leave(left: LeftScreen): void;
}

type Run = (host: CommandHost, rest: string) => void | Promise<void>;

const runs: Record<CommandName, Run> = {
  msg: (host, rest) => {
    const [, who = "", content = ""] = /^(\S*)\s*([\s\S]*)$/u.exec(rest) ?? [];
    const room = who === "" || who === "all" ? null : host.find(who);
    if (!room?.isPrivate) return host.note(usage(host, "msg"));
    if (content.trim() === "") host.go(room);
    else {
      host.say(room.conv, content);
      host.go(room);
    }
  },
  go: (host, rest) => {
    const room = rest.trim() === "" ? null : host.find(rest);
    if (room) host.go(room);
    else host.note(host.texts.commands.noSuchConversation(harmless(rest.trim()).slice(0, 40)));
  },
  next: (host) => host.next(),
  users: (host) => usersPage(host.page("/users"), contextOf(host)),
  history: (host, rest) => {
    const room = rest.trim() === "" ? host.rooms.current : host.find(rest);
    if (room) host.go(room);
    else host.note(usage(host, "history"));
  },
  search: (host, rest) => {
    const word = rest.trim();
    if (word === "") return host.note(usage(host, "search"));
    return searchPage(host.page(host.texts.search.title(harmless(word))), word, contextOf(host));
  },
  why: (host, rest) => {
    const place = /^[1-9]\d{0,3}$/.test(rest.trim()) ? Number(rest.trim()) : 1;
    if (rest.trim() !== "" && rest.trim() !== String(place)) return host.note(usage(host, "why"));
    return whyPage(host.page(host.texts.why.title), place, contextOf(host));
  },
  verify: (host) => {
    const room = host.rooms.current;
    return verifyPage(host.page(host.texts.verify.title(roomName(room, host.texts))), room, contextOf(host));
  },
  unsent: (host) => {
    const page = host.page("/unsent");
    if (!unsentPage(page, contextOf(host))) page.line(host.texts.commands.nothingToDecide);
    else page.line(host.texts.decide, "dim");
  },
  again: (host) => decided(host, host.again(), host.texts.commands.sentAgain),
  drop: (host) => decided(host, host.drop(), host.texts.commands.dropped),
  set: (host, rest) => setSetting(host, rest),
  lang: (host, rest) => {
    const lang = rest.trim();
    if (lang !== "zh" && lang !== "en") return host.note(usage(host, "lang"));
    host.setLang(lang);
    host.note(host.texts.commands.langNow);
  },
  logout: (host) => host.leave("logout"),
  help: (host) => {
    helpPage(host.page(host.texts.help.title), host);
    host.learn("help");
  },
  back: (host) => host.note(host.texts.commands.unknown("/back")),
  quit: (host) => host.leave("quit"),
};

/** Does what a typed line says: a command, or something to say in the conversation of the moment. */
export async function runLine(host: CommandHost, text: string): Promise<void> {
  const line = readLine(text);
  if (line.kind === "say") return host.say(host.rooms.current.conv, line.content);
  if (line.kind === "unknown")
    return host.note(host.texts.commands.unknown(harmless(line.given).slice(0, 40)));
  await runs[line.name](host, line.rest);
}

function contextOf({ client, rooms, texts, codeTexts }: CommandHost): PageContext {
  return { client, rooms, texts, codeTexts };
}

function usage({ texts }: CommandHost, name: CommandName): string {
  return texts.commands.usage(texts.about[name][0] ?? "");
}

function decided(host: CommandHost, count: number, said: (count: number) => string): void {
  host.note(count === 0 ? host.texts.commands.nothingToDecide : said(count));
}

function setSetting(host: CommandHost, rest: string): void {
  const { commands } = host.texts;
  const [name = "", value] = rest.trim().split(/\s+/);
  const names = Object.keys(settingValues) as SettingName[];
  if (name === "") {
    const all = names.map(
      (one) => `${commands.settingNow(one, host.settings.get(one))} (${settingValues[one].join(" ")})`,
    );
    return host.note([commands.settings, ...all].join("\n"));
  }
  if (!Object.hasOwn(settingValues, name)) {
    return host.note(commands.noSetting(harmless(name).slice(0, 40), names.join(" ")));
  }
  const setting = name as SettingName;
  if (value !== undefined && !host.settings.set(setting, value)) {
    return host.note(commands.noValue(setting, settingValues[setting].join(" ")));
  }
  if (value !== undefined) host.settingChanged();
  host.note(commands.settingNow(setting, host.settings.get(setting)));
}

/**
 * chatCommands: what each slash command does, on the full screen and line by line alike; one entry for each of the table.
 */
import type { Chat } from "./chat.ts";
import { type PageWriter, helpPage, searchPage, unsentPage, usersPage, verifyPage } from "./chatPages.ts";
import { type CommandName, type CommandPlace, readLine } from "./commands.ts";
import { harmless } from "./displayText.ts";
import { whyPage } from "./fateReport.ts";
import type { Lang } from "./lang.ts";
import type { Room } from "./room.ts";
import { roomName } from "./screenView.ts";
import { type SettingName, settingValues } from "./settings.ts";

/** How a person leaves a chat; "ended": the server would not have them any more. */
export type Left = "quit" | "logout" | "ended";

/** Where commands are typed: a chat, and whoever shows it. */
export interface CommandHost {
  readonly chat: Chat;
  readonly place: CommandPlace;
  /** Something to be told at length. */
  page(title: string): PageWriter;
  /** Nobody watches: the lines were written for a talk that goes as planned. */
  readonly isScripted: boolean;
  go(room: Room): void;
  next(): void;
  /** A message was written to a conversation, wherever the person is. */
  wrote(room: Room): void;
  history(room: Room): void | Promise<void>;
  back(): void;
  setLang(lang: Lang): void;
  /** A setting has another value. */
  settingChanged(): void;
  leave(left: Left): void;
}

type Run = (host: CommandHost, rest: string) => void | Promise<void>;

const runs: Record<CommandName, Run> = {
  msg: (host, rest) => {
    const [, who = "", content = ""] = /^(\S*)\s*([\s\S]*)$/u.exec(rest) ?? [];
    const room = who === "" || who === "all" ? null : host.chat.find(who);
    const isEmpty = content.trim() === "";
    if (!room?.isPrivate || (isEmpty && host.isScripted)) return host.chat.note(usage(host, "msg"));
    if (isEmpty) return host.go(room);
    host.chat.say(room.conv, content);
    host.wrote(room);
  },
  go: (host, rest) => {
    const room = rest.trim() === "" ? null : host.chat.find(rest);
    if (room) host.go(room);
    else host.chat.note(host.chat.texts.commands.noSuchConversation(harmless(rest.trim()).slice(0, 40)));
  },
  next: (host) => host.next(),
  users: (host) => usersPage(host.page("/users"), host.chat),
  history: (host, rest) => {
    const room = rest.trim() === "" ? host.chat.rooms.current : host.chat.find(rest);
    return room ? host.history(room) : host.chat.note(usage(host, "history"));
  },
  search: (host, rest) => {
    const word = rest.trim();
    if (word === "") return host.chat.note(usage(host, "search"));
    return searchPage(host.page(host.chat.texts.search.title(harmless(word))), word, host.chat);
  },
  why: (host, rest) => {
    const place = /^[1-9]\d{0,3}$/.test(rest.trim()) ? Number(rest.trim()) : 1;
    if (rest.trim() !== "" && rest.trim() !== String(place)) return host.chat.note(usage(host, "why"));
    return whyPage(host.page(host.chat.texts.why.title), place, host.chat);
  },
  verify: (host) => {
    const room = host.chat.rooms.current;
    return verifyPage(
      host.page(host.chat.texts.verify.title(roomName(room, host.chat.texts))),
      room,
      host.chat,
    );
  },
  unsent: (host) => {
    const page = host.page("/unsent");
    if (!unsentPage(page, host.chat)) page.line(host.chat.texts.commands.nothingToDecide);
    else page.line(host.chat.texts.decide[host.place], "dim");
  },
  again: (host) => decided(host, host.chat.again(), host.chat.texts.commands.sentAgain),
  drop: (host) => decided(host, host.chat.drop(), host.chat.texts.commands.dropped),
  set: (host, rest) => setSetting(host, rest),
  lang: (host, rest) => {
    const lang = rest.trim();
    if (lang !== "zh" && lang !== "en") return host.chat.note(usage(host, "lang"));
    host.setLang(lang);
    host.chat.note(host.chat.texts.commands.langNow);
  },
  logout: (host) => host.leave("logout"),
  help: (host) => {
    helpPage(host.page(host.chat.texts.help.title), { texts: host.chat.texts, place: host.place });
    host.chat.settings.learn("help");
  },
  back: (host) => host.back(),
  quit: (host) => host.leave("quit"),
};

/** Does what a typed line says: a command, or something to say in the conversation of the moment. */
export async function runLine(host: CommandHost, text: string): Promise<void> {
  const line = readLine(text);
  if (line.kind === "say") return host.chat.say(host.chat.rooms.current.conv, line.content);
  if (line.kind === "unknown")
    return host.chat.note(host.chat.texts.commands.unknown(harmless(line.given).slice(0, 40)));
  await runs[line.name](host, line.rest);
}

function usage({ chat: { texts } }: CommandHost, name: CommandName): string {
  return texts.commands.usage(texts.about[name][0] ?? "");
}

function decided(host: CommandHost, count: number, said: (count: number) => string): void {
  host.chat.note(count === 0 ? host.chat.texts.commands.nothingToDecide : said(count));
}

function setSetting(host: CommandHost, rest: string): void {
  const { settings, texts } = host.chat;
  const { commands } = texts;
  const [name = "", value] = rest.trim().split(/\s+/);
  const names = Object.keys(settingValues) as SettingName[];
  if (name === "") {
    const all = names.map(
      (one) => `${commands.settingNow(one, settings.get(one))} (${settingValues[one].join(" ")})`,
    );
    return host.chat.note([commands.settings, ...all].join("\n"));
  }
  if (!Object.hasOwn(settingValues, name)) {
    return host.chat.note(commands.noSetting(harmless(name).slice(0, 40), names.join(" ")));
  }
  const setting = name as SettingName;
  if (value !== undefined && !host.chat.settings.set(setting, value)) {
    return host.chat.note(commands.noValue(setting, settingValues[setting].join(" ")));
  }
  if (value !== undefined) host.settingChanged();
  host.chat.note(commands.settingNow(setting, host.chat.settings.get(setting)));
}

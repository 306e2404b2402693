/**
 * scriptFlags: the command lines of client.ts's subcommands (clauses [C-30], [X-1]). What is wrong is refused before
 * anything is begun: ScriptError "usage", one line.
 */
import { readUserId } from "./askPerson.ts";
import { ScriptError, exitCodes } from "./exitCodes.ts";
import { quoted, readFlags, readNumber } from "./flags.ts";
import { reasonOf } from "./journal.ts";
import { type Lang, langOf } from "./lang.ts";
import * as limits from "./limits.ts";
import { parseId } from "./messageId.ts";
import { type ScriptTexts, scriptTexts } from "./scriptTexts.ts";
import { type ServerAddresses, parseTarget } from "./serverAddress.ts";

export const scriptNames = ["send", "tail", "users", "history", "register"] as const;
export type ScriptName = (typeof scriptNames)[number];

/** What every subcommand has. */
export interface ScriptTarget extends ServerAddresses {
  userId: number;
  passwordFile: string | null;
  /** For one step; null: for ever. */
  timeoutMs: number | null;
  lang: Lang;
  texts: ScriptTexts;
}

export interface SendFlags extends ScriptTarget {
  name: "send";
  /** "all" or "u:<id>". */
  conv: string;
  wait: "stored" | "delivered";
  /** Null: a new one for every run. */
  mid: string | null;
  /** Null: the lines of stdin. */
  text: string | null;
}

export interface TailFlags extends ScriptTarget {
  name: "tail";
  /** Null: everything. */
  conv: string | null;
  json: boolean;
  cursorPath: string | null;
  since: string | null;
  once: boolean;
}

export interface UsersFlags extends ScriptTarget {
  name: "users";
  json: boolean;
}

export interface HistoryFlags extends ScriptTarget {
  name: "history";
  conv: string;
  limit: number;
  before: string | null;
  since: string | null;
  json: boolean;
}

export interface RegisterFlags extends ScriptTarget {
  name: "register";
  userName: string;
}

export type ScriptFlags = SendFlags | TailFlags | UsersFlags | HistoryFlags | RegisterFlags;

const text = { type: "string" } as const;
const flag = { type: "boolean", default: false } as const;
const common = { "password-file": text, timeout: text, lang: text, help: flag };

/** Reads what stands behind the subcommand's name; "help" with the texts where that was asked for. */
export function parseScriptArgs(
  name: ScriptName,
  args: string[],
  env: NodeJS.ProcessEnv,
): ScriptFlags | { name: "help"; help: string } {
  // A mistake in the flags is told in the language that can be told without them.
  const texts = scriptTexts[langOf(undefined, env) ?? "zh"];
  try {
    return readers[name](args, env);
  } catch (error) {
    if (error instanceof HelpAsked) return { name: "help", help: error.texts.help[name] };
    throw new ScriptError(exitCodes.usage, `${reasonOf(error)}${texts.seeHelp(name)}`);
  }
}

/** `--help` leaves the reading of flags, whatever else stands there. */
class HelpAsked extends Error {
  readonly texts: ScriptTexts;

  constructor(texts: ScriptTexts) {
    super("help");
    this.texts = texts;
  }
}

const readers: { [N in ScriptName]: (args: string[], env: NodeJS.ProcessEnv) => ScriptFlags } = {
  send(args, env) {
    const table = { ...common, to: text, wait: text, mid: text };
    const { values, positionals } = readFlags(args, table, { positionalsMax: Infinity });
    const target = readTarget(values, positionals, env);
    const { texts, userId } = target;
    const conv = readConv("to", values.to ?? "all", texts);
    const wait = values.wait ?? "stored";
    if (wait !== "stored" && wait !== "delivered") {
      throw new Error(texts.wantedOneOf("wait", quoted(wait), "stored, delivered"));
    }
    if (wait === "delivered" && (conv === "all" || conv === `u:${userId}`)) throw new Error(texts.noReceipts);
    const words = positionals.slice(1);
    const mid = values.mid ?? null;
    const midMax = words.length > 0 ? limits.midMaxChars : limits.scriptKeyMaxChars;
    if (mid !== null && (!/^[!-~]+$/.test(mid) || mid.length > midMax)) {
      throw new Error(texts.wantedMid(quoted(mid), midMax));
    }
    const content = words.length > 0 ? words.join(" ") : null;
    if (content === "") throw new Error(texts.emptyText);
    return { ...target, name: "send", conv, wait, mid, text: content };
  },
  tail(args, env) {
    const table = { ...common, conv: text, json: flag, cursor: text, since: text, once: flag };
    const { values, positionals } = readFlags(args, table, { positionalsMax: 1 });
    const target = readTarget(values, positionals, env);
    const { texts } = target;
    const conv = values.conv === undefined ? null : readConv("conv", values.conv, texts);
    const since = readId("since", values.since, texts);
    if (since !== null && conv === null && since !== "0-0") throw new Error(texts.sinceWantsConv(since));
    const { json, once, cursor: cursorPath = null } = values;
    return { ...target, name: "tail", conv, json, cursorPath, since, once };
  },
  users(args, env) {
    const { values, positionals } = readFlags(args, { ...common, json: flag }, { positionalsMax: 1 });
    return { ...readTarget(values, positionals, env), name: "users", json: values.json };
  },
  history(args, env) {
    const table = { ...common, conv: text, limit: text, before: text, since: text, json: flag };
    const { values, positionals } = readFlags(args, table, { positionalsMax: 1 });
    const target = readTarget(values, positionals, env);
    const { texts } = target;
    const conv = readConv("conv", values.conv ?? "all", texts);
    const before = readId("before", values.before, texts);
    const since = readId("since", values.since, texts);
    if (before !== null && since !== null) throw new Error(texts.onlyOne("before", "since"));
    const limit = readNumber("limit", values.limit ?? "50", limits.allLogEntriesMax);
    return { ...target, name: "history", conv, limit, before, since, json: values.json };
  },
  register(args, env) {
    const { values, positionals } = readFlags(args, { ...common, name: text }, { positionalsMax: 1 });
    const target = readTarget(values, positionals, env);
    const userName = values.name ?? "";
    const length = [...userName].length;
    if (length === 0 || length > limits.userNameMaxCodePoints || /\p{Cc}/u.test(userName)) {
      throw new Error(target.texts.wantedName(limits.userNameMaxCodePoints));
    }
    return { ...target, name: "register", userName };
  },
};

interface CommonValues {
  "password-file"?: string | undefined;
  timeout?: string | undefined;
  lang?: string | undefined;
  help?: boolean | undefined;
}

/** Who, where, and the flags that all have. */
function readTarget(values: CommonValues, positionals: string[], env: NodeJS.ProcessEnv): ScriptTarget {
  const lang = langOf(values.lang, env);
  if (!lang) throw new Error(`--lang ${quoted(values.lang ?? "")}: wanted zh or en`);
  const texts = scriptTexts[lang];
  if (values.help) throw new HelpAsked(texts);
  const [given] = positionals;
  if (given === undefined) throw new Error(texts.wantedTarget);
  const { userId, ...servers } = parseTarget(given);
  if (userId === null) throw new Error(`${quoted(given)}: ${texts.wantedUser}`);
  const seconds = readNumber("timeout", values.timeout ?? "30", limits.scriptTimeoutMaxSeconds);
  const timeoutMs = seconds === 0 ? null : seconds * 1000;
  return { ...servers, userId, passwordFile: values["password-file"] ?? null, timeoutMs, lang, texts };
}

/** "all", a user id, or `u:<id>`. */
function readConv(name: string, given: string, texts: ScriptTexts): string {
  if (given === "all") return given;
  const userId = readUserId(given.replace(/^u:/, ""));
  if (userId === null) throw new Error(texts.wantedConv(name, quoted(given)));
  return `u:${userId}`;
}

function readId(name: string, given: string | undefined, texts: ScriptTexts): string | null {
  if (given === undefined) return null;
  if (!parseId(given)) throw new Error(texts.wantedId(name, quoted(given)));
  return given;
}

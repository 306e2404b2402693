/**
 * clientFlags: the command line of client.ts (clause ).
 */
import { readUserId } from "./askPerson.ts";
import { quoted, readFlags } from "./flags.ts";
import { type Lang, langOf } from "./lang.ts";

export interface ClientFlags {
  host: string;
  port: number;
  /** Who logs in, where it was said. */
  userId: number | null;
  lang: Lang;
  /** The language was said on the command line. */
  langIsFlag: boolean;
  /** Line by line, whatever the terminal can. */
  plain: boolean;
}

export const clientUsage = `haiyu client

  npm run client -- [flags] [[USER@]HOST[:PORT]]        or: ./client.ts …

  USER         user id to log in with
  HOST:PORT    the server            (127.0.0.1:8889)
  --lang LANG  zh or en              (from LC_ALL, LC_MESSAGES, LANG)
  --plain      line by line, nothing is ever redrawn, no escape sequences: for screen readers and logs
  --help       this text

  From a script: client.ts send|tail|users|history|register …, each with a --help of its own.
  On a terminal of 40 x 10 or more it takes the whole screen. On a smaller one, without one, or with TERM=dumb, it works
  line by line. The commands are the same; /help lists them.
`;

const wantedTarget = "wanted one [USER@]HOST[:PORT]";

/** Options of the command line. Throws an Error of one line. */
export function parseClientArgs(args: string[], env: NodeJS.ProcessEnv): ClientFlags | "help" {
  const { values, positionals } = readFlags(
    args,
    {
      lang: { type: "string" },
      plain: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
    { positionalsMax: 1, wanted: wantedTarget },
  );
  if (values.help) return "help";
  const lang = langOf(values.lang, env);
  if (!lang) throw new Error(`--lang ${quoted(values.lang ?? "")}: wanted zh or en`);
  const target = parseTarget(positionals[0] ?? "127.0.0.1");
  return { ...target, lang, langIsFlag: values.lang !== undefined, plain: values.plain ?? false };
}

/** Reads `[USER@]HOST[:PORT]`; an IPv6 address stands in brackets. Throws an Error of one line. */
export function parseTarget(target: string): { host: string; port: number; userId: number | null } {
  const match = /^(?:([^@]*)@)?(\[[0-9a-fA-F:.]+\]|[^:@\s[\]]+)(?::(\d{1,5}))?$/.exec(target);
  const port = Number(match?.[3] ?? "8889");
  const userId = match?.[1] === undefined ? null : readUserId(match[1]);
  if (!match?.[2] || port < 1 || port > 65535) throw new Error(`${quoted(target)}: ${wantedTarget}`);
  if (match[1] !== undefined && userId === null) {
    throw new Error(`${quoted(target)}: USER wants a user id, a whole number from 1 on`);
  }
  return { host: match[2].replace(/^\[|\]$/g, ""), port, userId };
}

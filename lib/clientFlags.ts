/**
 * clientFlags: the command line of client.ts (clause ).
 */
import { quoted, readFlags } from "./flags.ts";
import { type Lang, langOf } from "./lang.ts";
import { type ServerAddresses, parseTarget } from "./serverAddress.ts";

export interface ClientFlags extends ServerAddresses {
  /** Who logs in, where it was said. */
  userId: number | null;
  lang: Lang;
  /** The language was said on the command line. */
  langIsFlag: boolean;
  /** Line by line, whatever the terminal can. */
  plain: boolean;
}

export const clientUsage = `haiyu client

  npm run client -- [flags] [[USER@]HOST[:PORT][,HOST[:PORT]…]]        or: ./client.ts …

  USER         user id to log in with
  HOST:PORT    the server            (127.0.0.1:8889)
               several of one chat: the next is taken when one does not answer or goes away;
               the log-in and unsent messages are kept under the first
  --lang LANG  zh or en              (from LC_ALL, LC_MESSAGES, LANG)
  --plain      line by line, nothing is ever redrawn, no escape sequences: for screen readers and logs
  --help       this text

  From a script: client.ts send|tail|users|history|register …, each with a --help of its own.
  On a terminal of 40 x 10 or more it takes the whole screen. On a smaller one, without one, or with TERM=dumb, it works
  line by line. The commands are the same; /help lists them.
`;

/** Options of the command line. Throws an Error of one line. */
export function parseClientArgs(args: string[], env: NodeJS.ProcessEnv): ClientFlags | "help" {
  const { values, positionals } = readFlags(
    args,
    {
      lang: { type: "string" },
      plain: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
    { positionalsMax: 1, wanted: "wanted one [USER@]HOST[:PORT],…" },
  );
  if (values.help) return "help";
  const lang = langOf(values.lang, env);
  if (!lang) throw new Error(`--lang ${quoted(values.lang ?? "")}: wanted zh or en`);
  const target = parseTarget(positionals[0] ?? "127.0.0.1");
  return { ...target, lang, langIsFlag: values.lang !== undefined, plain: values.plain ?? false };
}

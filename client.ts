#!/usr/bin/env -S npx tsx
/**
 * client: flags -> terminal or pipe. Run it with `npm run client` or `npx tsx client.ts`.
 */
import { realpathSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readUserId } from "./lib/chatView.ts";
import { systemClock } from "./lib/clock.ts";
import { claimDeviceName, stateFolder } from "./lib/deviceName.ts";
import { reasonOf } from "./lib/journal.ts";
import { type Lang, langOf, texts } from "./lib/lang.ts";
import { clientExitDeadlineMs } from "./lib/limits.ts";
import { runMenus } from "./lib/menus.ts";
import { Pipe } from "./lib/pipe.ts";
import { Terminal } from "./lib/terminal.ts";

export interface ClientOptions {
  host: string;
  port: number;
  userId: number | null;
  lang: Lang;
}

const usage = `haiyu client

  npm run client -- [flags] [[USER@]HOST[:PORT]]        or: npx tsx client.ts …

  USER         user id to log in with
  HOST:PORT    the server            (127.0.0.1:8889)
  --lang LANG  zh or en              (from LC_ALL, LC_MESSAGES, LANG)
  --help       this text

  Without a terminal on stdin the menus work line by line.
`;

/** Options of the command line. Throws an Error of one line. */
export function parseClientArgs(args: string[], env: NodeJS.ProcessEnv): ClientOptions | "help" {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { lang: { type: "string" }, help: { type: "boolean", default: false } },
  });
  if (values.help) return "help";
  if (positionals.length > 1) throw new Error(`${positionals[1]}: wanted one [USER@]HOST[:PORT]`);
  const lang = langOf(values.lang, env);
  if (!lang) throw new Error(`--lang ${values.lang}: wanted zh or en`);
  return { ...parseTarget(positionals[0] ?? "127.0.0.1"), lang };
}

/** Reads `[USER@]HOST[:PORT]`; an IPv6 address stands in brackets. Throws an Error of one line. */
function parseTarget(target: string): { host: string; port: number; userId: number | null } {
  const match = /^(?:([^@]*)@)?(\[[0-9a-fA-F:.]+\]|[^:@\s]+)(?::(\d{1,5}))?$/.exec(target);
  const port = Number(match?.[3] ?? "8889");
  const userId = match?.[1] === undefined ? null : readUserId(match[1]);
  if (!match?.[2] || port < 1 || port > 65535) throw new Error(`${target}: wanted [USER@]HOST[:PORT]`);
  if (match[1] !== undefined && userId === null) {
    throw new Error(`${target}: USER wants a user id, a whole number from 1 on`);
  }
  return { host: match[2].replace(/^\[|\]$/g, ""), port, userId };
}

async function main(): Promise<void> {
  let options: ClientOptions | "help";
  try {
    options = parseClientArgs(process.argv.slice(2), process.env);
  } catch (error) {
    process.stderr.write(`client.ts: ${reasonOf(error).split("\n")[0]} (see --help)\n`);
    process.exit(2);
  }
  if (options === "help") {
    process.stdout.write(usage);
    return;
  }
  // The terminal is given back by its "exit" handler, whatever ends us.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => process.exit(128 + constants.signals[signal]));
  }
  // Whoever read our output has gone: so do we.
  process.stdout.on("error", () => process.exit(0));
  const { stdin: input, stdout: output } = process;
  const ask = input.isTTY && output.isTTY ? new Terminal({ input, output }) : new Pipe({ input, output });
  const { lang, ...target } = options;
  const device = claimDeviceName(process.env);
  const outboxFolder = join(stateFolder(process.env), "outbox");
  await runMenus({ ask, texts: texts[lang], clock: systemClock, device, outboxFolder, ...target });
  ask.close();
  // The goodbye is on its way; a server that does not answer it is not waited for.
  setTimeout(() => process.exit(0), clientExitDeadlineMs).unref();
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await main();

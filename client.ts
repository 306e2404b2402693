#!/usr/bin/env -S sh -c 'exec node --import "$(dirname "$(realpath "$0")")/node_modules/tsx/dist/loader.mjs" "$0" "$@"'
/**
 * client: flags -> terminal or pipe. Run it with `npm run client` or `./client.ts`.
 */
import { realpathSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { type ClientFlags, clientUsage, parseClientArgs } from "./lib/clientFlags.ts";
import { systemClock } from "./lib/clock.ts";
import { claimDeviceName } from "./lib/deviceName.ts";
import { exitCodes } from "./lib/exitCodes.ts";
import { reasonOf } from "./lib/journal.ts";
import { type Texts, texts } from "./lib/lang.ts";
import { clientExitDeadlineMs } from "./lib/limits.ts";
import { Menus } from "./lib/menus.ts";
import { backgroundFromEnv, colorDepthOf } from "./lib/palette.ts";
import { Pipe } from "./lib/pipe.ts";
import { PlainTerminal } from "./lib/plainTerminal.ts";
import { ScreenClient } from "./lib/screenClient.ts";
import { ScreenTerminal, fitsScreen } from "./lib/screenTerminal.ts";
import type { ScriptName } from "./lib/scriptFlags.ts";
import { runScript, scriptNamed } from "./lib/scripts.ts";
import { Settings } from "./lib/settings.ts";
import { stateFolder } from "./lib/stateFiles.ts";

/** As a script calls it: `client.ts send …`. */
async function runNamed(name: ScriptName): Promise<void> {
  const { stdin: input, stdout: output, stderr: errors, env } = process;
  const { ended, stop } = runScript(name, process.argv.slice(3), { input, output, errors, env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      stop();
      process.exit(128 + constants.signals[signal]);
    });
  }
  process.exitCode = await ended;
  // The goodbye is on its way; a server that does not answer it is not waited for, nor is an input that goes on.
  input.destroy();
  setTimeout(() => process.exit(), clientExitDeadlineMs).unref();
}

async function main(): Promise<void> {
  const script = scriptNamed(process.argv[2]);
  if (script) return runNamed(script);
  let options: ClientFlags | "help";
  try {
    options = parseClientArgs(process.argv.slice(2), process.env);
  } catch (error) {
    process.stderr.write(`client.ts: ${reasonOf(error)} (see --help)\n`);
    process.exit(2);
  }
  if (options === "help") {
    process.stdout.write(clientUsage);
    return;
  }
  // The terminal is given back by its "exit" handler, whatever ends us.
  const interrupt = { orderly: (): boolean => false };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) {
    process.on(signal, () => {
      if (signal !== "SIGINT" || !interrupt.orderly()) process.exit(128 + constants.signals[signal]);
    });
  }
  // Whoever read our output has gone: so do we.
  process.stdout.on("error", () => process.exit(0));
  const { stdin: input, stdout: output } = process;
  const { lang, langIsFlag, plain, ...target } = options;
  const common = { clock: systemClock, device: claimDeviceName(process.env), ...target };
  const folder = stateFolder(process.env);
  if (!plain && fitsScreen(input, output, process.env)) {
    const terminal = new ScreenTerminal({ input, output, clock: systemClock });
    const colors = { depth: colorDepthOf(process.env), background: backgroundFromEnv(process.env) };
    const client = new ScreenClient({
      ...{ ...common, terminal, colors },
      ...{ lang: { lang, isFlag: langIsFlag }, stateFolder: folder },
    });
    const told = await client.run();
    if (told !== "") output.write(`${told}\n`);
    process.exitCode = exitCodes.done;
  } else {
    // Not even what Node says of a crash is coloured.
    process.env.NODE_DISABLE_COLORS = "1";
    // A person's settings are none of a script's.
    const settings = Settings.open(input.isTTY ? folder : null);
    const speech = { lang: langIsFlag ? lang : (settings.lang ?? lang) };
    const say = (): Texts => texts[speech.lang];
    const ask = input.isTTY
      ? new PlainTerminal({ input, fd: input.fd, output, clock: systemClock, texts: say })
      : new Pipe({ input, output });
    const menus = new Menus({ ...common, ask, speech, settings, stateFolder: folder });
    // Ctrl-C is the terminal's: what was being typed is gone, and the person wants to leave.
    if (input.isTTY) interrupt.orderly = () => menus.interrupt();
    process.exitCode = await menus.run();
    ask.close();
  }
  // The goodbye is on its way; a server that does not answer it is not waited for.
  setTimeout(() => process.exit(), clientExitDeadlineMs).unref();
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await main();

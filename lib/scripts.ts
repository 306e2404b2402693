/**
 * scripts: client.ts as a script calls it: a subcommand, its job, its exit code (clause [C-30]). What goes wrong is one
 * line on stderr.
 */
import type { Readable, Writable } from "node:stream";
import { systemClock } from "./clock.ts";
import { type ExitCode, ScriptError, exitCodes } from "./exitCodes.ts";
import { runHistory } from "./historyScript.ts";
import { harmless } from "./displayText.ts";
import { reasonOf } from "./journal.ts";
import { langOf } from "./lang.ts";
import { LineWriter } from "./lineWriter.ts";
import { runRegister } from "./registerScript.ts";
import { type ScriptFlags, type ScriptName, parseScriptArgs, scriptNames } from "./scriptFlags.ts";
import { scriptTexts } from "./scriptTexts.ts";
import { runSend } from "./sendScript.ts";
import { type TailWorld, runTail } from "./tailScript.ts";
import { runUsers } from "./usersScript.ts";

export interface ScriptStreams {
  input: Readable;
  output: Writable;
  errors: Writable;
}

/** The subcommand of that name; null where it is none. */
export function scriptNamed(name: string | undefined): ScriptName | null {
  return scriptNames.find((one) => one === name) ?? null;
}

/** Runs a subcommand; `ended` is its exit code, `stop` keeps what has to be kept before an end from outside. */
export function runScript(
  name: ScriptName,
  args: string[],
  { input, output, errors, env }: ScriptStreams & { env: NodeJS.ProcessEnv },
): { ended: Promise<ExitCode>; stop: () => void } {
  const callbacks: (() => void)[] = [];
  let texts = scriptTexts[langOf(undefined, env) ?? "zh"];
  let isTold = false;
  const told = (error: unknown): ExitCode => {
    // One line, whatever its end puts an end to.
    if (!isTold) errors.write(`client.ts ${name}: ${harmless(reasonOf(error))}\n`);
    isTold = true;
    return error instanceof ScriptError ? error.exitCode : exitCodes.failed;
  };
  const stop = (code: ExitCode = exitCodes.done): ExitCode => {
    // The last joined goes first: a cursor is kept before its lock is let go.
    for (const callback of callbacks.splice(0).reverse()) {
      try {
        callback();
      } catch (error) {
        const later = told(error);
        if (code === exitCodes.done) code = later;
      }
    }
    return code;
  };
  const ended = new Promise<ExitCode>((resolve) => {
    let isOver = false;
    const end = (error?: unknown): void => {
      // The first end counts: what it puts an end to has nothing to say any more.
      if (isOver) return;
      isOver = true;
      resolve(stop(error === undefined ? exitCodes.done : told(error)));
    };
    const notWritten = ({ code, message }: NodeJS.ErrnoException): void =>
      end(new ScriptError(exitCodes.failed, texts.outputFailed(code ?? message)));
    const lines = new LineWriter(output, { closed: () => end(), failed: notWritten });
    // Who has stopped reading our mistakes is told none.
    errors.on("error", () => undefined);
    const work = async (): Promise<void> => {
      const flags = parseScriptArgs(name, args, env);
      if (flags.name === "help") return lines.write(flags.help.trimEnd());
      texts = flags.texts;
      const beforeExit = (callback: () => void): void => void callbacks.push(callback);
      await run(flags, { env, clock: systemClock, lines, beforeExit, input });
    };
    work().then(() => end(), end);
  });
  return { ended, stop };
}

function run(flags: ScriptFlags, world: TailWorld & { input: Readable }): Promise<void> {
  switch (flags.name) {
    case "send":
      return runSend(flags, world);
    case "tail":
      return runTail(flags, world);
    case "users":
      return runUsers(flags, world);
    case "history":
      return runHistory(flags, world);
    case "register":
      return runRegister(flags, world);
  }
}

/**
 * scriptErrors: what can go wrong in a script, as ScriptErrors with their exit codes (clause [C-30]): not in time,
 * refused, the connection or the session gone.
 */
import type { ClientState, LoginInfo } from "./chatClient.ts";
import type { Clock } from "./clock.ts";
import { codes } from "./codes.ts";
import { harmless } from "./displayText.ts";
import { type ExitCode, ScriptError, exitCodes } from "./exitCodes.ts";
import { reasonOf } from "./journal.ts";
import { texts as clientTexts } from "./lang.ts";
import type { ScriptTarget } from "./scriptFlags.ts";
import { shownAddresses } from "./serverAddress.ts";
import { within } from "./within.ts";

/** What `within` needs for a step of a script. */
export function lateAt(
  { timeoutMs, texts }: Pick<ScriptTarget, "timeoutMs" | "texts">,
  step: keyof ScriptTarget["texts"]["steps"],
): { timeoutMs: number | null; late: () => Error } {
  const seconds = (timeoutMs ?? 0) / 1000;
  return {
    timeoutMs,
    late: () => new ScriptError(exitCodes.late, texts.notInTime(texts.steps[step], seconds)),
  };
}

/** Why the server will not have something, in the language of the script. */
export function reasonText({ lang }: Pick<ScriptTarget, "lang">, code: number, error: string): string {
  return clientTexts[lang].codes[code] ?? harmless(error);
}

/** The server cannot be reached. */
export function unreachable(target: ScriptTarget, error: unknown): ScriptError {
  const why = target.texts.noConnection(shownAddresses(target), reasonOf(error));
  return new ScriptError(exitCodes.noConnection, why);
}

/** A log-in that was refused. */
export function loginRefused(target: ScriptTarget, { code, error }: LoginInfo): ScriptError {
  return new ScriptError(exitCodeOf(code), target.texts.notLoggedIn(reasonText(target, code, error)));
}

/** A page that was asked for. Throws ScriptError: refused, not in time, or no connection any more. */
export async function paged<T>(target: ScriptTarget, clock: Clock, page: Promise<T>): Promise<T> {
  try {
    return await within(page, { clock, ...lateAt(target, "page") });
  } catch (error) {
    throw pageError(target, error);
  }
}

/** What a page's failure means. */
export function pageError(target: ScriptTarget, error: unknown): ScriptError {
  if (error instanceof ScriptError) return error;
  const { code } = error as { code?: unknown };
  if (typeof code !== "number") return new ScriptError(exitCodes.noConnection, target.texts.connectionLost);
  return new ScriptError(
    exitCodeOf(code),
    target.texts.refusedPage(reasonText(target, code, reasonOf(error))),
  );
}

/** Why a client has ended under us. */
export function endOf(target: ScriptTarget, state: ClientState): ScriptError {
  const { texts } = target;
  if (state.kind !== "ended" || state.reason === "closed") {
    return new ScriptError(exitCodes.noConnection, texts.connectionLost);
  }
  if (state.reason === "replaced") return new ScriptError(exitCodes.refused, texts.replaced);
  return loginRefused(target, { code: state.code ?? 0, error: "" });
}

/** What a script can do nothing about is refused; what may go well the next time has failed. */
export function exitCodeOf(code: number): ExitCode {
  return code === codes.tryAgain || code === codes.unknown ? exitCodes.failed : exitCodes.refused;
}

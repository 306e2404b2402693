/**
 * tailCursor: how far a tail has written out each conversation, in a file that is replaced whole (clause [C-35]). Beside
 * it lies a lock while a tail uses it. The file also names the tail's own device, so that however often and wherever it
 * is started it is one device of the account.
 */
import { newDeviceName } from "./deviceName.ts";
import { ScriptError, exitCodes } from "./exitCodes.ts";
import { reasonOf } from "./journal.ts";
import { type MessageId, formatId, parseId } from "./messageId.ts";
import { releaseLock, takeLock } from "./pidLock.ts";
import type { ScriptTexts } from "./scriptTexts.ts";
import { readWhole, writeWhole } from "./stateFiles.ts";

export interface CursorState {
  device: string;
  /** Unix ms of the server at the first start: what was said before in a conversation unknown then is not told. */
  startedMs: number;
  /** Conversation as its reader names it -> id of the last message written out. */
  positions: Map<string, MessageId>;
}

/** One cursor file, held by one tail. */
export class TailCursor {
  readonly #path: string;
  readonly #account: string;
  readonly #texts: ScriptTexts;
  /** Null: there is no file yet. */
  readonly found: CursorState | null;
  readonly device: string;

  private constructor(
    path: string,
    account: string,
    { texts, found }: { texts: ScriptTexts; found: CursorState | null },
  ) {
    this.#path = path;
    this.#account = account;
    this.#texts = texts;
    this.found = found;
    this.device = found?.device ?? newDeviceName("script");
  }

  /** Takes the file. Throws ScriptError where it is in use, damaged, or of another account. */
  static open(path: string, account: string, texts: ScriptTexts): TailCursor {
    const unusable = (error: unknown): ScriptError =>
      new ScriptError(exitCodes.failed, texts.cursorNotWritten(path, codeOf(error)));
    let isFree: boolean;
    try {
      isFree = takeLock(lockOf(path));
    } catch (error) {
      throw unusable(error);
    }
    if (!isFree) throw new ScriptError(exitCodes.failed, texts.cursorInUse(path));
    try {
      const text = readWhole(path);
      const found = text === null ? null : parse(text);
      // Never taken for a new one: it would begin now, and what came since would be passed over in silence.
      if (text !== null && !found) throw new ScriptError(exitCodes.failed, texts.cursorDamaged(path));
      if (found && found.account !== account) {
        throw new ScriptError(exitCodes.failed, texts.cursorOfAnother(path, found.account));
      }
      return new TailCursor(path, account, { texts, found });
    } catch (error) {
      releaseLock(lockOf(path));
      throw error instanceof ScriptError ? error : unusable(error);
    }
  }

  /** Replaces the file; on disk when this returns. Throws ScriptError where that cannot be done. */
  save({ startedMs, positions }: Pick<CursorState, "startedMs" | "positions">): void {
    const convs = Object.fromEntries([...positions].map(([conv, id]) => [conv, formatId(id)]));
    const text = `${JSON.stringify({ account: this.#account, device: this.device, startedMs, convs })}\n`;
    try {
      writeWhole(this.#path, text);
    } catch (error) {
      throw new ScriptError(exitCodes.failed, this.#texts.cursorNotWritten(this.#path, codeOf(error)));
    }
  }

  /** Lets the file go. */
  close(): void {
    releaseLock(lockOf(this.#path));
  }
}

function lockOf(path: string): string {
  return `${path}.pid`;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? reasonOf(error);
}

/** Null where it is not whole. */
function parse(text: string): (CursorState & { account: string }) | null {
  try {
    const { account, device, startedMs, convs } = JSON.parse(text) as Record<string, unknown>;
    if (typeof account !== "string" || typeof device !== "string" || typeof startedMs !== "number")
      return null;
    if (!/^[A-Za-z0-9._-]{1,32}$/.test(device) || typeof convs !== "object" || convs === null) return null;
    const positions = new Map<string, MessageId>();
    for (const [conv, given] of Object.entries(convs)) {
      const id = parseId(String(given));
      if (!id || !/^(all|u:[1-9]\d*)$/.test(conv)) return null;
      positions.set(conv, id);
    }
    return { account, device, startedMs, positions };
  } catch {
    return null;
  }
}

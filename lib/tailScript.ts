/**
 * tailScript: `client.ts tail`: joins a tail with its cursor file, its client and the lines it writes (clauses [C-34] to
 * [C-36]). Without a file it begins now and keeps nothing.
 */
import type { ChatClient } from "./chatClient.ts";
import type { Clock } from "./clock.ts";
import { accountName } from "./stateFiles.ts";
import type { LineWriter } from "./lineWriter.ts";
import { gapLine, messageLine } from "./messageLine.ts";
import { type MessageId, parseId, zeroId } from "./messageId.ts";
import type { TailFlags } from "./scriptFlags.ts";
import { endOf, lateAt, paged } from "./scriptErrors.ts";
import { type ScriptWorld, claimScriptDevice, logIn } from "./scriptLogin.ts";
import { Tail, headsOf } from "./tail.ts";
import { type CursorState, TailCursor } from "./tailCursor.ts";
import { within } from "./within.ts";

export interface TailWorld extends ScriptWorld {
  lines: LineWriter;
}

/** Runs until it is stopped, or, with --once, until everything is written. Throws ScriptError. */
export async function runTail(flags: TailFlags, world: TailWorld): Promise<void> {
  const cursor =
    flags.cursorPath === null ? null : TailCursor.open(flags.cursorPath, accountName(flags), flags.texts);
  if (cursor) world.beforeExit(() => cursor.close());
  let tail: Tail | null = null;
  let client: ChatClient | null = null;
  client = await logIn(flags, {
    ...world,
    device: cursor?.device ?? (await claimScriptDevice(flags, world)),
    // A bot is seen; who only looks once is not.
    presence: !flags.once,
    events: {
      // What comes before the tail stands it finds in history.
      message: (message) => tail?.heard(message),
      state: (state) => {
        if (!client || !tail) return;
        if (state.kind === "online") tail.loggedIn(client);
        else if (state.kind === "ended") tail.end(endOf(flags, state));
      },
    },
  });
  const begin = await beginning(flags, client, { cursor, clock: world.clock });
  tail = tailOf(flags, { world, cursor, ...begin });
  world.beforeExit(() => tail?.keep());
  tail.loggedIn(client);
  if (!flags.once) return tail.failed;
  try {
    await tail.idle();
  } finally {
    client.logout();
  }
}

/** The tail that writes its lines and keeps its cursor. */
function tailOf(
  { conv: scope, json, once, texts, ...target }: TailFlags,
  {
    world: { lines, clock },
    cursor,
    startedMs,
    positions,
  }: { world: TailWorld; cursor: TailCursor | null } & Pick<CursorState, "startedMs" | "positions">,
): Tail {
  const style = { json, texts };
  const pageTime = { clock, ...lateAt({ ...target, texts }, "page") };
  return new Tail({
    scope,
    positions,
    startedMs,
    message: (message) => lines.write(messageLine(message, style)),
    gap: (gap) => lines.write(gapLine(gap, style)),
    save: () => {
      if (!cursor) return;
      lines.sync();
      cursor.save({ startedMs, positions });
    },
    // Who goes on for ever waits for its server.
    inTime: (page) => (once ? within(page, pageTime) : page),
  });
}

/** Where it begins: where its file says, else at --since, else now; a new file says so before the first line. */
async function beginning(
  flags: TailFlags,
  client: ChatClient,
  { cursor, clock }: { cursor: TailCursor | null; clock: Clock },
): Promise<Pick<CursorState, "startedMs" | "positions">> {
  const { conv, since } = flags;
  // Asked also where it is not needed: a conversation that is none is said so.
  const newest = conv === null ? null : await paged(flags, clock, client.history({ conv, limit: 1 }));
  if (cursor?.found) return cursor.found;
  const info = client.info ?? { code: 0, error: "" };
  const fromTheBeginning = conv === null && since !== null;
  const positions = fromTheBeginning ? new Map<string, MessageId>() : headsOf(info);
  if (conv !== null) positions.set(conv, parseId(since ?? newest?.messages[0]?.id ?? "") ?? zeroId);
  const begin = { startedMs: fromTheBeginning ? 0 : (info.time ?? 0), positions };
  cursor?.save(begin);
  return begin;
}

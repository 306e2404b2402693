/**
 * historyScript: `client.ts history`: what was said, oldest first, from as many pages as it takes (clause [C-37]).
 */
import type { ChatClient, Delivered } from "./chatClient.ts";
import { historyPageMaxMessages } from "./limits.ts";
import type { LineWriter } from "./lineWriter.ts";
import { gapLine, messageLine } from "./messageLine.ts";
import { parseId, zeroId } from "./messageId.ts";
import type { HistoryFlags } from "./scriptFlags.ts";
import { paged } from "./scriptErrors.ts";
import { type ScriptWorld, claimScriptDevice, logIn } from "./scriptLogin.ts";
import { gapBetween } from "./tail.ts";

/** Runs it to its end. Throws ScriptError. */
export async function runHistory(
  flags: HistoryFlags,
  world: ScriptWorld & { lines: LineWriter },
): Promise<void> {
  const device = await claimScriptDevice(flags, world);
  const client = await logIn(flags, { ...world, device, presence: false });
  try {
    const { json, texts, since } = flags;
    const style = { json, texts };
    let last = since === null ? null : (parseId(since) ?? zeroId);
    for await (const message of since === null
      ? newest(flags, client, world)
      : onwards(flags, client, world)) {
      const id = parseId(message.id ?? "") ?? zeroId;
      const gap = gapBetween(flags.conv, last, id);
      if (gap) await world.lines.write(gapLine(gap, style));
      await world.lines.write(messageLine({ ...message, conv: flags.conv }, style));
      last = id;
    }
  } finally {
    client.logout();
  }
}

/** The first `limit` messages after --since. */
async function* onwards(
  flags: HistoryFlags,
  client: ChatClient,
  world: ScriptWorld,
): AsyncGenerator<Delivered> {
  let after = flags.since ?? "0-0";
  for (let left = flags.limit; left > 0;) {
    const limit = Math.min(left, historyPageMaxMessages);
    const page = await paged(flags, world.clock, client.history({ conv: flags.conv, after, limit }));
    yield* page.messages;
    left -= page.messages.length;
    after = page.messages.at(-1)?.id ?? after;
    if (!page.more) return;
  }
}

/** The last `limit` messages, below --before where it is given. */
async function* newest(
  flags: HistoryFlags,
  client: ChatClient,
  world: ScriptWorld,
): AsyncGenerator<Delivered> {
  const pages: Delivered[][] = [];
  let before = flags.before;
  for (let left = flags.limit; left > 0;) {
    const limit = Math.min(left, historyPageMaxMessages);
    const asked = { conv: flags.conv, limit, ...(before !== null && { before }) };
    const page = await paged(flags, world.clock, client.history(asked));
    pages.unshift(page.messages);
    left -= page.messages.length;
    before = page.messages[0]?.id ?? null;
    if (!page.more) break;
  }
  yield* pages.flat();
}

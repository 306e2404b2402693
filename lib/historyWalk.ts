/**
 * historyWalk: going through a whole conversation on the server, page by page, with whatever looks at it: a search from
 * the newest to the oldest, a check from the oldest to the newest. Each can be stopped, and says how far it is.
 */
import type { ChatClient, Delivered } from "./chatClient.ts";
import { codes } from "./codes.ts";
import { historyPageMaxMessages, searchFoundMax } from "./limits.ts";
import { type MessageId, compareIds, formatId, parseId, zeroId } from "./messageId.ts";

export type AskHistory = ChatClient["history"];

/** How a walk ended. `failed`: the link, or the server, would not. */
export type WalkEnd =
  { kind: "done" } | { kind: "stopped" } | { kind: "full" } | { kind: "failed"; error: unknown };

export interface SearchOptions {
  ask: AskHistory;
  convs: string[];
  word: string;
  signal: AbortSignal;
  found: (message: Delivered) => void;
  /** Messages looked at so far, in all conversations. */
  progress: (searched: number) => void;
}

/** Finds a word in conversations, newest first: letters of any case, any width, anywhere in the text. Never throws. */
export async function searchHistory({
  ask,
  convs,
  word,
  signal,
  found,
  progress,
}: SearchOptions): Promise<WalkEnd> {
  const wanted = folded(word);
  let searched = 0;
  let count = 0;
  for (const conv of convs) {
    let before: string | undefined;
    for (;;) {
      if (signal.aborted) return { kind: "stopped" };
      const page = await pageOf(ask, { conv, ...(before !== undefined && { before }) });
      if ("failed" in page)
        return signal.aborted ? { kind: "stopped" } : { kind: "failed", error: page.failed };
      if (signal.aborted) return { kind: "stopped" };
      for (const message of page.messages.toReversed()) {
        if (!folded(message.content).includes(wanted)) continue;
        if (++count > searchFoundMax) return { kind: "full" };
        found({ ...message, conv });
      }
      searched += page.messages.length;
      progress(searched);
      before = page.messages[0]?.id;
      if (!page.more || before === undefined) break;
    }
  }
  return { kind: "done" };
}

/** What a check found. */
export type Fault =
  | { kind: "missing"; count: number; after: MessageId; before: MessageId }
  | { kind: "doubled"; id: MessageId }
  | { kind: "disordered"; id: MessageId }
  | { kind: "sameMid"; mid: string; ids: [string, string] }
  | { kind: "different"; id: MessageId };

export interface VerifyOptions {
  ask: AskHistory;
  conv: string;
  signal: AbortSignal;
  /** What this client has shown under an id; undefined: nothing. */
  held: (id: string) => string | undefined;
  fault: (fault: Fault) => void;
  progress: (checked: number, first: MessageId, last: MessageId) => void;
}

/** Reads a conversation from end to end and tells every hole, double and disorder. Never throws. */
export async function verifyHistory({
  ask,
  conv,
  signal,
  held,
  fault,
  progress,
}: VerifyOptions): Promise<WalkEnd> {
  const ids = new Set<string>();
  const mids = new Map<string, string>();
  let first: MessageId | null = null;
  let last: MessageId | null = null;
  for (;;) {
    if (signal.aborted) return { kind: "stopped" };
    const page = await pageOf(ask, { conv, after: formatId(last ?? zeroId) });
    if ("failed" in page)
      return signal.aborted ? { kind: "stopped" } : { kind: "failed", error: page.failed };
    for (const { id: text = "", mid, userId, content } of page.messages) {
      const id = parseId(text);
      if (!id) continue;
      if (ids.has(text)) fault({ kind: "doubled", id });
      else if (last && compareIds(id, last) < 0) fault({ kind: "disordered", id });
      else if (last && id.seq > last.seq + 1) {
        fault({ kind: "missing", count: id.seq - last.seq - 1, after: last, before: id });
      }
      ids.add(text);
      const key = `${userId} ${mid}`;
      const other = mid === undefined || mid === "" ? undefined : mids.get(key);
      if (other !== undefined && other !== text)
        fault({ kind: "sameMid", mid: mid ?? "", ids: [other, text] });
      mids.set(key, text);
      const shown = held(text);
      if (shown !== undefined && shown !== content) fault({ kind: "different", id });
      first ??= id;
      if (!last || compareIds(id, last) > 0) last = id;
    }
    if (first && last) progress(ids.size, first, last);
    if (!page.more || page.messages.length === 0) return { kind: "done" };
  }
}

async function pageOf(
  ask: AskHistory,
  fields: { conv: string; before?: string; after?: string },
): Promise<{ messages: Delivered[]; more: boolean } | { failed: unknown }> {
  try {
    const { messages, more } = await ask({ ...fields, limit: historyPageMaxMessages });
    return { messages, more };
  } catch (error) {
    // A conversation with somebody who is not there has no messages; it is not what was asked for.
    if ((error as { code?: number }).code === codes.notFound) return { messages: [], more: false };
    return { failed: error };
  }
}

/** One spelling of all that look the same to a searcher. */
function folded(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

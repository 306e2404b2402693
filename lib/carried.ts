/**
 * carried: messages that come along with the hint that tells of them. The log stays the truth: what a hint carries is
 * taken only where it follows, without a hole, on what this node has; whatever else a hint says makes it read ([D-10]).
 */
import { carriedMaxBytes, readBatchMaxEntries } from "./limits.ts";
import { type MessageId, compareIds, formatId, parseId } from "./messageId.ts";
import type { Entry } from "./smsDao.ts";

/** As text for a hint: a JSON list; "" where there is nothing, or more than carriedMaxBytes. */
export function carriedText(entries: readonly Entry[]): string {
  let units = 0;
  for (const { content } of entries) if ((units += content.length) > carriedMaxBytes) return "";
  if (entries.length === 0) return "";
  const text = JSON.stringify(
    entries.map(({ id, time, sender, device, mid, name, sex, content }) => {
      return [formatId(id), time, sender, device, mid, name, sex, content];
    }),
  );
  return Buffer.byteLength(text) <= carriedMaxBytes ? text : "";
}

/** What such a text says; nothing where it cannot be read: then the log is. */
export function carriedEntries(text: string): Entry[] {
  try {
    return (JSON.parse(text) as unknown[][]).map((fields) => {
      const [id, time, sender, ...texts] = fields;
      const parsed = parseId(String(id));
      if (!parsed || texts.length < 5 || texts.some((field) => typeof field !== "string")) throw new Error();
      const [device, mid, name, sex, content] = texts as [string, string, string, string, string];
      return { id: parsed, time: Number(time), sender: Number(sender), device, mid, name, sex, content };
    });
  } catch {
    return [];
  }
}

/** What hints have carried of one conversation and nobody was sent yet. */
export class Carried {
  #entries: Entry[] = [];
  /** Whether nothing was told of since the last reading but what is kept here. */
  #isWhole = true;

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** A hint came with these, on top of `position`. False: the log has to be read. */
  add(position: MessageId, entries: readonly Entry[]): boolean {
    if (entries.length === 0 || !this.#isWhole) return this.distrust();
    let last = this.#entries.at(-1)?.id ?? position;
    for (const entry of entries) {
      if (compareIds(entry.id, last) <= 0) continue;
      if (!follows(last, entry.id) || this.#entries.length === readBatchMaxEntries) return this.distrust();
      this.#entries.push(entry);
      last = entry.id;
    }
    return true;
  }

  /** What follows on `position`, perhaps nothing; null: the log has to be read now. */
  take(position: MessageId): Entry[] | null {
    const entries = this.#entries;
    this.#entries = [];
    const mustRead = entries.length === 0 || !this.#isWhole;
    this.#isWhole = true;
    if (mustRead) return null;
    const rest = entries.filter(({ id }) => compareIds(id, position) > 0);
    const [first] = rest;
    return !first || follows(position, first.id) ? rest : null;
  }

  /** Something told of more than is kept here: the log has to be read. */
  distrust(): false {
    this.#entries = [];
    this.#isWhole = false;
    return false;
  }
}

function follows(last: MessageId, next: MessageId): boolean {
  return next.epoch === last.epoch && next.seq === last.seq + 1;
}

/**
 * readMarks: how far a person has read in each conversation, and whom they talk to, kept over restarts. A server knows
 * what a device was given, not what was looked at: what came and was not read is unread again at the next start. Two
 * clients of one account keep the later of their marks.
 */
import { join } from "node:path";
import { readMarksConvsMax } from "./limits.ts";
import { type MessageId, formatId, laterId, parseId, zeroId } from "./messageId.ts";
import { readWhole, writeWhole } from "./stateFiles.ts";

export interface ReadMark {
  conv: string;
  name: string;
  readTo: MessageId;
}

/** The marks of one account. */
export class ReadMarks {
  readonly #path: string | null;
  #written = "";

  /** `folder` is the state folder, null: they are not kept; `account` as in the names of files. */
  constructor(folder: string | null, account: string) {
    this.#path = folder === null ? null : join(folder, "read", `${account}.json`);
  }

  /** What was kept. Never throws. */
  read(): ReadMark[] {
    if (this.#path === null) return [];
    try {
      const value: unknown = JSON.parse(readWhole(this.#path) ?? "[]");
      return Array.isArray(value) ? value.flatMap(markOf) : [];
    } catch {
      return [];
    }
  }

  /** Keeps marks, the later ones where others have been kept meanwhile. Whether that could be done. */
  write(marks: ReadMark[]): boolean {
    if (this.#path === null) return false;
    const merged = new Map(this.read().map((mark) => [mark.conv, mark]));
    for (const mark of marks) {
      const kept = merged.get(mark.conv);
      merged.delete(mark.conv);
      merged.set(mark.conv, kept ? { ...mark, readTo: laterId(kept.readTo, mark.readTo) } : mark);
    }
    const lines = [...merged.values()]
      .slice(-readMarksConvsMax)
      .map(({ conv, name, readTo }) => JSON.stringify({ conv, name, readTo: formatId(readTo) }));
    const text = `[${lines.join(",\n")}]\n`;
    if (text === this.#written) return true;
    try {
      writeWhole(this.#path, text);
      this.#written = text;
      return true;
    } catch {
      return false;
    }
  }
}

function markOf(value: unknown): ReadMark[] {
  if (typeof value !== "object" || value === null) return [];
  const { conv, name, readTo } = value as Record<string, unknown>;
  if (typeof conv !== "string" || !/^(all|u:[1-9]\d{0,15})$/.test(conv)) return [];
  const id = typeof readTo === "string" ? parseId(readTo) : null;
  return [{ conv, name: typeof name === "string" ? name : "", readTo: id ?? zeroId }];
}

/**
 * outbox: messages on disk until their fate is known (clause [C-7]). A message is synced to disk before its Enter is
 * answered, and taken out only by a 200 or by the person's own word; a refused one is kept for the person to decide.
 * One file for an account and an installation's device; what a client that was killed left behind is taken over by the
 * next one. It survives a torn last line and a full disk. A message keeps its mid, so sending it again stores it once.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { makeFolder } from "./folder.ts";
import { releaseLock, takeLock } from "./pidLock.ts";
import { readWhole, writeWhole } from "./stateFiles.ts";

export interface OutboxItem {
  mid: string;
  /** "all" or "u:<id>". */
  conv: string;
  content: string;
  /** Unix ms at which it was typed. */
  timeMs: number;
  /** Why the server will not have it; absent while that is not so. */
  refused?: { code: number; error: string };
}

type Line = { put: OutboxItem } | { gone: string } | { refused: string; code: number; error: string };

export interface OutboxOptions {
  /** Made where it is missing, readable by its owner only. */
  folder: string;
  /** Whose messages: a name of `[A-Za-z0-9._-]`, the same for every client of the account. */
  account: string;
  /** Name of the device; a second client beside this one has another. */
  device: string;
}

/** The file of one device, and what is in it. */
export class Outbox {
  readonly #path: string;
  readonly #items = new Map<string, OutboxItem>();
  #file: number;
  /** What the disk had no room for. */
  #late: Line[] = [];

  private constructor(path: string, items: Iterable<OutboxItem>) {
    this.#path = path;
    for (const item of items) this.#items.set(item.mid, item);
    const lines = Array.from(this.#items.values(), (item) => `${JSON.stringify({ put: item })}\n`);
    writeWhole(path, lines.join(""));
    this.#file = fs.openSync(path, "a", 0o600);
  }

  /**
   * Opens the device's file, with what ended clients of the same account left in theirs.
   * Throws an Error of one line when the folder cannot be used, or the device's file is in use.
   */
  static open({ folder, account, device }: OutboxOptions): Outbox {
    makeFolder(folder);
    const own = join(folder, `${account}@${device}.outbox`);
    if (!takeLock(`${own}.pid`)) throw new Error(`${own}: in use by another client`);
    const items = new Map(readItems(own).map((item) => [item.mid, item]));
    const left: string[] = [];
    for (const name of fs.readdirSync(folder)) {
      const path = join(folder, name);
      if (path === own || !name.startsWith(`${account}@`) || !name.endsWith(".outbox")) continue;
      if (!takeLock(`${path}.pid`)) continue;
      for (const item of readItems(path)) items.set(item.mid, item);
      left.push(path);
    }
    const inOrder = [...items.values()].sort((one, other) => one.timeMs - other.timeMs);
    const outbox = new Outbox(own, inOrder);
    // Only now that they are on disk here may they go there; a kill in between leaves them in both, with one mid.
    for (const path of left) {
      fs.rmSync(path, { force: true });
      releaseLock(`${path}.pid`);
    }
    return outbox;
  }

  /** What waits to be sent, oldest first. */
  get waiting(): OutboxItem[] {
    return [...this.#items.values()].filter(({ refused }) => !refused);
  }

  /** What the server will not have, for the person to decide about. */
  get refused(): OutboxItem[] {
    return [...this.#items.values()].filter(({ refused }) => refused);
  }

  /** Keeps a message; on disk when this returns. Throws an Error when it cannot be written. */
  put(item: OutboxItem): void {
    this.#write({ put: item });
    this.#items.set(item.mid, item);
  }

  /** The message is stored, or the person dropped it. Never throws. */
  remove(mid: string): void {
    if (!this.#items.delete(mid)) return;
    this.#tell({ gone: mid });
    if (this.#items.size > 0) return;
    // An empty box needs no story of how it got so.
    fs.ftruncateSync(this.#file, 0);
    this.#late = [];
  }

  /** The message was refused for good; it stays, and is not sent again by itself. Never throws. */
  refuse(mid: string, { code, error }: { code: number; error: string }): void {
    const item = this.#items.get(mid);
    if (!item) return;
    item.refused = { code, error };
    this.#tell({ refused: mid, code, error });
  }

  /** Lets the file go; what is in it stays. */
  close(): void {
    if (this.#file < 0) return;
    fs.closeSync(this.#file);
    this.#file = -1;
    if (this.#items.size === 0) fs.rmSync(this.#path, { force: true });
    releaseLock(`${this.#path}.pid`);
  }

  /** What became of a message. Until there is room for it the message is there again, with its mid, after a kill. */
  #tell(line: Line): void {
    try {
      this.#write(line);
    } catch {
      this.#late.push(line);
    }
  }

  #write(line: Line): void {
    const { size } = fs.fstatSync(this.#file);
    const text = [...this.#late, line].map((one) => `${JSON.stringify(one)}\n`).join("");
    try {
      fs.writeFileSync(this.#file, Buffer.from(text));
      fs.fdatasyncSync(this.#file);
    } catch (error) {
      // Half a line would take the next one with it.
      fs.ftruncateSync(this.#file, size);
      throw error;
    }
    this.#late = [];
  }
}

/** What a file holds. A line that was torn by a power cut, or is none of ours, is passed over. */
function readItems(path: string): OutboxItem[] {
  const items = new Map<string, OutboxItem>();
  for (const text of (readWhole(path) ?? "").split("\n")) {
    const line = parseLine(text);
    if (!line) continue;
    if ("put" in line) items.set(line.put.mid, line.put);
    else if ("gone" in line) items.delete(line.gone);
    else {
      const item = items.get(line.refused);
      if (item) item.refused = { code: line.code, error: line.error };
    }
  }
  return [...items.values()];
}

function parseLine(text: string): Line | null {
  try {
    const line = JSON.parse(text) as Line;
    if ("put" in line) {
      const { mid, conv, content, timeMs } = line.put;
      const whole =
        [mid, conv, content].every((one) => typeof one === "string") && typeof timeMs === "number";
      return whole ? line : null;
    }
    return "gone" in line || "refused" in line ? line : null;
  } catch {
    return null;
  }
}

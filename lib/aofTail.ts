/**
 * aofTail: a script that is only half in Redis' append-only file. It lies there as MULTI … EXEC; where the file ends
 * inside one of its commands (a power cut), Redis 7.0 cuts off that command alone when it loads the file. The commands
 * before it stay there behind an open MULTI: not in memory, but run at the load after next. Messages that were lost come
 * back then, beside those that had been said again. So all of it is cut off before Redis is started ([R-3], [S-4]).
 */
import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { aofPartMaxBytes, aofReadBytes } from "./limits.ts";

/**
 * Cuts off what follows an open MULTI in the append-only file of a folder, where Redis goes on writing. Gives how many
 * bytes that were; 0 too where there is no such file, or something in it is no command: Redis itself says what is wrong.
 */
export async function cutOpenTransaction(folder: string): Promise<number> {
  const path = await newestFile(join(folder, "appendonlydir"));
  if (path === null) return 0;
  const file = await open(path, "r+");
  try {
    const at = await openTransactionAt(file);
    if (at === null) return 0;
    const { size } = await file.stat();
    await file.truncate(at);
    await file.sync();
    return size - at;
  } finally {
    await file.close();
  }
}

/** The last one of type i (incremental) in the manifest; null: none. */
async function newestFile(folder: string): Promise<string | null> {
  const manifest = await readFile(join(folder, "appendonly.aof.manifest"), "utf8").catch(() => "");
  const names = [...manifest.matchAll(/^file (\S+) seq \d+ type i\b/gm)].map(([, name]) => name);
  const newest = names.at(-1);
  return newest === undefined ? null : join(folder, newest);
}

/** Where the MULTI begins that no EXEC follows; null: there is none. */
async function openTransactionAt(file: FileHandle): Promise<number | null> {
  let held = Buffer.alloc(0);
  let heldAt = 0;
  let openAt: number | null = null;
  for (;;) {
    // A long command is read in longer and longer pieces, so that what is held is not copied again for each short one.
    const size = Math.max(aofReadBytes, held.length);
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(size), 0, size, null);
    if (bytesRead === 0) return openAt;
    held = Buffer.concat([held, buffer.subarray(0, bytesRead)]);
    let at = 0;
    for (let end; (end = commandEnd(held, at)) > at; at = end) {
      const name = nameAt(held, at);
      if (name === "MULTI") openAt ??= heldAt + at;
      else if (name === "EXEC") openAt = null;
    }
    if (commandEnd(held, at) < 0) return null;
    held = held.subarray(at);
    heldAt += at;
  }
}

/** Where the command at `at` ends: `*<parts>`, each `$<bytes>` and those; `at` itself: not here yet; -1: it is none. */
function commandEnd(bytes: Buffer, at: number): number {
  // A line of its own says the time, where Redis was told to.
  if (bytes[at] === hash) return bytes.indexOf(newline, at) + 1 || at;
  const parts = numberAt(bytes, at, star);
  if (parts === null || parts.value < 0) return parts ? -1 : at;
  let end = parts.end;
  for (let part = 0; part < parts.value; part++) {
    const length = numberAt(bytes, end, dollar);
    if (length === null || length.value < 0) return length ? -1 : at;
    end = length.end + length.value + 2;
    if (end > bytes.length) return at;
  }
  return end;
}

/** `<mark><number>\r\n`; null: not here yet; -1: it is something else. */
function numberAt(bytes: Buffer, at: number, mark: number): { value: number; end: number } | null {
  if (at >= bytes.length) return null;
  const end = bytes.indexOf(newline, at);
  if (bytes[at] !== mark) return { value: -1, end: at };
  if (end < 0) return null;
  const text = bytes.toString("latin1", at + 1, end - 1);
  const value = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  return { value: value <= aofPartMaxBytes ? value : -1, end: end + 1 };
}

/** The first part of the command at `at`. */
function nameAt(bytes: Buffer, at: number): string {
  if (bytes[at] === hash) return "";
  const start = bytes.indexOf(newline, bytes.indexOf(newline, at) + 1) + 1;
  return bytes.toString("latin1", start, bytes.indexOf(newline, start) - 1).toUpperCase();
}

const newline = 0x0a;
const hash = 0x23;
const star = 0x2a;
const dollar = 0x24;

/**
 * firstGenerationReader: reads the way the first-generation client does, exactly. It is a process of its own whose
 * stdin is the connected socket: one read for a header, which has to give 4 bytes, one for the body, which has to give
 * all of it, into a buffer of 8,096 bytes. Anything else is that client's panic: exit code 1. Each message it
 * understood is a line on stdout, written at once.
 *
 *   firstGenerationReader.ts USERID PASSWORD
 */
import { readSync, writeSync } from "node:fs";

const socket = 0;
const buffer = Buffer.alloc(8096);
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** What a blocking call does: the descriptor is Node's, so it may say "not now" instead of waiting. */
function blocking(call: () => number): number {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      // Short, so that it looks as early as one that is woken.
      Atomics.wait(sleeper, 0, 0, 0.05);
    }
  }
}

function panic(why: string): never {
  writeSync(2, `panic: ${why}\n`);
  process.exit(1);
}

function write(bytes: Buffer, to: number): void {
  for (let at = 0; at < bytes.length;) {
    const from = at;
    at += blocking(() => writeSync(to, bytes, from));
  }
}

/** Header and body in two writes, as that client does. */
function say(type: string, data: unknown): void {
  const payload = Buffer.from(JSON.stringify({ type, data: JSON.stringify(data) }));
  const header = Buffer.alloc(4);
  header.writeUInt32BE(payload.length);
  write(header, socket);
  write(payload, socket);
}

function readMessage(): { type: string; data: Record<string, unknown> } {
  const headerBytes = blocking(() => readSync(socket, buffer, 0, 4, null));
  if (headerBytes === 0) process.exit(0);
  if (headerBytes !== 4) panic(`a header of ${headerBytes} bytes`);
  const length = buffer.readUInt32BE(0);
  if (length > buffer.length) panic(`a length of ${length}`);
  const bytes = blocking(() => readSync(socket, buffer, 0, length, null));
  if (bytes !== length) panic(`a body of ${bytes} bytes, wanted ${length}`);
  const { type, data } = JSON.parse(buffer.toString("utf8", 0, length)) as { type: string; data: string };
  return { type, data: JSON.parse(data) as Record<string, unknown> };
}

const [userId, userPwd] = process.argv.slice(2);
say("LoginMes", { userId: Number(userId), userPwd, userName: "" });
for (;;) {
  const { type, data } = readMessage();
  const { UsersId, userId: from, content, code } = data;
  const told = Array.isArray(UsersId)
    ? `${String(code)} ${UsersId.length}`
    : `${String(from)} ${String(content)}`;
  write(Buffer.from(`${type} ${told}\n`), 1);
}

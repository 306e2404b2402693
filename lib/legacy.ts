/**
 * legacy: all that the first-generation client needs, and nothing of it anywhere else (clauses [G-1] to [G-9]). That
 * client reads a header with one Read and a body with another, and panics on a torn one; it prints what it gets raw;
 * its buffer holds 8,096 bytes. So: small whole frames, paced; content split and neutralised; few notices.
 */
import type { Timer } from "./clock.ts";
import { codes } from "./codes.ts";
import { type StoredConv, allConv } from "./conv.ts";
import { legacyFields } from "./delivered.ts";
import * as limits from "./limits.ts";
import { encodeServer } from "./message.ts";
import type { MessageId } from "./messageId.ts";
import type { LegacyOutput, Output } from "./session.ts";
import type { Entry } from "./smsDao.ts";
import { type Marks, Unsettled, type UnsettledOptions } from "./unsettled.ts";

const privateMark = "（私聊）";

/** The frames of one message for a legacy reader: usually one, more where the content would not fit ([G-5]). */
export function legacyFramesOf(entry: Entry, conv: StoredConv, reader: number): Buffer[] {
  // A note to oneself is private too, and needs no mark.
  const mark = conv === allConv || entry.sender === reader ? "" : privateMark;
  const userName = neutralised(entry.name);
  const content = neutralised(entry.content);
  const room = limits.legacyFrameMaxBytes - payloadBytes(encodeSms(entry, mark, userName));
  return split(content, room).map((part) => encodeSms(entry, mark + part, userName));
}

function encodeSms(entry: Entry, content: string, userName: string): Buffer {
  return encodeServer("SmsMes", legacyFields({ ...entry, sex: neutralised(entry.sex) }, content, userName));
}

function payloadBytes(frame: Buffer): number {
  return frame.length - limits.frameHeaderBytes;
}

const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Control characters become their pictures, C1 and bidi controls U+FFFD: visible, and without effect ([G-6]). */
function neutralised(text: string): string {
  return text.replace(unsafe, (char) => {
    const code = char.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : "\ufffd";
  });
}

/** Cuts text between code points so that each part takes at most `roomBytes` inside a frame. */
function split(text: string, roomBytes: number): string[] {
  if (wireBytes(text) <= roomBytes) return [text];
  const parts: string[] = [];
  let part = "";
  let bytes = 0;
  for (const char of text) {
    const charBytes = wireBytes(char);
    if (bytes + charBytes > roomBytes) {
      parts.push(part);
      part = "";
      bytes = 0;
    }
    part += char;
    bytes += charBytes;
  }
  parts.push(part);
  return parts;
}

/** What a piece of content takes on the wire: it is JSON inside JSON. The quotes of both are not its own. */
function wireBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(JSON.stringify(text))) - '"\\"\\""'.length;
}

/** LoginResMes 200: who is online, oneself first, cut to what that client can read ([L-1], [G-2]). */
export function legacyLoginAnswer(own: number, online: Iterable<number>): Buffer {
  const answer = (UsersId: number[]): Buffer =>
    encodeServer("LoginResMes", { code: codes.ok, UsersId, error: "" });
  const ids = [own];
  let bytes = payloadBytes(answer(ids));
  for (const id of online) {
    if (id === own) continue;
    bytes += `,${id}`.length;
    if (bytes > limits.legacyFrameMaxBytes) break;
    ids.push(id);
  }
  return answer(ids);
}

interface Queued {
  bytes: Buffer;
  /** The message that is whole with this frame. */
  mark: { conv: StoredConv; id: MessageId } | null;
}

export interface LegacyPacerOptions extends UnsettledOptions {
  userId: number;
  output: Output & {
    /** Bytes that our kernel has taken since the connection began. */
    readonly takenBytes: number;
  };
  /** Everybody online. */
  online: () => Iterable<number>;
}

/** The output of one legacy session: bursts with pauses, cursors that move late, notices by and by. */
export class LegacyPacer implements LegacyOutput {
  readonly #options: LegacyPacerOptions;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #state: "idle" | "writing" | "closed" = "idle";
  readonly #unsettled: Unsettled;
  readonly #notices = new Set<number>();
  #noticeTimer: Timer | null = null;
  #drainCallbacks: (() => void)[] = [];

  constructor(options: LegacyPacerOptions) {
    this.#options = options;
    this.#unsettled = new Unsettled(options);
  }

  get backlogBytes(): number {
    return this.#queuedBytes + this.#options.output.backlogBytes;
  }

  loginAnswer(): Buffer {
    return legacyLoginAnswer(this.#options.userId, this.#options.online());
  }

  write(bytes: Buffer): void {
    this.#push({ bytes, mark: null });
  }

  deliver(conv: StoredConv, id: MessageId, frames: Buffer[]): void {
    frames.forEach((bytes, index) => {
      this.#push({ bytes, mark: index === frames.length - 1 ? { conv, id } : null });
    });
  }

  presenceChanged(online: Iterable<number>, offline: Iterable<number>): void {
    for (const id of offline) this.#notices.delete(id);
    for (const id of online) if (id !== this.#options.userId) this.#notices.add(id);
    this.#scheduleNotice();
  }

  whenDrained(callback: () => void): void {
    if (this.#state === "idle" && this.#queue.length === 0) this.#options.output.whenDrained(callback);
    else if (this.#state !== "closed") this.#drainCallbacks.push(callback);
  }

  close(reason: string): void {
    this.#noticeTimer?.cancel();
    this.#notices.clear();
    this.whenDrained(() => this.#options.output.close(reason));
  }

  /** Whether something was written that is not known to have arrived. */
  get asksWhatArrived(): boolean {
    return this.#unsettled.asksWhatArrived;
  }

  /** The reader's TCP has so many bytes of this connection. */
  arrived(bytes: number): void {
    this.#unsettled.arrived(bytes);
  }

  /** The connection has ended; `clean`: by the reader's own FIN. Settles what may be settled ([G-9]). */
  ended(clean: boolean): void {
    this.#unsettled.ended(clean);
    this.#state = "closed";
    this.#noticeTimer?.cancel();
    this.#queue = [];
    this.#queuedBytes = 0;
    const callbacks = this.#drainCallbacks;
    this.#drainCallbacks = [];
    for (const callback of callbacks) callback();
  }

  #push(queued: Queued): void {
    if (this.#state === "closed") return;
    this.#queue.push(queued);
    this.#queuedBytes += queued.bytes.length;
    if (this.#state === "idle") this.#pump();
  }

  /** One burst; the next one when the kernel has taken it and the pause is over ([G-4]). */
  #pump(): void {
    const burst = this.#takeBurst();
    if (burst.length === 0) {
      const callbacks = this.#drainCallbacks;
      this.#drainCallbacks = [];
      for (const callback of callbacks) callback();
      return;
    }
    this.#state = "writing";
    this.#options.output.write(Buffer.concat(burst.map(({ bytes }) => bytes)), () => {
      if (this.#state === "closed") return;
      this.#written(burst);
      this.#options.clock.after(limits.legacyBurstPauseMs, () => {
        if (this.#state !== "writing") return;
        this.#state = "idle";
        this.#pump();
      });
    });
  }

  #takeBurst(): Queued[] {
    let bytes = 0;
    let count = 0;
    for (const queued of this.#queue) {
      bytes += queued.bytes.length;
      if (count > 0 && bytes > limits.legacyBurstMaxBytes) break;
      count++;
    }
    const burst = this.#queue.splice(0, count);
    for (const queued of burst) this.#queuedBytes -= queued.bytes.length;
    return burst;
  }

  #written(burst: Queued[]): void {
    const marks: Marks = new Map();
    for (const { mark } of burst) if (mark) marks.set(mark.conv, mark.id);
    if (marks.size > 0) this.#unsettled.written(marks, this.#options.output.takenBytes);
  }

  #scheduleNotice(): void {
    if (this.#noticeTimer || this.#notices.size === 0 || this.#state === "closed") return;
    const [userId] = this.#notices;
    if (userId === undefined) return;
    this.#notices.delete(userId);
    this.write(encodeServer("NotifyUserStatusMes", { userId, status: 0 }));
    this.#noticeTimer = this.#options.clock.after(1000 / limits.legacyNoticesPerSecond, () => {
      this.#noticeTimer = null;
      this.#scheduleNotice();
    });
  }
}

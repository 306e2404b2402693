/**
 * crowd: the members of one room on one system, as cheap as can be for the load generator: one socket each, all reading
 * into one shared buffer, nothing parsed but the number of each message. What the bytes mean is the wire's affair.
 */
import { type Socket, connect } from "node:net";
import type { Tally } from "./tally.ts";

/** How one system is talked to. A wire is made for each member. */
export interface Wire {
  /** Bytes that log the member in; null: nothing to say. */
  hello(): Buffer | null;
  /** Bytes that say `text` to the room. */
  say(text: string): Buffer;
  /** Takes the first `length` bytes of what came; tells `heard`. The bytes are good for the call only. */
  read(bytes: Buffer, length: number): void;
}

export interface Heard {
  /** The member is in the room now. */
  ready(): void;
  /** The numbered message was delivered to the member. */
  delivered(number: number): void;
  /** Something must be answered, to stay connected. */
  answer(bytes: Buffer): void;
  /** The system said that something went wrong. */
  failed(reason: string): void;
}

export interface CrowdOptions {
  port: number;
  /** Makes the wire of member `index`. */
  wireOf: (index: number, heard: Heard) => Wire;
}

const shared = Buffer.allocUnsafe(256 * 1024);

/** One member. */
export class Member {
  readonly index: number;
  readonly wire: Wire;
  readonly socket: Socket;
  /** Resolves when it is in the room. */
  readonly joined: Promise<void>;

  constructor(index: number, { port, wireOf }: CrowdOptions, books: Books) {
    this.index = index;
    let ready: () => void = () => undefined;
    let failed: (error: Error) => void = () => undefined;
    this.joined = new Promise((resolve, reject) => {
      ready = resolve;
      failed = reject;
    });
    this.joined.catch(() => undefined);
    const fail = (reason: string): void => {
      const error = new Error(`member ${index}: ${reason}`);
      failed(error);
      if (!this.#leaving) books.failed(error);
    };
    this.wire = wireOf(index, {
      ready,
      delivered: (number) => books.tally?.got(index, number, books.nowMs),
      answer: (bytes) => void this.socket.write(bytes),
      failed: fail,
    });
    this.socket = connect({
      host: "127.0.0.1",
      port,
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (length: number) => {
          books.nowMs = performance.now();
          this.wire.read(shared, length);
          return true;
        },
      },
    });
    this.socket.on("error", (error) => fail(error.message));
    this.socket.on("close", () => fail("closed"));
    const hello = this.wire.hello();
    if (hello) this.socket.write(hello);
  }

  #leaving = false;

  /** Leaves without a word. */
  leave(): void {
    this.#leaving = true;
    this.socket.destroy();
  }
}

/** What is being measured now; when the bytes at hand came. */
class Books {
  tally: Tally | null = null;
  nowMs = 0;
  failed: (error: Error) => void = () => undefined;
}

/** All members of one room. */
export class Crowd {
  readonly members: Member[] = [];
  readonly #options: CrowdOptions;
  readonly #books = new Books();
  /** Rejects when a member was thrown out. */
  readonly broken: Promise<never>;

  constructor(options: CrowdOptions) {
    this.#options = options;
    this.broken = new Promise((_, reject) => {
      this.#books.failed = reject;
    });
    this.broken.catch(() => undefined);
  }

  /** Brings it to `count` members, at most `atOnce` on their way at a time. */
  async grow(count: number, atOnce = 64): Promise<void> {
    const startAt = this.members.length;
    let next = startAt;
    const one = async (): Promise<void> => {
      while (next < count) {
        const member = new Member(next++, this.#options, this.#books);
        this.members[member.index] = member;
        await member.joined;
      }
    };
    await Promise.race([
      Promise.all(Array.from({ length: Math.min(atOnce, count - startAt) }, one)),
      this.broken,
    ]);
  }

  /** From now on deliveries are written into this one. */
  set tally(tally: Tally | null) {
    this.#books.tally = tally;
  }

  /** Member `sender` says a text of `length` characters, which should have been said at `intendedMs`. */
  say(tally: Tally, sender: number, { length, intendedMs }: { length: number; intendedMs: number }): void {
    const member = this.members[sender];
    if (!member) throw new Error(`crowd: no member ${sender}`);
    member.socket.write(member.wire.say(numbered(tally.send(sender, intendedMs), length)));
  }

  leave(): void {
    for (const member of this.members) member.leave();
    this.members.length = 0;
  }
}

/** Text that begins with a number which readers find again: a mark, then eight digits. */
export function numbered(number: number, length: number): string {
  return `~${String(number).padStart(8, "0")}${"x".repeat(Math.max(0, length - 9))}`;
}

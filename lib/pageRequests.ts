/**
 * pageRequests: what a client has asked for and not got yet: pages of history and of who is online, and what became of a
 * message. Answers come in the order of their requests ([M-5]); those of one connection end with it.
 */
import type { ClientFields } from "./message.ts";
import { clientOutgoingMax } from "./limits.ts";
import { encodeClient } from "./message.ts";

type PageType = "HistoryMes" | "UsersMes" | "WhyMes";

interface Asked {
  type: PageType;
  settle: (answer: never) => void;
  fail: (error: Error) => void;
}

/** The unanswered page requests of one client. */
export class PageRequests {
  #asked: Asked[] = [];

  /** Asks through `write`; settles with the answer's fields. Throws an Error when it is refused, or too many wait. */
  ask<T>(type: PageType, fields: ClientFields<PageType>, write: (frame: Buffer) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#asked.length >= clientOutgoingMax) return reject(new Error("too many requests"));
      this.#asked.push({ type, settle: resolve as (answer: never) => void, fail: reject });
      write(encodeClient(type, fields as never));
    });
  }

  /** The answer to the oldest request of a type. */
  answered(type: PageType, answer: unknown): void {
    this.#take(type)?.settle(answer as never);
  }

  /** ErrorMes for the oldest request of a type; the Error thrown has the code. */
  refused(type: string, code: number, error: string): void {
    this.#take(type)?.fail(Object.assign(new Error(error), { code }));
  }

  /** The connection has ended. */
  failAll(reason: string): void {
    const asked = this.#asked;
    this.#asked = [];
    for (const { fail } of asked) fail(new Error(reason));
  }

  #take(type: string): Asked | undefined {
    const index = this.#asked.findIndex((asked) => asked.type === type);
    return index < 0 ? undefined : this.#asked.splice(index, 1)[0];
  }
}

/**
 * tally: the books of one measurement. Every message has a number; for each member there is a bit a message, so that
 * what came twice, what never came and what nobody sent are all found, at the price of one bit looked at a delivery.
 */
import { Latencies } from "./latencies.ts";

export interface TallyOptions {
  members: number;
  /** Most messages that may be sent. */
  most: number;
  /** How many members get a message that is sent by one of them. */
  readersOf: (sender: number) => number;
  /** Called when the last of its readers has message `index`. */
  completed?: (index: number) => void;
}

let nextNumber = 1;

/** What was sent, and who has got it. */
export class Tally {
  /** Number of the first message; numbers are never used again, so that late ones of an earlier tally are strays. */
  readonly first = nextNumber;
  readonly latencies = new Latencies();
  sent = 0;
  delivered = 0;
  complete = 0;
  doubled = 0;
  strays = 0;
  readonly #most: number;
  readonly #seen: Uint8Array;
  readonly #rowBytes: number;
  readonly #missing: Int32Array;
  readonly #intendedMs: Float64Array;
  readonly #readersOf: (sender: number) => number;
  readonly #completed: (index: number) => void;

  constructor({ members, most, readersOf, completed = () => undefined }: TallyOptions) {
    this.#most = most;
    this.#rowBytes = Math.ceil(most / 8);
    this.#seen = new Uint8Array(members * this.#rowBytes);
    this.#missing = new Int32Array(most);
    this.#intendedMs = new Float64Array(most);
    this.#readersOf = readersOf;
    this.#completed = completed;
    nextNumber += most;
  }

  get isFull(): boolean {
    return this.sent >= this.#most;
  }

  /** Notes that `sender` sends a message that should have been sent at `intendedMs`; its number. */
  send(sender: number, intendedMs: number): number {
    const index = this.sent++;
    if (index >= this.#most) throw new Error(`tally: more than ${this.#most} messages`);
    this.#missing[index] = this.#readersOf(sender);
    this.#intendedMs[index] = intendedMs;
    return this.first + index;
  }

  /** Member `member` has got message `number` at `nowMs`. */
  got(member: number, number: number, nowMs: number): void {
    const index = number - this.first;
    if (!(index >= 0 && index < this.sent)) {
      this.strays++;
      return;
    }
    const at = member * this.#rowBytes + (index >> 3);
    const bit = 1 << (index & 7);
    const row = this.#seen[at] ?? 0;
    if (row & bit) {
      this.doubled++;
      return;
    }
    this.#seen[at] = row | bit;
    this.delivered++;
    this.latencies.add(nowMs - (this.#intendedMs[index] ?? 0));
    const missing = (this.#missing[index] ?? 0) - 1;
    this.#missing[index] = missing;
    if (missing === 0) {
      this.complete++;
      this.#completed(index);
    }
  }

  /** Messages that somebody still lacks. */
  get incomplete(): number {
    return this.sent - this.complete;
  }

  /** Deliveries that have not come. */
  get lost(): number {
    let lost = 0;
    for (let index = 0; index < this.sent; index++) lost += Math.max(0, this.#missing[index] ?? 0);
    return lost;
  }

  /** Throws an Error when something was lost, came twice or was not sent by us. */
  assertExactlyOnce(what: string): void {
    const { lost, doubled, strays } = this;
    if (lost || doubled || strays) {
      throw new Error(
        `${what}: ${this.sent} sent, ${lost} deliveries lost, ${doubled} doubled, ${strays} strays`,
      );
    }
  }
}

/**
 * throughFaults: people who go on while something is broken: one who says line after line, each until it is stored, and
 * the account of what everybody else has to have heard in the end: every line, once, in order.
 */
import assert from "node:assert/strict";
import { inTime } from "./wait.ts";
import type { Data, WireClient } from "./wireClient.ts";

export interface Answered {
  /** Sent until this was heard: codes of the attempts, the last one is 200. */
  codes: number[];
  /** The longest that an attempt waited for its answer. */
  longestMs: number;
  /** SmsResMes 200. */
  data: Data;
}

/** Says a message until it is stored, as a client does: the same mid again after 503, on the connection it has. */
export async function sendUntilStored(client: WireClient, fields: Data): Promise<Answered> {
  const codes: number[] = [];
  let longestMs = 0;
  for (;;) {
    const startMs = performance.now();
    client.say("SmsMes", fields);
    const { data } = await client.next("SmsResMes", ({ mid }) => mid === fields.mid);
    longestMs = Math.max(longestMs, performance.now() - startMs);
    codes.push(Number(data.code));
    if (data.code === 200) return { codes, longestMs, data };
    assert.equal(data.code, 503);
    // Some pause before the same again, or an outage is a flood.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Says lines, in order, each until it is stored, until it is told to end. */
export class Talker {
  readonly lines: Answered[] = [];
  readonly contents: string[] = [];
  #ended = false;
  readonly #done: Promise<void>;

  constructor(client: WireClient, conv: string, name: string) {
    this.#done = this.#talk(client, conv, name);
    // It is looked at in `end`.
    this.#done.catch(() => undefined);
  }

  /** Ends after the line that is under way; all lines are stored then. */
  async end(): Promise<void> {
    this.#ended = true;
    await inTime("the last line to be stored", this.#done, 15_000);
  }

  get codes(): number[] {
    return this.lines.flatMap(({ codes }) => codes);
  }

  get longestMs(): number {
    return Math.max(...this.lines.map(({ longestMs }) => longestMs));
  }

  async #talk(client: WireClient, conv: string, name: string): Promise<void> {
    for (let n = 0; !this.#ended; n++) {
      const content = `${name} ${n}`;
      this.contents.push(content);
      this.lines.push(await sendUntilStored(client, { conv, content, mid: content.replace(" ", ".") }));
    }
  }
}

/** Contents heard from one sender, in order of arrival. */
export function heardFrom(client: WireClient, userId: number): unknown[] {
  return client
    .all("SmsMes")
    .filter((one) => one.userId === userId)
    .map(({ content }) => content);
}

/** The client hears all these lines of a sender: each once, in order, and nothing else of that sender. */
export async function hearsAll(client: WireClient, userId: number, contents: string[]): Promise<void> {
  await client.hears(`the last of ${contents.length} lines`, () =>
    heardFrom(client, userId).includes(contents.at(-1)),
  );
  assert.deepEqual(heardFrom(client, userId), contents);
}

/** Ids are dense: nothing is stored twice, no seq is left out. */
export function assertDenseIds(ids: unknown[]): void {
  const seqs = ids.map((id) => Number(String(id).split("-")[1]));
  assert.deepEqual(
    seqs,
    seqs.map((_, index) => (seqs[0] ?? 0) + index),
  );
}

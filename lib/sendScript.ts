/**
 * sendScript: `client.ts send`: says lines strictly in order, each only when the one before is stored, and ends with 0
 * only when all have reached what was waited for (clauses [C-32], [C-33]). It keeps no outbox: the exit code tells the
 * script what is not known to be stored, and a key makes its repeat harmless, so nothing is left for later to decide.
 */
import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import type { ChatClient } from "./chatClient.ts";
import { codes } from "./codes.ts";
import { ScriptError, exitCodes } from "./exitCodes.ts";
import { inputLines } from "./inputLines.ts";
import { contentMaxUnits } from "./limits.ts";
import type { SendFlags } from "./scriptFlags.ts";
import { endOf, lateAt, reasonText } from "./scriptErrors.ts";
import { type ScriptWorld, claimScriptDevice, logIn } from "./scriptLogin.ts";
import { within } from "./within.ts";

/** Runs it to its end. Throws ScriptError. */
export async function runSend(flags: SendFlags, world: ScriptWorld & { input: Readable }): Promise<void> {
  const device = await claimScriptDevice(flags, world);
  const sending = new Sending(flags, world);
  const client = await logIn(flags, {
    ...world,
    device,
    presence: false,
    events: { delivered: () => sending.look(), state: () => sending.look() },
  });
  try {
    await sending.run(
      client,
      flags.text === null ? inputLines(world.input, 2 * contentMaxUnits) : [flags.text],
    );
  } finally {
    client.logout();
  }
}

/** What one run says. */
class Sending {
  readonly #flags: SendFlags;
  readonly #world: ScriptWorld;
  readonly #key: string;
  /** Whoever waits for a receipt or the end of the client. */
  #looked: () => void = () => undefined;

  constructor(flags: SendFlags, world: ScriptWorld) {
    this.#flags = flags;
    this.#world = world;
    this.#key = flags.mid ?? randomUUID();
  }

  /** Something has changed that a wait may be about. */
  look(): void {
    this.#looked();
  }

  async run(client: ChatClient, lines: Iterable<string> | AsyncIterable<string>): Promise<void> {
    const { text, wait } = this.#flags;
    let last: string | null = null;
    let count = 0;
    for await (const line of lines) {
      count++;
      // An empty line says nothing, and counts: the key of a line is its place.
      if (line === "") continue;
      const mid = text === null ? `${this.#key}.${count}` : this.#key;
      last = await this.#store(client, { content: line, mid, line: text === null ? count : null });
    }
    // Receipts say "up to": the last one is that of all.
    if (wait === "delivered" && last !== null) await this.#deliver(client, last);
  }

  /** Says one message; gives its id when it is stored. */
  async #store(
    client: ChatClient,
    { content, mid, line }: { content: string; mid: string; line: number | null },
  ): Promise<string> {
    const { conv, texts } = this.#flags;
    const refused = (why: string): ScriptError =>
      new ScriptError(
        exitCodes.refused,
        line === null ? texts.refusedText(why) : texts.refusedLine(line, why),
      );
    if (content.length > contentMaxUnits) throw refused(texts.tooLong(contentMaxUnits));
    const sent = client.send({ conv, content, mid });
    const outcome = await within(sent, { clock: this.#world.clock, ...lateAt(this.#flags, "stored") });
    if (outcome.kind === "stored") return outcome.id;
    if (outcome.kind === "refused") throw refused(reasonText(this.#flags, outcome.code, outcome.error));
    throw endOf(this.#flags, client.state);
  }

  /** Waits until the other side has acknowledged up to `id`. */
  async #deliver(client: ChatClient, id: string): Promise<void> {
    const { conv, texts } = this.#flags;
    const delivered = new Promise<void>((resolve, reject) => {
      this.#looked = () => {
        if (client.delivered.covers(conv, id)) resolve();
        else if (client.state.kind === "ended") reject(endOf(this.#flags, client.state));
      };
      this.#looked();
      // Asked once: a server that knows no such question will never tell.
      client.why({ conv, id }).catch((error: { code?: number }) => {
        if (error.code !== codes.malformed) return;
        reject(new ScriptError(exitCodes.failed, texts.serverKnowsNoReceipts));
      });
    });
    await within(delivered, { clock: this.#world.clock, ...lateAt(this.#flags, "delivered") });
  }
}

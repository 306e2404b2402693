/**
 * pipedClient: client.ts as a real process that is talked to line by line, as a script does.
 */
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { scratchFolder } from "./scratch.ts";
import { type SpawnedProcess, spawnScript } from "./server.ts";
import { inTime, until } from "./wait.ts";

export class PipedClient {
  readonly #spawned: SpawnedProcess;
  readonly #stateFolder: string;
  #read = 0;

  /** `args` are those of client.ts; no language of the machine that runs the spec gets through. */
  constructor(args: string[], env: NodeJS.ProcessEnv = {}) {
    this.#stateFolder = env.XDG_STATE_HOME ?? scratchFolder();
    const locale = { LC_ALL: "", LC_MESSAGES: "", LANG: "" };
    this.#spawned = spawnScript("client.ts", args, {
      env: { ...locale, XDG_STATE_HOME: this.#stateFolder, ...env },
    });
    this.#spawned.child.stdin?.on("error", () => undefined);
  }

  /** All it has written so far. */
  get out(): string {
    return this.#spawned.output.out;
  }

  get err(): string {
    return this.#spawned.output.err;
  }

  /** The name of its device. */
  get device(): string {
    return readFileSync(join(this.#stateFolder, "haiyu", "device"), "utf8").trim();
  }

  /** Types lines. */
  say(...lines: string[]): void {
    this.#spawned.child.stdin?.write(lines.map((line) => `${line}\n`).join(""));
  }

  /** Waits until it shows these, in this order, behind what was waited for before. */
  async shows(...texts: string[]): Promise<void> {
    for (const text of texts) {
      const at = await until(`the client to show ${JSON.stringify(text)}`, () => {
        const found = this.out.indexOf(text, this.#read);
        return found < 0 ? null : { found };
      }).catch((error: Error) => {
        throw new Error(`${error.message}, it showed:\n${this.out.slice(this.#read)}\n${this.err}`);
      });
      this.#read = at.found + text.length;
    }
  }

  /** Shown since the last `shows`. */
  get unread(): string {
    return this.out.slice(this.#read);
  }

  /** Types the last lines and ends the input; gives the exit code. */
  async ends(lastInput = ""): Promise<number | NodeJS.Signals> {
    this.#spawned.child.stdin?.end(lastInput);
    return this.exits();
  }

  /** Waits for its end; gives the exit code. */
  exits(): Promise<number | NodeJS.Signals> {
    return inTime("the client's end", this.#spawned.ended, 20_000);
  }

  /** Nobody reads its output any more. */
  deafen(): void {
    this.#spawned.child.stdout?.destroy();
  }
}

/**
 * pty: a command on a real pseudo-terminal, made by script(1) of util-linux: keys go in, all that the terminal would
 * show comes out. After the command its exit code and what stty says of the terminal are in the output too.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { tied } from "./scratch.ts";
import { inTime, until } from "./wait.ts";

const fence = "stty told";

export class Pty {
  /** Everything the terminal was given so far. */
  out = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #read = 0;

  constructor(command: string[], env: NodeJS.ProcessEnv, { columns = 80, rows = 24 } = {}) {
    const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
    // The command's pid is that of the inner shell, which becomes it.
    const inner = `echo "pid $$ here"; exec ${quoted}`.replaceAll("'", `'\\''`);
    // Ctrl-C is the command's: the shell around it only notes it, and goes on to tell.
    const line = `trap : INT; stty cols ${columns} rows ${rows}; sh -c '${inner}'; printf "\\ncode %s\\n" "$?"; stty -a; echo ${fence}`;
    this.#child = tied(
      spawn("script", ["-qfec", line, "/dev/null"], {
        env: { ...process.env, SHELL: "/bin/sh", TERM: "xterm", ...env },
      }),
    );
    this.#child.stdin?.on("error", () => undefined);
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.out += text));
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once("close", () => resolve());
      this.#child.once("error", (error: NodeJS.ErrnoException) => {
        const missing = error.code === "ENOENT";
        reject(missing ? new Error("script(1) is missing: apt-get install util-linux bsdutils") : error);
      });
    });
    this.#ended.catch(() => undefined);
  }

  /** Keys, as a person presses them. */
  press(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  /** Waits until the terminal was given these, in this order, behind what was waited for before. */
  async shows(...texts: string[]): Promise<void> {
    for (const text of texts) {
      const { at } = await Promise.race([
        until(`the terminal to show ${JSON.stringify(text)}`, () => {
          const at = this.out.indexOf(text, this.#read);
          return at < 0 ? null : { at };
        }).catch((error: Error) => {
          throw new Error(`${error.message}, it showed ${JSON.stringify(this.out.slice(this.#read))}`);
        }),
        this.#ended.then(() => ({ at: this.out.indexOf(text, this.#read) })),
      ]);
      if (at < 0) throw new Error(`it ended before ${JSON.stringify(text)}: ${JSON.stringify(this.out)}`);
      this.#read = at + text.length;
    }
  }

  /** The process of the command. */
  async pid(): Promise<number> {
    const [, pid] = await until("the pid", () => /pid (\d+) here/.exec(this.out));
    return Number(pid);
  }

  /** Waits for the end of the command; gives its exit code, and the settings that the terminal was left with. */
  async ends(): Promise<{ code: number; settings: string[] }> {
    await until("the command to end", () => this.out.includes(`\n${fence}`), 20_000).catch((error: Error) => {
      throw new Error(`${error.message}, it showed ${JSON.stringify(this.out.slice(this.#read))}`);
    });
    this.#child.stdin?.end();
    await inTime("script(1) to end", this.#ended);
    const [, code = "", told = ""] = /\ncode (\d+)\r\n([\s\S]*)$/.exec(this.out) ?? [];
    return { code: Number(code), settings: told.split(/[\s;]+/) };
  }
}

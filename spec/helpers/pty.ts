/**
 * pty: a command on a real pseudo-terminal (`@lydell/node-pty`), seen on a real terminal emulator: keys go in, what it
 * shows comes out, as bytes and as a screen. After the command its exit code and what stty says of the terminal follow.
 */
import { after } from "node:test";
import { type IPty, spawn } from "@lydell/node-pty";
import { tiedPid } from "./scratch.ts";
import { ScreenTty } from "./screenTty.ts";
import { inTime, until } from "./wait.ts";

const fence = "stty told";

// A spec that failed half-way must not keep its process, and so the whole run, alive.
const open = new Set<IPty>();
after(() => {
  for (const pty of open) pty.kill("SIGKILL");
});

export class Pty {
  /** Everything the terminal was given so far. */
  out = "";
  /** What is on its screen. */
  readonly screen: ScreenTty;
  readonly #pty: IPty;
  readonly #ended: Promise<void>;
  #read = 0;

  constructor(command: string[], env: NodeJS.ProcessEnv, { columns = 80, rows = 24 } = {}) {
    const quoted = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
    // The command's pid is that of the inner shell, which becomes it.
    const inner = `echo "pid $$ here"; exec ${quoted}`.replaceAll("'", `'\\''`);
    const line = `trap '' INT HUP TERM; (trap - INT HUP TERM; exec sh -c '${inner}'); printf "\\ncode %s\\n" "$?"; stty -a; echo ${fence}; stty sane; read -r answer`;
    this.screen = new ScreenTty({ columns, rows });
    this.#pty = spawn("sh", ["-c", line], {
      ...{ cols: columns, rows, name: env.TERM ?? "xterm-256color" },
      env: definedOf({
        ...process.env,
        COLORTERM: undefined,
        NO_COLOR: undefined,
        TERM: "xterm-256color",
        ...env,
      }),
    });
    tiedPid(this.#pty.pid);
    this.#pty.onData((text) => {
      this.out += text;
      this.screen.write(text);
    });
    open.add(this.#pty);
    this.#ended = new Promise((resolve) => {
      this.#pty.onExit(() => {
        open.delete(this.#pty);
        resolve();
      });
    });
  }

  /** Keys, as a person presses them. */
  press(keys: string): void {
    this.#pty.write(keys);
  }

  resize(columns: number, rows: number): void {
    this.#pty.resize(columns, rows);
    this.screen.resize(columns, rows);
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

  /** Waits until this is on the screen; gives its rows. */
  async onScreen(what: string | RegExp): Promise<string[]> {
    return until(`${String(what)} on the screen`, async () => {
      await this.screen.settled();
      const { lines } = this.screen;
      const text = lines.join("\n");
      // Blanks at the ends of rows are not seen.
      return (typeof what === "string" ? text.includes(what.trimEnd()) : what.test(text)) ? lines : null;
    }).catch((error: Error) => {
      throw new Error(`${error.message}:\n${this.screen.lines.join("\n")}`);
    });
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
    // The shell stays until then: what it says at its very end, node-pty may lose.
    this.press("\n");
    await inTime("the shell to end", this.#ended);
    await this.screen.settled();
    const [, code = "", told = ""] = /\ncode (\d+)\r\n([\s\S]*)$/.exec(this.out) ?? [];
    return { code: Number(code), settings: told.split(/[\s;]+/) };
  }
}

function definedOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined)) as Record<
    string,
    string
  >;
}

/**
 * script: client.ts as a script calls it, in this process, with what it wrote; `spawnClient` is a real process.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, type Writable } from "node:stream";
import { after } from "node:test";
import { scriptNamed, runScript } from "../../lib/scripts.ts";
import { scratchFolder } from "./scratch.ts";
import { type SpawnOptions, type SpawnedProcess, spawnScript } from "./server.ts";
import { inTime } from "./wait.ts";

export interface Ended {
  code: number;
  out: string;
  err: string;
}

export interface CallOptions {
  input?: string;
  /** The state folder's parent; absent: a new one, so that nothing is left of calls before. */
  state?: string;
  env?: NodeJS.ProcessEnv;
  /** Takes what is written, at its own pace, instead of `out`. */
  output?: Writable;
}

/** A file with a password that nobody else can read. */
export function passwordFile(password: string, mode = 0o600): string {
  const path = join(scratchFolder(), "password");
  writeFileSync(path, `${password}\n`, { mode });
  return path;
}

/** One call, from its start on. */
export interface Call {
  readonly out: () => string;
  /** Ends the input. */
  end(lastInput?: string): void;
  say(input: string): void;
  /** Nobody reads its output any more. */
  deafen(): void;
  stop(): void;
  readonly ended: Promise<Ended>;
}

// A spec that failed half-way must not keep its process, and so the whole run, alive.
const open = new Set<Call>();
after(() => {
  for (const { stop } of open) stop();
});

/** Begins a call; its input stays open. */
export function beginCall(args: string[], options: CallOptions = {}): Call {
  const { state = scratchFolder(), env = {} } = options;
  const name = scriptNamed(args[0]);
  if (!name) throw new Error(`${String(args[0])} is no subcommand`);
  let out = "";
  let err = "";
  const [input, errors] = [new PassThrough(), new PassThrough()];
  const output =
    options.output ?? new PassThrough().setEncoding("utf8").on("data", (text: string) => (out += text));
  errors.setEncoding("utf8").on("data", (text: string) => (err += text));
  const { ended, stop } = runScript(name, args.slice(1), {
    input,
    output,
    errors,
    env: { XDG_STATE_HOME: state, LANG: "en_US.UTF-8", ...env },
  });
  const begun: Call = {
    out: () => out,
    say: (text) => void input.write(text),
    end: (text = "") => void input.end(text),
    deafen: () => output.destroy(Object.assign(new Error("closed"), { code: "EPIPE" })),
    stop,
    ended: ended.then((code) => {
      open.delete(begun);
      return { code, out, err };
    }),
  };
  open.add(begun);
  return begun;
}

/** One call, to its end. */
export async function call(args: string[], options: CallOptions = {}): Promise<Ended> {
  const begun = beginCall(args, options);
  begun.end(options.input ?? "");
  return inTime(`the end of ${args.join(" ")}`, begun.ended, 20_000);
}

/** A call as a real process; the state folder is the caller's. */
export function spawnClient(
  args: string[],
  state: string,
  stdio: SpawnOptions["stdio"] = "pipe",
): SpawnedProcess {
  return spawnScript("client.ts", args, {
    stdio,
    env: { XDG_STATE_HOME: state, LC_ALL: "", LC_MESSAGES: "", LANG: "en_US.UTF-8" },
  });
}

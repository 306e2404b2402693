/**
 * actor: a process of the run that can be killed, stopped and started again. All end with this process, however it ends.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));
export const startDeadlineMs = 30_000;

const children = new Set<ChildProcess>();
const folders = new Set<string>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  for (const folder of folders)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
});

/** A folder for the files of a run; `keep`: it stays behind. */
export function newFolder(keep: boolean): string {
  const folder = mkdtempSync(join(tmpdir(), "haiyu-prove-"));
  if (!keep) folders.add(folder);
  return folder;
}

/** Runs a command as a child of this process; what it says on stderr goes to a file. */
export function started(command: string, args: string[], journal: string): ChildProcess {
  const child = spawn(command, args, {
    cwd: root,
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, REDIS_URL: undefined },
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
  child.once("error", () => children.delete(child));
  child.stderr?.pipe(createWriteStream(journal, { flags: "a" }));
  return child;
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** One thing that runs as a process, can be killed, stopped and started again. */
export abstract class Actor {
  state: "down" | "starting" | "up" | "stopped" = "down";
  protected child: ChildProcess | null = null;

  /** Starts it and waits until it serves; tries again until it does. */
  async start(): Promise<void> {
    this.state = "starting";
    const untilMs = performance.now() + startDeadlineMs;
    while (!(await this.launch())) {
      if (performance.now() > untilMs) throw new Error(`${this.name} did not start in ${startDeadlineMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    this.state = "up";
  }

  async kill(): Promise<void> {
    this.state = "down";
    if (this.child) await killed(this.child);
  }

  /** Asks it to end, as an operator does; the exit code, or the signal that ended it. */
  async drain(deadlineMs: number): Promise<number | string | null> {
    this.state = "down";
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return 0;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
    const [code, signal] = (await ended) as [number | null, string | null];
    clearTimeout(late);
    return code ?? signal;
  }

  stop(): void {
    this.state = "stopped";
    this.child?.kill("SIGSTOP");
  }

  proceed(): void {
    if (this.state !== "stopped") return;
    this.state = "up";
    this.child?.kill("SIGCONT");
  }

  protected abstract readonly name: string;
  protected abstract launch(): Promise<boolean>;
}

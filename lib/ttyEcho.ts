/**
 * ttyEcho: whether a terminal shows what is typed (clause [C-3]). Node itself knows only raw mode, in which the terminal
 * does not edit the line either; so `stty` does it, and what it was set to before is set again exactly.
 */
import { spawnSync } from "node:child_process";

/** The echo of one terminal. */
export class TtyEcho {
  readonly #fd: number;
  /** What the terminal was set to before; null: the echo is as it was. */
  #before: string | null = null;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** From now on only the end of a line is shown. False where that cannot be done. */
  hide(): boolean {
    if (this.#before !== null) return true;
    const before = this.#stty("-g")?.trim() ?? "";
    if (before === "" || this.#stty("-echo", "echonl") === null) return false;
    this.#before = before;
    return true;
  }

  /** What is typed is shown as it was before. */
  show(): void {
    if (this.#before === null) return;
    this.#stty(this.#before);
    this.#before = null;
  }

  #stty(...args: string[]): string | null {
    const { status, stdout } = spawnSync("stty", args, { stdio: [this.#fd, "pipe", "ignore"] });
    return status === 0 ? String(stdout) : null;
  }
}

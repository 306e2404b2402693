/**
 * lineWriter: lines to stdout, each handed to the system whole before the next one is made; whoever reads slowly is
 * waited for. Who has stopped reading ends the script, quietly (clause [C-30]).
 */
import { fsyncSync } from "node:fs";
import type { Writable } from "node:stream";

/** Writes lines; `closed` is called once, when nobody reads them any more. */
export class LineWriter {
  readonly #output: Writable;

  constructor(output: Writable, { closed, failed }: { closed: () => void; failed: (error: Error) => void }) {
    this.#output = output;
    output.on("error", (error: NodeJS.ErrnoException) => (error.code === "EPIPE" ? closed() : failed(error)));
  }

  /** Resolves when the system has taken the line; never when it could not be written. */
  write(line: string): Promise<void> {
    return new Promise((resolve) => {
      this.#output.write(`${line}\n`, (error) => {
        if (!error) resolve();
      });
    });
  }

  /** Lines in a file are on disk when this returns, so that nothing kept behind them outlives them. Throws where they are not. */
  sync(): void {
    const { fd } = this.#output as { fd?: number };
    if (fd === undefined) return;
    try {
      fsyncSync(fd);
    } catch (error) {
      // A pipe or a terminal: whoever reads has them.
      if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
    }
  }
}

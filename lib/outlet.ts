/**
 * outlet: stdout and stderr as a long-lived process may use them (clause ). A write never throws, never blocks and
 * never piles up: a full disk, a reader that has gone, one that does not read on, a terminal held by Ctrl-S cost the
 * lines that could not be written, and nothing else.
 */
import * as fs from "node:fs";
import type { Writable } from "node:stream";
import { isatty } from "node:tty";
import type { Clock } from "./clock.ts";
import { outletBacklogMaxBytes, outletFlushDeadlineMs, outletRetryMs } from "./limits.ts";

export interface Outlet {
  /** Takes a whole line, its newline included; false: it is lost. */
  write(line: string): boolean;
  /** Waits until all is written, but not for long: before `process.exit`, which forgets what is queued. */
  flush(clock: Clock): Promise<void>;
}

/** The outlet of process.stdout or process.stderr. */
export function outletOf(stream: Writable & { fd: number }): Outlet {
  // Without a listener the failure of a write would end the process.
  stream.on("error", () => undefined);
  const queues = ((stats) => stats.isFIFO() || stats.isSocket())(fs.fstatSync(stream.fd));
  return queues
    ? new StreamOutlet(stream)
    : new FileOutlet(isatty(stream.fd) ? ownTerminal(stream.fd) : stream.fd);
}

/** Pipes and sockets: Node itself queues what the other side does not take. */
class StreamOutlet implements Outlet {
  readonly #stream: Writable;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  write(line: string): boolean {
    if (this.#stream.destroyed || this.#stream.writableLength > outletBacklogMaxBytes) return false;
    this.#stream.write(line);
    return true;
  }

  flush(clock: Clock): Promise<void> {
    return inTime(clock, (done) => {
      if (this.#stream.writableLength === 0) done();
      else this.#stream.write("", done);
    });
  }
}

/** Files, which are written at once, and terminals, which may be held: what they do not take waits here. */
class FileOutlet implements Outlet {
  readonly #fd: number;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  /** A line was begun and could not be finished. */
  #torn = false;
  #whenEmpty: () => void = () => undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(line: string): boolean {
    if (this.#queuedBytes > outletBacklogMaxBytes) return false;
    const bytes = Buffer.from(this.#torn ? `\n${line}` : line);
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    return this.#queue.length > 1 || this.#push();
  }

  flush(clock: Clock): Promise<void> {
    return inTime(clock, (done) => {
      if (this.#queue.length === 0) done();
      else this.#whenEmpty = done;
    });
  }

  /** Writes what is queued, as far as it is taken; false: it is lost. */
  #push(): boolean {
    try {
      for (let [first] = this.#queue; first; [first] = this.#queue) {
        const taken = fs.writeSync(this.#fd, first);
        this.#torn = taken < first.length;
        this.#queuedBytes -= taken;
        if (this.#torn) this.#queue[0] = first.subarray(taken);
        else this.#queue.shift();
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") {
        // A held terminal keeps no process alive.
        setTimeout(() => this.#push(), outletRetryMs).unref();
        return true;
      }
      this.#queue = [];
      this.#queuedBytes = 0;
      return false;
    }
    this.#whenEmpty();
    return true;
  }
}

/**
 * A write to a terminal waits until it is taken: one Ctrl-S would stop the server. So the terminal is opened anew, for
 * writes that do not wait; the flag belongs to this opening, and whoever shares the terminal keeps theirs.
 */
function ownTerminal(fd: number): number {
  try {
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = fs.constants;
    return fs.openSync(`/dev/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return fd;
  }
}

function inTime(clock: Clock, wait: (done: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const late = clock.after(outletFlushDeadlineMs, resolve);
    wait(() => {
      late.cancel();
      resolve();
    });
  });
}

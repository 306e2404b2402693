/**
 * redisServer: the private redis-server of a data folder (clauses to ). At most one runs on a folder: a live
 * one is adopted, since a second would steal the socket and ruin the append-only file. It is spawned detached (Ctrl-C
 * goes to the whole terminal group and would stop it before the server has drained), outlives a killed server, and is
 * shut down by the last server that used it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { isAlive } from "./alive.ts";
import { cutOpenTransaction } from "./aofTail.ts";
import { type Clock, type Timer, delay } from "./clock.ts";
import { makeFolder } from "./folder.ts";
import { type Journal, reasonOf } from "./journal.ts";
import * as limits from "./limits.ts";
import { releaseLock, takeLock } from "./pidLock.ts";

export interface PrivateRedis {
  /** Unix socket it listens on. */
  readonly socketPath: string;
  /** Whether it ran already when it was opened. */
  readonly adopted: boolean;
  /** Resolves when one runs and answers, starting it where it does not. */
  ensure(): Promise<void>;
  /** Lets go of it; shuts it down when nobody else uses it, and waits until it has ended. */
  close(): Promise<void>;
}

export interface PrivateRedisOptions {
  journal: Journal;
  clock: Clock;
}

/** Finds or starts the redis-server of a folder. Throws an Error of one line that says what to do. */
export async function openPrivateRedis(folder: string, options: PrivateRedisOptions): Promise<PrivateRedis> {
  const keeper = new RedisKeeper(prepareFolder(folder), options);
  await keeper.open();
  return keeper;
}

/** Socket of the redis-server that runs on a folder now; null: none does. Starts nothing, makes nothing. */
export async function runningRedisOf(folder: string): Promise<string | null> {
  if (!fs.existsSync(folder)) return null;
  const socketPath = socketPathOf(fs.realpathSync(folder));
  return (await probe(socketPath)) === "dead" ? null : socketPath;
}

class RedisKeeper implements PrivateRedis {
  readonly socketPath: string;
  adopted = true;
  readonly #folder: string;
  readonly #journal: Journal;
  readonly #clock: Clock;
  #closed = false;
  #wake: () => void = () => undefined;
  #watch: Promise<void> = Promise.resolve();

  constructor(folder: string, { journal, clock }: PrivateRedisOptions) {
    this.#folder = folder;
    this.#journal = journal;
    this.#clock = clock;
    this.socketPath = socketPathOf(folder);
  }

  async open(): Promise<void> {
    await this.ensure();
    this.#watch = this.#keep();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await this.#watch;
    if (await this.#othersUseIt()) return;
    const pid = Number(
      /process_id:(\d+)/.exec(await ask(this.socketPath, "INFO server").catch(() => ""))?.[1],
    );
    // Everything answered is in the append-only file already; nothing has to be saved.
    await ask(this.socketPath, "SHUTDOWN NOSAVE").catch(() => undefined);
    const untilMs = this.#clock.monotonicMs() + limits.closeFlushDeadlineMs;
    while (pid > 0 && isAlive(pid) && this.#clock.monotonicMs() < untilMs) await delay(this.#clock, 10);
  }

  /** Looks twice a second; starts it again, with growing pauses, when it has died ([R-2]). */
  async #keep(): Promise<void> {
    let pauseMs = limits.redisRestartFirstMs;
    while (!this.#closed) {
      await this.#pause(limits.redisWatchMs);
      if (this.#closed || (await probe(this.socketPath)) !== "dead") {
        pauseMs = limits.redisRestartFirstMs;
        continue;
      }
      this.#journal.write("redis_server_died", { folder: this.#folder });
      try {
        await this.ensure();
      } catch (error) {
        this.#journal.write("redis_server_not_started", { reason: reasonOf(error), pauseMs });
        await this.#pause(pauseMs);
        pauseMs = Math.min(2 * pauseMs, limits.redisRestartMaxMs);
      }
    }
  }

  /** Waits, but no longer than until it is closed. */
  async #pause(pauseMs: number): Promise<void> {
    if (this.#closed) return;
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = this.#clock.after(pauseMs, resolve);
    });
    timer?.cancel();
  }

  /** Probing and starting are one step, held by a lock file. */
  async ensure(): Promise<void> {
    const lateMs = this.#clock.monotonicMs() + limits.redisLockWaitMs;
    while ((await probe(this.socketPath)) === "dead") {
      if (!takeLock(this.#lockPath)) {
        if (this.#clock.monotonicMs() > lateMs) throw new Error(this.#lockAdvice());
        await delay(this.#clock, 10);
        continue;
      }
      try {
        // Somebody may have started it between the probe and the lock.
        if ((await probe(this.socketPath)) === "dead") await this.#start();
      } finally {
        releaseLock(this.#lockPath);
      }
    }
    let saidMs = this.#clock.monotonicMs();
    while (!this.#closed && (await probe(this.socketPath)) === "loading") {
      if (this.#clock.monotonicMs() - saidMs > limits.redisLoadingSayMs) {
        this.#journal.write("redis_server_loading", { folder: this.#folder });
        saidMs = this.#clock.monotonicMs();
      }
      await delay(this.#clock, 10);
    }
  }

  get #lockPath(): string {
    return join(this.#folder, "redis.lock");
  }

  #lockAdvice(): string {
    const owner = readText(this.#lockPath) || "nobody";
    return `${this.#lockPath}: held by process ${owner} for long; remove it if that is no haiyu server`;
  }

  async #start(): Promise<void> {
    this.adopted = false;
    const cutBytes = await cutOpenTransaction(this.#folder);
    if (cutBytes > 0) this.#journal.write("redis_tail_cut", { folder: this.#folder, bytes: cutBytes });
    const child = spawnRedis(this.#folder, this.socketPath);
    const failed = new Promise<string>((resolve) => {
      child.once("error", (error: NodeJS.ErrnoException) =>
        resolve(error.code === "ENOENT" ? missingBinary() : reasonOf(error)),
      );
      child.once("exit", (code) =>
        resolve(`redis-server ended with ${code}; see ${join(this.#folder, "redis.log")}`),
      );
    });
    let reason: string | null = null;
    void failed.then((text) => (reason = text));
    while ((await probe(this.socketPath)) === "dead") {
      if (reason !== null) throw new Error(reason);
      await delay(this.#clock, 10);
    }
    child.unref();
    this.#journal.write("redis_server_started", { folder: this.#folder, pid: child.pid ?? 0 });
  }

  /** Whether another process of ours has a connection to it. */
  async #othersUseIt(): Promise<boolean> {
    const clients = await ask(this.socketPath, "CLIENT LIST").catch(() => "");
    return [...clients.matchAll(/ name=haiyu:(\d+):/g)].some(([, pid]) => Number(pid) !== process.pid);
  }
}

function spawnRedis(folder: string, socketPath: string): ChildProcess {
  const settings = {
    port: "0",
    unixsocket: socketPath,
    unixsocketperm: "700",
    dir: folder,
    logfile: join(folder, "redis.log"),
    daemonize: "no",
    appendonly: "yes",
    appendfsync: "always",
    save: "",
    "maxmemory-policy": "noeviction",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  return spawn("redis-server", args, { cwd: folder, detached: true, stdio: "ignore" });
}

/** The folder, made where it is missing, as an absolute real path. */
function prepareFolder(folder: string): string {
  try {
    makeFolder(folder);
    // Tried, not asked: to root everything looks writable, /proc, a full and a read-only disk too.
    const trial = join(folder, `try.${process.pid}`);
    fs.writeFileSync(trial, "x");
    fs.rmSync(trial);
    return fs.realpathSync(folder);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? reasonOf(error);
    throw new Error(`--data ${resolve(folder)}: cannot be written (${reason}); give a folder that can`, {
      cause: error,
    });
  }
}

/** Beside the data, or, where that path is too long for a socket, a short one that every server of the folder finds. */
function socketPathOf(folder: string): string {
  const beside = join(folder, "redis.sock");
  if (Buffer.byteLength(beside) <= limits.socketPathMaxBytes) return beside;
  const short = join(tmpdir(), `haiyu-${userInfo().uid}`);
  makeFolder(short);
  const { uid, mode } = fs.lstatSync(short);
  if (uid !== userInfo().uid || (mode & 0o077) !== 0) {
    throw new Error(`${short}: wanted a folder of our own that nobody else may enter; remove it`);
  }
  return join(short, `${createHash("sha256").update(folder).digest("hex").slice(0, 16)}.sock`);
}

/**
 * Whether a redis-server answers on a socket. Slow is not dead: only a refused or missing socket is. One that is stopped
 * for minutes answers EAGAIN when nobody else fits into its queue; a second one would ruin its files.
 */
async function probe(socketPath: string): Promise<"alive" | "loading" | "dead"> {
  try {
    const answer = await ask(socketPath, "PING");
    return answer.startsWith("-LOADING") ? "loading" : "alive";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ECONNREFUSED" || code === "ENOENT" ? "dead" : "alive";
  }
}

/** One inline command on a connection of its own; the raw answer. */
function ask(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    let answer = "";
    socket.setTimeout(limits.storeDeadlineMs, () => {
      socket.destroy();
      reject(Object.assign(new Error(`redis-server does not answer ${command}`), { code: "ETIMEDOUT" }));
    });
    socket.on("error", reject);
    // Redis answers in order and ends after QUIT, so the end tells that the answer is whole.
    socket.on("connect", () => socket.write(`${command}\r\nQUIT\r\n`));
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    socket.on("close", () => resolve(answer));
  });
}

function missingBinary(): string {
  const has = (name: string): boolean =>
    (process.env.PATH ?? "").split(":").some((folder) => fs.existsSync(join(folder, name)));
  const command = has("dnf")
    ? "sudo dnf install redis"
    : has("brew")
      ? "brew install redis"
      : "sudo apt-get install redis-server";
  return `redis-server is not on the PATH; type: ${command}  (or give --redis URL)`;
}

function readText(path: string): string {
  try {
    return fs.readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/**
 * stage: what a run plays on: server processes, one Redis with its files, and gates between them, all in a temporary
 * folder, all ended and taken away when this process ends, however it ends.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { Gate } from "./gate.ts";
import type { Door } from "./talker.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const startDeadlineMs = 30_000;

const children = new Set<ChildProcess>();
const folders = new Set<string>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  for (const folder of folders)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
});

function started(command: string, args: string[], journal: string): ChildProcess {
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
abstract class Actor {
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

/** The Redis of the run: every write is on disk before it is answered. */
class RedisActor extends Actor {
  protected readonly name = "redis-server";
  readonly socketPath: string;
  readonly #folder: string;
  readonly admin: Redis;

  constructor(folder: string) {
    super();
    this.#folder = folder;
    this.socketPath = join(folder, "redis.sock");
    this.admin = new Redis({
      path: this.socketPath,
      lazyConnect: true,
      commandTimeout: 1000,
      retryStrategy: () => 50,
      maxRetriesPerRequest: 0,
    });
    this.admin.on("error", () => undefined);
  }

  protected async launch(): Promise<boolean> {
    const settings = {
      port: "0",
      unixsocket: this.socketPath,
      dir: this.#folder,
      appendonly: "yes",
      appendfsync: "always",
      save: "",
      "maxmemory-policy": "noeviction",
      logfile: join(this.#folder, "redis.log"),
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    const child = (this.child = started("redis-server", args, join(this.#folder, "redis.err")));
    let failure: Error | null = null;
    child.once("error", (error) => (failure = error));
    const untilMs = performance.now() + startDeadlineMs;
    while (performance.now() < untilMs) {
      if (failure) throw new Error(`redis-server cannot be started: ${(failure as Error).message}`);
      if (child.exitCode !== null || child.signalCode !== null) return false;
      // While it reads its file it answers LOADING.
      if ((await this.#ping()) === "PONG") return true;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return false;
  }

  async #ping(): Promise<string | null> {
    if (this.admin.status === "wait") await this.admin.connect().catch(() => undefined);
    return this.admin.ping().catch(() => null);
  }
}

/** One server, the gate its clients come through, and the gate it reaches Redis through. */
export class NodeActor extends Actor implements Door {
  protected readonly name: string;
  readonly front: Gate;
  readonly back: Gate;
  readonly host = "127.0.0.1";
  readonly #folder: string;

  constructor(name: string, folder: string, gates: { front: Gate; back: Gate }) {
    super();
    this.name = name;
    this.#folder = folder;
    this.front = gates.front;
    this.back = gates.back;
  }

  get port(): number {
    return this.front.port;
  }

  isStopped(): boolean {
    return this.state === "stopped";
  }

  linkFrom(port: number): ReturnType<Gate["linkFrom"]> {
    return this.front.linkFrom(port);
  }

  protected async launch(): Promise<boolean> {
    const args = [
      ...["--import", import.meta.resolve("tsx"), join(root, "server.ts")],
      ...["--port", "0", "--rate", "0", "--redis", `redis://127.0.0.1:${this.back.port}`],
    ];
    const child = (this.child = started(process.execPath, args, join(this.#folder, `${this.name}.journal`)));
    const port = await new Promise<number | null>((resolve) => {
      let text = "";
      child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
        if (text === "listening") return;
        text += chunk;
        const found = /"event":"listening".*?"port":(\d+)/.exec(text);
        if (!found) return;
        text = "listening";
        resolve(Number(found[1]));
      });
      child.once("exit", () => resolve(null));
      child.once("error", () => resolve(null));
    });
    if (port === null) return false;
    this.front.retarget({ host: this.host, port });
    return true;
  }
}

/** Nodes on one Redis. */
export class Stage {
  readonly folder: string;
  readonly redis: RedisActor;
  readonly nodes: NodeActor[] = [];

  private constructor(keep: boolean) {
    this.folder = mkdtempSync(join(tmpdir(), "haiyu-prove-"));
    if (!keep) folders.add(this.folder);
    this.redis = new RedisActor(this.folder);
  }

  static async open({ nodes, keep }: { nodes: number; keep: boolean }): Promise<Stage> {
    const stage = new Stage(keep);
    await stage.redis.start();
    for (let count = 1; count <= nodes; count++) {
      const back = await Gate.to({ path: stage.redis.socketPath });
      const front = await Gate.to({ host: "127.0.0.1", port: 9 });
      stage.nodes.push(new NodeActor(`node${count}`, stage.folder, { front, back }));
    }
    await Promise.all(stage.nodes.map((node) => node.start()));
    return stage;
  }

  /** Puts users there as the first generation did: hashing so many passwords one by one would take its time. */
  async addUsers(users: { userId: number; userPwd: string; userName: string }[]): Promise<void> {
    for (const user of users) await this.redis.admin.hset("users", String(user.userId), JSON.stringify(user));
  }

  async close(): Promise<void> {
    this.redis.admin.disconnect();
    for (const node of this.nodes) {
      node.front.close();
      node.back.close();
    }
    await Promise.all([...this.nodes, this.redis].map((actor) => actor.kill()));
  }
}

/**
 * redisActor: one redis-server of the run, with its files and a connection to look into it. Every write is on disk
 * before it is answered.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { Actor, startDeadlineMs, started } from "./actor.ts";

type Settings = Record<string, string>;

/** A redis-server, or a sentinel, on a unix socket or a TCP port. */
export class RedisActor extends Actor {
  protected readonly name: string;
  readonly at: { path: string } | { host: string; port: number };
  readonly admin: Redis;
  readonly #folder: string;
  readonly #file: string;
  readonly #isSentinel: boolean;

  constructor(
    folder: string,
    at: { path: string } | { host: string; port: number },
    { settings = {}, sentinelLines = [] }: { settings?: Settings; sentinelLines?: string[] } = {},
  ) {
    super();
    this.at = at;
    this.name = `redis-server in ${folder}`;
    this.#folder = folder;
    this.#isSentinel = sentinelLines.length > 0;
    mkdirSync(folder, { recursive: true });
    this.#file = join(folder, "redis.conf");
    const place: Settings =
      "path" in at ? { port: "0", unixsocket: at.path } : { port: String(at.port), bind: at.host };
    const own: Settings = {
      appendonly: "yes",
      appendfsync: "always",
      save: "",
      "maxmemory-policy": "noeviction",
    };
    const all = {
      ...place,
      dir: folder,
      logfile: join(folder, "redis.log"),
      ...(this.#isSentinel ? {} : own),
      ...settings,
    };
    // Sentinels and replicas write into it what they learn, and know it in their next life.
    const lines = Object.entries(all).map(([name, value]) => `${name} ${value || '""'}`);
    writeFileSync(this.#file, `${[...lines, ...sentinelLines].join("\n")}\n`);
    this.admin = new Redis({
      ...at,
      lazyConnect: true,
      enableReadyCheck: false,
      commandTimeout: 1000,
      retryStrategy: () => 50,
      maxRetriesPerRequest: 0,
    });
    this.admin.on("error", () => undefined);
  }

  get address(): string {
    return "path" in this.at ? this.at.path : `${this.at.host}:${this.at.port}`;
  }

  /** A command; null when it is not answered. */
  async ask(name: string, ...args: (string | number)[]): Promise<unknown> {
    if (this.admin.status === "wait") await this.admin.connect().catch(() => undefined);
    return this.admin.call(name, ...args).catch(() => null);
  }

  /** A value of INFO replication; "" when it is not answered. */
  async replication(field: string): Promise<string> {
    const info = String((await this.ask("INFO", "replication")) ?? "");
    return new RegExp(`^${field}:(.*?)\r?$`, "m").exec(info)?.[1] ?? "";
  }

  protected async launch(): Promise<boolean> {
    const mode = this.#isSentinel ? ["--sentinel"] : [];
    const child = (this.child = started(
      "redis-server",
      [this.#file, ...mode],
      join(this.#folder, "redis.err"),
    ));
    let failure: Error | null = null;
    child.once("error", (error) => (failure = error));
    const untilMs = performance.now() + startDeadlineMs;
    while (performance.now() < untilMs) {
      if (failure) throw new Error(`redis-server cannot be started: ${(failure as Error).message}`);
      if (child.exitCode !== null || child.signalCode !== null) return false;
      // While it reads its file it answers LOADING.
      if ((await this.ask("PING")) === "PONG") return true;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return false;
  }
}

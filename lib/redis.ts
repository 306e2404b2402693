/**
 * redis: the connections to Redis and the one way to call it. Nothing here repeats a command by itself: a call is
 * answered, or fails with CodedError 503 meaning "not known to be done", within storeDeadlineMs. Repeats are the
 * caller's, who knows that they do no harm. Calls in flight are bounded, so an absent Redis costs no memory.
 */
import { readFileSync } from "node:fs";
import { Redis, type RedisOptions } from "ioredis";
import { type Clock, type Timer, systemClock } from "./clock.ts";
import { CodedError, codes } from "./codes.ts";
import type { Journal } from "./journal.ts";
import { reasonOf } from "./journal.ts";
import * as limits from "./limits.ts";
import type { Stored } from "./message.ts";
import { Meter } from "./meter.ts";

/** What a command takes. Never an array: ioredis would flatten it into several arguments. */
export type Argument = string | number | Buffer;

export interface ConnectOptions {
  /** `redis://[[user]:password@]host[:port][/db]` or `unix:///path/of/socket`. */
  url: string;
  journal: Journal;
  /** Stands in CLIENT LIST as `haiyu:<pid>:<role>`. */
  role: string;
  clock?: Clock;
  meter?: Meter;
}

/** A script of lib/, by the name of its file. */
export class Script {
  readonly name: string;
  readonly text: string;
  /** SHA-1 as Redis told it, once it was loaded. */
  sha: string | null = null;

  constructor(name: string) {
    this.name = name;
    this.text = readFileSync(new URL(`./${name}.lua`, import.meta.url), "utf8");
  }
}

/** Options of ioredis for a URL. Throws an Error of one line when it is none of the kinds known here. */
export function optionsOfUrl(url: string): RedisOptions {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed?.protocol === "unix:") return { path: decodeURIComponent(parsed.pathname) };
  if (parsed?.protocol !== "redis:" && parsed?.protocol !== "rediss:") {
    throw new Error(`--redis ${withoutPassword(url)}: wanted redis://host:port or unix:///path`);
  }
  const db = Number(parsed.pathname.slice(1) || "0");
  if (!Number.isInteger(db) || db < 0) {
    throw new Error(`--redis ${withoutPassword(url)}: the part after / wants a number`);
  }
  return {
    host: parsed.hostname || "127.0.0.1",
    port: Number(parsed.port || "6379"),
    db,
    ...(parsed.username && { username: decodeURIComponent(parsed.username) }),
    ...(parsed.password && { password: decodeURIComponent(parsed.password) }),
    ...(parsed.protocol === "rediss:" && { tls: {} }),
  };
}

/** The URL of a unix socket, whatever its path has in it. */
export function unixUrl(path: string): string {
  return `unix://${path.split("/").map(encodeURIComponent).join("/")}`;
}

/** One connection for commands. Made by `connectRedis`; `subscriber` makes its twin for pub/sub. */
export class RedisStore {
  readonly #client: Redis;
  readonly #journal: Journal;
  readonly #meter: Meter;
  #inFlight = 0;
  #stored: Stored = "memory";
  #saidPromise = "";
  readonly #lookAgain: Timer;

  constructor(client: Redis, { journal, clock, meter }: { journal: Journal; clock: Clock; meter: Meter }) {
    this.#client = client;
    this.#journal = journal;
    this.#meter = meter;
    // Another Redis may answer next time, and somebody may change this one's settings: unknown counts as memory.
    client.on("close", () => (this.#stored = "memory"));
    client.on("ready", () => void this.#readPromise());
    this.#lookAgain = clock.every(limits.promiseReadMs, () => {
      if (this.ready) void this.#readPromise();
    });
  }

  /** How safely this Redis keeps what it answered ([S-3]); read anew at every connect, and now and then. */
  get stored(): Stored {
    return this.#stored;
  }

  /** Calls that wait for their answer. */
  get waitingCount(): number {
    return this.#inFlight;
  }

  /** Whether commands can be sent now. */
  get ready(): boolean {
    return this.#client.status === "ready";
  }

  /** Calls `callback` whenever the connection is ready anew. */
  onReady(callback: () => void): void {
    this.#client.on("ready", callback);
  }

  /** One command. Throws CodedError 503 when Redis did not do it, or nobody knows whether it did. */
  async call(name: string, ...args: Argument[]): Promise<unknown> {
    return this.#guard(name, () => this.#client.call(name, ...args));
  }

  /** One script on keys of one slot; loads it where Redis does not know it (it was restarted, or flushed). */
  async run(script: Script, keys: string[], args: Argument[]): Promise<unknown> {
    const startMs = performance.now();
    return this.#guard(script.name, async () => {
      if (script.sha !== null) {
        try {
          return await this.#client.call("EVALSHA", script.sha, keys.length, ...keys, ...args);
        } catch (error) {
          // NOSCRIPT was refused before anything ran, so calling again is no repeat.
          if (!reasonOf(error).startsWith("NOSCRIPT")) throw error;
        }
      }
      // Both attempts together have the time of one.
      return this.#inTime(startMs, async () => {
        const [sha, result] = await Promise.all([
          this.#client.call("SCRIPT", "LOAD", script.text),
          this.#client.call("EVAL", script.text, keys.length, ...keys, ...args),
        ]);
        script.sha = String(sha);
        return result;
      });
    });
  }

  /** A second connection with the same options, for subscriptions; its user subscribes anew whenever it is ready. */
  subscriber(): Redis {
    // What ioredis subscribes anew by itself it forgets, and lets nobody catch, when that fails.
    return this.#client.duplicate({ connectionName: `haiyu:${process.pid}:bell`, autoResubscribe: false });
  }

  /** Ends the connection; calls in flight are answered first, as far as Redis answers. */
  async close(): Promise<void> {
    this.#lookAgain.cancel();
    if (this.#client.status === "ready") await this.#client.quit().catch(() => undefined);
    this.#client.disconnect();
  }

  async #guard<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (this.#inFlight >= limits.redisCallsInFlightMax) {
      throw new CodedError(codes.tryAgain, { detail: "too many calls wait for Redis" });
    }
    this.#inFlight++;
    this.#meter.redisCalls++;
    const { timings } = this.#meter;
    const beganMs = timings ? performance.now() : 0;
    try {
      const result = await work();
      timings?.redis.observe((performance.now() - beganMs) / 1000);
      return result;
    } catch (error) {
      this.#meter.redisErrors++;
      this.#journal.write("redis_call_failed", { call: name, reason: reasonOf(error) });
      throw new CodedError(codes.tryAgain, { cause: error });
    } finally {
      this.#inFlight--;
    }
  }

  /** Throws when it is not done within storeDeadlineMs of `startMs`. */
  async #inTime<T>(startMs: number, work: () => Promise<T>): Promise<T> {
    const leftMs = startMs + limits.storeDeadlineMs - performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("Command timed out")), leftMs);
    });
    try {
      return await Promise.race([work(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What this Redis promises: fsync before the answer, or less. Unknown counts as memory. */
  async #readPromise(): Promise<void> {
    try {
      const config = async (name: string): Promise<string> =>
        String(((await this.#client.call("CONFIG", "GET", name)) as string[])[1] ?? "");
      const [appendonly, fsync, policy] = await Promise.all([
        config("appendonly"),
        config("appendfsync"),
        config("maxmemory-policy"),
      ]);
      this.#stored = appendonly === "yes" && fsync === "always" ? "disk" : "memory";
      const said = `${this.#stored} ${appendonly} ${fsync} ${policy}`;
      if (said === this.#saidPromise) return;
      this.#saidPromise = said;
      this.#journal.write("redis_promise", { stored: this.#stored, appendonly, fsync, policy });
      if (policy !== "noeviction") {
        this.#journal.write("redis_may_evict", { policy, wanted: "maxmemory-policy noeviction" });
      }
    } catch (error) {
      this.#stored = "memory";
      this.#journal.write("redis_promise", { stored: "memory", reason: reasonOf(error) });
    }
  }
}

/** Connects, and waits until Redis is ready. Throws an Error of one line when it cannot be reached in time. */
export async function connectRedis({
  url,
  journal,
  role,
  clock = systemClock,
  meter = new Meter(),
}: ConnectOptions): Promise<RedisStore> {
  let lookedMs = -Infinity;
  // A Redis that may not be written to: another one may be behind the address by now, or still the same.
  const looksElsewhere = (): boolean => {
    if (performance.now() - lookedMs < limits.storeReadonlyLookMs) return false;
    lookedMs = performance.now();
    return true;
  };
  const client = new Redis({
    ...optionsOfUrl(url),
    lazyConnect: true,
    protocol: 2,
    connectionName: `haiyu:${process.pid}:${role}`,
    disableClientInfo: true,
    connectTimeout: limits.storeDeadlineMs,
    commandTimeout: limits.storeDeadlineMs,
    socketTimeout: limits.storeSilenceMs,
    maxLoadingRetryTime: limits.storeLoadingLookMs,
    keepAlive: 10_000,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt - 1, 3), 250) + Math.random() * 50,
    reconnectOnError: (error) => (error.message.startsWith("READONLY") && looksElsewhere() ? 1 : false),
  });
  let lastReason = "no answer";
  // Before the first connection the caller says it, in the one line of a start that failed.
  let said: string | null = null;
  client.on("error", (error: unknown) => {
    lastReason = reasonOf(error);
    if (said !== null && said !== lastReason)
      journal.write("redis_connection_failed", { reason: lastReason });
    if (said !== null) said = lastReason;
  });
  client.on("ready", () => {
    said = "";
  });
  const store = new RedisStore(client, { journal, clock, meter });
  try {
    await client.connect();
  } catch (error) {
    client.disconnect();
    const reason = lastReason === "no answer" ? reasonOf(error) : lastReason;
    throw new Error(`--redis ${withoutPassword(url)}: cannot be reached (${reason}); is it running?`, {
      cause: error,
    });
  }
  return store;
}

/** The URL as it may be shown: its password is left out. */
export function withoutPassword(url: string): string {
  return url.replace(/\/\/([^/@]*):[^/@]*@/, "//$1:***@");
}

/**
 * redis: the one way to call Redis, be it one server, a Sentinel group or a Cluster. Nothing here repeats a command by
 * itself: a call is answered, or fails with CodedError 503 meaning "not known to be done", within storeDeadlineMs; only
 * what a Redis refused before anything ran (a script it does not know, a slot that is elsewhere) is asked for again.
 * Repeats are the caller's, who knows that they do no harm. Calls in flight are bounded, so an absent Redis costs no
 * memory. Scripts and multi-key commands touch keys of one slot only.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Redis } from "ioredis";
import { BellLines, type BellListener } from "./bellLines.ts";
import { type Clock, type Timer, systemClock } from "./clock.ts";
import { CodedError, codes } from "./codes.ts";
import { type Durability, type Promised, proofOf, readPromise, shortOf } from "./durability.ts";
import { type Journal, reasonOf } from "./journal.ts";
import * as limits from "./limits.ts";
import type { Stored } from "./message.ts";
import { Meter } from "./meter.ts";
import { type Proven, ProvenWrites, type Write } from "./provenWrites.ts";
import { RedisUnreachable } from "./redisAdvice.ts";
import { type RedisClient, keepAlive, makeClient, mastersOf, onReady, renew } from "./redisClient.ts";
import type { RedisAddress } from "./redisUrl.ts";
import { SentinelWatch } from "./sentinelWatch.ts";

/** What a command takes. Never an array: ioredis would flatten it into several arguments. */
export type Argument = string | number | Buffer;

export interface Master {
  /** host:port in a Cluster, "" where there is only one. */
  readonly at: string;
  /** One command. Throws CodedError 503 when it was not done. */
  call(name: string, ...args: Argument[]): Promise<unknown>;
}

export interface ConnectOptions {
  address: RedisAddress;
  journal: Journal;
  /** Stands in CLIENT LIST as `haiyu:<pid>:<role>`. */
  role: string;
  durability?: Durability;
  clock?: Clock;
  meter?: Meter;
}

/** A script of lib/, by the name of its file. */
export class Script {
  readonly name: string;
  readonly text: string;
  /** SHA-1, by which Redis knows it once it has run. */
  readonly sha: string;

  constructor(name: string) {
    this.name = name;
    this.text = readFileSync(new URL(`./${name}.lua`, import.meta.url), "utf8");
    this.sha = createHash("sha1").update(this.text).digest("hex");
  }
}

/** The connections for commands. Made by `connectRedis`; `bells` makes those for pub/sub. */
export class RedisStore {
  readonly #address: RedisAddress;
  readonly #client: RedisClient;
  /** Null: an answer needs no proof beyond what is known of this Redis. */
  readonly #proven: ProvenWrites | null;
  readonly #wanted: Durability | null;
  readonly #watch: SentinelWatch | null;
  #bells: BellLines | null = null;
  #closed = false;
  readonly #journal: Journal;
  readonly #meter: Meter;
  readonly #clock: Clock;
  #inFlight = 0;
  /** Replication ids of those that answered last, and know what was stored before. */
  #replids = new Set<string>();
  /** Whether one of those had been a replica once. */
  #wasPromoted = false;
  #tailsLacking: () => Promise<void> = () => Promise.resolve();
  #stored: Stored = "memory";
  #saidPromise = "";
  readonly #lookAgain: Timer;

  constructor(
    client: RedisClient,
    { address, journal, clock = systemClock, durability, meter = new Meter() }: ConnectOptions,
  ) {
    this.#address = address;
    this.#client = client;
    this.#wanted = durability ?? null;
    const proof = durability ? proofOf(durability) : null;
    this.#proven = proof ? new ProvenWrites(client, proof) : null;
    this.#watch = address.kind === "sentinel" ? new SentinelWatch(address, () => this.#renew()) : null;
    this.#journal = journal;
    this.#meter = meter;
    this.#clock = clock;
    // Another Redis may answer next time, and somebody may change this one's settings: unknown counts as memory.
    for (const event of ["close", "-node"]) client.on(event, () => (this.#stored = "memory"));
    onReady(client, () => void this.look());
    keepAlive(client, () => !this.#closed);
    this.#lookAgain = clock.every(limits.promiseReadMs, () => {
      if (this.ready) void this.look();
    });
  }

  /** How safely this Redis keeps what it answers, as far as is known; read at every connect, and now and then ([S-3]). */
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

  /** The command that publishes: in a Cluster a channel belongs to a slot, as a key does. */
  get publishCommand(): "PUBLISH" | "SPUBLISH" {
    return this.#address.kind === "cluster" ? "SPUBLISH" : "PUBLISH";
  }

  /** Calls `callback` whenever a connection is ready anew. */
  onReady(callback: () => void): void {
    onReady(this.#client, callback);
  }

  /**
   * Calls `callback` when a Redis answers that may lack the end of what another, or it itself before, had stored; where
   * that fails, at the next look again.
   */
  onTailsLacking(callback: () => Promise<void>): void {
    this.#tailsLacking = callback;
  }

  /** One command. Throws CodedError 503 when Redis did not do it, or nobody knows whether it did. */
  async call(name: string, ...args: Argument[]): Promise<unknown> {
    return this.#guard(name, () => this.#client.call(name, ...args));
  }

  /** One script on keys of one slot. */
  async run(script: Script, keys: string[], args: Argument[]): Promise<unknown> {
    return this.#guard(script.name, () =>
      this.#known(script, (...words) => this.#client.call(...words, keys.length, ...keys, ...args)),
    );
  }

  /**
   * One script that stores what is going to be answered for, and how safely it lies now ([S-3]). Throws CodedError 503
   * also when it was done and is not as safe as was wanted: the same again finds it there.
   */
  async keep(script: Script, keys: string[], args: Argument[]): Promise<Proven> {
    const proven = this.#proven;
    if (!proven) return { reply: await this.run(script, keys, args), stored: this.#stored };
    return this.#guard(script.name, () =>
      this.#known(script, (...words) =>
        proven.write(keys[0] ?? "", [...words, keys.length, ...keys, ...args]),
      ),
    );
  }

  /**
   * One script that only reads, when everything that it read is as safe as is wanted. `touched` is a hash of the same slot
   * that may get one more field: replicas are waited for up to what a connection has written. Throws CodedError 503 when
   * it is not known to be as safe.
   */
  async runProven(
    script: Script,
    keys: string[],
    { args, touched }: { args: Argument[]; touched: string },
  ): Promise<unknown> {
    const proven = this.#proven;
    if (!proven) return this.run(script, keys, args);
    const touch: Write = ["HSET", touched, "proven", 1];
    const { reply } = await this.#guard(script.name, () =>
      this.#known(script, (...words) =>
        proven.write(touched, [...words, keys.length, ...keys, ...args], touch),
      ),
    );
    return reply;
  }

  /** Whether a read may show what is not as safe as is wanted: replicas get a write after it can be read. */
  get readsAhead(): boolean {
    return this.#wanted?.grade === "replica";
  }

  /** Connections for what is published. */
  bells(listener: BellListener): BellLines {
    const options = { client: this.#client, listener, clock: this.#clock, journal: this.#journal };
    return (this.#bells = new BellLines(options));
  }

  /** Every master by itself, to be asked how it is; nothing is written this way. */
  masters(): Master[] {
    return mastersOf(this.#client).map((client) => ({
      at: this.#address.kind === "cluster" ? `${client.options.host}:${client.options.port}` : "",
      call: (name, ...args) => this.#guard(name, () => client.call(name, ...args)),
    }));
  }

  /** What every master promises now. Throws when one of them does not say. */
  promises(): Promise<Promised[]> {
    return Promise.all(mastersOf(this.#client).map(readPromise));
  }

  /** Ends the connections; calls in flight are answered first, as far as Redis answers. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#lookAgain.cancel();
    this.#watch?.close();
    if (this.ready) await this.#client.quit().catch(() => undefined);
    this.#client.disconnect();
    this.#proven?.close();
  }

  /** Another Redis is the master of the group now. */
  #renew(): void {
    this.#journal.write("redis_master_switched");
    if (this.#client instanceof Redis) renew(this.#client);
    this.#proven?.renew();
    this.#bells?.renew();
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

  /** Calls a script by its SHA-1, and by its text where that is not known (Redis was restarted, or flushed). */
  async #known<T>(
    { sha, text }: Script,
    attempt: (...words: [command: string, script: string]) => Promise<T>,
  ): Promise<T> {
    const startMs = performance.now();
    try {
      return await attempt("EVALSHA", sha);
    } catch (error) {
      // NOSCRIPT was refused before anything ran, so calling again is no repeat.
      if (!reasonOf(error).startsWith("NOSCRIPT")) throw error;
    }
    // Both attempts together have the time of one.
    return inTime(startMs, attempt("EVAL", text), limits.storeDeadlineMs);
  }

  /** Reads what is promised now: what the weakest of the masters does. Unknown counts as memory. Never throws. */
  async look(): Promise<void> {
    try {
      const promises = await this.promises();
      const isDisk = promises.length > 0 && promises.every(({ stored }) => stored === "disk");
      this.#stored = isDisk ? "disk" : "memory";
      this.#compare(promises);
      const told = (name: keyof Promised): string => [...new Set(promises.map((one) => one[name]))].join(" ");
      const fields = { appendonly: told("appendonly"), fsync: told("fsync"), policy: told("policy") };
      const said = [this.#stored, ...Object.values(fields)].join(" ");
      if (said === this.#saidPromise) return;
      this.#saidPromise = said;
      this.#journal.write("redis_promise", { stored: this.#stored, ...fields });
      if (fields.policy !== "noeviction") {
        this.#journal.write("redis_may_evict", {
          policy: fields.policy,
          wanted: "maxmemory-policy noeviction",
        });
      }
    } catch (error) {
      this.#stored = "memory";
      // It may have been another one, which took what was written meanwhile.
      this.#replids.clear();
      this.#journal.write("redis_promise", { stored: "memory", reason: reasonOf(error) });
    }
  }

  /** A master that was here before comes back without what was stored meanwhile: only the last ones count as known. */
  #compare(promises: Promised[]): void {
    const others = promises.filter(({ replid }) => !this.#replids.has(replid));
    const wasPromoted = this.#wasPromoted;
    this.#replids = new Set(promises.map(({ replid }) => replid));
    this.#wasPromoted = promises.some(({ isPromoted }) => isPromoted);
    // One that was restarted with every answered write on its disk lacks nothing.
    const isLacking = others.some(({ isPromoted, stored }) => isPromoted || wasPromoted || stored !== "disk");
    if (isLacking) void this.#tailsLacking().catch(() => this.#replids.clear());
  }

  /**
   * Why what is written now would not be answered as safe as is wanted; null: it would. `write` is made on `key` to know
   * it: replicas are asked for what a connection has written. Throws CodedError 503 when Redis does not answer.
   */
  async whyNotAsSafe(key: string, write: Write): Promise<string | null> {
    const [wanted, proven] = [this.#wanted, this.#proven];
    if (!wanted || !proven) return null;
    for (const promised of await this.promises()) {
      const short = shortOf(wanted, promised);
      if (short) return `--durability ${wanted.grade}: the Redis at ${promised.at} ${short.lacks}`;
    }
    return this.#guard(write[0], () => proven.write(key, write)).then(
      () => null,
      () => `--durability ${wanted.grade}: a write was not confirmed in time`,
    );
  }

  /** Throws an Error that says which Redis cannot give what is wanted, why, and what to do. */
  async assertDurability(wanted: Durability): Promise<void> {
    for (const promised of await this.promises()) {
      const short = shortOf(wanted, promised);
      if (!short) continue;
      const { lacks, advice } = short;
      throw new Error(`--durability ${wanted.grade}: the Redis at ${promised.at} ${lacks}; ${advice}`);
    }
  }
}

/**
 * Connects, and waits until Redis is ready. Throws an Error of one line when it cannot be reached in time, is not of the
 * kind that its URL says, or cannot give the durability that is wanted.
 */
export async function connectRedis(options: ConnectOptions): Promise<RedisStore> {
  const { address, journal, role, durability } = options;
  const store = new RedisStore(await connected(address, role, journal), options);
  try {
    await store.look();
    if (durability) await store.assertDurability(durability);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function connected(address: RedisAddress, role: string, journal: Journal): Promise<RedisClient> {
  const client = makeClient(address, role);
  let lastReason = "no answer";
  // Before the first connection the caller says it, in the one line of a start that failed.
  let said: string | null = null;
  for (const event of ["error", "node error", "sentinelError"]) {
    client.on(event, (error: Error & { lastNodeError?: Error }) => {
      // Of a Cluster none of whose nodes answers it says what the last of them said.
      lastReason = reasonOf(error.lastNodeError ?? error);
      if (said !== null && said !== lastReason)
        journal.write("redis_connection_failed", { reason: lastReason });
      if (said !== null) said = lastReason;
    });
  }
  try {
    // Who asks sentinels that nobody hears would ask for ever.
    await inTime(performance.now(), client.connect(), limits.storeConnectMaxMs);
    await assertKind(client, address);
    said = "";
    onReady(client, () => (said = ""));
    return client;
  } catch (error) {
    client.disconnect();
    // What OpenSSL says ends with a line's end.
    const reason = (lastReason === "no answer" ? reasonOf(error) : lastReason).replace(/\s+/g, " ").trim();
    throw new RedisUnreachable(address.shown, { reason, cause: error });
  }
}

/** Throws when one server was named, and it is a part of a Cluster: it would refuse most keys. */
async function assertKind(client: RedisClient, { kind }: RedisAddress): Promise<void> {
  if (kind === "cluster") return;
  if (/^redis_mode:cluster/m.test(String(await client.call("INFO", "server")))) {
    throw new Error("it is a part of a Cluster; write redis+cluster://");
  }
}

/** What `work` gives; throws when that is not there in time, counted from `startMs`. */
async function inTime<T>(startMs: number, work: Promise<T>, timeMs: number): Promise<T> {
  const leftMs = startMs + timeMs - performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("Command timed out")), leftMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

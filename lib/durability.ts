/**
 * durability: how safely a Redis keeps what it has answered (clause [S-3]), and what is asked in the same breath as a
 * write to know it of that very write. `--durability` wants a grade: a server does not start on a Redis that cannot
 * give it, and answers 503 while it cannot ([R-11]).
 */
import type { Redis } from "ioredis";
import { replicaWaitMs } from "./limits.ts";
import type { Stored } from "./message.ts";

/** What is wanted of every write that is answered. */
export interface Durability {
  /** Null: whatever the Redis gives. */
  grade: Stored | null;
  /** With "replica": how many of them have to have it. */
  replicas: number;
}

/** What one Redis says of itself; "" where it may not be asked. */
export interface Promised {
  /** host:port, or the path of its socket. */
  at: string;
  stored: Stored;
  appendonly: string;
  fsync: string;
  /** maxmemory-policy: whether it may drop what it holds. */
  policy: string;
  /** Replicas that follow it now. */
  replicas: number;
  /** Another one after each restart and each promotion. */
  replid: string;
  /** It was a replica once: what its master had not sent it yet is not here. */
  isPromoted: boolean;
}

/** Asks one Redis. Throws when it does not answer. */
export async function readPromise(redis: Redis): Promise<Promised> {
  // A user of least privilege may not be allowed to ask: unknown counts as memory.
  const settings = (name: string): Promise<unknown> => redis.call("CONFIG", "GET", name).catch(() => []);
  const [persistence, memory, replication] = await Promise.all([
    settings("append*"),
    settings("maxmemory-policy"),
    redis.call("INFO", "replication"),
  ]);
  const { appendonly, fsync } = persistenceOf(persistence);
  const info = String(replication);
  return {
    at: placeOf(redis),
    stored: isDisk(persistence) ? "disk" : "memory",
    appendonly,
    fsync,
    policy: valueOf(memory, "maxmemory-policy"),
    replicas: [...info.matchAll(/^slave\d+:.*\bstate=online\b/gm)].length,
    replid: /^master_replid:(\w+)/m.exec(info)?.[1] ?? "",
    isPromoted: !/^master_replid2:0*\r?$/m.test(info),
  };
}

/** Where it is: of one that sentinels have named only its socket knows. */
function placeOf({ options, stream }: Redis): string {
  const { path, host, port, sentinels } = options;
  return sentinels ? `${stream.remoteAddress}:${stream.remotePort}` : (path ?? `${host}:${port}`);
}

/** What a Redis lacks for what is wanted, in words, and what to do. */
export interface Short {
  kind: "unasked" | "settings" | "replicas";
  lacks: string;
  advice: string;
}

/** What this Redis lacks for what is wanted, and what to do; null: nothing. */
export function shortOf(
  { grade, replicas: wanted }: Durability,
  { stored, appendonly, fsync, replicas }: Promised,
): Short | null {
  if (grade === "disk" && appendonly === "") {
    const lacks = "does not say how it keeps what it answers";
    return { kind: "unasked", lacks, advice: "allow its user +config|get" };
  }
  if (grade === "disk" && stored !== "disk") {
    const settings = [appendonly !== "yes" && "appendonly yes", fsync !== "always" && "appendfsync always"];
    return {
      kind: "settings",
      lacks: `has appendonly ${appendonly}, appendfsync ${fsync}`,
      advice: `CONFIG SET ${settings.filter(Boolean).join(" ")}, and the same in its redis.conf`,
    };
  }
  if (grade === "replica" && replicas < wanted) {
    return {
      kind: "replicas",
      lacks: `has ${replicas} replicas online, wanted ${wanted}`,
      advice: "start them, or let --redis name one that has them, or ask for fewer --replicas",
    };
  }
  return null;
}

/** A question that follows a write on its connection, and what the answer says of the write; null: not what is wanted. */
export interface Proof {
  command: [name: string, ...args: (string | number)[]];
  judge(reply: unknown): Stored | null;
}

/** The question for a grade; null: none is needed. */
export function proofOf({ grade, replicas }: Durability): Proof | null {
  switch (grade) {
    case "replica":
      return {
        command: ["WAIT", replicas, replicaWaitMs],
        judge: (reply) => (Number(reply) >= replicas ? "replica" : null),
      };
    case "disk":
      // Somebody may have changed it a moment ago.
      return { command: ["CONFIG", "GET", "append*"], judge: (reply) => (isDisk(reply) ? "disk" : null) };
    default:
      return null;
  }
}

function isDisk(reply: unknown): boolean {
  const { appendonly, fsync } = persistenceOf(reply);
  return appendonly === "yes" && fsync === "always";
}

function persistenceOf(reply: unknown): { appendonly: string; fsync: string } {
  return { appendonly: valueOf(reply, "appendonly"), fsync: valueOf(reply, "appendfsync") };
}

/** One value of CONFIG GET's flat list; "" where it is not in it. */
function valueOf(reply: unknown, name: string): string {
  const list = Array.isArray(reply) ? (reply as unknown[]) : [];
  const index = list.findIndex((one, at) => at % 2 === 0 && one === name);
  return index < 0 ? "" : String(list[index + 1]);
}

/**
 * presenceDao: who is online over all nodes, in Redis (design 4). Counts are absolute and leases are kept by Redis'
 * own clock. Faults throw CodedError 503.
 */
import {
  leftEnding,
  onlineNodeKey,
  onlineNodesKey,
  onlineReplidsKey,
  onlineSweptKey,
  onlineUsersKey,
  onlineVersionKey,
  presenceBell,
} from "./keys.ts";
import { leaseMs, leaseSweepGapMaxMs } from "./limits.ts";
import { Script, type Argument, type RedisStore } from "./redis.ts";

const presenceScript = new Script("presence");
const sweepScript = new Script("presenceSweep");
const leaveScript = new Script("presenceLeave");
const readScript = new Script("presenceRead");
const keys = [onlineUsersKey, onlineNodesKey, onlineVersionKey, onlineNodeKey, onlineReplidsKey];
const sweptKeys = [...keys, onlineSweptKey];

export interface PresenceCount {
  userId: number;
  /** Sessions of the user on this node, absolute. */
  count: number;
  userName: string;
}

export interface PresenceChange {
  version: number;
  online: { userId: number; userName: string }[];
  offline: number[];
}

export interface PresenceTotals {
  version: number;
  /** userId -> sessions over all nodes, for the users that were given. */
  totals: Map<number, number>;
}

/** The shared counts and leases; this node writes under its own name. */
export class PresenceDao {
  readonly #store: RedisStore;
  readonly #node: string;

  constructor(store: RedisStore, node: string) {
    this.#store = store;
    this.#node = node;
  }

  /** Sets counts and renews the lease; null when the lease was lost and the node has to `join` anew. */
  async beat(counts: PresenceCount[]): Promise<PresenceTotals | null> {
    return this.#set("beat", counts);
  }

  /** Registers the node with exactly these counts. */
  async join(counts: PresenceCount[]): Promise<PresenceTotals> {
    const totals = await this.#set("join", counts);
    if (!totals) throw new Error("presenceDao: join was refused");
    return totals;
  }

  /** The node goes in good order: its users count for one more lease, or no longer, when it is the last of all. */
  async leave(): Promise<void> {
    const args = [this.#node, leaseMs, leftEnding, leaseSweepGapMaxMs];
    const names = (await this.#store.run(leaveScript, sweptKeys, args)) as string[];
    if (names.length > 0) await this.sweep(names);
  }

  /** Takes out the nodes whose lease has run out while somebody swept all the time, and those of `ended`; their names. */
  async sweep(ended: string[] = []): Promise<string[]> {
    const args = [presenceBell, this.#store.publishCommand, leaseMs, leaseSweepGapMaxMs, ...ended];
    return (await this.#store.run(sweepScript, sweptKeys, args)) as string[];
  }

  /** Names of all nodes that hold a lease. */
  async nodes(): Promise<string[]> {
    return (await this.#store.call("ZRANGE", onlineNodesKey, 0, -1)) as string[];
  }

  /** Everybody online, with the version it is true for. */
  async readAll(): Promise<{ version: number; users: Map<number, string> }> {
    const [version, ...flat] = (await this.#store.run(readScript, keys, [])) as [number, ...string[]];
    const users = new Map<number, string>();
    for (let index = 0; index + 1 < flat.length; index += 2) {
      users.set(Number(flat[index]), flat[index + 1] ?? "");
    }
    return { version, users };
  }

  async #set(mode: "join" | "beat", counts: PresenceCount[]): Promise<PresenceTotals | null> {
    const args: Argument[] = [this.#node, leaseMs, presenceBell, mode, this.#store.publishCommand];
    for (const { userId, count, userName } of counts) args.push(userId, count, userName);
    const reply = (await this.#store.run(presenceScript, keys, args)) as (string | number)[];
    if (reply[0] !== "ok") return null;
    const totals = new Map<number, number>();
    for (let index = 2; index + 1 < reply.length; index += 2) {
      totals.set(Number(reply[index]), Number(reply[index + 1]));
    }
    return { version: Number(reply[1]), totals };
  }
}

/** Reads what presence.lua and presenceSweep.lua publish. */
export function parsePresenceChange(json: string): PresenceChange {
  const change = JSON.parse(json) as {
    version: number;
    online?: { userId: string; userName: string }[];
    offline?: string[];
  };
  return {
    version: change.version,
    online: (change.online ?? []).map(({ userId, userName }) => ({ userId: Number(userId), userName })),
    offline: (change.offline ?? []).map(Number),
  };
}

/**
 * store: the Redis of a run: one, a master with replicas that sentinels watch, or a Cluster. A group fails over by
 * itself when its master is hurt; only one that has settled is hurt, since what has no replica nobody can take over.
 */
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { Command } from "ioredis";
import { RedisActor } from "./redisActor.ts";

export type StoreKind = "one" | "sentinel" | "cluster";

/** A part of the data that has one master at a time. */
export interface Shard {
  master: RedisActor;
  replicas: RedisActor[];
  /** Whether the key of a conversation lies in it. */
  has(key: string): boolean;
}

export interface Store {
  readonly kind: StoreKind;
  readonly members: RedisActor[];
  /** What servers are told; null: they come through a gate to the only member. */
  readonly url: string | null;
  open(): Promise<void>;
  /** The shards, when every one has its master, and its replicas follow; null while that is not so. */
  settled(): Promise<Shard[] | null>;
  /** Waits until it has settled. Throws when it does not. */
  settle(): Promise<void>;
  /** Whether something else is the master of the shard by now. */
  hasSwitched(shard: Shard): Promise<boolean>;
  /** Puts another master in the place of a healthy one. */
  relieve(shard: Shard): Promise<void>;
  put(hash: string, values: Record<string, string>): Promise<void>;
  close(): Promise<void>;
}

const settleDeadlineMs = 30_000;

abstract class GroupStore implements Store {
  abstract readonly kind: StoreKind;
  abstract readonly url: string | null;
  members: RedisActor[] = [];

  abstract open(): Promise<void>;
  abstract settled(): Promise<Shard[] | null>;
  abstract hasSwitched(shard: Shard): Promise<boolean>;
  abstract relieve(shard: Shard): Promise<void>;

  async put(hash: string, values: Record<string, string>): Promise<void> {
    const shard = (await this.settled())?.find(({ has }) => has(hash));
    for (const [field, value] of Object.entries(values)) await shard?.master.admin.hset(hash, field, value);
  }

  async close(): Promise<void> {
    for (const member of this.members) member.admin.disconnect();
    await Promise.all(this.members.map((member) => member.kill()));
  }

  async settle(): Promise<void> {
    const untilMs = performance.now() + settleDeadlineMs;
    while (!(await this.settled())) {
      if (performance.now() > untilMs) throw new Error(`the ${this.kind} group did not settle`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** The only one. */
export class OneStore extends GroupStore {
  readonly kind = "one";
  readonly url = null;
  readonly socketPath: string;

  constructor(folder: string) {
    super();
    this.socketPath = join(folder, "redis.sock");
    this.members = [new RedisActor(folder, { path: this.socketPath })];
  }

  async open(): Promise<void> {
    await this.members[0]?.start();
  }

  async settled(): Promise<Shard[] | null> {
    const master = this.members[0] as RedisActor;
    return master.state === "up" ? [{ master, replicas: [], has: () => true }] : null;
  }

  async hasSwitched(): Promise<boolean> {
    return false;
  }

  async relieve(): Promise<void> {
    throw new Error("there is no other one");
  }
}

const groupName = "chat";
const downAfterMs = 500;

/** A master, two replicas, three sentinels. */
export class SentinelStore extends GroupStore {
  readonly kind = "sentinel";
  readonly #folder: string;
  #sentinels: RedisActor[] = [];
  url = "";

  constructor(folder: string) {
    super();
    this.#folder = folder;
  }

  async open(): Promise<void> {
    const ports = await freePorts(6);
    const host = "127.0.0.1";
    this.members = ports.slice(0, 3).map((port, index) => {
      const settings: Record<string, string> = index === 0 ? {} : { replicaof: `${host} ${ports[0]}` };
      settings["repl-diskless-sync-delay"] = "0";
      return new RedisActor(join(this.#folder, `redis${index}`), { host, port }, { settings });
    });
    this.#sentinels = ports.slice(3).map(
      (port, index) =>
        new RedisActor(
          join(this.#folder, `sentinel${index}`),
          { host, port },
          {
            sentinelLines: [
              `sentinel monitor ${groupName} ${host} ${ports[0]} 2`,
              `sentinel down-after-milliseconds ${groupName} ${downAfterMs}`,
              `sentinel failover-timeout ${groupName} 2000`,
              `sentinel parallel-syncs ${groupName} 5`,
            ],
          },
        ),
    );
    this.url = `redis+sentinel://${this.#sentinels.map(({ address }) => address).join(",")}/${groupName}`;
    await Promise.all(this.members.map((member) => member.start()));
    await Promise.all(this.#sentinels.map((sentinel) => sentinel.start()));
    // By itself it looks at a member every 10 s, and takes 8 s to believe a master that came back: one failover in 20 s.
    // Hurried it also changes its mind, and a master comes back that was relieved before.
    const periods = ["INFO-PERIOD", 1000, "PUBLISH-PERIOD", 500];
    await Promise.all(this.#sentinels.map((sentinel) => sentinel.ask("SENTINEL", "DEBUG", ...periods)));
    await this.settle();
  }

  async settled(): Promise<Shard[] | null> {
    if (this.members.some(({ state }) => state !== "up")) return null;
    const told = await Promise.all(this.#sentinels.map((sentinel) => this.#masterOf(sentinel)));
    const master = this.members.find(({ address }) => told.every((one) => one === address));
    if (!master || (await master.replication("role")) !== "master") return null;
    for (const sentinel of this.#sentinels) {
      const row = ((await sentinel.ask("SENTINEL", "master", groupName)) as string[] | null) ?? [];
      const value = (field: string): string => row[row.indexOf(field) + 1] ?? "";
      if (value("flags") !== "master" || value("num-other-sentinels") !== "2") return null;
      if (value("num-slaves") !== String(this.members.length - 1)) return null;
    }
    const replicas = this.members.filter((member) => member !== master);
    for (const replica of replicas) if (!(await follows(replica, master))) return null;
    return [{ master, replicas, has: () => true }];
  }

  async hasSwitched({ master }: Shard): Promise<boolean> {
    const told = await this.#masterOf(this.#sentinels[0] as RedisActor);
    return told !== "" && told !== master.address;
  }

  async relieve(): Promise<void> {
    await this.#sentinels[0]?.ask("SENTINEL", "FAILOVER", groupName);
  }

  override async close(): Promise<void> {
    for (const sentinel of this.#sentinels) sentinel.admin.disconnect();
    await Promise.all(this.#sentinels.map((sentinel) => sentinel.kill()));
    await super.close();
  }

  async #masterOf(sentinel: RedisActor): Promise<string> {
    const found = (await sentinel.ask("SENTINEL", "get-master-addr-by-name", groupName)) as string[] | null;
    return found ? found.join(":") : "";
  }
}

const masterCount = 3;
const slotCount = 16_384;

/** Three masters with a replica each. */
export class ClusterStore extends GroupStore {
  readonly kind = "cluster";
  readonly #folder: string;
  url = "";

  constructor(folder: string) {
    super();
    this.#folder = folder;
  }

  async open(): Promise<void> {
    const host = "127.0.0.1";
    const ports = await freePorts(2 * masterCount, 10_000);
    const settings = {
      "cluster-enabled": "yes",
      "cluster-node-timeout": "1000",
      "cluster-replica-validity-factor": "0",
      // A replica that is left alone does not move over to somebody else's master.
      "cluster-migration-barrier": "9",
      "repl-diskless-sync-delay": "0",
    };
    this.members = ports.map(
      (port, index) => new RedisActor(join(this.#folder, `redis${index}`), { host, port }, { settings }),
    );
    this.url = `redis+cluster://${this.members.map(({ address }) => address).join(",")}`;
    await Promise.all(this.members.map((member) => member.start()));
    const ids = await Promise.all(this.members.map((member) => member.ask("CLUSTER", "MYID")));
    for (const [index, member] of this.members.entries()) {
      await member.ask("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
      if (index >= masterCount) continue;
      const [from, to] = [index, index + 1].map((at) => Math.floor((slotCount * at) / masterCount)) as [
        number,
        number,
      ];
      await member.ask("CLUSTER", "ADDSLOTSRANGE", from, to - 1);
    }
    for (const port of ports.slice(1)) await this.members[0]?.ask("CLUSTER", "MEET", host, port);
    for (const [index, member] of this.members.slice(masterCount).entries()) {
      while ((await member.ask("CLUSTER", "REPLICATE", String(ids[index]))) !== "OK") {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    await this.settle();
  }

  async settled(): Promise<Shard[] | null> {
    if (this.members.some(({ state }) => state !== "up")) return null;
    let shards: Shard[] | null = null;
    for (const member of this.members) {
      shards = await this.#shardsAsSeenBy(member);
      if (shards?.length !== masterCount) return null;
    }
    for (const { master, replicas } of shards ?? []) {
      if (replicas.length !== 1) return null;
      for (const replica of replicas) if (!(await follows(replica, master))) return null;
    }
    return shards;
  }

  async hasSwitched({ master, has }: Shard): Promise<boolean> {
    const other = this.members.find((member) => member !== master && member.state === "up");
    const shards = other ? await this.#shardsAsSeenBy(other) : null;
    const key = Array.from({ length: 100 }, (_, index) => `{c:${index}}`).find(has) ?? "";
    const now = shards?.find((shard) => shard.has(key))?.master;
    return now !== undefined && now !== master;
  }

  async relieve({ replicas }: Shard): Promise<void> {
    await replicas[0]?.ask("CLUSTER", "FAILOVER");
  }

  /** Null when it does not see all of it well. */
  async #shardsAsSeenBy(member: RedisActor): Promise<Shard[] | null> {
    const text = String((await member.ask("CLUSTER", "NODES")) ?? "");
    const rows = text
      .trim()
      .split("\n")
      .map((line) => line.split(" "));
    const byId = new Map<string, RedisActor>();
    for (const [id = "", address = ""] of rows) {
      const found = this.members.find((one) => address.startsWith(`${one.address}@`));
      if (found) byId.set(id, found);
    }
    const shards: Shard[] = [];
    for (const [id = "", , flags = "", , , , , link, ...ranges] of rows) {
      const master = byId.get(id);
      if (!master || link !== "connected" || /handshake|noaddr/.test(flags)) return null;
      if (!flags.includes("master") || ranges.length === 0 || /fail/.test(flags)) continue;
      const replicas = rows.flatMap((row) => (row[3] === id ? (byId.get(row[0] ?? "") ?? []) : []));
      const spans = ranges.map((range) => range.split("-").map(Number));
      const has = (key: string): boolean => {
        const slot = slotOf(key);
        return spans.some(([from = 0, to = from]) => from <= slot && slot <= to);
      };
      shards.push({ master, replicas, has });
    }
    return shards;
  }
}

/** Where a Cluster puts a key. */
export function slotOf(key: string): number {
  return new Command("get", [key]).getSlot() as number;
}

async function follows(replica: RedisActor, master: RedisActor): Promise<boolean> {
  const port = "port" in master.at ? String(master.at.port) : "";
  return (
    (await replica.replication("master_port")) === port &&
    (await replica.replication("master_link_status")) === "up"
  );
}

/** Ports that nobody listens on now, and none `beside` them either (a Cluster's bus). */
async function freePorts(count: number, beside = 0): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    const port = await probe(0);
    if (port + beside > 65_000 || found.has(port)) continue;
    if (beside === 0 || (await probe(port + beside)) > 0) found.add(port);
  }
  return [...found];
}

async function probe(port: number): Promise<number> {
  const server = createServer();
  const isListening = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
  if (!isListening) return 0;
  const found = (server.address() as AddressInfo).port;
  await new Promise((resolve) => server.close(resolve));
  return found;
}

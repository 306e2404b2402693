/**
 * redisGroup: real groups of redis-servers for one spec file: a master with replicas that three sentinels watch, and a
 * Cluster of masters with a replica each. They fail over quickly, for real, when something happens to their master.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { freePort, freePorts } from "./freePorts.ts";
import { scratchFolder, tied } from "./scratch.ts";
import { inTime, until } from "./wait.ts";

type Settings = Record<string, string>;

interface MemberOptions {
  sentinelLines?: string[];
  password?: string | undefined;
  /** Its TLS settings: then its port is one for TLS. */
  tls?: Settings | undefined;
}

/** One redis-server on a TCP port of its own, which keeps its port and files when it is started again. */
export class GroupMember {
  readonly port: number;
  readonly folder: string;
  readonly client: Redis;
  readonly #file: string;
  readonly #isSentinel: boolean;
  child: ChildProcess | null = null;

  constructor(
    port: number,
    folder: string,
    settings: Settings,
    { sentinelLines = [], password, tls }: MemberOptions = {},
  ) {
    this.port = port;
    this.folder = folder;
    this.#isSentinel = sentinelLines.length > 0;
    mkdirSync(folder, { recursive: true });
    this.#file = join(folder, "redis.conf");
    const all = {
      ...(tls ? { port: "0", "tls-port": String(port) } : { port: String(port) }),
      bind: "127.0.0.1",
      dir: folder,
      logfile: join(folder, "redis.log"),
      ...settings,
    };
    // Replication and sentinels rewrite this file: a second life goes on with what they know.
    const lines = [
      ...Object.entries(all).map(([name, value]) => `${name} ${value || '""'}`),
      ...sentinelLines,
    ];
    writeFileSync(this.#file, `${lines.join("\n")}\n`);
    const files = tls && {
      ca: readFileSync(tls["tls-ca-cert-file"] ?? ""),
      cert: readFileSync(tls["tls-cert-file"] ?? ""),
      key: readFileSync(tls["tls-key-file"] ?? ""),
      checkServerIdentity: () => undefined,
    };
    this.client = new Redis({
      port,
      lazyConnect: true,
      retryStrategy: () => 10,
      maxRetriesPerRequest: null,
      ...(password !== undefined && { password }),
      ...(files && { tls: files }),
    });
    this.client.on("error", () => undefined);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Starts it, and waits until it answers (which it may do with LOADING). */
  async start(): Promise<void> {
    const mode = this.#isSentinel ? ["--sentinel"] : [];
    this.child = tied(spawn("redis-server", [this.#file, ...mode], { stdio: "ignore" }));
    await inTime(`redis-server ${this.port}`, this.client.ping(), 20_000);
  }

  /** Whether it can be asked: what is asked of one that is gone waits for its next life. */
  get isThere(): boolean {
    const ended = !this.child || this.child.exitCode !== null || this.child.signalCode !== null;
    return !ended && this.client.status === "ready";
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    if (signal === "SIGKILL") child.kill("SIGCONT");
    await ended;
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** A value of INFO. */
  async info(name: string): Promise<string> {
    return new RegExp(`^${name}:(.*?)\r?$`, "m").exec(await this.client.info())?.[1] ?? "";
  }

  /** Replicas that have all, and get what comes. */
  async replicasOnline(): Promise<number> {
    return [...(await this.client.info("replication")).matchAll(/^slave\d+:.*state=online/gm)].length;
  }

  async end(): Promise<void> {
    this.client.disconnect();
    await this.kill();
  }
}

const common: Settings = {
  appendonly: "yes",
  appendfsync: "always",
  save: "",
  "repl-diskless-sync-delay": "0",
};

/** Starts one of its own, the others' settings under `more`; `end` it. */
export async function startMember(more: Settings = {}): Promise<GroupMember> {
  const member = new GroupMember(await freePort(), scratchFolder(), { ...common, ...more });
  await member.start();
  return member;
}

export interface SentinelGroup {
  readonly url: string;
  readonly name: string;
  readonly members: GroupMember[];
  readonly sentinels: GroupMember[];
  /** The member that the sentinels call the master. */
  master(): Promise<GroupMember>;
  /** Waits until there is one master, of which all others that run are replicas with their link up. */
  settled(): Promise<GroupMember>;
  stop(): Promise<void>;
}

/** A master, its replicas and three sentinels that give it up after `downAfterMs`. */
export async function startSentinelGroup({
  replicas = 2,
  settings = {},
  downAfterMs = 500,
  password,
  sentinelPassword,
}: {
  replicas?: number;
  settings?: Settings;
  downAfterMs?: number;
  password?: string;
  sentinelPassword?: string;
} = {}): Promise<SentinelGroup> {
  const folder = scratchFolder();
  const name = "chat";
  const ports = await freePorts(replicas + 4);
  const members = ports.slice(0, replicas + 1).map((port, index) => {
    const follows: Settings = index === 0 ? {} : { replicaof: `127.0.0.1 ${ports[0]}` };
    const own = { ...common, ...settings, ...follows };
    return new GroupMember(port, join(folder, `redis${index}`), own, { password });
  });
  const sentinels = ports.slice(replicas + 1).map(
    (port, index) =>
      new GroupMember(
        port,
        join(folder, `sentinel${index}`),
        {},
        {
          password: sentinelPassword,
          sentinelLines: [
            `sentinel monitor ${name} 127.0.0.1 ${ports[0]} 2`,
            `sentinel down-after-milliseconds ${name} ${downAfterMs}`,
            `sentinel failover-timeout ${name} 2000`,
            `sentinel parallel-syncs ${name} 5`,
            ...(password === undefined ? [] : [`sentinel auth-pass ${name} ${password}`]),
            ...(sentinelPassword === undefined
              ? []
              : [`requirepass ${sentinelPassword}`, `sentinel sentinel-pass ${sentinelPassword}`]),
          ],
        },
      ),
  );
  const byPort = (port: number): GroupMember => members.find((member) => member.port === port) as GroupMember;
  const masterPort = async (sentinel: GroupMember): Promise<number> => {
    const found = (await sentinel.client.call("SENTINEL", "get-master-addr-by-name", name)) as
      string[] | null;
    return Number(found?.[1] ?? 0);
  };
  const group: SentinelGroup = {
    url:
      `redis+sentinel://${password === undefined ? "" : `:${password}@`}` +
      `${sentinels.map(({ address }) => address).join(",")}/${name}` +
      (sentinelPassword === undefined ? "" : `?sentinelPassword=${sentinelPassword}`),
    name,
    members,
    sentinels,
    master: async () => byPort(await masterPort(sentinels[0] as GroupMember)),
    settled: () =>
      until(
        "the sentinel group to settle",
        async () => {
          const told = await Promise.all(sentinels.map(masterPort));
          if (new Set(told).size > 1) return null;
          const master = byPort(told[0] ?? 0);
          return (await isFollowed(master, members)) &&
            (await knowReplicas(sentinels, name, members.length - 1))
            ? master
            : null;
        },
        30_000,
      ),
    stop: async () => {
      await Promise.all([...sentinels, ...members].map((member) => member.end()));
    },
  };
  return orStop(group, async () => {
    await Promise.all(members.map((member) => member.start()));
    await Promise.all(sentinels.map((sentinel) => sentinel.start()));
    await group.settled();
  });
}

/** A group that did not come up must not keep its processes, and so the whole run, alive. */
async function orStop<T extends { stop(): Promise<void> }>(
  group: T,
  start: () => Promise<unknown>,
): Promise<T> {
  try {
    await start();
    return group;
  } catch (error) {
    await group.stop();
    throw error;
  }
}

async function knowReplicas(sentinels: GroupMember[], name: string, count: number): Promise<boolean> {
  const rows = await Promise.all(
    sentinels.map((one) => one.client.call("SENTINEL", "master", name) as Promise<string[]>),
  );
  return rows.every((row) => {
    const value = (field: string): string => row[row.indexOf(field) + 1] ?? "";
    return (
      value("flags") === "master" &&
      Number(value("num-slaves")) >= count &&
      value("num-other-sentinels") === "2"
    );
  });
}

async function isFollowed(master: GroupMember, members: GroupMember[]): Promise<boolean> {
  if (!master.isThere || (await master.info("role")) !== "master") return false;
  for (const member of members) {
    if (member === master) continue;
    if (!member.isThere) return false;
    if ((await member.info("master_port")) !== String(master.port)) return false;
    if ((await member.info("master_link_status")) !== "up") return false;
  }
  return (await master.replicasOnline()) === members.length - 1;
}

export interface ClusterGroup {
  readonly url: string;
  readonly members: GroupMember[];
  /** The master that has a key. */
  masterOf(key: string): Promise<GroupMember>;
  replicasOf(master: GroupMember): Promise<GroupMember[]>;
  id(member: GroupMember): Promise<string>;
  /** Waits until all slots are served and every replica's link is up. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

/** Masters with a replica each, which take over after `nodeTimeoutMs`. */
export async function startCluster({
  masters = 3,
  replicas = 1,
  settings = {},
  nodeTimeoutMs = 1000,
  password,
  tls,
}: {
  masters?: number;
  replicas?: number;
  settings?: Settings;
  nodeTimeoutMs?: number;
  password?: string;
  tls?: Settings;
} = {}): Promise<ClusterGroup> {
  const folder = scratchFolder();
  const count = masters * (1 + replicas);
  const ports = await freePorts(count, 10_000);
  const members = ports.map(
    (port, index) =>
      new GroupMember(
        port,
        join(folder, `redis${index}`),
        {
          ...common,
          "cluster-enabled": "yes",
          "cluster-node-timeout": String(nodeTimeoutMs),
          "cluster-replica-validity-factor": "0",
          ...settings,
        },
        { password, tls },
      ),
  );
  const alive = (): GroupMember[] => members.filter(({ isThere }) => isThere);
  const byPort = (port: number): GroupMember => members.find((member) => member.port === port) as GroupMember;
  const group: ClusterGroup = {
    url: `${tls ? "rediss" : "redis"}+cluster://${password === undefined ? "" : `:${password}@`}${members.map(({ address }) => address).join(",")}`,
    members,
    async masterOf(key) {
      const [asked] = alive();
      const slot = Number(await asked?.client.call("CLUSTER", "KEYSLOT", key));
      const slots = (await asked?.client.call("CLUSTER", "SLOTS")) as [number, number, [string, number]][];
      const range = slots.find(([from, to]) => from <= slot && slot <= to);
      return byPort(range?.[2][1] ?? 0);
    },
    async replicasOf(master) {
      const own = await group.id(master);
      const text = String(await master.client.call("CLUSTER", "NODES"));
      const lines = text.split("\n").filter((line) => line.split(" ")[3] === own);
      return lines.map((line) => byPort(Number(/:(\d+)@/.exec(line)?.[1])));
    },
    id: (member) => member.client.call("CLUSTER", "MYID") as Promise<string>,
    async settled() {
      await until("the Cluster to settle", () => isSettled(members, masters), 30_000);
    },
    stop: async () => {
      await Promise.all(members.map((member) => member.end()));
    },
  };
  return orStop(group, async () => {
    await makeCluster(members, masters);
    await group.settled();
  });
}

/** Starts its members, the masters first, and makes one Cluster of them. */
async function makeCluster(members: GroupMember[], masters: number): Promise<void> {
  await Promise.all(members.map((member) => member.start()));
  const ids = await Promise.all(
    members.map((member) => member.client.call("CLUSTER", "MYID") as Promise<string>),
  );
  const [first, ...others] = members as [GroupMember, ...GroupMember[]];
  await Promise.all(
    members.slice(0, masters).map((member, index) => {
      const from = Math.floor((16_384 * index) / masters);
      const to = Math.floor((16_384 * (index + 1)) / masters) - 1;
      return member.client.call("CLUSTER", "ADDSLOTSRANGE", from, to);
    }),
  );
  await Promise.all(
    members.map((member, index) => member.client.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1)),
  );
  await Promise.all(others.map(({ port }) => first.client.call("CLUSTER", "MEET", "127.0.0.1", port)));
  await until("all to know each other", async () => {
    const known = await Promise.all(members.map((member) => member.client.call("CLUSTER", "NODES")));
    return known.every(
      (text) =>
        String(text).trim().split("\n").length === members.length && !String(text).includes("handshake"),
    );
  });
  await Promise.all(
    members
      .slice(masters)
      .map((member, index) => member.client.call("CLUSTER", "REPLICATE", ids[index % masters] ?? "")),
  );
}

async function isSettled(members: GroupMember[], masters: number): Promise<boolean> {
  const epochs = new Set<string>();
  for (const member of members) {
    if (!member.isThere) return false;
    const info = String(await member.client.call("CLUSTER", "INFO"));
    if (!info.includes("cluster_state:ok") || !info.includes("cluster_slots_ok:16384")) return false;
    const isMaster = (await member.info("role")) === "master";
    if (!isMaster && (await member.info("master_link_status")) !== "up") return false;
    if (isMaster && (await member.replicasOnline()) !== members.length / masters - 1) return false;
    const nodes = String(await member.client.call("CLUSTER", "NODES"))
      .trim()
      .split("\n");
    if (nodes.some((line) => /fail|handshake|noaddr/.test(line.split(" ")[2] ?? ""))) return false;
    const owners = nodes.filter(
      (line) => / master /.test(line.replace("myself,", "")) && line.split(" ").length > 8,
    );
    if (owners.length !== masters) return false;
    epochs.add(
      owners
        .map((line) =>
          line
            .replace("myself,", "")
            .split(" ")
            .filter((_, at) => at === 0 || at > 7)
            .join(" "),
        )
        .sort()
        .join("\n"),
    );
  }
  return epochs.size === 1;
}

/**
 * doctor: looks at what a server needs, and says what to do about what it finds, one line each (clause ). It
 * changes nothing; of what it asks Redis, only the scan of `users` grows with the data, and that goes in slices.
 */
import { constants, accessSync, existsSync, readFileSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, dirname, join, resolve } from "node:path";
import { type Durability, shortOf } from "./durability.ts";
import { readFigures } from "./figures.ts";
import { reasonOf } from "./journal.ts";
import * as limits from "./limits.ts";
import { openFilesMax } from "./listener.ts";
import { labelOf } from "./nodeName.ts";
import type { NodesDao } from "./nodesDao.ts";
import type { Master, RedisStore } from "./redis.ts";
import type { UserDao } from "./userDao.ts";

/** `bad` has to be mended, `warn` may be meant so. */
export interface Finding {
  level: "ok" | "warn" | "bad";
  what: string;
  /** What was found, and, unless it is fine, what to do. */
  says: string;
}

export interface DoctorOptions {
  host: string;
  port: number;
  /** Where `--metrics` wants to listen; null: nowhere. */
  metrics: { host: string; port: number } | null;
  /** Folder of the private Redis; null: another Redis is given. */
  data: string | null;
}

const mib = 1024 * 1024;

/** What can be seen without Redis. */
export async function lookAtMachine({ host, port, metrics, data }: DoctorOptions): Promise<Finding[]> {
  const found = [lookAtNode(), lookAtOpenFiles(), lookAtBacklog(), await lookAtPort("port", { host, port })];
  if (metrics) found.push(await lookAtPort("metrics", metrics));
  if (data !== null) found.push(lookAtBinary(), ...(await lookAtFolder(data)));
  return found.filter((finding) => finding !== null);
}

function lookAtNode(): Finding {
  const major = Number(process.versions.node.split(".")[0]);
  const isOld = major < limits.nodeMajorMin;
  const advice = isOld ? `; install Node ${limits.nodeMajorMin} or newer` : "";
  return { level: isOld ? "bad" : "ok", what: "node", says: `${process.version}${advice}` };
}

/** How many connections there is room for. */
function lookAtOpenFiles(): Finding {
  const room = openFilesMax() - limits.reservedFileDescriptors;
  const says = `room for ${Math.max(0, room)} connections a process`;
  if (room >= limits.openFilesComfortable) return { level: "ok", what: "open files", says };
  const advice = `; raise it: ulimit -n 100000, or LimitNOFILE=100000 in the systemd unit`;
  return { level: room < 1 ? "bad" : "warn", what: "open files", says: says + advice };
}

/** The kernel cuts the queue of connections that wait to be accepted; null where it cannot be read. */
function lookAtBacklog(): Finding | null {
  const path = "/proc/sys/net/core/somaxconn";
  if (!existsSync(path)) return null;
  const most = Number(readFileSync(path, "utf8"));
  const says = `${most} connections may wait to be accepted`;
  if (most >= limits.listenBacklogConnections) return { level: "ok", what: "backlog", says };
  const advice = `; sysctl -w net.core.somaxconn=${limits.listenBacklogConnections}`;
  return { level: "warn", what: "backlog", says: says + advice };
}

async function lookAtPort(
  flag: "port" | "metrics",
  { host, port }: { host: string; port: number },
): Promise<Finding> {
  const what = `port ${port}`;
  const code = await new Promise<string | null>((done) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => done(error.code ?? reasonOf(error)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => done(null)));
  });
  if (code === null) return { level: "ok", what, says: `${host} is free` };
  if (code === "EADDRINUSE") {
    return { level: "warn", what, says: `${host} is taken: fine if by haiyu, else give another --${flag}` };
  }
  const where = flag === "port" ? "--host" : "--metrics HOST:PORT";
  const advice = code === "EACCES" ? `give a --${flag} above 1023` : `give a ${where} of this machine`;
  return { level: "bad", what, says: `${host} cannot be listened on (${code}); ${advice}` };
}

function lookAtBinary(): Finding {
  const folder = (process.env.PATH ?? "")
    .split(delimiter)
    .find((path) => existsSync(join(path, "redis-server")));
  if (folder) return { level: "ok", what: "redis-server", says: join(folder, "redis-server") };
  const says = "is not on the PATH; sudo apt-get install redis-server, or give --redis URL";
  return { level: "bad", what: "redis-server", says };
}

/** Rights and space of the data folder, or, before the first start, of the one it will be made in. */
async function lookAtFolder(data: string): Promise<Finding[]> {
  const folder = resolve(data);
  let there = folder;
  while (!existsSync(there)) there = dirname(there);
  const findings: Finding[] = [];
  try {
    accessSync(there, constants.W_OK | constants.X_OK);
    const others = there === folder ? statSync(folder).mode & 0o077 : 0;
    const says = others ? `${folder} is open to others; chmod 700 ${folder}` : `${folder} can be written`;
    findings.push({ level: others ? "bad" : "ok", what: "data", says });
  } catch (error) {
    const says = `${folder} cannot be written (${reasonOf(error)}); give its owner, or another --data`;
    return [{ level: "bad", what: "data", says }];
  }
  const { bavail, bsize } = await statfs(there);
  const freeMib = Math.floor((bavail * bsize) / mib);
  const level =
    freeMib < limits.diskFreeMinMib ? "bad" : freeMib < limits.diskFreeComfortableMib ? "warn" : "ok";
  const advice = level === "ok" ? "" : "; make room: Redis ends when its file cannot grow";
  findings.push({ level, what: "disk", says: `${freeMib} MiB free at ${there}${advice}` });
  return findings;
}

/** What lies in Redis, and what it says of itself and of the durability that is wanted; in a Cluster each master. */
export async function lookAtRedis(
  store: RedisStore,
  durability: Durability,
  { userDao, nodesDao }: { userDao: UserDao; nodesDao: NodesDao },
): Promise<Finding[]> {
  const ofMasters = await Promise.all(store.masters().map(lookAtMaster));
  const durable = await lookAtDurability(store, durability);
  return [...ofMasters.flat(), ...durable, await lookAtNodes(nodesDao), await lookAtUsers(userDao)];
}

/** Whether a server with this `--durability` would start; nothing where none is wanted ([R-11]). */
async function lookAtDurability(store: RedisStore, durability: Durability): Promise<Finding[]> {
  const { grade, replicas } = durability;
  if (grade === null) return [];
  return (await store.promises()).map((promised) => {
    const short = shortOf(durability, promised);
    const given = grade === "replica" ? `has ${promised.replicas} replicas, wanted ${replicas}` : "gives it";
    const says = short ? `${short.lacks}; ${short.advice}` : given;
    return { level: short ? "bad" : "ok", what: "durability", says: `${grade}: ${promised.at} ${says}` };
  });
}

async function lookAtMaster(master: Master): Promise<Finding[]> {
  const beganMs = performance.now();
  const [seconds = "0", microseconds = "0"] = (await master.call("TIME")) as string[];
  const tookMs = performance.now() - beganMs;
  const skewMs = Number(seconds) * 1000 + Number(microseconds) / 1000 - (Date.now() - tookMs / 2);
  const info = fieldsOf(String(await master.call("INFO")));
  const findings = [
    lookAtVersion(info),
    lookAtRole(info),
    lookAtPersistence(info, await fsyncOf(master)),
    lookAtEviction(info),
    lookAtMemory(info),
    lookAtRoundTrip(tookMs),
    lookAtClock(skewMs, tookMs),
  ];
  if (master.at === "") return findings;
  return findings.map((finding) => ({ ...finding, says: `${master.at}: ${finding.says}` }));
}

type Info = ReadonlyMap<string, string>;

function fieldsOf(info: string): Info {
  return new Map(
    [...info.matchAll(/^([a-z_0-9]+):(.*?)\r?$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );
}

/** What `appendfsync` says; null where CONFIG may not be asked. */
async function fsyncOf(master: Master): Promise<string | null> {
  try {
    return ((await master.call("CONFIG", "GET", "appendfsync")) as string[])[1] ?? null;
  } catch {
    return null;
  }
}

function lookAtVersion(info: Info): Finding {
  const version = info.get("redis_version") ?? "unknown";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isOld = major < 6 || (major === 6 && minor < 2);
  const says = isOld ? `${version}; wanted 6.2 or newer` : version;
  return { level: isOld ? "bad" : "ok", what: "redis", says };
}

function lookAtRole(info: Info): Finding {
  const isReplica = info.get("role") === "slave";
  const replicas = info.get("connected_slaves") ?? "0";
  const says = isReplica
    ? "this is a replica, which takes no writes; give the primary, or redis+sentinel://"
    : `primary, ${replicas} replicas`;
  return { level: isReplica ? "bad" : "ok", what: "role", says };
}

function lookAtPersistence(info: Info, fsync: string | null): Finding {
  const what = "persistence";
  if (info.get("aof_enabled") !== "1") {
    const says = "no append-only file: a crash loses messages; CONFIG SET appendonly yes, appendfsync always";
    return { level: "warn", what, says };
  }
  if (info.get("aof_last_write_status") !== "ok") {
    return {
      level: "bad",
      what,
      says: "the append-only file cannot be written; look at disk and Redis' log",
    };
  }
  if (fsync === "always") return { level: "ok", what, says: "append-only file, synced before each answer" };
  const says =
    fsync === null
      ? "CONFIG may not be asked, so answers say stored: memory; allow +config|get"
      : `appendfsync ${fsync}: a crash loses up to a second; CONFIG SET appendfsync always`;
  return { level: "warn", what, says };
}

function lookAtEviction(info: Info): Finding {
  const policy = info.get("maxmemory_policy") ?? "unknown";
  const what = "eviction";
  if (policy === "noeviction") return { level: "ok", what, says: "none: what is stored stays" };
  const says = `${policy}: Redis may throw messages away; CONFIG SET maxmemory-policy noeviction`;
  return { level: info.get("maxmemory") === "0" ? "warn" : "bad", what, says };
}

function lookAtMemory(info: Info): Finding {
  const number = (name: string): number => Number(info.get(name) ?? 0);
  const used = number("used_memory");
  const most = number("maxmemory") || number("total_system_memory");
  const share = most > 0 ? used / most : 0;
  const level =
    share > limits.redisMemoryFullShare ? "bad" : share > limits.redisMemoryHighShare ? "warn" : "ok";
  const advice = level === "ok" ? "" : "; give Redis more: what does not fit is answered 503";
  const says = `${Math.ceil(used / mib)} of ${Math.floor(most / mib)} MiB${advice}`;
  return { level, what: "memory", says };
}

function lookAtRoundTrip(tookMs: number): Finding {
  const isSlow = tookMs > limits.redisRoundTripComfortableMs;
  const advice = isSlow ? "; every message waits for it: bring Redis nearer, or find what slows it" : "";
  return { level: isSlow ? "warn" : "ok", what: "round trip", says: `${tookMs.toFixed(1)} ms${advice}` };
}

function lookAtClock(skewMs: number, tookMs: number): Finding {
  // What the way there and back took is not known by half.
  const offMs = Math.max(0, Math.abs(skewMs) - tookMs / 2);
  const says = `${Math.round(skewMs)} ms between Redis and this machine`;
  if (offMs <= limits.clockSkewComfortableMs) return { level: "ok", what: "clock", says };
  const level = offMs > limits.clockSkewMaxMs ? "bad" : "warn";
  return { level, what: "clock", says: `${says}; run an NTP client on both` };
}

/** Which nodes there are, and those that hold a lease and say nothing. */
async function lookAtNodes(nodesDao: NodesDao): Promise<Finding> {
  const nodes = await nodesDao.all();
  const silent = nodes.filter(({ figures }) => readFigures(figures) === null).length;
  const twin = twinLabel(nodes.map(({ node }) => node));
  const says = `${nodes.length} hold a lease`;
  if (twin) {
    const advice = `, ${twin.count} of them are called ${twin.label}; give each its own --node, to tell them apart`;
    return { level: "warn", what: "nodes", says: says + advice };
  }
  if (silent === 0) return { level: "ok", what: "nodes", says };
  const advice = `, ${silent} of them say nothing: just started, stopped, or of another version`;
  return { level: "warn", what: "nodes", says: says + advice };
}

/** The first label that several nodes have; their full names differ all the same. */
function twinLabel(names: string[]): { label: string; count: number } | null {
  const labels = names.map(labelOf);
  const label = labels.find((one, at) => labels.indexOf(one) !== at);
  return label === undefined ? null : { label, count: labels.filter((one) => one === label).length };
}

/** Whether the records of users are whole, and none holds a plain password ([A-2]). */
async function lookAtUsers(userDao: UserDao): Promise<Finding> {
  let [hashed, plain, unreadable] = [0, 0, 0];
  for await (const slice of userDao.slices()) {
    for (const user of slice) {
      if (user === null) unreadable++;
      else if (user.kind === "plain") plain++;
      else hashed++;
    }
  }
  const broken = unreadable > 0 ? `, ${unreadable} cannot be read: those cannot log in` : "";
  if (plain === 0) {
    return {
      level: unreadable > 0 ? "warn" : "ok",
      what: "passwords",
      says: `${hashed} hashed, none plain${broken}`,
    };
  }
  const says = `${plain} of ${hashed + plain} lie there in plain${broken}; run doctor --mend, which hashes them`;
  return { level: "bad", what: "passwords", says };
}

/** One line each, aligned. */
export function linesOf(findings: Finding[]): string {
  return findings
    .map(({ level, what, says }) => `${level.padEnd(4)}  ${what.padEnd(12)}  ${says}\n`)
    .join("");
}

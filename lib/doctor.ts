/**
 * doctor: looks at what a server needs, and says what to do about what it finds, one line each (clause ). It
 * changes nothing; of what it asks Redis, only the scan of `users` grows with the data, and that goes in slices.
 */
import { constants, accessSync, existsSync, readFileSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, dirname, join, resolve } from "node:path";
import type { DoctorTexts } from "./doctorTexts.ts";
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
export async function lookAtMachine(
  { host, port, metrics, data }: DoctorOptions,
  texts: DoctorTexts,
): Promise<Finding[]> {
  const chatPort = await lookAtPort("port", { host, port }, texts);
  const found = [lookAtNode(texts), lookAtOpenFiles(texts), lookAtBacklog(texts), chatPort];
  if (metrics) found.push(await lookAtPort("metrics", metrics, texts));
  if (data !== null) found.push(lookAtBinary(texts), ...(await lookAtFolder(data, texts)));
  return found.filter((finding) => finding !== null);
}

function lookAtNode({ nodeOld }: DoctorTexts): Finding {
  const major = Number(process.versions.node.split(".")[0]);
  const isOld = major < limits.nodeMajorMin;
  const says = process.version + (isOld ? nodeOld : "");
  return { level: isOld ? "bad" : "ok", what: "node", says };
}

/** How many connections there is room for. */
function lookAtOpenFiles(texts: DoctorTexts): Finding {
  const room = openFilesMax() - limits.reservedFileDescriptors;
  const says = texts.room(Math.max(0, room));
  if (room >= limits.openFilesComfortable) return { level: "ok", what: "open files", says };
  return { level: room < 1 ? "bad" : "warn", what: "open files", says: says + texts.raiseFiles };
}

/** The kernel cuts the queue of connections that wait to be accepted; null where it cannot be read. */
function lookAtBacklog(texts: DoctorTexts): Finding | null {
  const path = "/proc/sys/net/core/somaxconn";
  if (!existsSync(path)) return null;
  const most = Number(readFileSync(path, "utf8"));
  const says = texts.backlog(most);
  if (most >= limits.listenBacklogConnections) return { level: "ok", what: "backlog", says };
  return { level: "warn", what: "backlog", says: says + texts.raiseBacklog };
}

async function lookAtPort(
  flag: "port" | "metrics",
  { host, port }: { host: string; port: number },
  texts: DoctorTexts,
): Promise<Finding> {
  const what = `port ${port}`;
  const code = await new Promise<string | null>((done) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => done(error.code ?? reasonOf(error)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => done(null)));
  });
  if (code === null) return { level: "ok", what, says: texts.free(host) };
  if (code === "EADDRINUSE") return { level: "warn", what, says: texts.taken(host, flag) };
  const where = flag === "port" ? "--host" : "--metrics HOST:PORT";
  const advice = code === "EACCES" ? texts.portAbove(flag) : texts.hostOfMachine(where);
  return { level: "bad", what, says: texts.notListened(host, code) + advice };
}

function lookAtBinary({ noBinary }: DoctorTexts): Finding {
  const folder = (process.env.PATH ?? "")
    .split(delimiter)
    .find((path) => existsSync(join(path, "redis-server")));
  if (folder) return { level: "ok", what: "redis-server", says: join(folder, "redis-server") };
  return { level: "bad", what: "redis-server", says: noBinary };
}

/** Rights and space of the data folder, or, before the first start, of the one it will be made in. */
async function lookAtFolder(data: string, texts: DoctorTexts): Promise<Finding[]> {
  const folder = resolve(data);
  let there = folder;
  while (!existsSync(there)) there = dirname(there);
  const findings: Finding[] = [];
  try {
    accessSync(there, constants.W_OK | constants.X_OK);
    const others = there === folder ? statSync(folder).mode & 0o077 : 0;
    const says = others ? texts.folderOpen(folder) : texts.folderFine(folder);
    findings.push({ level: others ? "bad" : "ok", what: "data", says });
  } catch (error) {
    return [{ level: "bad", what: "data", says: texts.folderClosed(folder, reasonOf(error)) }];
  }
  const { bavail, bsize } = await statfs(there);
  const freeMib = Math.floor((bavail * bsize) / mib);
  const level =
    freeMib < limits.diskFreeMinMib ? "bad" : freeMib < limits.diskFreeComfortableMib ? "warn" : "ok";
  const advice = level === "ok" ? "" : texts.diskFull;
  findings.push({ level, what: "disk", says: texts.diskFree(freeMib, there) + advice });
  return findings;
}

/** What lies in Redis, and what it says of itself and of the durability that is wanted; in a Cluster each master. */
export async function lookAtRedis(
  store: RedisStore,
  { durability, userDao, nodesDao }: { durability: Durability; userDao: UserDao; nodesDao: NodesDao },
  texts: DoctorTexts,
): Promise<Finding[]> {
  const ofMasters = await Promise.all(store.masters().map((master) => lookAtMaster(master, texts)));
  const durable = await lookAtDurability(store, durability, texts);
  return [
    ...ofMasters.flat(),
    ...durable,
    await lookAtNodes(nodesDao, texts),
    await lookAtUsers(userDao, texts),
  ];
}

/** Whether a server with this `--durability` would start; nothing where none is wanted ([R-11]). */
async function lookAtDurability(
  store: RedisStore,
  durability: Durability,
  texts: DoctorTexts,
): Promise<Finding[]> {
  const { grade, replicas } = durability;
  if (grade === null) return [];
  return (await store.promises()).map((promised) => {
    const short = shortOf(durability, promised);
    const given = grade === "replica" ? texts.replicasHad(promised.replicas, replicas) : texts.given;
    const says = short ? texts.short(short, promised, replicas) : given;
    return { level: short ? "bad" : "ok", what: "durability", says: `${grade}: ${promised.at} ${says}` };
  });
}

async function lookAtMaster(master: Master, texts: DoctorTexts): Promise<Finding[]> {
  const beganMs = performance.now();
  const [seconds = "0", microseconds = "0"] = (await master.call("TIME")) as string[];
  const tookMs = performance.now() - beganMs;
  const skewMs = Number(seconds) * 1000 + Number(microseconds) / 1000 - (Date.now() - tookMs / 2);
  const info = fieldsOf(String(await master.call("INFO")));
  const [fsync, replicasMin] = [
    await settingOf(master, "appendfsync"),
    Number((await settingOf(master, "min-replicas-to-write")) ?? 0),
  ];
  const findings = [
    lookAtVersion(info, texts),
    lookAtRole(info, replicasMin, texts),
    lookAtPersistence(info, fsync, texts),
    lookAtEviction(info, texts),
    lookAtMemory(info, texts),
    lookAtRoundTrip(tookMs, texts),
    lookAtClock({ skewMs, tookMs }, texts),
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

/** A setting; null where CONFIG may not be asked. */
async function settingOf(master: Master, name: string): Promise<string | null> {
  try {
    return ((await master.call("CONFIG", "GET", name)) as string[])[1] ?? null;
  } catch {
    return null;
  }
}

function lookAtVersion(info: Info, { versionOld }: DoctorTexts): Finding {
  const version = info.get("redis_version") ?? "unknown";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isOld = major < 6 || (major === 6 && minor < 2);
  return { level: isOld ? "bad" : "ok", what: "redis", says: version + (isOld ? versionOld : "") };
}

/** `replicasMin`: with fewer of them it takes no writes. */
function lookAtRole(info: Info, replicasMin: number, texts: DoctorTexts): Finding {
  const what = "role";
  if (info.get("role") === "slave") return { level: "bad", what, says: texts.isReplica };
  const says = texts.primary(info.get("connected_slaves") ?? "0");
  // Said only where some are wanted; those that lag do not count.
  const good = Number(info.get("min_slaves_good_slaves") ?? replicasMin);
  if (good >= replicasMin) return { level: "ok", what, says };
  return { level: "bad", what, says: says + texts.fewReplicas(replicasMin) };
}

function lookAtPersistence(info: Info, fsync: string | null, texts: DoctorTexts): Finding {
  const what = "persistence";
  const isAof = info.get("aof_enabled") === "1";
  if (isAof && info.get("aof_last_write_status") !== "ok") {
    return { level: "bad", what, says: texts.aofBroken };
  }
  // Where it takes snapshots too: it takes no writes until one succeeds.
  if (info.get("rdb_last_bgsave_status") === "err") return { level: "bad", what, says: texts.snapshotFailed };
  if (!isAof) return { level: "warn", what, says: texts.noAof };
  if (fsync === "always") return { level: "ok", what, says: texts.synced };
  return { level: "warn", what, says: fsync === null ? texts.configClosed : texts.fsync(fsync) };
}

function lookAtEviction(info: Info, texts: DoctorTexts): Finding {
  const policy = info.get("maxmemory_policy") ?? "unknown";
  const what = "eviction";
  if (policy === "noeviction") return { level: "ok", what, says: texts.noEviction };
  return { level: info.get("maxmemory") === "0" ? "warn" : "bad", what, says: texts.evicts(policy) };
}

function lookAtMemory(info: Info, texts: DoctorTexts): Finding {
  const number = (name: string): number => Number(info.get(name) ?? 0);
  const used = number("used_memory");
  const most = number("maxmemory") || number("total_system_memory");
  const share = most > 0 ? used / most : 0;
  const level =
    share > limits.redisMemoryFullShare ? "bad" : share > limits.redisMemoryHighShare ? "warn" : "ok";
  const says = texts.memory(Math.ceil(used / mib), Math.floor(most / mib));
  return { level, what: "memory", says: says + (level === "ok" ? "" : texts.memoryFull) };
}

function lookAtRoundTrip(tookMs: number, { slow }: DoctorTexts): Finding {
  const isSlow = tookMs > limits.redisRoundTripComfortableMs;
  const says = `${tookMs.toFixed(1)} ms${isSlow ? slow : ""}`;
  return { level: isSlow ? "warn" : "ok", what: "round trip", says };
}

function lookAtClock(
  { skewMs, tookMs }: { skewMs: number; tookMs: number },
  { skew, useNtp }: DoctorTexts,
): Finding {
  // What the way there and back took is not known by half.
  const offMs = Math.max(0, Math.abs(skewMs) - tookMs / 2);
  const says = skew(Math.round(skewMs));
  if (offMs <= limits.clockSkewComfortableMs) return { level: "ok", what: "clock", says };
  const level = offMs > limits.clockSkewMaxMs ? "bad" : "warn";
  return { level, what: "clock", says: says + useNtp };
}

/** Which nodes there are, and those that hold a lease and say nothing. */
async function lookAtNodes(nodesDao: NodesDao, texts: DoctorTexts): Promise<Finding> {
  const nodes = await nodesDao.all();
  const silent = nodes.filter(({ figures, isSilent }) => isSilent || readFigures(figures) === null).length;
  const twin = twinLabel(nodes.map(({ node }) => node));
  const says = texts.leases(nodes.length);
  if (twin) return { level: "warn", what: "nodes", says: says + texts.twins(twin.count, twin.label) };
  if (silent === 0) return { level: "ok", what: "nodes", says };
  return { level: "warn", what: "nodes", says: says + texts.silent(silent) };
}

/** The first label that several nodes have; their full names differ all the same. */
function twinLabel(names: string[]): { label: string; count: number } | null {
  const labels = names.map(labelOf);
  const label = labels.find((one, at) => labels.indexOf(one) !== at);
  return label === undefined ? null : { label, count: labels.filter((one) => one === label).length };
}

/** Whether the records of users are whole, and none holds a plain password ([A-2]). */
async function lookAtUsers(userDao: UserDao, texts: DoctorTexts): Promise<Finding> {
  let [hashed, plain, unreadable] = [0, 0, 0];
  for await (const slice of userDao.slices()) {
    for (const user of slice) {
      if (user === null) unreadable++;
      else if (user.kind === "plain") plain++;
      else hashed++;
    }
  }
  const [what, broken] = ["passwords", unreadable > 0 ? texts.unreadable(unreadable) : ""];
  if (plain === 0) return { level: broken === "" ? "ok" : "warn", what, says: texts.hashed(hashed) + broken };
  return { level: "bad", what, says: texts.plain(plain, hashed + plain) + broken + texts.mendPlain };
}

/** One line each, aligned. */
export function linesOf(findings: Finding[]): string {
  return findings
    .map(({ level, what, says }) => `${level.padEnd(4)}  ${what.padEnd(12)}  ${says}\n`)
    .join("");
}

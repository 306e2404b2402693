/**
 * redisClient: clients of ioredis for one Redis, a Sentinel group or a Cluster, set up alike: nothing waits without a
 * bound, nothing is sent twice by itself, a dead link is noticed. Which connection a key goes by is known here only.
 */
import { Cluster, Command, Redis, type RedisOptions } from "ioredis";
import * as limits from "./limits.ts";
import { type RedisAddress, readTls } from "./redisUrl.ts";

export type RedisClient = Redis | Cluster;

/** A client that is not connected yet. `role` stands in CLIENT LIST as `haiyu:<pid>:<role>`. Throws as `readTls`. */
export function makeClient(address: RedisAddress, role: string): RedisClient {
  const tls = readTls(address);
  const options: RedisOptions = {
    ...address.login,
    ...(tls && { tls }),
    lazyConnect: true,
    protocol: 2,
    connectionName: `haiyu:${process.pid}:${role}`,
    disableClientInfo: true,
    connectTimeout: limits.storeDeadlineMs,
    commandTimeout: limits.storeDeadlineMs,
    socketTimeout: limits.storeSilenceMs,
    maxLoadingRetryTime: limits.storeLoadingLookMs,
    keepAlive: 10_000,
    autoResendUnfulfilledCommands: false,
    // What ioredis subscribes anew by itself it forgets, and lets nobody catch, when that fails.
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    reconnectOnError: looksElsewhere(),
  };
  const retryStrategy = (attempt: number): number =>
    Math.min(50 * 2 ** Math.min(attempt - 1, 3), limits.storeReconnectMaxMs) + Math.random() * 50;
  if (address.kind === "cluster") {
    return new Cluster(address.nodes, {
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: retryStrategy,
      redisOptions: options,
      slotsRefreshTimeout: limits.storeDeadlineMs,
      slotsRefreshInterval: limits.slotsLookMs,
      // A call that a lost link has swallowed may have been done: repeating it is its caller's matter.
      retryDelayOnFailover: 0,
      // These were refused before anything ran.
      retryDelayOnClusterDown: limits.repeatPauseMs,
      retryDelayOnTryAgain: limits.slotMovingPauseMs,
      // Names stay names: certificates are made out to them.
      dnsLookup: (host, done) => done(null, host),
    });
  }
  const single = { ...options, enableOfflineQueue: false, retryStrategy, db: address.db };
  if (address.kind === "one") return new Redis({ ...single, ...address.at });
  const { sentinels, sentinelLogin, name } = address;
  return new Redis({
    ...single,
    sentinels,
    name,
    ...(sentinelLogin.username && { sentinelUsername: sentinelLogin.username }),
    ...(sentinelLogin.password && { sentinelPassword: sentinelLogin.password }),
    ...(tls && { sentinelTLS: tls, enableTLSForSentinelMode: true }),
    sentinelCommandTimeout: limits.storeDeadlineMs,
    // It never gives up: a client of ioredis that has found no sentinel once would be at its end for good.
    sentinelRetryStrategy: () => limits.storeReconnectMaxMs,
    // What hangs does not answer an end.
    disconnectTimeout: limits.hungLinkEndMs,
  });
}

/** Every connection that writes go by: one, or one for each master of a Cluster. */
export function mastersOf(client: RedisClient): Redis[] {
  return client instanceof Cluster ? client.nodes("master") : [client];
}

/** Names the node that has the key, "" where there is only one; null: of this key's slot nobody is known. */
export function nodeKeyOf(client: RedisClient, key: string): string | null {
  if (!(client instanceof Cluster)) return "";
  return client.slots[new Command("get", [key]).getSlot()]?.[0] ?? null;
}

/** The connection to a node named by `nodeKeyOf`; null where there is none. */
export function nodeOf(client: RedisClient, nodeKey: string): Redis | null {
  if (!(client instanceof Cluster)) return client;
  return client.nodes("master").find(({ options }) => `${options.host}:${options.port}` === nodeKey) ?? null;
}

/** Looks anew who has which slot, where there are slots. */
export function refreshSlots(client: RedisClient): void {
  if (client instanceof Cluster) client.refreshSlotsCache();
}

/** Connects anew: by now another Redis is to be found. */
export function renew(line: Redis): void {
  // One that is only being made asks for the way anyway, and a client of ioredis that is told to end meanwhile is at its
  // end for good. But one whose way is known already may knock where nobody answers any more.
  if (line.status === "ready" || line.status === "connect") line.disconnect(true);
  else if (line.status === "connecting" && line.stream?.connecting) line.stream.destroy();
}

/** Sees to it that a client that ends all the same, without being told to, begins again. */
export function keepAlive(client: RedisClient, isWanted: () => boolean): void {
  client.on("end", () => {
    if (!isWanted()) return;
    setTimeout(() => {
      if (isWanted()) client.connect().catch(() => undefined);
    }, limits.storeReconnectMaxMs);
  });
}

/** Calls whenever a connection for commands is there anew. */
export function onReady(client: RedisClient, callback: () => void): void {
  if (!(client instanceof Cluster)) return void client.on("ready", callback);
  const watch = (node: Redis): void => void node.on("ready", callback);
  client.nodes().forEach(watch);
  client.on("+node", watch);
}

/** A Redis that may not be written to: another one may be behind the address by now, or still the same. */
function looksElsewhere(): (error: Error) => boolean | 1 {
  let lookedMs = -Infinity;
  return ({ message }) => {
    if (!/^(?:READONLY|MASTERDOWN)/.test(message)) return false;
    if (performance.now() - lookedMs < limits.storeReadonlyLookMs) return false;
    lookedMs = performance.now();
    return 1;
  };
}

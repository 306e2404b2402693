/**
 * nodeLines: connections of their own, beside those for commands, to the nodes of a Redis: one to the only Redis there
 * is, or one to each master of a Cluster that is needed. What blocks or only listens goes here.
 */
import { Cluster, type Redis } from "ioredis";
import { type RedisClient, nodeOf, renew } from "./redisClient.ts";

/** Connections of one role, by node; made when first asked for. */
export class NodeLines {
  readonly #client: RedisClient;
  readonly #role: string;
  readonly #made: (line: Redis) => void;
  readonly #lines = new Map<string, Redis>();
  #closed = false;

  /** `client` knows the nodes. `made` is called with each new connection before it connects. */
  constructor(client: RedisClient, role: string, made: (line: Redis) => void = () => undefined) {
    this.#client = client;
    this.#role = role;
    this.#made = made;
  }

  /** The line to a node, ready. Throws when there is none now. */
  async to(nodeKey: string): Promise<Redis> {
    const line = this.#lines.get(nodeKey) ?? this.#make(nodeKey);
    if (line.status === "wait") await line.connect();
    else if (line.status === "connecting" || line.status === "connect") await ready(line);
    if (line.status !== "ready") throw new Error("Connection is closed.");
    return line;
  }

  /** Those that are ready. */
  ready(): Redis[] {
    return [...this.#lines.values()].filter(({ status }) => status === "ready");
  }

  /** Another node is to be found behind each of them. */
  renew(): void {
    for (const line of this.#lines.values()) renew(line);
  }

  close(): void {
    this.#closed = true;
    for (const line of this.#lines.values()) line.disconnect();
  }

  #make(nodeKey: string): Redis {
    const node = nodeOf(this.#client, nodeKey);
    if (!node || this.#closed) throw new Error("Connection is closed.");
    const line = node.duplicate({
      connectionName: `haiyu:${process.pid}:${this.#role}`,
      enableOfflineQueue: false,
      // In a Cluster a lost line is not made again as it was: its slots may be elsewhere by then.
      ...(this.#client instanceof Cluster && { retryStrategy: null }),
    });
    this.#lines.set(nodeKey, line);
    line.on("error", () => undefined); // The connections for commands tell the same story.
    line.on("end", () => {
      if (this.#lines.get(nodeKey) === line) this.#lines.delete(nodeKey);
    });
    this.#made(line);
    return line;
  }
}

function ready(line: Redis): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      line.off("ready", done);
      line.off("close", done);
      resolve();
    };
    line.on("ready", done);
    line.on("close", done);
  });
}

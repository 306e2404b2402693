/**
 * fleet: several servers as real processes on one Redis, each on a port that it keeps when it is started again, and
 * clients that know all of them. Users and their tokens are put into Redis by hand: what hashing passwords costs is
 * another matter.
 */
import { createHash } from "node:crypto";
import { ChatClient, type ChatClientOptions } from "../../lib/chatClient.ts";
import { tokensKey, usersKey } from "../../lib/keys.ts";
import { type SpecRedis, startRedis } from "./redis.ts";
import { scratchFolder } from "./scratch.ts";
import { type SpawnedServer, spawnServer } from "./server.ts";
import { WireClient } from "./wireClient.ts";

const device = "d";
/** What a user of a fleet logs in with. */
export const tokenOf = (userId: number): string => `token-of-${userId}`;

export class Fleet {
  readonly redis: SpecRedis;
  readonly nodes: SpawnedServer[];
  readonly #cwd: string;

  private constructor(redis: SpecRedis, nodes: SpawnedServer[], cwd: string) {
    this.redis = redis;
    this.nodes = nodes;
    this.#cwd = cwd;
  }

  static async open(nodes: number, settings: Record<string, string> = {}): Promise<Fleet> {
    const redis = await startRedis({ settings });
    const cwd = scratchFolder();
    const started: SpawnedServer[] = [];
    for (let n = 1; n <= nodes; n++) {
      started.push(await spawnServer(["--redis", redis.url, "--node", `node${n}`], { cwd }));
    }
    return new Fleet(redis, started, cwd);
  }

  /** Users 1 to `count`, each with a token of one device. */
  async addUsers(count: number): Promise<void> {
    const put = this.redis.client.pipeline();
    for (let userId = 1; userId <= count; userId++) {
      const record = { userId, userName: `user ${userId}`, sex: "", pwd: "none", since: "0-0" };
      const hash = createHash("sha256").update(tokenOf(userId)).digest("base64url");
      put.hset(usersKey, String(userId), JSON.stringify(record));
      const token = { hash, previousHash: "", expires: Date.now() + 3_600_000 };
      put.hset(tokensKey(userId), device, JSON.stringify(token));
    }
    await put.exec();
  }

  /** A client that begins at one of the nodes and knows the others; it is not logged in yet. */
  client(userId: number, at: number, options: Partial<ChatClientOptions> = {}): ChatClient {
    const addresses = this.nodes.map((_, index) => {
      return { host: "127.0.0.1", port: this.nodes[(at + index) % this.nodes.length]?.port ?? 0 };
    });
    const [first, ...fallbacks] = addresses;
    if (!first) throw new Error("a fleet without nodes");
    return new ChatClient({ ...first, fallbacks, userId, token: tokenOf(userId), device, ...options });
  }

  /** The same without a client's engine: its session is logged in, and hears what is new only. */
  async wire(userId: number, at: number): Promise<WireClient> {
    const fields = { userId, token: tokenOf(userId), device, replay: "none" };
    return WireClient.login(this.nodes[at % this.nodes.length]?.port ?? 0, fields);
  }

  /** Ends one with a signal; how it ended. */
  async end(index: number, signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    const node = this.nodes[index];
    if (!node) throw new Error(`there is no node ${index}`);
    return node.kill(signal);
  }

  /** Starts one that has ended again, where it was. */
  async start(index: number): Promise<void> {
    const port = String(this.nodes[index]?.port);
    const args = ["--redis", this.redis.url, "--node", `node${index + 1}`, "--port", port];
    this.nodes[index] = await spawnServer(args, { cwd: this.#cwd });
  }

  async close(): Promise<void> {
    for (const { child } of this.nodes) child.kill("SIGKILL");
    await Promise.all(this.nodes.map(({ ended }) => ended));
    await this.redis.stop();
  }
}

/** Does `work` for each of them, at most `most` at a time. */
export async function inSlices<T>(
  items: T[],
  most: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: most }, worker));
}

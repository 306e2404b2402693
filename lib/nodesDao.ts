/**
 * nodesDao: what each node says of itself, for an operator's eyes. One small value a node, which runs out by itself;
 * who is alive is what the leases of presence say. Faults throw CodedError 503.
 */
import { leftEnding, nodeFiguresKey, onlineNodesKey } from "./keys.ts";
import { figuresKeptMs, nodeSilentMs } from "./limits.ts";
import type { RedisStore } from "./redis.ts";

/** Writes and reads the figures of nodes. What is in the text is the callers' matter. */
export class NodesDao {
  readonly #store: RedisStore;

  constructor(store: RedisStore) {
    this.#store = store;
  }

  /** Sets a node's figures, for a few beats; the write itself shows that Redis can be written to. */
  async publish(node: string, figures: string): Promise<void> {
    await this.#store.call("SET", nodeFiguresKey(node), figures, "PX", figuresKeptMs);
  }

  /** Why what is written now would not be as safe as is wanted ([R-11]); null: it would. */
  whyNotAsSafe(node: string): Promise<string | null> {
    const key = nodeFiguresKey(node);
    return this.#store.whyNotAsSafe(key, ["PEXPIRE", key, figuresKeptMs]);
  }

  /** The node goes. */
  async forget(node: string): Promise<void> {
    await this.#store.call("DEL", nodeFiguresKey(node));
  }

  /**
   * Every node that holds a lease, by name, with its figures; null where it has said none yet. Silent is who has missed a
   * beat: it hangs, or was killed.
   */
  async all(): Promise<{ node: string; figures: string | null; isSilent: boolean }[]> {
    const names = (await this.#store.call("ZRANGE", onlineNodesKey, 0, -1)) as string[];
    const nodes = names.filter((name) => !name.endsWith(leftEnding));
    if (nodes.length === 0) return [];
    nodes.sort();
    const keys = nodes.map(nodeFiguresKey);
    const [figures, leftMs] = await Promise.all([
      this.#store.call("MGET", ...keys) as Promise<(string | null)[]>,
      Promise.all(keys.map((key) => this.#store.call("PTTL", key) as Promise<number>)),
    ]);
    return nodes.map((node, index) => ({
      node,
      figures: figures[index] ?? null,
      isSilent: figuresKeptMs - (leftMs[index] ?? 0) > nodeSilentMs,
    }));
  }
}

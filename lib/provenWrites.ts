/**
 * provenWrites: writes that are answered only when they are known to be as safe as is wanted ([S-3], [R-11]). On one
 * connection to each node go writes and, right behind them, the question how safe they are (WAIT, for replicas). While
 * one question is under way the next writes gather, whatever conversation they are for: one question a batch, and a
 * replica that lags keeps nobody from reading, since reads go by other connections.
 */
import type { Redis } from "ioredis";
import type { Proof } from "./durability.ts";
import { provenBatchMaxWrites, provenLookMs, provenQueueMs } from "./limits.ts";
import type { Stored } from "./message.ts";
import { NodeLines } from "./nodeLines.ts";
import { type RedisClient, nodeKeyOf, refreshSlots } from "./redisClient.ts";

export type Write = [name: string, ...args: (string | number | Buffer)[]];

export interface Proven {
  reply: unknown;
  stored: Stored;
}

interface Waiting {
  /** What it does, one after the other; the first one's reply is the answer. */
  writes: Write[];
  /** When it has waited for too long; monotonic. */
  dueMs: number;
  resolve: (proven: Proven) => void;
  reject: (error: unknown) => void;
}

/** What waits for one node. */
interface Lane {
  waiting: Waiting[];
  busy: boolean;
}

/** Writes with their proof. */
export class ProvenWrites {
  readonly #client: RedisClient;
  readonly #lines: NodeLines;
  readonly #proof: Proof;
  readonly #lanes = new Map<string, Lane>();

  /** `client` knows the nodes. */
  constructor(client: RedisClient, proof: Proof) {
    this.#client = client;
    this.#lines = new NodeLines(client, "keep");
    this.#proof = proof;
  }

  /** Does it on `key`'s node, and gives the first one's reply. Throws when it was refused, or when it is not known to be as safe as is wanted. */
  write(key: string, ...writes: [Write, ...Write[]]): Promise<Proven> {
    return new Promise((resolve, reject) => {
      const nodeKey = nodeKeyOf(this.#client, key) ?? "";
      let lane = this.#lanes.get(nodeKey);
      if (!lane) this.#lanes.set(nodeKey, (lane = { waiting: [], busy: false }));
      const dueMs = performance.now() + provenQueueMs;
      lane.waiting.push({ writes, dueMs, resolve, reject });
      if (!lane.busy) void this.#work(nodeKey, lane);
    });
  }

  /** Another Redis is the master now. */
  renew(): void {
    this.#lines.renew();
  }

  close(): void {
    this.#lines.close();
  }

  async #work(nodeKey: string, lane: Lane): Promise<void> {
    lane.busy = true;
    const looking = setInterval(() => giveUpLate(lane), provenLookMs);
    // What else this turn of the event loop writes goes along.
    await Promise.resolve();
    while (lane.waiting.length > 0) {
      const batch = lane.waiting.splice(0, provenBatchMaxWrites);
      try {
        await this.#send(await this.#lines.to(nodeKey), batch);
      } catch (error) {
        refreshSlots(this.#client);
        for (const { reject } of batch) reject(error);
      }
    }
    clearInterval(looking);
    this.#lanes.delete(nodeKey);
  }

  async #send(line: Redis, batch: Waiting[]): Promise<void> {
    const pipeline = line.pipeline();
    const firsts: number[] = [];
    for (const { writes } of batch) {
      firsts.push(pipeline.length);
      for (const write of writes) pipeline.call(...write);
    }
    const last = pipeline.length;
    pipeline.call(...this.#proof.command);
    const replies = (await pipeline.exec()) ?? [];
    const [proofError, proofReply] = replies[last] ?? [new Error("no answer")];
    const stored = proofError ? null : this.#proof.judge(proofReply);
    batch.forEach(({ writes, resolve, reject }, index) => {
      const first = firsts[index] ?? 0;
      const own = writes.map((_, at) => replies[first + at] ?? [new Error("no answer")]);
      const error = own.find(([failure]) => failure)?.[0];
      const reply = own[0]?.[1];
      if (error && /^(?:MOVED|ASK) /.test(error.message)) refreshSlots(this.#client);
      if (error) reject(error);
      else if (stored === null) reject(proofError ?? new Error(`${this.#proof.command[0]} fell short`));
      else resolve({ reply, stored });
    });
  }
}

/** Replicas that hang make each batch wait: what would be done when nobody waits for it any more is not done at all. */
function giveUpLate({ waiting }: Lane): void {
  const nowMs = performance.now();
  const inTime = waiting.findIndex(({ dueMs }) => dueMs > nowMs);
  for (const { reject } of waiting.splice(0, inTime < 0 ? waiting.length : inTime)) {
    reject(new Error("Command timed out"));
  }
}

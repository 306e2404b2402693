/**
 * ghosts: `npx tsx spec/bench/ghosts.ts [--kills 200] [--nodes 3] [--clients 60] [--seed S]`. Nodes are killed, stopped
 * and drained at random, and started again, while people come and go: after every ten the list in Redis has to be the
 * live sessions, exactly. `--part offline` measures how long the users of a killed node stay in the list, and that they
 * are told as back once.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { ChatClient } from "../../lib/chatClient.ts";
import { Fleet, inSlices } from "../helpers/fleet.ts";
import { toldOf } from "../helpers/online.ts";
import { until } from "../helpers/wait.ts";
import type { WireClient } from "../helpers/wireClient.ts";
import { Random } from "../prove/random.ts";

export interface GhostsOptions {
  kills: number;
  nodes: number;
  clients: number;
  seed: number;
  /** After so many faults everything is let settle, and compared. */
  every?: number;
  /** How long a stopped node is stopped, at most. */
  stopMaxMs?: number;
}

export interface GhostsResult {
  faults: Record<"killed" | "stopped" | "drained", number>;
  /** From the last fault until the list was the live sessions, for each comparison. */
  settledMs: number[];
}

const settleDeadlineMs = 40_000;

/** Throws an Error when the list in Redis, or what a client was told, stays wrong. */
export async function ghosts(options: GhostsOptions): Promise<GhostsResult> {
  const fleet = await Fleet.open(options.nodes);
  const clients = new Map<number, ChatClient>();
  try {
    await fleet.addUsers(options.clients);
    return await haunt(fleet, clients, options);
  } finally {
    for (const client of clients.values()) client.close();
    await fleet.close();
  }
}

async function haunt(
  fleet: Fleet,
  clients: Map<number, ChatClient>,
  { kills, nodes, seed, clients: most, every = 10, stopMaxMs = 14_000 }: GhostsOptions,
): Promise<GhostsResult> {
  const random = new Random(seed, "ghosts");
  const result: GhostsResult = { faults: { killed: 0, stopped: 0, drained: 0 }, settledMs: [] };
  const tokens = new Map<number, string>();
  const toggle = (userId: number): void => {
    const there = clients.get(userId);
    if (there) {
      clients.delete(userId);
      if (there.token !== undefined) tokens.set(userId, there.token);
      if (random.chance(0.5)) there.logout();
      else there.close();
    } else {
      const token = tokens.get(userId);
      const client = fleet.client(userId, random.below(nodes), token === undefined ? {} : { token });
      clients.set(userId, client);
      void client.login().catch(() => undefined);
    }
  };
  for (let userId = 1; userId <= most; userId++) toggle(userId);

  for (let n = 1; n <= kills; n++) {
    const node = random.below(nodes);
    const dice = random.next();
    if (dice < 0.8) {
      await fleet.end(node, "SIGKILL");
      result.faults.killed++;
    } else if (dice < 0.9) {
      await fleet.end(node, "SIGTERM");
      result.faults.drained++;
    } else {
      fleet.nodes[node]?.child.kill("SIGSTOP");
      result.faults.stopped++;
      await pause(random.between(0.1, 1) * stopMaxMs);
      fleet.nodes[node]?.child.kill("SIGCONT");
    }
    for (let change = 0; change < 4; change++) toggle(1 + random.below(most));
    if (dice < 0.9) await fleet.start(node);
    if (n % every === 0 || n === kills) result.settledMs.push(await settled(fleet, clients));
  }
  return result;
}

/** Waits until everybody is back and the list is right, for everybody; in what time. */
async function settled(fleet: Fleet, clients: Map<number, ChatClient>): Promise<number> {
  const startMs = performance.now();
  const wanted = (): string => [...clients.keys()].sort((one, other) => one - other).join(" ");
  const listed = async (): Promise<string> => {
    const counts = await fleet.redis.client.hgetall("{online}:users");
    const ids = Object.entries(counts).map(([userId, count]) =>
      count === "1" ? userId : `${userId}x${count}`,
    );
    return ids.sort((one, other) => parseInt(one) - parseInt(other)).join(" ");
  };
  const told = ({ online }: ChatClient): string =>
    [...online.keys()].sort((one, other) => one - other).join(" ");
  let last = "";
  const isRight = async (): Promise<boolean> => {
    for (const [userId, { state }] of clients) {
      if (state.kind !== "ended") continue;
      if (state.reason !== "closed") throw new Error(`user ${userId} was ${state.reason} ${state.code}`);
      // No server could be reached at the first time: such a client does not try again by itself.
      clients.delete(userId);
    }
    const offline = [...clients.values()].filter(({ state }) => state.kind !== "online");
    const list = await listed();
    const wrong = [...clients.values()].filter((client) => told(client) !== wanted());
    last = `${offline.length} not online, ${wrong.length} told wrong; wanted ${wanted()}, listed ${list}`;
    return offline.length === 0 && wrong.length === 0 && list === wanted();
  };
  try {
    await until("the list to be the live sessions", isRight, settleDeadlineMs);
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${last}`, { cause: error });
  }
  const nodes = await fleet.redis.client.keys("{online}:node:*");
  if (nodes.length > fleet.nodes.length) throw new Error(`hashes of nodes that are gone: ${nodes.join(" ")}`);
  return performance.now() - startMs;
}

/** Kills a node whose people do not come back by themselves: when the others were told that all of them had gone. */
export async function offline(users: number): Promise<{ goneMs: number; backMs: number }> {
  const fleet = await Fleet.open(2);
  const open: WireClient[] = [];
  try {
    await fleet.addUsers(users + 1);
    const watcher = await fleet.wire(users + 1, 1);
    open.push(watcher);
    const userIds = Array.from({ length: users }, (_, index) => index + 1);
    const enter = async (at: number): Promise<void> => {
      await inSlices(userIds, 20, async (userId) => void open.push(await fleet.wire(userId, at)));
    };
    const count = (list: "online" | "offline"): number =>
      toldOf(watcher, userIds).reduce((sum, told) => sum + told[list].length, 0);
    await enter(0);
    await until("all of them", () => count("online") === users);
    const killedMs = performance.now();
    await fleet.end(0, "SIGKILL");
    await until("all of them to be gone", () => count("offline") === users, 30_000);
    const goneMs = performance.now() - killedMs;
    const backMs = performance.now();
    await enter(1);
    await until("all of them to be back", () => count("online") === 2 * users);
    const result = { goneMs, backMs: performance.now() - backMs };
    await watcher.settled();
    if (count("online") !== 2 * users || count("offline") !== users) throw new Error("told more than once");
    return result;
  } finally {
    for (const client of open) client.destroy();
    await fleet.close();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      part: { type: "string" },
      kills: { type: "string", default: "200" },
      nodes: { type: "string", default: "3" },
      clients: { type: "string", default: "60" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 1e9)) },
    },
  });
  if (values.part === "offline") {
    for (let round = 1; round <= 5; round++) {
      const { goneMs, backMs } = await offline(50);
      process.stdout.write(
        `50 users of a killed node: gone for everybody after ${(goneMs / 1000).toFixed(1)} s; ` +
          `logged in elsewhere, all told as back, once, after ${backMs.toFixed(0)} ms\n`,
      );
    }
    process.exit(0);
  }
  const [kills, nodes, clients, seed] = [values.kills, values.nodes, values.clients, values.seed].map(
    Number,
  ) as [number, number, number, number];
  process.stdout.write(`ghosts: ${kills} faults, seed ${seed}\n`);
  const { faults, settledMs } = await ghosts({ kills, nodes, clients, seed });
  process.stdout.write(
    `${faults.killed} killed, ${faults.drained} drained, ${faults.stopped} stopped: the list was the live sessions ` +
      `${settledMs.length} times of ${settledMs.length}, at the latest ${(Math.max(...settledMs) / 1000).toFixed(1)} s ` +
      `after the fault\n`,
  );
  process.exit(0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();

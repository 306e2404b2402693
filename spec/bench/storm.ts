/**
 * storm: `npx tsx spec/bench/storm.ts [--clients 2000] [--nodes 2]`. Everybody is on one node, and it is killed: how
 * long it takes until each client is back on another one, by its token, and whether anybody was refused for good.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { ChatClient } from "../../lib/chatClient.ts";
import { Fleet, inSlices } from "../helpers/fleet.ts";
import { until } from "../helpers/wait.ts";
import { percentile } from "./percentile.ts";

export interface StormResult {
  /** Of each client, how long after the kill it was logged in again; NaN: not at all. */
  backMs: number[];
  refused: number;
}

/** Kills the node on which everybody is. */
export async function storm({
  clients: count,
  nodes,
}: {
  clients: number;
  nodes: number;
}): Promise<StormResult> {
  const fleet = await Fleet.open(nodes);
  const clients: ChatClient[] = [];
  try {
    await fleet.addUsers(count);
    const backMs: number[] = Array.from({ length: count }, () => NaN);
    let killedMs = Infinity;
    for (let index = 0; index < count; index++) {
      const client = fleet.client(index + 1, 0, {
        events: {
          state: ({ kind }) => {
            const afterMs = performance.now() - killedMs;
            if (kind === "online" && afterMs > 0) backMs[index] = afterMs;
          },
        },
      });
      clients.push(client);
    }
    await inSlices(clients, 50, (client) => client.login());
    killedMs = performance.now();
    await fleet.end(0, "SIGKILL");
    const isBack = (): boolean => backMs.every((ms) => !Number.isNaN(ms));
    await until("everybody to be back", isBack, 60_000).catch(() => undefined);
    return { backMs, refused: clients.filter(({ state }) => state.kind === "ended").length };
  } finally {
    for (const client of clients) client.close();
    await fleet.close();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { clients: { type: "string", default: "2000" }, nodes: { type: "string", default: "2" } },
  });
  const { backMs, refused } = await storm({ clients: Number(values.clients), nodes: Number(values.nodes) });
  const missing = backMs.filter((ms) => Number.isNaN(ms)).length;
  process.stdout.write(
    `${backMs.length} clients of a killed node: back after ${percentile(backMs, 50).toFixed(0)} ms (median), ` +
      `${percentile(backMs, 99).toFixed(0)} ms (p99), ${Math.max(...backMs).toFixed(0)} ms (the last one); ` +
      `${missing} not back, ${refused} refused for good\n`,
  );
  process.exit(missing + refused === 0 ? 0 : 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();

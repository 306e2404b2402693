/**
 * rolling: `npx tsx spec/bench/rolling.ts [--nodes 3] [--clients 300] [--rate 30] [--pause 3]`. Every node of one chat
 * is ended by SIGTERM and started again, one after the other, while people talk: what was lost, what came twice, how
 * long the longest silence of a client was, what it was told of people who came and left.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { ChatClient } from "../../lib/chatClient.ts";
import { Fleet, inSlices } from "../helpers/fleet.ts";
import { until } from "../helpers/wait.ts";
import { percentile } from "./percentile.ts";

export interface RollingOptions {
  nodes: number;
  clients: number;
  /** Messages a second to everybody, by all of them in turn. */
  rate: number;
  /** Between one node's start and the next one's end. */
  pauseMs: number;
}

export interface RollingResult {
  stored: number;
  /** Messages that a client did not get, and those it got again. */
  lost: number;
  doubled: number;
  gaps: number;
  /** Of each client, the longest time without a message. */
  silencesMs: number[];
  /** How each server ended, and in what time. */
  ends: { code: number | NodeJS.Signals; ms: number }[];
  /** How often somebody was told that another one had come, or left, while everybody was there all the time. */
  comings: number;
  leavings: number;
}

/** One rolling restart under load. */
export async function rollingRestart(options: RollingOptions): Promise<RollingResult> {
  const fleet = await Fleet.open(options.nodes);
  const clients: ChatClient[] = [];
  try {
    return await restart(fleet, clients, options);
  } finally {
    for (const client of clients) client.close();
    await fleet.close();
  }
}

async function restart(fleet: Fleet, clients: ChatClient[], options: RollingOptions): Promise<RollingResult> {
  const { nodes, rate, pauseMs } = options;
  await fleet.addUsers(options.clients);
  const heard: Map<string, number>[] = [];
  const lastMs: number[] = [];
  const result: RollingResult = {
    ...{ stored: 0, lost: 0, doubled: 0, gaps: 0, comings: 0, leavings: 0 },
    ...{ silencesMs: Array.from({ length: options.clients }, () => 0), ends: [] },
  };
  let counting = false;
  const note = (index: number): void => {
    const nowMs = performance.now();
    const silentMs = nowMs - (lastMs[index] ?? nowMs);
    if (counting) result.silencesMs[index] = Math.max(result.silencesMs[index] ?? 0, silentMs);
    lastMs[index] = nowMs;
  };
  for (let index = 0; index < options.clients; index++) {
    const counts = new Map<string, number>();
    heard.push(counts);
    const client = fleet.client(index + 1, index % nodes, {
      events: {
        message: ({ content }) => {
          counts.set(content, (counts.get(content) ?? 0) + 1);
          note(index);
        },
        gap: () => result.gaps++,
        presence: ({ online, offline, initial }) => {
          if (!counting || initial) return;
          result.comings += online.length;
          result.leavings += offline.length;
        },
      },
    });
    clients.push(client);
  }
  await inSlices(clients, 50, (client) => client.login());
  const everybody = (): boolean => clients.every(({ online }) => online.size === options.clients);
  await until("everybody to see everybody", everybody, 30_000);

  const stored: { content: string; by: number }[] = [];
  const unanswered = new Set<string>();
  let sent = 0;
  const sending = setInterval(() => {
    const by = sent % options.clients;
    const content = `line ${++sent}`;
    unanswered.add(content);
    void clients[by]?.send({ content }).then((outcome) => {
      unanswered.delete(content);
      if (outcome.kind === "stored") stored.push({ content, by });
    });
  }, 1000 / rate);
  await pause(2000);
  counting = true;
  for (let index = 0; index < nodes; index++) {
    const startMs = performance.now();
    const code = await fleet.end(index, "SIGTERM");
    result.ends.push({ code, ms: performance.now() - startMs });
    await fleet.start(index);
    await pause(pauseMs);
  }
  clients.forEach((_, index) => note(index));
  clearInterval(sending);
  await until("all answers", () => unanswered.size === 0, 30_000);
  counting = false;

  const lacking = (): number =>
    stored.reduce(
      (sum, { content, by }) => sum + heard.filter((of, index) => index !== by && !of.has(content)).length,
      0,
    );
  await until("all to be there", () => lacking() === 0, 20_000).catch(() => undefined);
  result.stored = stored.length;
  result.lost = lacking();
  for (const counts of heard) for (const count of counts.values()) result.doubled += count - 1;
  return result;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      nodes: { type: "string", default: "3" },
      clients: { type: "string", default: "300" },
      rate: { type: "string", default: "30" },
      pause: { type: "string", default: "3" },
    },
  });
  const result = await rollingRestart({
    nodes: Number(values.nodes),
    clients: Number(values.clients),
    rate: Number(values.rate),
    pauseMs: Number(values.pause) * 1000,
  });
  const { stored, lost, doubled, gaps, silencesMs, ends, comings, leavings } = result;
  process.stdout.write(
    `${values.nodes} nodes restarted beside ${values.clients} clients: ${stored} stored, ${lost} lost, ` +
      `${doubled} doubled, ${gaps} gaps; longest silence of a client ${Math.max(...silencesMs).toFixed(0)} ms, ` +
      `median ${percentile(silencesMs, 50).toFixed(0)} ms; ended with ` +
      `${ends.map(({ code, ms }) => `${code} in ${ms.toFixed(0)} ms`).join(", ")}; ` +
      `told of ${comings} comings and ${leavings} leavings\n`,
  );
  process.exit(lost + doubled + gaps === 0 && ends.every(({ code }) => code === 0) ? 0 : 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();

/**
 * nodes: `npx tsx spec/bench/nodes.ts [--part latency|load] [--clients 300] [--rate 20] [--seconds 10] [--rounds 2]`.
 * What more nodes cost. Latency: messages to somebody on the same node and on another one, in turn. Load: the same
 * clients and messages on 1, 2 and 4 nodes, in turn: CPU of the nodes and of Redis, commands a message, and what all
 * of it costs while nobody says anything.
 */
import { parseArgs } from "node:util";
import { Fleet, inSlices } from "../helpers/fleet.ts";
import type { WireClient } from "../helpers/wireClient.ts";
import { Meter } from "./cost.ts";
import { percentile } from "./percentile.ts";

const { values } = parseArgs({
  options: {
    part: { type: "string" },
    clients: { type: "string", default: "300" },
    rate: { type: "string", default: "20" },
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "2" },
  },
});
const [clientCount, rate, seconds, rounds] = [values.clients, values.rate, values.seconds, values.rounds].map(
  Number,
) as [number, number, number, number];

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Time from the sender's write to the reader's frame. */
async function latencyOf(sender: WireClient, reader: WireClient, conv: string, mid: string): Promise<number> {
  const arrived = new Promise<number>((resolve) => {
    reader.onHeard = ({ type, data }) => {
      if (type === "SmsMes" && data.mid === mid) resolve(performance.now());
    };
  });
  const saidMs = performance.now();
  sender.say("SmsMes", { conv, content: "x".repeat(100), mid });
  return (await arrived) - saidMs;
}

async function latency(): Promise<void> {
  const fleet = await Fleet.open(2);
  await fleet.addUsers(3);
  const sender = await fleet.wire(1, 0);
  sender.onHeard = () => undefined;
  const readers = [await fleet.wire(2, 0), await fleet.wire(3, 1)] as const;
  const found: Record<string, number[]> = {};
  for (let n = 0; n < 400; n++) {
    for (const [index, reader] of readers.entries()) {
      for (const kind of ["private", "all"]) {
        const conv = kind === "all" ? "all" : `u:${index + 2}`;
        const ms = await latencyOf(sender, reader, conv, `m${n}.${index}.${kind}`);
        // The first ones load scripts, and compile.
        if (n >= 50) (found[`${kind} ${index === 0 ? "same node" : "other node"}`] ??= []).push(ms);
        await pause(2);
      }
    }
  }
  for (const [kind, ms] of Object.entries(found).sort()) {
    const [p50, p90, p99] = [50, 90, 99].map((percent) => percentile(ms, percent).toFixed(2));
    say(`${kind.padEnd(20)} p50 ${p50} ms, p90 ${p90} ms, p99 ${p99} ms (${ms.length})`);
  }
  sender.destroy();
  for (const reader of readers) reader.destroy();
  await fleet.close();
}

interface Commands {
  total: number;
  byName: Map<string, number>;
}

async function commandsOf({ redis }: Fleet): Promise<Commands> {
  const info = await redis.client.info("commandstats");
  const own = new Set(["info"]);
  const found = [...info.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)]
    .map(([, name = "", calls]): [string, number] => [name, Number(calls)])
    .filter(([name]) => !own.has(name));
  return { total: found.reduce((sum, [, calls]) => sum + calls, 0), byName: new Map(found) };
}

function mostOf(before: Commands, after: Commands, per: number): string {
  return [...after.byName]
    .map(([name, calls]): [string, number] => [name, (calls - (before.byName.get(name) ?? 0)) / per])
    .sort(([, one], [, other]) => other - one)
    .slice(0, 8)
    .map(([name, calls]) => `${name} ${calls.toFixed(2)}`)
    .join(", ");
}

/** The same load on so many nodes; CPU in cores. */
async function load(nodes: number): Promise<void> {
  const fleet = await Fleet.open(nodes);
  await fleet.addUsers(clientCount);
  const clients: WireClient[] = [];
  let deliveries = 0;
  const userIds = Array.from({ length: clientCount }, (_, index) => index + 1);
  await inSlices(userIds, 20, async (userId) => {
    const client = await fleet.wire(userId, userId % nodes);
    client.onHeard = ({ type }) => {
      if (type === "SmsMes") deliveries++;
    };
    clients.push(client);
  });
  await pause(3000);
  const pids = fleet.nodes.map(({ child }) => child.pid ?? 0);
  const measure = async (name: string, perSecond: number): Promise<void> => {
    const [nodeCpu, redisCpu] = [new Meter(pids), new Meter([fleet.redis.process.pid ?? 0])];
    const before = await commandsOf(fleet);
    const [startMs, startDeliveries] = [performance.now(), deliveries];
    const count = perSecond * seconds;
    for (let n = 0; n < count; n++) {
      const speaker = clients[n % clients.length];
      // One in four is private, to a neighbour, who may be on another node.
      const conv = n % 4 === 3 ? `u:${((n * 7) % clientCount) + 1}` : "all";
      speaker?.say("SmsMes", { conv, content: `${n} ${"x".repeat(100)}`, mid: `${name}.${n}` });
      const dueMs = startMs + ((n + 1) * 1000) / perSecond;
      if (dueMs > performance.now()) await pause(dueMs - performance.now());
    }
    if (count === 0) await pause(seconds * 1000);
    const after = await commandsOf(fleet);
    const lasted = (performance.now() - startMs) / 1000;
    const calls = after.total - before.total;
    const per = count > 0 ? count : lasted;
    say(
      `${nodes} nodes, ${name}: nodes ${nodeCpu.share.toFixed(3)} cores, Redis ${redisCpu.share.toFixed(3)}; ` +
        `${((deliveries - startDeliveries) / lasted).toFixed(0)} deliveries/s; ` +
        `${(calls / per).toFixed(1)} commands ${count > 0 ? "a message" : "a second"}: ${mostOf(before, after, per)}`,
    );
  };
  await measure("idle", 0);
  await measure("talking", rate);
  for (const client of clients) client.destroy();
  await fleet.close();
}

if (values.part !== "load") await latency();
if (values.part !== "latency") {
  for (let round = 0; round < rounds; round++) for (const nodes of [1, 2, 4]) await load(nodes);
}
process.exit(0);

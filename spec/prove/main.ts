/**
 * main: `npm run prove`: flags, the run, its table, the exit code. Exit 0 when everything promised was kept, 1 when
 * something was not (or the run could not be made), 2 for wrong flags.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Counts } from "./tally.ts";
import { faultKinds } from "./plan.ts";
import { Progress, type TableRow, group, isClean, tableText } from "./report.ts";
import { silenceText } from "./silence.ts";
import { slotMovesText } from "./slotMove.ts";
import { Run, type RunOptions, type RunResult, rowNames } from "./run.ts";

const usage = `haiyu prove: a fault run

  npm run prove -- [flags]

Starts servers and a Redis of its own in a temporary folder, lets 20 senders and 20 readers talk, and meanwhile
kills, stops, cuts and delays all of it at random. Then it heals everything, waits, and compares what was answered
with what came. Exit code 0 only if nothing was lost, doubled, reordered, passed over in silence or left unanswered.

  --minutes N     how long faults are made       (2)
  --nodes N       how many servers, on one Redis  (3)
  --sentinel      on a master with two replicas that three sentinels watch
  --cluster       on a Cluster of three masters with a replica each
                  with either of them masters are killed, stopped and relieved; in a Cluster slots
                  of busy conversations are moved, too
  --durability G  of the servers: none (as safe as the Redis) or disk; of a group replica, or none:
                  what it loses then is no fault, if everybody who had not heard it was told
  --seed S        the plan of faults, a number   (a new one each time; it is printed)
  --json FILE     writes all numbers there
  --host HOST --port PORT
                  plays against that server from outside: users of its own are registered there, links are cut,
                  stalled and torn, nothing is killed
  --keep          leaves the folder with the servers' journals and the files of Redis
  --help          this text
`;

export interface ProveOptions extends RunOptions {
  json: string | null;
}

/** Options of the command line. Throws an Error of one line. */
export function parseProveArgs(args: string[]): ProveOptions | "help" {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: "string", default: "2" },
      nodes: { type: "string", default: "3" },
      sentinel: { type: "boolean", default: false },
      cluster: { type: "boolean", default: false },
      durability: { type: "string" },
      seed: { type: "string" },
      json: { type: "string" },
      host: { type: "string" },
      port: { type: "string" },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const minutes = Number(values.minutes);
  if (!/^\d+(?:\.\d+)?$/.test(values.minutes) || minutes <= 0 || minutes > 10_000) {
    throw new Error(`--minutes ${values.minutes}: wanted a number above 0`);
  }
  const seed = values.seed ?? String(Math.floor(Math.random() * 1e9));
  if (!/^\d{1,9}$/.test(seed)) throw new Error(`--seed ${seed}: wanted a number of at most 9 digits`);
  const nodes = Number(values.nodes);
  if (!/^\d+$/.test(values.nodes) || nodes < 1 || nodes > 20) {
    throw new Error(`--nodes ${values.nodes}: wanted a number from 1 to 20`);
  }
  if (values.sentinel && values.cluster) throw new Error("--sentinel and --cluster exclude each other");
  const redis = values.sentinel ? "sentinel" : values.cluster ? "cluster" : "one";
  const durability = values.durability ?? (redis === "one" ? "none" : "replica");
  const grades = redis === "one" ? ["none", "disk"] : ["replica", "none"];
  if (!grades.includes(durability)) {
    throw new Error(`--durability ${durability}: wanted ${grades.join(" or ")}`);
  }
  const { host, port } = values;
  if (port !== undefined && (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535)) {
    throw new Error(`--port ${port}: wanted a number from 1 to 65535`);
  }
  const target =
    host === undefined && port === undefined
      ? null
      : { host: host ?? "127.0.0.1", port: Number(port ?? 8889) };
  return {
    runMs: minutes * 60_000,
    seed: Number(seed),
    nodes,
    redis,
    durability: durability === "none" ? null : durability,
    target,
    keep: values.keep,
    json: values.json ?? null,
  };
}

/** Everything a run found, as --json writes it. */
function numbersOf({ seed, nodes, target }: ProveOptions, result: RunResult): Record<string, unknown> {
  const { verdict, faults, processFaults, playedMs, healedMs } = result;
  const kinds = Object.fromEntries(rowNames.map((name, index) => [name, withFaults(result, name, index)]));
  return {
    ok: isClean(verdict) && verdict.total.stored > 0,
    seed,
    nodes: target ? null : nodes,
    target,
    playedSeconds: playedMs / 1000,
    healedSeconds: healedMs / 1000,
    killsAndStops: processFaults,
    faults,
    kinds,
    total: { ...verdict.total, faults: sumOf(faults) },
    findings: verdict.findings,
    refusals: result.refusals.length,
    failovers: result.failovers,
    slotMoves: result.slotMoves,
  };
}

function withFaults({ verdict, faults }: RunResult, name: string, index: number): TableRow {
  const kind = faultKinds.find((one) => one === name);
  return { ...(verdict.rows[index] as Counts), faults: kind ? faults[kind] : 0 };
}

function sumOf(faults: RunResult["faults"]): number {
  return Object.values(faults).reduce((sum, count) => sum + count, 0);
}

/** What is shown at the end. */
function textOf(result: RunResult): string {
  const { verdict, faults, processFaults, playedMs, healedMs, refusals } = result;
  const rows = rowNames
    .map((name, index): [string, TableRow] => [name, withFaults(result, name, index)])
    .filter(([, row]) => row.faults > 0 || row.sent > 0);
  rows.push(["all", { ...verdict.total, faults: sumOf(faults) }]);
  const minutes = playedMs / 60_000;
  const more = [silenceText(result.failovers), slotMovesText(result.slotMoves)].filter((text) => text !== "");
  const lines = [
    tableText(rows),
    "",
    `${(playedMs / 1000).toFixed(1)} s of faults, ${group(processFaults)} kills and stops ` +
      `(${(processFaults / minutes).toFixed(1)} a minute), ` +
      `${group(Math.round((verdict.total.stored * 1000) / playedMs))} messages stored a second; ` +
      `all there ${(healedMs / 1000).toFixed(1)} s after the heal`,
    ...more,
    ...verdict.findings,
  ];
  if (refusals.length > 0) {
    lines.push(`${refusals.length} refusals that nobody wanted, the first: ${JSON.stringify(refusals[0])}`);
  }
  if (verdict.total.stored === 0) lines.push("nothing was stored, so nothing is proven");
  return `${lines.join("\n")}\n`;
}

async function main(): Promise<void> {
  let options: ProveOptions | "help";
  try {
    options = parseProveArgs(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`prove: ${(error as Error).message.split("\n")[0]} (see --help)\n`);
    process.exit(2);
  }
  if (options === "help") {
    process.stdout.write(usage);
    return;
  }
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));
  const { seed, runMs, nodes, target, json, keep } = options;
  const run = new Run(options);
  const where = target ? `${target.host}:${target.port}` : `${nodes} nodes`;
  process.stdout.write(`prove: ${runMs / 60_000} minutes, ${where}, seed ${seed}\n`);
  const progress = new Progress(process.stdout, () => run.line);
  try {
    const result = await run.play();
    progress.end();
    process.stdout.write(`\n${textOf(result)}`);
    if (keep && run.folder !== null) process.stdout.write(`the folder: ${run.folder}\n`);
    const numbers = numbersOf(options, result);
    if (json !== null) writeFileSync(json, `${JSON.stringify(numbers, null, 2)}\n`);
    const isOk = numbers.ok === true;
    process.stdout.write(isOk ? `kept (seed ${seed})\n` : `NOT KEPT (again with --seed ${seed})\n`);
    process.exit(isOk ? 0 : 1);
  } catch (error) {
    progress.end();
    process.stderr.write(`prove: ${(error as Error).message}\n`);
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();

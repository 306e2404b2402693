/**
 * main: `npm run bench`: measures, prints, writes spec/bench/RESULTS.md and its picture.
 */
import { existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Axis, Bench } from "./axis.ts";
import { catchUpAxis } from "./catchUpAxis.ts";
import { churnAxis } from "./churnAxis.ts";
import { fanoutAxis } from "./fanoutAxis.ts";
import { Figures } from "./figures.ts";
import { verdictsOf } from "./goals.ts";
import { growthAxis } from "./growthAxis.ts";
import { idleAxis } from "./idleAxis.ts";
import { ingestAxis } from "./ingestAxis.ts";
import { loginAxis } from "./loginAxis.ts";
import { nodesAxis } from "./nodesAxis.ts";
import { allPeers } from "./peers.ts";
import { fanoutPicture } from "./picture.ts";
import { pinLoad } from "./pin.ts";
import { privateAxis } from "./privateAxis.ts";
import { halfAxis, rateAxis } from "./rateAxis.ts";
import { type RunFacts, figureRows, goalLines, machineLines, resultsPage } from "./results.ts";
import { stalledAxis } from "./stalledAxis.ts";
import { steadyAxis } from "./steadyAxis.ts";

const axes: readonly Axis[] = [
  ...[fanoutAxis, rateAxis, halfAxis, privateAxis, ingestAxis, catchUpAxis, loginAxis],
  ...[churnAxis, idleAxis, stalledAxis, growthAxis, nodesAxis, steadyAxis],
];

const usage = `npm run bench -- [flags]

  --quick          smaller, one repetition of each: under a minute
  --only A,B       these axes
  --peers          beside other servers, as far as they are installed
  --repetitions N  of each window, in turns between the systems  (3)
  --seconds N      of each window                                (3)
  --minutes N      of the axis steady, which only runs by name   (30)
  --json FILE      all figures
  --write          RESULTS.md and its picture, although it was not a whole run

axes:
${axes.map(({ name, about }) => `  ${name.padEnd(10)} ${about}`).join("\n")}
`;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    peers: { type: "boolean", default: false },
    repetitions: { type: "string" },
    seconds: { type: "string" },
    minutes: { type: "string", default: "30" },
    json: { type: "string" },
    write: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  const { quick, only, minutes } = values;
  const named = only?.split(",");
  const unknown = named?.filter((name) => !axes.some((axis) => axis.name === name)) ?? [];
  if (unknown.length > 0) throw new Error(`--only ${unknown.join(",")}: no such axis (see --help)`);
  const chosen = axes.filter(({ name, onlyByName }) => (named ? named.includes(name) : !onlyByName));
  const lacking = values.peers ? allPeers.flatMap((peer) => peer.missing() ?? []) : [];
  const startMs = performance.now();
  const say = (text: string): void => {
    process.stdout.write(`${((performance.now() - startMs) / 1000).toFixed(0).padStart(4)} s  ${text}\n`);
  };
  const bench: Bench = {
    figures: new Figures(),
    repetitions: Number(values.repetitions ?? (quick ? 1 : 3)),
    seconds: Number(values.seconds ?? (quick ? 1 : 3)),
    minutes: Number(minutes),
    quick,
    peers: values.peers ? allPeers.filter((peer) => peer.missing() === null) : [],
    notes: [],
    say,
  };
  const pinned = pinLoad();
  for (const line of [...machineLines(), ...lacking]) say(line);
  for (const { name, version, configuration } of bench.peers) say(`${name}: ${version()}\n${configuration}`);
  if (!pinned) say("the figures of this run say little: nothing could be pinned");
  for (const axis of chosen) {
    say(`--- ${axis.name}: ${axis.about}`);
    await axis.run(bench);
  }
  const facts: RunFacts = {
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
    ...{ repetitions: bench.repetitions, seconds: bench.seconds, minutes: bench.minutes, quick },
    command: ["npm run bench", ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : [])].join(
      " ",
    ),
    peers: bench.peers.map(({ name, version, configuration }) => ({
      name,
      version: version(),
      configuration,
    })),
    missing: lacking,
    notes: bench.notes,
  };
  report(bench, facts, { whole: !quick && !named });
}

function report(bench: Bench, facts: RunFacts, { whole }: { whole: boolean }): void {
  const { figures } = bench;
  const verdicts = verdictsOf(figures, facts);
  for (const row of figureRows(figures)) process.stdout.write(`${row.join(" | ")}\n`);
  process.stdout.write(`\n${goalLines(verdicts).join("\n")}\n`);
  if (values.json) {
    const page = { ...facts, machine: machineLines(), figures: figures.all, goals: verdicts };
    writeFileSync(values.json, `${JSON.stringify(page, null, 2)}\n`);
  }
  if (!whole && !values.write) return;
  const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  writeFileSync(path("RESULTS.md"), resultsPage(figures, verdicts, facts));
  const picture = fanoutPicture(figures);
  if (picture) writeFileSync(path("fanout.svg"), picture);
  else if (!existsSync(path("fanout.svg")))
    process.stdout.write("no picture: the axis fanout was not measured\n");
}

if (values.help) process.stdout.write(usage);
else {
  try {
    await main();
    process.exit(0);
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  }
}

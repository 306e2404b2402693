/**
 * results: spec/bench/RESULTS.md and the tables on the screen, from the figures of a run.
 */
import { cpus, release, totalmem } from "node:os";
import { type Figures, medianOf } from "./figures.ts";
import { type Verdict, short } from "./goals.ts";
import { pinningText } from "./pin.ts";
import { versionOf } from "./programs.ts";

export interface RunFacts {
  date: string;
  repetitions: number;
  seconds: number;
  minutes: number;
  quick: boolean;
  command: string;
  /** Peers that took part: name and version, configuration. */
  peers: { name: string; version: string; configuration: string }[];
  /** Lines of the axis nodes. */
  notes: readonly string[];
  /** Peers that were asked for and are not there: how to get them. */
  missing: string[];
}

/** Machine and versions, one line each. */
export function machineLines(): string[] {
  const model = cpus()[0]?.model ?? "unknown CPU";
  return [
    `${cpus().length} x ${model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}`,
    `Node ${process.version}, ${versionOf("redis-server", ["--version"])}`,
    pinningText(),
  ];
}

const mark = ({ reached }: Verdict): string =>
  reached === null ? "not measured" : reached ? "reached" : "NOT reached";

/** The table of goals, for the screen. */
export function goalLines(verdicts: readonly Verdict[]): string[] {
  return verdicts
    .filter(({ reached }) => reached !== null)
    .map((verdict) => `${mark(verdict).padEnd(12)} ${verdict.work}: ${verdict.goal}: ${verdict.seen}`);
}

/** All figures, for the screen and the page. */
export function figureRows(figures: Figures): string[][] {
  return figures.all.map(({ axis, work, system, metric, unit, values }) => [
    ...[axis, work, system, metric],
    `${short(medianOf(values))} ${unit}`,
    short(Math.min(...values)),
    short(Math.max(...values)),
  ]);
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The whole page. */
export function resultsPage(figures: Figures, verdicts: readonly Verdict[], facts: RunFacts): string {
  const { date, repetitions, seconds, command, peers, missing } = facts;
  const reached = verdicts.filter((verdict) => verdict.reached === true).length;
  const judged = verdicts.filter((verdict) => verdict.reached !== null).length;
  const configurations = peers.map(
    ({ name, version, configuration }) =>
      `### ${name}\n\n${version}\n\n\`\`\`text\n${configuration.trim()}\n\`\`\``,
  );
  const parts = [
    "# What it reaches, beside others",
    `Written by \`${command}\` on ${date}; do not edit. What is measured, and how: [README.md](README.md).`,
    [
      ...machineLines(),
      `${repetitions} repetitions in turns with the others, windows of ${seconds} s; no random choice, so no seed`,
    ]
      .map((line) => `- ${line}`)
      .join("\n"),
    "![deliveries a second](fanout.svg)",
    `## Goals\n\n${reached} of ${judged} measured ones reached; appendfsync always, everything on. Median (lowest to highest).`,
    table(
      ["work", "goal", "seen", ""],
      verdicts.map((verdict) => [verdict.work, verdict.goal, verdict.seen ?? "", mark(verdict)]),
    ),
    "## All figures\n\nMedian, lowest, highest of the repetitions.",
    table(["axis", "work", "system", "metric", "median", "lowest", "highest"], figureRows(figures)),
    ...(facts.notes.length > 0 ? ["## More nodes", `\`\`\`text\n${facts.notes.join("\n")}\n\`\`\``] : []),
    ...(configurations.length > 0 ? ["## The others' configuration", ...configurations] : []),
    ...(missing.length > 0 ? [`## Not there\n\n${missing.map((line) => `- ${line}`).join("\n")}`] : []),
  ];
  return `${parts.join("\n\n")}\n`;
}

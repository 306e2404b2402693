/**
 * axis: one kind of work that is measured, and what it gets to do it with.
 */
import type { Driven } from "./drive.ts";
import type { Figures } from "./figures.ts";
import type { RunningSystem } from "./system.ts";

export interface Bench {
  readonly figures: Figures;
  readonly repetitions: number;
  /** Smaller rooms, shorter windows. */
  readonly quick: boolean;
  /** Seconds of one window. */
  readonly seconds: number;
  /** Minutes of the axis `steady`. */
  readonly minutes: number;
  /** Other systems that are to be measured too; each is started for one axis. */
  readonly peers: readonly Peer[];
  /** Lines of axes that have no figures. */
  readonly notes: string[];
  /** One line of progress. */
  say(text: string): void;
}

export interface Axis {
  readonly name: string;
  readonly about: string;
  /** Not part of a run that names no axes. */
  readonly onlyByName?: boolean;
  run(bench: Bench): Promise<void>;
}

export interface Peer {
  readonly name: string;
  /** What is missing and how to get it; null: it can be started. */
  missing(): string | null;
  /** Its configuration, as it is printed. */
  readonly configuration: string;
  version(): string;
  start(): Promise<RunningSystem>;
}

/** Characters of each message's text. */
export const textLength = 80;

/** The figures of one window. */
export function valuesOf({
  tally,
  deliveriesPerSecond,
  seconds,
  cpu,
  serverCpu,
  loadShare,
}: Driven): Record<string, number> {
  const deliveries = deliveriesPerSecond * seconds;
  const { latencies } = tally;
  return {
    "deliveries 1/s": deliveriesPerSecond,
    "CPU of server and Redis per delivery us": (cpu * 1e6) / deliveries,
    "CPU of server per delivery us": (serverCpu * 1e6) / deliveries,
    "load generator's CPU %": loadShare * 100,
    "p50 ms": latencies.percentile(50),
    "p99 ms": latencies.percentile(99),
    "p99.9 ms": latencies.percentile(99.9),
    "max ms": latencies.maxMs,
  };
}

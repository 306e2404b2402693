/**
 * goals: what it must reach, and whether it did in this run. Ratios are those of neighbouring repetitions.
 */
import { catchUpWork } from "./catchUpAxis.ts";
import { fanoutWork } from "./fanoutAxis.ts";
import { type Figure, type Figures, medianOf, ratiosOf } from "./figures.ts";
import { growthExponent, growthSizes, growthWork } from "./growthAxis.ts";
import { idleWork } from "./idleAxis.ts";
import { ingestWork } from "./ingestAxis.ts";
import { passwordWork, tokenWork } from "./loginAxis.ts";
import { privateWork } from "./privateAxis.ts";
import { halfWork, rateWork } from "./rateAxis.ts";
import { besideWork } from "./stalledAxis.ts";
import { steadyWork } from "./steadyAxis.ts";

export interface Verdict {
  work: string;
  goal: string;
  /** What was seen; null: not measured in this run. */
  seen: string | null;
  reached: boolean | null;
}

/** One line of the table: the values that are compared with a bound, their median decides. */
interface Goal {
  work: string;
  wanted: string;
  values: (figures: Figures) => number[];
  most?: number;
  least?: number;
  unit?: string;
}

const ours = "haiyu";
const deliveries = "deliveries";
const cost = "CPU of server and Redis per delivery";

function figure(figures: Figures, axis: string, work: string, metric: string, system = ours): Figure | null {
  return figures.find({ axis, work, system, metric });
}

const measured =
  (axis: string, work: string, metric: string) =>
  (figures: Figures): number[] =>
    figure(figures, axis, work, metric)?.values ?? [];

/** Ours by another system's, in one metric. */
const against =
  (axis: string, work: string, metric: string, system = "floor") =>
  (figures: Figures): number[] => {
    const [one, other] = [figure(figures, axis, work, metric), figure(figures, axis, work, metric, system)];
    return one && other ? ratiosOf(one, other) : [];
  };

/** A metric less another one of the same repetition. */
const less =
  (axis: string, work: string, metric: string, other: string) =>
  (figures: Figures): number[] => {
    const base = figure(figures, axis, work, other)?.values ?? [];
    return (figure(figures, axis, work, metric)?.values ?? []).map(
      (value, index) => value - (base[index] ?? 0),
    );
  };

const exponents = (figures: Figures): number[] => {
  const sizes = growthSizes.map((members) => ({
    members,
    found: figure(figures, "growth", growthWork(members), cost),
  }));
  const repetitions = Math.min(...sizes.map(({ found }) => found?.values.length ?? 0));
  return Array.from({ length: repetitions }, (_, repetition) =>
    growthExponent(
      sizes.map(({ members, found }) => ({ members, cpuPerDelivery: found?.values[repetition] ?? NaN })),
    ),
  );
};

const of = (peers: Record<string, number>, line: (peer: string, bound: number) => Goal): Goal[] =>
  Object.entries(peers).map(([peer, bound]) => line(peer, bound));

const saturated = fanoutWork(1000, 256);

function goalsOf(minutes: number): Goal[] {
  return [
    ...[1000, 5000, 9000].map((members) => ({
      work: fanoutWork(members, 256),
      wanted: "deliveries/s >= 0.75 x floor",
      values: against("fanout", fanoutWork(members, 256), deliveries),
      least: 0.75,
    })),
    {
      work: fanoutWork(1000, 32),
      wanted: "deliveries/s >= 0.70 x floor",
      values: against("fanout", fanoutWork(1000, 32), deliveries),
      least: 0.7,
    },
    ...of({ inspircd: 3, "nats-server": 8, "Socket.IO": 60, mosquitto: 60 }, (peer, least) => ({
      work: saturated,
      wanted: `deliveries/s >= ${least} x ${peer}`,
      values: against("fanout", saturated, deliveries, peer),
      least,
    })),
    {
      work: rateWork,
      wanted: "CPU of server and Redis per delivery <= 1.25 x floor",
      values: against("rate", rateWork, cost),
      most: 1.25,
    },
    ...of({ "nats-server": 1, mosquitto: 1, "Socket.IO": 1 }, (peer, most) => ({
      work: rateWork,
      wanted: `CPU per delivery below ${peer}`,
      values: against("rate", rateWork, cost, peer),
      most,
    })),
    ...of({ p50: 1.3, p99: 1.3, "p99.9": 1.5 }, (metric, most) => ({
      work: rateWork,
      wanted: `${metric} <= ${most} x floor`,
      values: against("rate", rateWork, metric),
      most,
    })),
    ...of({ p50: 1.3, p99: 1.3, "p99.9": 1.5 }, (metric, most) => ({
      work: halfWork,
      wanted: `${metric} <= ${most} x floor`,
      values: against("half", halfWork, metric),
      most,
    })),
    {
      work: privateWork,
      wanted: "p50 <= 1.5 ms + fsync",
      values: less("private", privateWork, "p50", "fsync p50"),
      most: 1.5,
      unit: " ms + fsync",
    },
    {
      work: privateWork,
      wanted: "p99 <= 4 ms + fsync",
      values: less("private", privateWork, "p99", "fsync p99"),
      most: 4,
      unit: " ms + fsync",
    },
    ...of({ always: 20_000, everysec: 40_000 }, (fsync, least) => ({
      work: ingestWork(fsync),
      wanted: `stored >= ${least.toLocaleString("en")}/s`,
      values: measured("ingest", ingestWork(fsync), "stored"),
      least,
      unit: "/s",
    })),
    {
      work: catchUpWork(1000),
      wanted: ">= 300,000 messages per CPU second of the server",
      values: measured("catchup", catchUpWork(1000), "messages per CPU second of the server"),
      least: 300_000,
    },
    {
      work: tokenWork(5000),
      wanted: "quiet <= 3 s",
      values: measured("login", tokenWork(5000), "quiet after"),
      most: 3,
      unit: " s",
    },
    {
      work: passwordWork,
      wanted: ">= 0.9 x what argon2id alone does",
      values: measured("login", passwordWork, "part of argon2id alone"),
      least: 0.9,
    },
    {
      work: idleWork(9000),
      wanted: "RSS <= 6 KB a session",
      values: measured("idle", idleWork(9000), "RSS per session"),
      most: 6000,
      unit: " bytes",
    },
    {
      work: idleWork(9000),
      wanted: "<= 3 % of a core",
      values: measured("idle", idleWork(9000), "CPU of server"),
      most: 3,
      unit: " %",
    },
    {
      work: besideWork,
      wanted: "others' throughput within 10 %",
      values: measured("stalled", besideWork, "deliveries beside / before"),
      least: 0.9,
    },
    {
      work: besideWork,
      wanted: "others' p99 within 10 %",
      values: measured("stalled", besideWork, "p99 beside / before"),
      most: 1.1,
    },
    {
      work: besideWork,
      wanted: "RSS + <= 40 MB",
      values: measured("stalled", besideWork, "RSS more"),
      most: 40,
      unit: " MB",
    },
    {
      work: "growth from N=100 to 9,000 at 20,000 deliveries/s",
      wanted: "exponent of total cost <= 1.15",
      values: exponents,
      most: 1.15,
    },
    {
      work: steadyWork(minutes),
      wanted: "p99.9 of the last part <= 1.2 x of the first",
      values: measured("steady", steadyWork(minutes), "p99.9 last / first"),
      most: 1.2,
    },
    {
      work: steadyWork(minutes),
      wanted: "RSS slope 0 within noise (1 MB a minute)",
      values: measured("steady", steadyWork(minutes), "RSS slope"),
      most: 1,
      unit: " MB/min",
    },
  ];
}

/** Each goal with what this run saw. */
export function verdictsOf(figures: Figures, { minutes }: { minutes: number }): Verdict[] {
  return goalsOf(minutes).map(({ work, wanted, values, most, least, unit = " x" }) => {
    const seen = values(figures);
    if (seen.length === 0) return { work, goal: wanted, seen: null, reached: null };
    const median = medianOf(seen);
    const reached = (most === undefined || median <= most) && (least === undefined || median >= least);
    const spread = seen.length > 1 ? ` (${short(Math.min(...seen))} to ${short(Math.max(...seen))})` : "";
    return { work, goal: wanted, seen: `${short(median)}${unit}${spread}`, reached };
  });
}

/** A number with as many digits as mean something. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "?";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  if (Math.abs(value) >= 100) return value.toFixed(0);
  if (Math.abs(value) >= 10) return value.toFixed(1);
  return Math.abs(value) >= 1 ? value.toFixed(2) : value.toFixed(3);
}

/**
 * plan: which fault comes when, from a seed alone. Kills and stops come about every three seconds, the troubles of
 * links between them; nothing keeps two from falling together.
 */
import { Random } from "./random.ts";
import type { StoreKind } from "./store.ts";

/** What is done to the whole, and to how much of it. */
interface KindRule {
  /** How often it comes beside others of its group. */
  weight: number;
  group: "process" | "link";
  /** Whether it can be done to a server from outside. */
  outside: boolean;
  forMs: readonly [number, number];
  /** What kind of Redis it is made for, "group" being all but one; absent: any. */
  redis?: StoreKind | "group";
}

const rules = {
  "node killed": { weight: 4, group: "process", outside: false, forMs: [0, 1500] },
  "node stopped": { weight: 4, group: "process", outside: false, forMs: [1000, 8000] },
  "node drained": { weight: 2, group: "process", outside: false, forMs: [0, 1500] },
  "Redis killed": { weight: 3, group: "process", outside: false, forMs: [0, 1000], redis: "one" },
  "Redis stopped": { weight: 2, group: "process", outside: false, forMs: [300, 7000], redis: "one" },
  "master killed": { weight: 9, group: "process", outside: false, forMs: [0, 12_000], redis: "group" },
  "master stopped": { weight: 9, group: "process", outside: false, forMs: [1500, 12_000], redis: "group" },
  "master relieved": { weight: 9, group: "process", outside: false, forMs: [0, 0], redis: "group" },
  // Its replicas are cut off for so long before: what was answered meanwhile is nowhere else.
  "tail lost": { weight: 6, group: "process", outside: false, forMs: [100, 500], redis: "group" },
  // It is half here, half there for about so long.
  "slot moved": { weight: 9, group: "process", outside: false, forMs: [50, 5000], redis: "cluster" },
  "replica killed": { weight: 2, group: "process", outside: false, forMs: [0, 2000], redis: "group" },
  "Redis links cut": { weight: 2, group: "link", outside: false, forMs: [0, 0], redis: "one" },
  "Redis unreachable": { weight: 1, group: "link", outside: false, forMs: [300, 12_000], redis: "one" },
  "Redis link half-open": { weight: 2, group: "link", outside: false, forMs: [500, 5000], redis: "one" },
  "Redis link slow": { weight: 2, group: "link", outside: false, forMs: [500, 3000], redis: "one" },
  "reply dropped": { weight: 4, group: "link", outside: false, forMs: [1, 400], redis: "one" },
  "scripts flushed": { weight: 2, group: "link", outside: false, forMs: [0, 0] },
  "subscribers cut": { weight: 2, group: "link", outside: false, forMs: [0, 0] },
  "links cut": { weight: 4, group: "link", outside: true, forMs: [0, 0] },
  "links slow": { weight: 2, group: "link", outside: true, forMs: [500, 4000] },
  "links half-open": { weight: 3, group: "link", outside: true, forMs: [300, 7000] },
  "frames torn": { weight: 2, group: "link", outside: true, forMs: [500, 3000] },
  "readers stalled": { weight: 3, group: "link", outside: true, forMs: [1000, 20_000] },
} as const satisfies Record<string, KindRule>;

export type FaultKind = keyof typeof rules;

export const faultKinds = Object.keys(rules) as FaultKind[];

/** Whether a kind kills or stops a process, or moves what it holds. */
export function isProcessFault(kind: FaultKind): boolean {
  return rules[kind].group === "process";
}

function isMadeFor(redis: StoreKind, { redis: wanted = redis }: KindRule): boolean {
  return wanted === redis || (wanted === "group" && redis !== "one");
}

export interface Fault {
  atMs: number;
  kind: FaultKind;
  /** Which node it meets, where it meets one. */
  node: number;
  /** How long it lasts; for a kill, how long until the start. */
  forMs: number;
  /** Which part of the links it meets, 0 to 1. */
  share: number;
  /** From 0 to below 1, for whatever else is to be chosen. */
  dice: number;
}

const meanPauseMs = { process: 2700, link: 1300 };

export interface PlanOptions {
  seed: number;
  runMs: number;
  nodes: number;
  /** Only what can be done to somebody else's servers. */
  outside: boolean;
  redis: StoreKind;
}

/** All faults of a run, in order of time. */
export function planOf({ seed, runMs, nodes, outside, redis }: PlanOptions): Fault[] {
  const faults: Fault[] = [];
  for (const group of ["process", "link"] as const) {
    const random = new Random(seed, group);
    const bag = faultKinds
      .filter((kind) => rules[kind].group === group && (rules[kind].outside || !outside))
      .filter((kind) => isMadeFor(redis, rules[kind]))
      .flatMap((kind) => Array<FaultKind>(rules[kind].weight).fill(kind));
    if (bag.length === 0) continue;
    const meanMs = Math.min(meanPauseMs[group], runMs / 6);
    // Irregular, and yet no run goes without.
    const pauseMs = (): number => random.between(0.2, 1.8) * meanMs;
    for (let atMs = pauseMs(); atMs < runMs; atMs += pauseMs()) {
      const kind = random.pick(bag);
      const [shortestMs, longestMs] = rules[kind].forMs;
      // Short ones more often: a long one leaves little time for others.
      const forMs = shortestMs + random.next() ** 3 * (longestMs - shortestMs);
      faults.push({
        atMs,
        kind,
        node: random.below(nodes),
        forMs,
        share: random.between(0.05, 0.5),
        dice: random.next(),
      });
    }
  }
  return faults.sort((one, other) => one.atMs - other.atMs);
}

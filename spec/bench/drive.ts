/**
 * drive: two ways to send into a crowd: as fast as it completes, or at a fixed rate whatever happens (open loop: a
 * message that is sent late counts from when it should have been sent).
 */
import type { Crowd } from "./crowd.ts";
import { Meter } from "./cost.ts";
import { metronome } from "./metronome.ts";
import type { RunningSystem } from "./system.ts";
import { Tally } from "./tally.ts";

export interface Driven {
  tally: Tally;
  seconds: number;
  deliveriesPerSecond: number;
  /** CPU seconds of the server alone, and of all that counts as the system. */
  serverCpu: number;
  cpu: number;
  /** Part of its core that the load generator used, 0 to 1. */
  loadShare: number;
  /** Part of its core that the server used. */
  serverShare: number;
}

export interface DriveOptions {
  /** Indices of the members that speak, in turn. */
  senders: readonly number[];
  /** How many get each message; absent: everybody, the sender too where the system echoes. */
  readers?: number;
  textLength: number;
  seconds: number;
  /** First so long without being counted. */
  warmSeconds?: number;
}

/** How long the rest may take to arrive. */
const restMs = 20_000;
/** Room for more than any system here can take. */
const messagesPerSecondMax = 150_000;

/** The last `count` members to have joined a crowd of `members`: they speak. */
export function lastOf(members: number, count: number): number[] {
  return Array.from({ length: Math.min(members, count) }, (_, index) => members - 1 - index);
}

/** `inFlight` messages are always on their way: the next one is sent when the last reader has one. */
export async function saturate(
  crowd: Crowd,
  system: RunningSystem,
  options: DriveOptions & { inFlight: number },
): Promise<Driven> {
  const { inFlight, senders, textLength: length, seconds, warmSeconds = 0.5 } = options;
  let driving = true;
  let next = 0;
  const send = (): void => {
    const sender = senders[next++ % senders.length] ?? 0;
    crowd.say(tally, sender, { length, intendedMs: performance.now() });
  };
  const most = Math.ceil((seconds + warmSeconds) * messagesPerSecondMax);
  const tally = tallyOf(crowd, system, { most, readers: options.readers }, () => {
    if (driving && !tally.isFull) send();
  });
  crowd.tally = tally;
  for (let count = 0; count < inFlight; count++) send();
  await pause(crowd, warmSeconds * 1000);
  const window = openWindow(tally, system);
  await pause(crowd, seconds * 1000);
  const driven = window();
  driving = false;
  await rest(crowd, tally, system.name);
  return driven;
}

/** `perSecond` messages a second, evenly. */
export async function keepRate(
  crowd: Crowd,
  system: RunningSystem,
  options: DriveOptions & { perSecond: number },
): Promise<Driven> {
  const { perSecond, senders, textLength: length, seconds, warmSeconds = 0 } = options;
  const total = Math.ceil(perSecond * (seconds + warmSeconds));
  const warm = Math.floor(perSecond * warmSeconds);
  if (warm > 0) {
    const before = tallyOf(crowd, system, { most: warm, readers: options.readers });
    crowd.tally = before;
    await sendEvenly(crowd, { tally: before, count: warm, perSecond, senders, length });
    await rest(crowd, before, system.name);
  }
  const tally = tallyOf(crowd, system, { most: total - warm, readers: options.readers });
  crowd.tally = tally;
  const window = openWindow(tally, system);
  await sendEvenly(crowd, { tally, count: total - warm, perSecond, senders, length });
  await rest(crowd, tally, system.name);
  return window();
}

interface Evenly {
  tally: Tally;
  count: number;
  perSecond: number;
  senders: readonly number[];
  length: number;
}

async function sendEvenly(crowd: Crowd, { tally, count, perSecond, senders, length }: Evenly): Promise<void> {
  const send = (index: number, intendedMs: number): void =>
    crowd.say(tally, senders[index % senders.length] ?? 0, { length, intendedMs });
  await metronome({ perSecond, count }, send, crowd.broken);
}

function tallyOf(
  crowd: Crowd,
  system: RunningSystem,
  { most, readers: given }: { most: number; readers?: number | undefined },
  completed?: () => void,
): Tally {
  const members = crowd.members.length;
  const readers = given ?? (system.echoes ? members : members - 1);
  return new Tally({ members, most, readersOf: () => readers, ...(completed && { completed }) });
}

/** Begins to count; the returned function ends it. */
function openWindow(tally: Tally, system: RunningSystem): () => Driven {
  const startMs = performance.now();
  const before = tally.delivered;
  const server = new Meter([system.pid]);
  const all = new Meter(system.pids);
  const load = new Meter([process.pid]);
  return () => {
    const seconds = (performance.now() - startMs) / 1000;
    const deliveriesPerSecond = (tally.delivered - before) / seconds;
    return {
      tally,
      seconds,
      deliveriesPerSecond,
      serverCpu: server.cpu,
      cpu: all.cpu,
      loadShare: load.share,
      serverShare: server.share,
    };
  };
}

/** Waits until everybody has everything, and checks that it came once. */
async function rest(crowd: Crowd, tally: Tally, what: string): Promise<void> {
  const lateMs = performance.now() + restMs;
  while (tally.incomplete > 0 && performance.now() < lateMs) await pause(crowd, 5);
  tally.assertExactlyOnce(what);
}

async function pause(crowd: Crowd, ms: number): Promise<void> {
  await Promise.race([new Promise((resolve) => void setTimeout(resolve, ms)), crowd.broken]);
}

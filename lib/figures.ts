/**
 * figures: what this node says of itself to operators, with every beat of its lease: who it is, what it holds, how
 * much it did since the last time. `top` shows those of all nodes; writing them is also how a node knows that Redis
 * takes writes, and so whether it is ready (clause ).
 */
import type { Clock, Timer } from "./clock.ts";
import { reasonOf } from "./journal.ts";
import { leaseBeatMs, readinessKnownMs } from "./limits.ts";
import type { Gauges, Meter } from "./meter.ts";
import type { NodesDao } from "./nodesDao.ts";

/** One node at one moment. Rates are by the second, over the time since the figures before. */
export interface NodeFigures {
  state: "serving" | "draining";
  host: string;
  port: number;
  pid: number;
  /** Unix ms. */
  startedMs: number;
  sessions: number;
  connections: number;
  usersOnline: number;
  storedPerSecond: number;
  deliveredPerSecond: number;
  sentBytesPerSecond: number;
  /** Cores' worth of CPU that the process used, all threads. */
  cpuCores: number;
  /** Share of the time in which the event loop had work, 0 to 1. */
  loopBusy: number;
  residentBytes: number;
  readersLagging: number;
  messagesWaiting: number;
  /** The last write of these figures, there and back. */
  redisMs: number;
}

const numberNames = [
  ...["port", "pid", "startedMs", "sessions", "connections", "usersOnline", "storedPerSecond"],
  ...["deliveredPerSecond", "sentBytesPerSecond", "cpuCores", "loopBusy", "residentBytes"],
  ...["readersLagging", "messagesWaiting", "redisMs"],
];

/** What a node wrote; null where it wrote nothing, or not what this version writes. */
export function readFigures(text: string | null): NodeFigures | null {
  try {
    const figures = JSON.parse(text ?? "null") as Record<string, unknown> | null;
    if (!figures) return null;
    const { state, host } = figures;
    const fits = (state === "serving" || state === "draining") && typeof host === "string";
    const isWhole = fits && numberNames.every((name) => Number.isFinite(figures[name]));
    return isWhole ? (figures as unknown as NodeFigures) : null;
  } catch {
    return null;
  }
}

export interface FiguresOptions {
  node: string;
  address: { host: string; port: number };
  nodesDao: NodesDao;
  meter: Meter;
  gauges: Gauges;
  clock: Clock;
}

interface Reading {
  atMs: number;
  stored: number;
  delivered: number;
  sentBytes: number;
  cpuMicroseconds: number;
  loop: ReturnType<typeof performance.eventLoopUtilization>;
}

/** Publishes the figures of this node, and knows from that whether Redis can be written to. */
export class FiguresBoard {
  readonly #options: FiguresOptions;
  readonly #startedMs: number;
  readonly #timer: Timer;
  #last: Reading;
  #redisMs = 0;
  #publishing: Promise<void> | null = null;
  #asking: Promise<string | null> | null = null;
  /** When it was last known to be ready. */
  #readyMs = -Infinity;
  #state: NodeFigures["state"] = "serving";

  /** Publishes from now on. */
  constructor(options: FiguresOptions) {
    this.#options = options;
    this.#startedMs = options.clock.wallMs();
    this.#last = this.#read();
    this.#timer = options.clock.every(leaseBeatMs, () => void this.#publish().catch(() => undefined));
    void this.#publish().catch(() => undefined);
  }

  /** Null when new connections may come: not draining, and Redis takes writes now and keeps them as is wanted. */
  async whyNotReady(): Promise<string | null> {
    if (this.#isDraining()) return "draining";
    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    const why = await this.#asking;
    return this.#isDraining() ? "draining" : why;
  }

  /** The node goes away: it is not ready any more, and says so. */
  async drain(): Promise<void> {
    this.#state = "draining";
    await this.#publish().catch(() => undefined);
  }

  /** The node has gone. Never throws. */
  async close(): Promise<void> {
    this.#timer.cancel();
    await this.#publishing?.catch(() => undefined);
    await this.#options.nodesDao.forget(this.#options.node).catch(() => undefined);
  }

  /** However often it is asked, Redis is asked once a moment. */
  async #ask(): Promise<string | null> {
    const { clock, nodesDao, node } = this.#options;
    if (clock.monotonicMs() - this.#readyMs < readinessKnownMs) return null;
    try {
      await this.#publish();
      const why = await nodesDao.whyNotAsSafe(node);
      if (why === null) this.#readyMs = clock.monotonicMs();
      return why;
    } catch (error) {
      return `Redis cannot be written to: ${reasonOf(error)}`;
    }
  }

  #isDraining(): boolean {
    return this.#state === "draining";
  }

  #publish(): Promise<void> {
    this.#publishing ??= this.#write().finally(() => (this.#publishing = null));
    return this.#publishing;
  }

  async #write(): Promise<void> {
    const { clock, nodesDao, node } = this.#options;
    const beganMs = clock.monotonicMs();
    await nodesDao.publish(node, JSON.stringify(this.#figures()));
    this.#redisMs = clock.monotonicMs() - beganMs;
  }

  #figures(): NodeFigures {
    const { gauges, address } = this.#options;
    const now = this.#read();
    const last = this.#last;
    // Readiness may ask again at once: rates over so short a time would be noise, so they keep their beginning.
    if (now.atMs - last.atMs >= leaseBeatMs / 2) this.#last = now;
    const seconds = Math.max((now.atMs - last.atMs) / 1000, 1e-3);
    const perSecond = (count: number): number => Math.round((count / seconds) * 10) / 10;
    return {
      state: this.#state,
      ...address,
      pid: process.pid,
      startedMs: this.#startedMs,
      sessions: gauges.sessions(),
      connections: gauges.connections(),
      usersOnline: gauges.usersOnline(),
      storedPerSecond: perSecond(now.stored - last.stored),
      deliveredPerSecond: perSecond(now.delivered - last.delivered),
      sentBytesPerSecond: perSecond(now.sentBytes - last.sentBytes),
      cpuCores: Math.round((now.cpuMicroseconds - last.cpuMicroseconds) / seconds / 1e4) / 100,
      loopBusy: Math.round(performance.eventLoopUtilization(now.loop, last.loop).utilization * 100) / 100,
      residentBytes: process.memoryUsage.rss(),
      readersLagging: gauges.readersLagging(),
      messagesWaiting: gauges.messagesWaiting(),
      redisMs: Math.round(this.#redisMs * 10) / 10,
    };
  }

  #read(): Reading {
    const { clock, meter } = this.#options;
    const { user, system } = process.cpuUsage();
    return {
      atMs: clock.monotonicMs(),
      stored: meter.messagesStored,
      delivered: meter.messagesDelivered,
      sentBytes: meter.bytesSent,
      cpuMicroseconds: user + system,
      loop: performance.eventLoopUtilization(),
    };
  }
}

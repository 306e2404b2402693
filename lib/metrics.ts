/**
 * metrics: the meter in the words of Prometheus. One table names every metric; `prom-client`, loaded only when metrics
 * are asked for, does the text. With several workers each gives its own as JSON, and `exposition` adds them up.
 */
import type { Registry } from "prom-client";
import type { CounterName, GaugeName, Gauges, Meter, Timings } from "./meter.ts";

/** All metrics of one process, as `prom-client` gives them; plain JSON, so it can cross to another process. */
export type MetricsJson = MetricJson[];

interface MetricJson {
  name: string;
  help: string;
  type: string;
  aggregator: string;
  values: object[];
}

/** name, help. */
type Told = readonly [name: string, help: string];

export const counterMetrics: Record<CounterName, Told> = {
  connectionsOpened: ["haiyu_connections_opened_total", "Connections accepted"],
  connectionsRefused: ["haiyu_connections_refused_total", "Connections refused: too many open files"],
  connectionsFailed: ["haiyu_connections_failed_total", "Connections that a fault of the server has cost"],
  framesBroken: ["haiyu_frames_broken_total", "Connections ended because their bytes were no frames"],
  sessionsOpened: ["haiyu_sessions_opened_total", "Log-ins that succeeded"],
  loginsFailed: ["haiyu_logins_failed_total", "Log-ins with an unknown user, a wrong password or token"],
  messagesStored: ["haiyu_messages_stored_total", "Messages stored and answered"],
  messagesRepeated: ["haiyu_messages_repeated_total", "Messages that had been stored before (same mid)"],
  messagesRefused: ["haiyu_messages_refused_total", "Messages answered 503: not known to be stored"],
  messagesDelivered: ["haiyu_messages_delivered_total", "Messages handed to sessions, one for each reader"],
  bytesReceived: ["haiyu_received_bytes_total", "Bytes read from clients"],
  bytesSent: ["haiyu_sent_bytes_total", "Bytes written to clients"],
  readersSetAside: ["haiyu_readers_set_aside_total", "Times a reader was too slow for live delivery"],
  redisCalls: ["haiyu_redis_calls_total", "Calls of Redis"],
  redisErrors: ["haiyu_redis_errors_total", "Calls of Redis that failed or were not answered in time"],
  doorbellsHeard: ["haiyu_doorbells_heard_total", "Hints of other nodes that were heard"],
  doorbellsHealed: ["haiyu_doorbells_healed_total", "Messages found by the sweep whose hint never came"],
};

/** The aggregator says how those of several workers become one. */
export const gaugeMetrics: Record<GaugeName, readonly [...Told, aggregator: "sum" | "max" | "min"]> = {
  connections: ["haiyu_connections", "Open connections", "sum"],
  connectionsMax: ["haiyu_connections_max", "Connections for which there are open files", "sum"],
  sessions: ["haiyu_sessions", "Logged-in sessions of this node", "sum"],
  usersOnline: ["haiyu_users_online", "Users online on all nodes, as this one sees it", "max"],
  readersLagging: ["haiyu_readers_lagging", "Readers that are being brought up from the log", "sum"],
  messagesWaiting: ["haiyu_messages_waiting", "Messages that wait to be stored", "sum"],
  redisCallsWaiting: ["haiyu_redis_calls_waiting", "Calls that wait for Redis", "sum"],
  redisReady: ["haiyu_redis_ready", "1 when Redis is connected", "min"],
  draining: ["haiyu_draining", "1 when the node is going away", "max"],
  workers: ["haiyu_workers", "Processes that serve", "sum"],
};

const seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export const timingMetrics: Record<keyof Timings, Told> = {
  answer: ["haiyu_answer_seconds", "From a message's arrival to its answer: stored"],
  append: ["haiyu_append_seconds", "One append to a conversation, to Redis and back"],
  redis: ["haiyu_redis_seconds", "One call of Redis, there and back"],
  delivery: ["haiyu_delivery_seconds", "From a message's storing to its being written to the live readers"],
};

/**
 * Of those that the package knows by itself: what walks every open socket, which with many of them holds the event loop
 * up at each scrape, and what is no number when nothing was sampled since the last one.
 */
const unwanted = /^nodejs_active_|^process_open_fds$|^nodejs_eventloop_lag_(?:min|mean|stddev)_seconds$/;

/** Starts to measure durations, and gives what reads all metrics of this process. */
export async function openMetrics(meter: Meter, gauges: Gauges): Promise<() => Promise<MetricsJson>> {
  const { Counter, Gauge, Histogram } = await import("prom-client");
  const registry = await processRegistry();
  const registers = [registry];
  for (const [field, [name, help]] of entriesOf(counterMetrics)) {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(meter[field]);
      },
    });
  }
  for (const [field, [name, help, aggregator]] of entriesOf(gaugeMetrics)) {
    new Gauge({
      name,
      help,
      registers,
      aggregator,
      collect() {
        this.set(gauges[field]());
      },
    });
  }
  const timing = (key: keyof Timings) => {
    const [name, help] = timingMetrics[key];
    return new Histogram({ name, help, registers, buckets: seconds });
  };
  meter.timings = {
    answer: timing("answer"),
    append: timing("append"),
    redis: timing("redis"),
    delivery: timing("delivery"),
  };
  return () => jsonOf(registry);
}

/** What reads the metrics of a process that serves nobody: memory, CPU and the like. */
export async function openProcessMetrics(): Promise<() => Promise<MetricsJson>> {
  const registry = await processRegistry();
  return () => jsonOf(registry);
}

/** Memory, CPU, event-loop lag, garbage collection: by the names that everybody's dashboards know. */
async function processRegistry(): Promise<Registry> {
  const { Registry, collectDefaultMetrics } = await import("prom-client");
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const { name } of registry.getMetricsAsArray()) {
    if (unwanted.test(name)) registry.removeSingleMetric(name);
  }
  return registry;
}

/** The text for Prometheus of what one or more processes gave. */
export async function exposition(all: MetricsJson[]): Promise<{ contentType: string; text: string }> {
  const { AggregatorRegistry } = await import("prom-client");
  const registry = AggregatorRegistry.aggregate(all);
  return { contentType: registry.contentType, text: await registry.metrics() };
}

/** What a process that has ended leaves behind: its counts still happened, so that no sum ever goes back. */
export async function addEnded(before: MetricsJson, ended: MetricsJson): Promise<MetricsJson> {
  const { AggregatorRegistry } = await import("prom-client");
  return jsonOf(AggregatorRegistry.aggregate([before, lastingOf(ended)]));
}

/** What stays true of a process that says nothing more: what happened, not how it is. */
export function lastingOf(metrics: MetricsJson): MetricsJson {
  return metrics.filter(({ type }) => type === "counter" || type === "histogram");
}

async function jsonOf(registry: Registry): Promise<MetricsJson> {
  // The package types the kind of a metric as a number, and gives its name.
  const all = (await registry.getMetricsAsJSON()) as unknown as MetricsJson;
  // The mean over the workers would hide the one that hangs.
  return all.map((one) =>
    one.name.startsWith("nodejs_eventloop_lag") ? { ...one, aggregator: "max" } : one,
  );
}

function entriesOf<K extends string, V>(table: Record<K, V>): [K, V][] {
  return Object.entries(table) as [K, V][];
}

/**
 * workers: one command, one port, several processes (clause ). The primary holds the port and the private Redis,
 * and serves nobody; each worker is a whole server, a node of its own. Connections are dealt out in turn, since they
 * live long: a shared handle costs less and leaves one worker with twice the sessions of another. A worker that ends is
 * replaced, after a growing pause where it did not live long. To an operator they are one (clauses, [R-6]).
 */
import cluster, { type Worker } from "node:cluster";
import { type Clock, type Timer } from "./clock.ts";
import type { Journal } from "./journal.ts";
import * as limits from "./limits.ts";
import { type MetricsJson, addEnded, exposition, lastingOf, openProcessMetrics } from "./metrics.ts";
import type { OperatorView } from "./operatorPort.ts";
import { type FromWorker, type Question, type ToWorker, assignmentEnv } from "./worker.ts";

export interface WorkersOptions {
  count: number;
  /** Where the private Redis is; null: the workers have it from their flags. */
  redis: string | null;
  /** Whether anybody will ask for figures. */
  withMetrics: boolean;
  clock: Clock;
  journal: Journal;
}

/** One place for a worker, filled anew when its process ends. */
interface Slot {
  readonly slot: number;
  worker: Worker | null;
  serves: boolean;
  /** Resolves when its process has ended. */
  ended: Promise<void>;
  startedMs: number;
  pauseMs: number;
  pausing: Timer | null;
  /** Why its latest start failed, in its own words. */
  failure: string | null;
  /** It did not answer when it was asked last. */
  isSilent: boolean;
  /** What it told last. */
  metrics: MetricsJson;
}

/** The one metric that only a primary has. */
export const replacedMetric = {
  name: "haiyu_workers_replaced_total",
  help: "Workers that ended and were started anew",
  type: "counter",
  aggregator: "sum",
} as const;

/** The workers of one port. */
export class Workers implements OperatorView {
  readonly #options: WorkersOptions;
  readonly #slots: Slot[];
  #port = 0;
  #state: "opening" | "serving" | "closing" = "opening";
  #replaced = 0;
  /** Counts of those that have ended. */
  #ended: Promise<MetricsJson> = Promise.resolve([]);
  #ownMetrics: () => Promise<MetricsJson> = () => Promise.resolve([]);
  #asked = 0;
  readonly #waiting = new Map<number, (answer: FromWorker) => void>();
  #changed: () => void = () => undefined;

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.count }, (_, index) => ({
      slot: index + 1,
      worker: null,
      serves: false,
      ended: Promise.resolve(),
      startedMs: 0,
      pauseMs: limits.workerRestartFirstMs,
      pausing: null,
      failure: null,
      isSilent: false,
      metrics: [],
    }));
  }

  /** Starts them, and gives the port. Throws an Error of one line when the first one cannot serve. */
  async open(): Promise<number> {
    cluster.schedulingPolicy = cluster.SCHED_RR;
    if (this.#options.withMetrics) this.#ownMetrics = await openProcessMetrics();
    const [first, ...others] = this.#slots;
    if (!first) throw new Error("workers: wanted one at least");
    // The first one finds out alone whether it can be done, and which port it is.
    this.#start(first);
    await this.#until(() => first.serves || first.worker === null);
    if (!first.serves) throw new Error(first.failure ?? "a worker ended before it served");
    this.#state = "serving";
    for (const slot of others) this.#start(slot);
    await this.#until(() => this.#slots.every(({ serves, worker }) => serves || worker === null));
    return this.#port;
  }

  /** Drains all, and waits until they have ended; who is late is killed. */
  async close(): Promise<void> {
    this.#state = "closing";
    for (const { pausing, worker } of this.#slots) {
      pausing?.cancel();
      if (worker) this.#say(worker, { kind: "drain" });
    }
    const late = this.#options.clock.after(limits.workerDrainDeadlineMs, () => void this.kill());
    await Promise.all(this.#slots.map(({ ended }) => ended));
    late.cancel();
  }

  /** Ends them at once, and waits until they have ended. */
  async kill(): Promise<void> {
    this.#state = "closing";
    for (const { pausing, worker } of this.#slots) {
      pausing?.cancel();
      worker?.process.kill("SIGKILL");
    }
    await Promise.all(this.#slots.map(({ ended }) => ended));
  }

  async metrics(): Promise<{ contentType: string; text: string }> {
    await Promise.all(
      this.#slots.map(async (slot) => {
        const answer = await this.#ask(slot, "metrics");
        // Of one that does not answer only what happened is told, so that no sum goes back and it is seen to be missing.
        slot.metrics = answer?.kind === "metrics" ? answer.metrics : lastingOf(slot.metrics);
      }),
    );
    const all = [await this.#ownMetrics(), this.#replacedMetric(), await this.#ended];
    return exposition([...all, ...this.#slots.map(({ metrics }) => metrics)]);
  }

  async whyNotAlive(): Promise<string | null> {
    const answers = await Promise.all(this.#slots.map((slot) => this.#ask(slot, "alive")));
    return answers.some((answer) => answer !== null) ? null : "no worker answers";
  }

  /** Ready as soon as one is: connections go to those that serve. */
  async whyNotReady(): Promise<string | null> {
    if (this.#state === "closing") return "draining";
    let reason = "no worker answers";
    const readyOnes = this.#slots.map(async (slot) => {
      const answer = await this.#ask(slot, "ready");
      if (answer?.kind !== "ready") throw new Error(reason);
      if (answer.why !== null) throw new Error((reason = answer.why));
    });
    // Who hangs keeps nobody from hearing that another one is ready.
    return Promise.any(readyOnes).then(
      () => null,
      () => reason,
    );
  }

  #start(slot: Slot): void {
    const { journal, clock, redis } = this.#options;
    const worker = cluster.fork(assignmentEnv({ slot: slot.slot, redis }));
    Object.assign(slot, { worker, serves: false, failure: null, startedMs: clock.monotonicMs() });
    worker.on("error", () => undefined); // A message to one that has just ended.
    worker.on("message", (message: FromWorker) => this.#heard(slot, message));
    worker.on("listening", ({ port }: { port: number }) => {
      this.#port = port;
      slot.serves = true;
      journal.write("worker_serves", { slot: slot.slot, pid: worker.process.pid ?? 0 });
      this.#changed();
    });
    slot.ended = new Promise((resolve) => {
      worker.on("exit", (code: number | null, signal: string | null) => {
        this.#hasEnded(slot, signal ?? code ?? 0);
        resolve();
      });
    });
  }

  #hasEnded(slot: Slot, how: string | number): void {
    const { clock, journal } = this.#options;
    const pid = slot.worker?.process.pid ?? 0;
    slot.worker = null;
    slot.serves = false;
    const { metrics } = slot;
    slot.metrics = [];
    if (metrics.length > 0) this.#ended = this.#ended.then((before) => addEnded(before, metrics));
    if (this.#state === "serving") {
      const hasSettled = clock.monotonicMs() - slot.startedMs >= limits.workerSettledMs;
      if (hasSettled) slot.pauseMs = limits.workerRestartFirstMs;
      journal.write("worker_ended", {
        slot: slot.slot,
        pid,
        how,
        reason: slot.failure,
        pauseMs: slot.pauseMs,
      });
      this.#replaced++;
      slot.pausing = clock.after(slot.pauseMs, () => this.#start(slot));
      slot.pauseMs = Math.min(2 * slot.pauseMs, limits.workerRestartMaxMs);
    }
    this.#changed();
  }

  #heard(slot: Slot, message: FromWorker): void {
    if (message.kind === "failed") slot.failure = message.reason;
    else if (message.kind === "last metrics") slot.metrics = message.metrics;
    else this.#waiting.get(message.n)?.(message);
  }

  /** Null when it does not serve, or does not answer in time. */
  async #ask(slot: Slot, question: Question): Promise<FromWorker | null> {
    const { worker, serves } = slot;
    if (!worker || !serves) return null;
    const n = this.#asked++;
    let late: Timer | undefined;
    const answer = await new Promise<FromWorker | null>((resolve) => {
      this.#waiting.set(n, resolve);
      const waitMs = question === "ready" ? limits.workerReadyMs : limits.workerAnswerMs;
      late = this.#options.clock.after(waitMs, () => resolve(null));
      this.#say(worker, { kind: question, n });
    });
    late?.cancel();
    this.#waiting.delete(n);
    const isSilent = answer === null && slot.worker === worker;
    if (isSilent && !slot.isSilent) {
      this.#options.journal.write("worker_silent", { slot: slot.slot, pid: worker.process.pid ?? 0 });
    }
    slot.isSilent = isSilent;
    return answer;
  }

  #say(worker: Worker, message: ToWorker): void {
    if (worker.isConnected()) worker.send(message, () => undefined);
  }

  #replacedMetric(): MetricsJson {
    return [{ ...replacedMetric, values: [{ value: this.#replaced, labels: {} }] }];
  }

  /** Resolves when it is so; looked at whenever a worker begins to serve or ends. */
  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => (this.#changed = resolve));
  }
}

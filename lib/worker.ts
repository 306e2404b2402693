/**
 * worker: the end of a worker that faces its primary (see workers.ts): what it is told to be, what it answers, and that
 * it goes when it is told to, or when its primary has gone: nobody would replace it, or end it (clause ).
 */
import cluster from "node:cluster";
import type { Journal } from "./journal.ts";
import type { MetricsJson } from "./metrics.ts";
import type { ProcessView } from "./operatorPort.ts";

/** What a worker cannot know from its flags. */
export interface Assignment {
  /** 1 and up; the same for the one that replaces it. */
  slot: number;
  /** URL of the primary's private Redis; null: as the flags say. */
  redis: string | null;
}

export type Question = "metrics" | "alive" | "ready";
export type ToWorker = { kind: Question; n: number } | { kind: "drain" };
export type FromWorker =
  | { kind: "metrics"; n: number; metrics: MetricsJson }
  | { kind: "alive"; n: number }
  | { kind: "ready"; n: number; why: string | null }
  | { kind: "last metrics"; metrics: MetricsJson }
  | { kind: "failed"; reason: string };

const variable = "HAIYU_WORKER";

/** The environment that makes a process a worker. */
export function assignmentEnv(assignment: Assignment): Record<string, string> {
  return { [variable]: JSON.stringify(assignment) };
}

/** What this process is as a worker; null: it is none. */
export function assignmentOf(env: NodeJS.ProcessEnv): Assignment | null {
  const text = env[variable];
  return cluster.isWorker && text !== undefined ? (JSON.parse(text) as Assignment) : null;
}

/** A worker's link with its primary. Make it before anything can fail. */
export class PrimaryLink {
  #served: { view: ProcessView; journal: Journal } | null = null;
  #stop: (() => void) | null = null;
  /** Ends it at once: nobody to drain for, and the port is not to be had any more. */
  #stopNow: (() => void) | null = null;
  #isStopping = false;

  constructor() {
    process.on("message", (message: ToWorker) => void this.#heard(message));
    process.on("SIGTERM", () => this.#stopOnce());
    // These reach the whole group of a terminal; the primary is the one who says what they mean.
    for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
    cluster.worker?.on("disconnect", () => {
      // Without this Node ends the process at once, and sessions would hear nothing.
      if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
      if (!this.#isStopping) this.#served?.journal.write("primary_gone");
      this.#stopOnce();
      this.#endIfOrphan();
    });
  }

  /** What to call, once, when this worker has to go; at once if that was said already. */
  onStop({ stop, stopNow }: { stop: () => void; stopNow: () => void }): void {
    this.#stop = stop;
    this.#stopNow = stopNow;
    if (this.#isStopping) stop();
    this.#endIfOrphan();
  }

  /** It serves: from now on it answers. */
  serves(view: ProcessView, journal: Journal): void {
    this.#served = { view, journal };
  }

  /** The last word before it ends: counts that the primary has not asked for since. */
  async ends(): Promise<void> {
    const metrics = (await this.#served?.view.metrics()) ?? [];
    await this.#say({ kind: "last metrics", metrics });
  }

  /** It cannot serve, and why. */
  failed(reason: string): Promise<void> {
    return this.#say({ kind: "failed", reason });
  }

  /** Its primary was killed while it started: the port it waits for will never come. */
  #endIfOrphan(): void {
    if (!process.connected && !this.#served) this.#stopNow?.();
  }

  #stopOnce(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#stop?.();
  }

  async #heard(message: ToWorker): Promise<void> {
    if (message.kind === "drain") return this.#stopOnce();
    const { view } = this.#served ?? {};
    if (!view) return;
    const { kind, n } = message;
    if (kind === "metrics") await this.#say({ kind, n, metrics: await view.metrics() });
    else if (kind === "alive") await this.#say({ kind, n });
    else await this.#say({ kind, n, why: await view.whyNotReady() });
  }

  /** Resolves when it has gone out, or cannot. */
  #say(message: FromWorker): Promise<void> {
    return new Promise((resolve) => {
      if (!process.connected || !process.send) return resolve();
      process.send(message, undefined, undefined, () => resolve());
    });
  }
}

/**
 * server: the server under test. In this process, with cheap hashes and no throttling, for most specs; as a real
 * process, the way a person starts it, for those that kill it.
 */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../lib/clock.ts";
import type { Journal, JournalFields } from "../../lib/journal.ts";
import type { Durability } from "../../lib/durability.ts";
import type { ArgonCost } from "../../lib/password.ts";
import { parseRedisUrl } from "../../lib/redisUrl.ts";
import { startServer } from "../../server.ts";
import { tied } from "./scratch.ts";
import { inTime, until } from "./wait.ts";

export interface JournalEvent extends JournalFields {
  event: string;
}

export interface SpecServer {
  readonly port: number;
  /** What it wrote into its journal so far. */
  readonly events: JournalEvent[];
  close(): Promise<void>;
}

// A spec that failed half-way must not keep its server, and so the whole run, alive.
const open = new Set<() => Promise<void>>();
after(() => Promise.all([...open].map((close) => close())));

/** A server in this process, on a Redis of the spec's. */
export async function startSpecServer({
  redis,
  rate = 0,
  clock,
  node,
  port: wantedPort = 0,
  argon = { memoryKiB: 64, passes: 1 },
  trustProxy = [],
  durability = { grade: null, replicas: 1 },
}: {
  redis: { url: string };
  durability?: Durability;
  rate?: number;
  clock?: Clock;
  node?: string;
  /** 0: a free one. */
  port?: number;
  argon?: ArgonCost;
  trustProxy?: string[];
}): Promise<SpecServer> {
  const events: JournalEvent[] = [];
  const journal: Journal = { write: (event, fields = {}) => void events.push({ event, ...fields }) };
  const { port, close } = await startServer({
    host: "127.0.0.1",
    port: wantedPort,
    redis: parseRedisUrl(redis.url),
    durability,
    data: "/nowhere",
    rate,
    journal,
    argon,
    ...(clock && { clock }),
    node: null,
    command: "serve",
    lang: "en",
    mend: false,
    once: false,
    workers: 1,
    metrics: null,
    trustProxy,
    ...(node !== undefined && { nodeName: node }),
  });
  open.add(close);
  return {
    port,
    events,
    close: () => {
      open.delete(close);
      return close();
    },
  };
}

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface SpawnedProcess {
  readonly child: ChildProcess;
  /** What it wrote so far. */
  readonly output: { out: string; err: string };
  /** Exit code, or the signal's name; resolves when it has ended and all it wrote was read. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

export interface SpawnOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** A process group of its own, which `process.kill(-pid)` reaches as Ctrl-C in a terminal does. */
  detached?: boolean;
  /** Absent: pipes, read into `output`. */
  stdio?: StdioOptions;
}

/** A script of this project as a real process: `tsx` itself is left out, since killing it orphans its child. */
export function spawnScript(
  script: "server.ts" | "client.ts" | "spec/prove/main.ts",
  args: string[],
  { env = {}, cwd = root, detached = false, stdio = "pipe" }: SpawnOptions = {},
): SpawnedProcess {
  const loader = import.meta.resolve("tsx");
  const child = tied(
    spawn(process.execPath, ["--import", loader, `${root}${script}`, ...args], {
      cwd,
      detached,
      stdio,
      env: { ...process.env, REDIS_URL: undefined, ...env },
    }),
  );
  const output = { out: "", err: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (output.out += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (output.err += text));
  const ended = once(child, "close").then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  return { child, output, ended };
}

export interface SpawnedServer extends SpawnedProcess {
  readonly port: number;
  /** Events of its journal so far. */
  events(): JournalEvent[];
  /** Sends a signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>;
}

/** Spawns server.ts, on a free port unless one is given, and waits until it serves. */
export async function spawnServer(args: string[], options: SpawnOptions = {}): Promise<SpawnedServer> {
  const port = args.includes("--port") ? [] : ["--port", "0"];
  const spawned = spawnScript("server.ts", [...port, "--rate", "0", ...args], options);
  const events = (): JournalEvent[] =>
    spawned.output.err
      .split("\n")
      .slice(0, -1)
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as JournalEvent);
  const listening = await until(
    "the server to listen",
    () => {
      if (spawned.child.exitCode !== null) throw new Error(`server.ts ended: ${spawned.output.err}`);
      return events().find(({ event }) => event === "listening");
    },
    20_000,
  );
  return {
    ...spawned,
    port: Number(listening.port),
    events,
    async kill(signal) {
      spawned.child.kill(signal);
      return inTime("the server's end", spawned.ended, 15_000);
    },
  };
}

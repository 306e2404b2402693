/**
 * serverFlags: the command line of server.ts (clause ): every flag with its default, and what is refused before
 * anything is begun.
 */
import { isIPv4, isIPv6 } from "node:net";
import { availableParallelism } from "node:os";
import { quoted, readFlags, readNumber } from "./flags.ts";
import { type Lang, operatorLangOf } from "./lang.ts";
import { nodeLabelMaxChars, replicasMax, sendsPerSecondDefault, workersMax } from "./limits.ts";
import type { Stored } from "./message.ts";
import type { Durability } from "./durability.ts";
import { proxyFault } from "./proxied.ts";
import { type RedisAddress, parseRedisUrl } from "./redisUrl.ts";

export type ServerCommand = "serve" | "doctor" | "top";

export interface ServerFlags {
  command: ServerCommand;
  host: string;
  /** 0: a free one. */
  port: number;
  /** Null: a private redis-server under `data`. */
  redis: RedisAddress | null;
  durability: Durability;
  data: string;
  /** Messages a second for one session; 0: no throttling of sends, log-ins and registrations. */
  rate: number;
  /** How the server is called among others; null: after its host. */
  node: string | null;
  /** Processes that serve; more than 1: each is a node of its own. */
  workers: number;
  /** Where `/metrics`, `/healthz` and `/readyz` are told; null: nowhere. Port 0: a free one. */
  metrics: { host: string; port: number } | null;
  /** Proxies whose PROXY header says who the client is. */
  trustProxy: string[];
  /** What the doctor says is in this language. */
  lang: Lang;
  /** doctor: mends what can be mended without a question. */
  mend: boolean;
  /** top: one picture, and the end. */
  once: boolean;
}

export const serverUsage = `haiyu server

  npm start -- [flags]        or: ./server.ts [flags]
  ./server.ts doctor [flags]  looks at what it needs, says what to do; exit code 1: something has to be mended
  ./server.ts top [flags]     the state of all servers, one line each

  --host HOST     address to listen on            (127.0.0.1)
  --port PORT     port to listen on               (8889)
  --redis URL     where Redis is; or REDIS_URL, which no process list shows
                  (without it: a redis-server of its own, kept under --data)
                    redis://[user:password@]host[:port][/db]
                    unix://[user:password@]/path/of/socket[?db=N]
                    redis+sentinel://[user:password@]host[:port],…/name[/db]
                      [?sentinelUser=…&sentinelPassword=…]
                    redis+cluster://[user:password@]host[:port],…
                    rediss:// in place of redis:// is TLS, with these after a ?:
                    ca=FILE  cert=FILE&key=FILE  servername=NAME
  --durability G  what every answer needs: memory, disk (fsync before it) or
                  replica; refuses to start where Redis cannot give it, answers
                  503 while it cannot      (as safe as this Redis keeps it)
  --replicas N    with --durability replica: how many must have it  (1)
  --data FOLDER   where that one keeps its files  (./data)
  --rate N        messages a second for one session; 0 = no throttling at all  (${sendsPerSecondDefault})
  --node NAME     how it is called in journals and among other servers  (its host)
  --workers N     processes that serve on the port, or auto: one a core  (1)
  --metrics [HOST:]PORT
                  HTTP for operators: /metrics (Prometheus), /healthz, /readyz  (none; HOST 127.0.0.1)
  --trust-proxy A,B
                  proxies, by address or subnet, whose connections begin with a
                  PROXY header that says who the client is  (none)
  --lang LANG     doctor: zh or en                 (from LC_ALL, LC_MESSAGES, LANG; else en)
  --mend          doctor: hashes the passwords that lie in Redis in plain
  --once          top: one picture, and the end
  --help          this text
`;

const grades: Stored[] = ["memory", "disk", "replica"];
const portMax = 65_535;
const rateMax = 1_000_000;

/** Options of the command line. Throws an Error of one line. */
export function parseServerArgs(args: string[], env: NodeJS.ProcessEnv): ServerFlags | "help" {
  const table = {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "8889" },
    redis: { type: "string" },
    data: { type: "string", default: "./data" },
    rate: { type: "string", default: String(sendsPerSecondDefault) },
    node: { type: "string" },
    workers: { type: "string", default: "1" },
    metrics: { type: "string" },
    "trust-proxy": { type: "string" },
    durability: { type: "string" },
    replicas: { type: "string" },
    lang: { type: "string" },
    mend: { type: "boolean", default: false },
    once: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  } as const;
  const { values, positionals } = readFlags(args, table, { positionalsMax: 1, wanted: "wanted flags only" });
  if (values.help) return "help";
  const command = readCommand(positionals[0]);
  if (values.mend && command !== "doctor") throw new Error("--mend: wanted only with doctor");
  if (values.lang !== undefined && command !== "doctor") throw new Error("--lang: wanted only with doctor");
  if (values.once && command !== "top") throw new Error("--once: wanted only with top");
  const grade = readGrade(values.durability);
  const replicas = readReplicas(values.replicas ?? "1");
  if (values.replicas !== undefined && grade !== "replica") {
    const why = "without which no answer waits for replicas";
    throw new Error(`--replicas ${quoted(values.replicas)}: wanted only with --durability replica, ${why}`);
  }
  const host = readHost(values.host);
  const port = readNumber("port", values.port, portMax);
  const metrics = values.metrics === undefined ? null : readMetrics(values.metrics);
  if (metrics && port !== 0 && metrics.port === port && overlap(metrics.host, host)) {
    throw new Error(`--metrics ${quoted(values.metrics ?? "")}: it is --port's; give another port`);
  }
  const redis = (values.redis ?? env.REDIS_URL) || null;
  return {
    command,
    host,
    port,
    redis: redis === null ? null : parseRedisUrl(redis),
    durability: { grade, replicas },
    data: values.data,
    rate: readNumber("rate", values.rate, rateMax),
    node: readNode(values.node),
    workers: readWorkers(values.workers),
    metrics,
    trustProxy: readProxies(values["trust-proxy"]),
    lang: readLang(values.lang, env),
    mend: values.mend,
    once: values.once,
  };
}

function readLang(text: string | undefined, env: NodeJS.ProcessEnv): Lang {
  const lang = operatorLangOf(text, env);
  if (lang === null) throw new Error(`--lang ${quoted(text ?? "")}: wanted zh or en`);
  return lang;
}

function readCommand(text: string | undefined): ServerCommand {
  if (text === undefined) return "serve";
  if (text !== "doctor" && text !== "top")
    throw new Error(`${quoted(text)}: wanted doctor, top, or flags only`);
  return text;
}

function readNode(text: string | undefined): string | null {
  if (text !== undefined && (!/^[A-Za-z0-9._-]+$/.test(text) || text.length > nodeLabelMaxChars)) {
    throw new Error(`--node ${quoted(text)}: wanted 1 to ${nodeLabelMaxChars} letters, digits, dots, - or _`);
  }
  return text ?? null;
}

function readProxies(text: string | undefined): string[] {
  const entries = text === undefined ? [] : text.split(",");
  for (const entry of entries) {
    const fault = proxyFault(entry);
    if (fault !== null) throw new Error(`--trust-proxy ${quoted(entry)}: ${fault}`);
  }
  return entries;
}

function readWorkers(text: string): number {
  if (text === "auto") return Math.min(availableParallelism(), workersMax);
  if (!/^[1-9]\d{0,3}$/.test(text) || Number(text) > workersMax) {
    throw new Error(`--workers ${quoted(text)}: wanted a number from 1 to ${workersMax}, or auto`);
  }
  return Number(text);
}

function readMetrics(text: string): { host: string; port: number } {
  // An IPv6 address stands in brackets here, or nobody could tell its end from the port.
  const [, host = "127.0.0.1", port = ""] = /^(?:(\[[^[\]]+:[^[\]]+\]|[^:[\]]+):)?(\d+)$/.exec(text) ?? [];
  if (port === "") throw new Error(`--metrics ${quoted(text)}: wanted a port, or host:port, as [::1]:9190`);
  return { host: readHost(host, "metrics"), port: readNumber("metrics", port, portMax) };
}

function readReplicas(text: string): number {
  if (!/^[1-9]$/.test(text) || Number(text) > replicasMax) {
    throw new Error(`--replicas ${quoted(text)}: wanted a number from 1 to ${replicasMax}`);
  }
  return Number(text);
}

/** How safe a message has to lie before it is answered; null: as safe as this Redis keeps it. */
function readGrade(text: string | undefined): Stored | null {
  const grade = grades.find((one) => one === text) ?? null;
  if (text !== undefined && grade === null) {
    throw new Error(`--durability ${quoted(text)}: wanted ${grades.join(", ")}`);
  }
  return grade;
}

/** An address or a name, brackets around an IPv6 one taken off. Whether it is one of this machine listening tells. */
function readHost(text: string, flag = "host"): string {
  const host = text.replace(/^\[(.*)\]$/, "$1");
  // What looks like a number is an address, and not what some system makes of half of one.
  const isName = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(host) && !/^[0-9.]+$/.test(host);
  if (!isName && !isIPv4(host) && !isIPv6(host)) {
    throw new Error(
      `--${flag} ${quoted(text)}: wanted an address of this machine, as 127.0.0.1, ::1 or 0.0.0.0`,
    );
  }
  return host;
}

/** Whether one of two addresses takes the other's ports too. */
function overlap(one: string, other: string): boolean {
  return one === other || [one, other].some((host) => host === "0.0.0.0" || host === "::");
}

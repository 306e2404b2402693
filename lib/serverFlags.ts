/**
 * serverFlags: the command line of server.ts (clause ): every flag with its default, and what is refused before
 * anything is begun.
 */
import { quoted, readFlags, readNumber } from "./flags.ts";
import { sendsPerSecondDefault } from "./limits.ts";
import { optionsOfUrl } from "./redis.ts";

export interface ServerFlags {
  host: string;
  /** 0: a free one. */
  port: number;
  /** URL; null: a private redis-server under `data`. */
  redis: string | null;
  data: string;
  /** Messages a second for one session; 0: no throttling of sends, log-ins and registrations. */
  rate: number;
  /** How the server is called among others; null: after its host. */
  node: string | null;
}

export const serverUsage = `haiyu server

  npm start -- [flags]        or: npx tsx server.ts [flags]

  --host HOST     address to listen on            (127.0.0.1)
  --port PORT     port to listen on               (8889)
  --redis URL     redis://[user:password@]host:port[/db] or unix:///path; or REDIS_URL
                  (without it: a redis-server of its own, kept under --data)
  --data FOLDER   where that one keeps its files  (./data)
  --rate N        messages a second for one session; 0 = no throttling at all  (${sendsPerSecondDefault})
  --node NAME     how it is called in journals and among other servers  (its host)
  --help          this text
`;

const portMax = 65_535;
const rateMax = 1_000_000;

/** Options of the command line. Throws an Error of one line. */
export function parseServerArgs(args: string[], env: NodeJS.ProcessEnv): ServerFlags | "help" {
  const { values } = readFlags(args, {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "8889" },
    redis: { type: "string" },
    data: { type: "string", default: "./data" },
    rate: { type: "string", default: String(sendsPerSecondDefault) },
    node: { type: "string" },
    help: { type: "boolean", default: false },
  });
  if (values.help) return "help";
  const redis = (values.redis ?? env.REDIS_URL) || null;
  if (redis !== null) optionsOfUrl(redis);
  return {
    host: readHost(values.host),
    port: readNumber("port", values.port, portMax),
    redis,
    data: values.data,
    rate: readNumber("rate", values.rate, rateMax),
    node: readNode(values.node),
  };
}

function readNode(text: string | undefined): string | null {
  if (text !== undefined && !/^[A-Za-z0-9._-]{1,32}$/.test(text)) {
    throw new Error(`--node ${quoted(text)}: wanted 1 to 32 letters, digits, dots, - or _`);
  }
  return text ?? null;
}

/** An address or a name, brackets around an IPv6 one taken off. Whether it is one of this machine listening tells. */
function readHost(text: string): string {
  const host = text.replace(/^\[(.*)\]$/, "$1");
  if (!/^[A-Za-z0-9._:%-]+$/.test(host)) {
    throw new Error(
      `--host ${quoted(text)}: wanted an address of this machine, as 127.0.0.1, ::1 or 0.0.0.0`,
    );
  }
  return host;
}

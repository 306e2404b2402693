/**
 * redisUrl: where Redis is, as `--redis` and REDIS_URL say it (clause ): one server, a group watched by Sentinel,
 * or a Cluster. Read by hand: a URL of several hosts is none to WHATWG's parser.
 */
import { readFileSync } from "node:fs";
import { quoted } from "./flags.ts";
import { reasonOf } from "./journal.ts";

export interface Endpoint {
  host: string;
  port: number;
}

export interface Login {
  username?: string;
  password?: string;
}

/** Paths of PEM files, and the name that the other side's certificate has to be good for. */
export interface TlsFiles {
  ca?: string;
  cert?: string;
  key?: string;
  servername?: string;
}

interface Common {
  /** As it may be shown: passwords are left out. */
  shown: string;
  login: Login;
  /** Null: no TLS. */
  tls: TlsFiles | null;
}

export type RedisAddress = Common &
  (
    | { kind: "one"; at: Endpoint | { path: string }; db: number }
    | { kind: "sentinel"; sentinels: Endpoint[]; sentinelLogin: Login; name: string; db: number }
    | { kind: "cluster"; nodes: Endpoint[] }
  );

const wanted =
  "wanted redis://host:port, unix:///path, redis+sentinel://host:port,…/name or redis+cluster://host:port,…";
const pattern =
  /^(unix|rediss?(?:\+sentinel|\+cluster)?):\/\/(?:([^@/?#]*)@)?([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/;
const tlsNames = ["ca", "cert", "key", "servername"] as const;

/** Reads `--redis`. Throws an Error of one line that names what is wrong with it. */
export function parseRedisUrl(url: string): RedisAddress {
  const shown = withoutPasswords(url);
  const wrong = (what: string): Error => new Error(`--redis ${quoted(shown)}: ${what}`);
  const match = pattern.exec(url);
  if (!match) throw wrong(wanted);
  const [, scheme = "", userInfo, hosts = "", path = "", query = ""] = match;
  try {
    const [username, password] = (userInfo ?? "").split(/:(.*)/s).map(decodeURIComponent);
    const login = loginOf(username, password);
    const options = optionsOf(query);
    const isTls = scheme.startsWith("rediss");
    const isSentinel = scheme.endsWith("+sentinel");
    const known = [
      ...(isTls ? tlsNames : []),
      ...(isSentinel ? ["sentinelUser", "sentinelPassword"] : []),
      ...(scheme === "unix" ? ["db"] : []),
    ];
    for (const name of options.keys()) {
      if (!known.includes(name)) throw wrong(`?${name}= is not known for ${scheme}://`);
    }
    const common = { shown, login, tls: isTls ? tlsOf(options, wrong) : null };
    if (scheme === "unix") {
      if (hosts !== "" || path.length < 2) throw wrong("wanted unix:///path/of/socket");
      return {
        ...common,
        kind: "one",
        at: { path: decodeURIComponent(path) },
        db: dbOf(options.get("db"), wrong),
      };
    }
    const parts = path.split("/").slice(1).map(decodeURIComponent);
    if (isSentinel) {
      const [name = "", db, ...more] = parts;
      if (name === "" || more.length > 0)
        throw wrong("wanted the name of the group after the hosts: /name or /name/db");
      const sentinelLogin = loginOf(options.get("sentinelUser"), options.get("sentinelPassword"));
      const sentinels = endpointsOf(hosts, 26_379, wrong);
      return { ...common, kind: "sentinel", sentinels, sentinelLogin, name, db: dbOf(db, wrong) };
    }
    if (scheme.endsWith("+cluster")) {
      if (parts.some((part) => part !== ""))
        throw wrong("a Cluster has no databases: wanted nothing after the hosts");
      return { ...common, kind: "cluster", nodes: endpointsOf(hosts, 6379, wrong) };
    }
    const [at, ...more] = endpointsOf(hosts || "127.0.0.1", 6379, wrong);
    if (!at || more.length > 0) throw wrong("one host only; several: redis+sentinel:// or redis+cluster://");
    if (parts.length > 1) throw wrong("the part after / wants one number");
    return { ...common, kind: "one", at, db: dbOf(parts[0], wrong) };
  } catch (error) {
    throw error instanceof URIError ? wrong("a % that begins no %XX; write %25") : error;
  }
}

/** The address of the redis-server that a server runs by itself. */
export function socketAddress(path: string): RedisAddress {
  return { kind: "one", at: { path }, db: 0, shown: path, login: {}, tls: null };
}

/** What the files hold, as TLS wants it. Throws an Error of one line that names the file. */
export function readTls({ shown, tls }: RedisAddress): Record<string, string | Buffer> | undefined {
  if (!tls) return undefined;
  const read: Record<string, string | Buffer> = {};
  if (tls.servername !== undefined) read.servername = tls.servername;
  for (const name of ["ca", "cert", "key"] as const) {
    const file = tls[name];
    if (file === undefined) continue;
    try {
      read[name] = readFileSync(file);
    } catch (error) {
      throw new Error(
        `--redis ${shown}: ${name}=${file} cannot be read (${reasonOf(error)}); give a file that the server may read`,
        {
          cause: error,
        },
      );
    }
  }
  return read;
}

/** The URL as it may be shown. */
function withoutPasswords(url: string): string {
  // Greedy up to the last @ of the part before the path: a stray @ in a password must not show its end.
  return url
    .replace(/\/\/([^/?#]*)@/, (_, login: string) => `//${login.replace(/:.*$/s, ":***")}@`)
    .replace(/(sentinelPassword=)[^&#]*/g, "$1***");
}

/** By hand: a + in a password is a plus. */
function optionsOf(query: string): Map<string, string> {
  const pairs = query === "" ? [] : query.split("&").map((pair) => pair.split(/=(.*)/s));
  return new Map(pairs.map(([name = "", value = ""]) => [name, decodeURIComponent(value)]));
}

function loginOf(username?: string, password?: string): Login {
  return { ...(username && { username }), ...(password && { password }) };
}

function tlsOf(options: Map<string, string>, wrong: (what: string) => Error): TlsFiles {
  const files = Object.fromEntries(
    tlsNames.flatMap((name) => (options.has(name) ? [[name, options.get(name)]] : [])),
  );
  if ("cert" in files !== "key" in files) throw wrong("cert= and key= go together");
  return files as TlsFiles;
}

function endpointsOf(hosts: string, defaultPort: number, wrong: (what: string) => Error): Endpoint[] {
  return hosts.split(",").map((text) => {
    const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s@]+)(?::(\d{1,5}))?$/.exec(text);
    const port = Number(match?.[2] ?? defaultPort);
    if (!match?.[1] || port < 1 || port > 65_535) throw wrong(`${quoted(text)} is no host:port`);
    return { host: match[1].replace(/^\[|\]$/g, ""), port };
  });
}

function dbOf(text: string | undefined, wrong: (what: string) => Error): number {
  if (!text) return 0;
  if (!/^\d{1,6}$/.test(text)) throw wrong(`database ${quoted(text)}: wanted a number`);
  return Number(text);
}

/**
 * operator: asks the HTTP port of `--metrics`, and reads the Prometheus text strictly, without lib/ and prom-client.
 */
import assert from "node:assert/strict";
import { request } from "node:http";
import type { SpawnedProcess, JournalEvent } from "./server.ts";
import { until } from "./wait.ts";

export interface HttpReply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** One GET (or another method) on 127.0.0.1. */
export function ask(port: number, path: string, method = "GET"): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", path, method, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    asked.on("error", reject);
    asked.end();
  });
}

/** Status and text of /readyz or /healthz; what refuses a connection is "gone". */
export async function state(port: number, path: "/readyz" | "/healthz"): Promise<string> {
  try {
    const { status, text } = await ask(port, path);
    return `${status} ${text.trim()}`;
  } catch {
    return "gone";
  }
}

/** The port of `--metrics 0`, as the journal says it. */
export async function operatorPortOf(server: SpawnedProcess & { events(): JournalEvent[] }): Promise<number> {
  const event = await until("the operator port", () =>
    server.events().find(({ event }) => event === "operator_port"),
  );
  return Number(event.port);
}

export interface Exposed {
  /** Value of a series without labels; throws when there is none. */
  value(name: string): number;
  /** Name of each metric, with its kind. */
  kinds: Map<string, string>;
  /** Every series, labels included as they stand, to its value. */
  series: Map<string, number>;
}

/** Reads /metrics; throws on whatever the text format does not allow. */
export async function scrape(port: number): Promise<Exposed> {
  const { status, headers, text } = await ask(port, "/metrics");
  assert.equal(status, 200);
  assert.match(String(headers["content-type"]), /^text\/plain; version=0\.0\.4; charset=utf-8$/);
  return readExposition(text);
}

/** The text format, version 0.0.4, as far as it is used: HELP and TYPE before a metric's series, each series once. */
export function readExposition(text: string): Exposed {
  assert.ok(text.endsWith("\n"), "the text ends with a newline");
  const kinds = new Map<string, string>();
  const helps = new Set<string>();
  const series = new Map<string, number>();
  let metric = "";
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const [, kindWord, name = "", rest = ""] =
      /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line) ?? [];
    if (kindWord === "HELP") {
      assert.ok(!helps.has(name), `HELP of ${name} once`);
      helps.add(name);
      metric = name;
    } else if (kindWord === "TYPE") {
      assert.equal(metric, name, "TYPE follows HELP");
      assert.match(rest, /^(counter|gauge|histogram|summary)$/, name);
      kinds.set(name, rest);
    } else {
      const labels = '(?:\\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*",?)*\\})?';
      const [, whole = "", own = "", value = ""] =
        new RegExp(`^(([a-zA-Z_:][a-zA-Z0-9_:]*)${labels}) (\\S+)$`).exec(line) ?? [];
      assert.ok(own, `a series: ${line}`);
      const base = kinds.get(metric) === "histogram" ? own.replace(/_(?:bucket|sum|count)$/, "") : own;
      assert.equal(base, metric, `${line} belongs to the metric above it`);
      assert.ok(!series.has(whole), `${whole} once`);
      const number = value === "+Inf" ? Infinity : Number(value);
      assert.ok(!Number.isNaN(number), line);
      series.set(whole, number);
    }
  }
  for (const [name, kind] of kinds) if (kind === "histogram") assertHistogram(name, series);
  return {
    kinds,
    series,
    value(name) {
      const value = series.get(name);
      assert.notEqual(value, undefined, `${name} is told`);
      return value as number;
    },
  };
}

/** Buckets grow with their bound, and the last holds as many as `_count` says. */
function assertHistogram(name: string, series: Map<string, number>): void {
  const counts = new Map<string, number[]>();
  for (const [key, value] of series) {
    if (!key.startsWith(`${name}_bucket{`)) continue;
    const labels = key
      .slice(name.length + "_bucket".length)
      .replace(/le="[^"]*",?/, "")
      .replace(",}", "}");
    counts.set(labels, [...(counts.get(labels) ?? []), value]);
  }
  for (const [labels, buckets] of counts) {
    assert.deepEqual(
      buckets,
      [...buckets].sort((one, other) => one - other),
      `${name}${labels} is cumulative`,
    );
    assert.equal(buckets.at(-1), series.get(`${name}_count${labels === "{}" ? "" : labels}`), name);
  }
}

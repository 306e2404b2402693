/**
 * operationsTables: OPERATIONS.md and the code say the same: every metric, every event of the journal, every alarm and
 * what its expression is made of (clauses, [R-9]); the examples in fixtures/ use flags that there are.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { counterMetrics, gaugeMetrics, timingMetrics } from "../lib/metrics.ts";
import { replacedMetric } from "../lib/workers.ts";
import { parseServerArgs } from "../lib/serverFlags.ts";
import { type Source, sourcesIn, textOf } from "./helpers/sources.ts";

const operations = textOf("OPERATIONS.md");

/** Rows of the table whose first header cell is so, without the header. */
function rowsOf(header: string): string[][] {
  const start = operations.search(new RegExp(`^\\| ${header} +\\|`, "m"));
  assert.notEqual(start, -1, `a table of ${header}`);
  const table = (operations.slice(start).split("\n\n")[0] ?? "").trim();
  return table
    .split("\n")
    .slice(2)
    .map((row) => row.split("|").slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim().replaceAll("`", "")));
}

const known = new Map<string, string>([
  ...Object.values(counterMetrics).map(([name]) => [name, "counter"] as const),
  ...Object.values(gaugeMetrics).map(([name]) => [name, "gauge"] as const),
  ...Object.values(timingMetrics).map(([name]) => [name, "histogram"] as const),
  [replacedMetric.name, "counter"],
]);

test("[R-5] every metric is named in OPERATIONS.md, with its kind, and no other", () => {
  const told = rowsOf("metric").map(([name = "", kind = ""]) => [name, kind] as const);
  assert.deepEqual(new Map(told), known);
  assert.equal(told.length, known.size, "each once");
  for (const [name, kind] of known) assert.equal(name.endsWith("_total"), kind === "counter", name);
  for (const [, , what = ""] of rowsOf("metric")) assert.ok(what.length > 5, what);
});

/** Names of the events that a file writes; throws where one is no plain word. */
function eventsOf({ path, code }: Source): string[] {
  const calls = [...code.matchAll(/\bjournal\)?\.write\(\s*([^,)\s]+)/gi)];
  return calls.map(([, name = ""]) => {
    assert.match(name, /^"[a-z]+(?:_[a-z]+)*"$/, `${path}: an event is a fixed word`);
    return name.slice(1, -1);
  });
}

test("[house] every event of the journal is told in OPERATIONS.md, and no other", () => {
  const sources = [...sourcesIn("lib", ".ts"), ...sourcesIn("", ".ts")];
  // The one line that the journal writes of itself.
  const own = [...textOf("lib/journal.ts").matchAll(/\bline\("([a-z_]+)"/g)].map(([, name = ""]) => name);
  const written = new Set([...sources.flatMap(eventsOf), ...own]);
  assert.ok(written.size > 30, "they are found");
  const told = rowsOf("event").map(([name = ""]) => name);
  assert.deepEqual([...told], [...written].sort());
});

test("[house] what an event's fields are called in OPERATIONS.md is in the code, and nothing of it is content or secret", () => {
  const sources = [...sourcesIn("lib", ".ts"), ...sourcesIn("", ".ts")];
  const text = sources.map(({ code }) => code).join("\n");
  for (const [name = "", what = ""] of operations
    .split("\n")
    .flatMap((line) => [/^\| `([a-z_]+)` +\| (.*)\|$/.exec(line)?.slice(1) ?? []])) {
    if (!rowsOf("event").some(([event]) => event === name)) continue;
    const fields = [...what.matchAll(/`([a-zA-Z]+)`/g)].map(([, field = ""]) => field);
    const calls = [...text.matchAll(new RegExp(`"${name}",\\s*([^;]*);`, "g"))].map(([, rest = ""]) => rest);
    for (const field of fields) {
      assert.ok(
        calls.some((call) => call.includes(field)),
        `${name} has a field ${field}`,
      );
    }
    const secret = calls.filter((call) => /\b(?:userPwd|password|token|content)\b(?!")/.test(call));
    assert.deepEqual(secret, [], `${name} tells no secret`);
  }
});

test("[R-5] every alarm is told in OPERATIONS.md, and is made of metrics that there are", () => {
  const rules = textOf("fixtures/alarms.yml");
  const alarms = [...rules.matchAll(/- alert: (\w+)\n\s+expr: (.+)/g)];
  assert.deepEqual(
    rowsOf("alarm").map(([name]) => name),
    alarms.map(([, name]) => name),
  );
  for (const [, name = "", expression = ""] of alarms) {
    for (const [used] of expression.matchAll(/\bhaiyu_[a-z_]+\b/g)) {
      const histogram = used.replace(/_(?:bucket|sum|count)$/, "");
      assert.ok(known.has(used) || known.get(histogram) === "histogram", `${name} asks for ${used}`);
    }
  }
});

test("[X-1] the commands in OPERATIONS.md and fixtures/ are commands that there are", () => {
  const texts = [operations, textOf("fixtures/haproxy.cfg"), textOf("fixtures/haiyu.service")];
  const lines = texts.flatMap((text) => [
    ...text.matchAll(/(?:npm start --|(?:\.\/)?server\.ts) ([^\n`|]*)/g),
  ]);
  const commands = lines
    .map(([, args = ""]) => args.replace(" …", "").trim())
    .filter((args) => args.startsWith("-"));
  assert.ok(commands.length > 4, "they are found");
  for (const command of commands) {
    const args = command.split(" ");
    if (args.at(-1) === "--redis") args.pop();
    assert.doesNotThrow(() => parseServerArgs(args, {}), command);
  }
});

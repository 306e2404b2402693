/**
 * tidy: the house law, held by reading the project's own files. Every clause has its spec, a file imports only from
 * its own layer and lower ones, what Redis and the network are called is known in few places.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { builtinModules } from "node:module";
import { test } from "node:test";
import { type Source, sourcesIn, textOf } from "./helpers/sources.ts";

/** Lowest first; a file imports only from its own layer and lower ones, but `client` only from words and wire. */
const layers: Record<string, string[]> = {
  words: [
    "limits",
    "codes",
    "clock",
    "wakeTime",
    "repeat",
    "turns",
    "journal",
    "lang",
    "screenTexts",
    "alive",
    "nodeName",
    "pidLock",
    "flags",
    "folder",
    "exitCodes",
    "meter",
    "outlet",
    "stopSignals",
  ],
  wire: ["frame", "fields", "messageId", "conv", "message"],
  store: [
    ...[
      "redisUrl",
      "redisAdvice",
      "redisClient",
      "nodeLines",
      "durability",
      "provenWrites",
      "bellLines",
      "sentinelWatch",
    ],
    ...[
      "keys",
      "epochCounts",
      "redis",
      "aofTail",
      "redisServer",
      "doorbell",
      "userDao",
      "smsDao",
      "cursorDao",
      "tokenDao",
    ],
    ...["loginDao", "throttleDao", "presenceDao", "nodesDao", "receiptDao"],
  ],
  people: [
    ...[
      "password",
      "rate",
      "session",
      "sessionsByUser",
      "delivered",
      "appender",
      "userMgr",
      "userProcess",
      "smsProcess",
      "deviceKind",
      "lastSeen",
      "receipts",
      "whyProcess",
      "processor",
    ],
  ],
  edge: [
    "proxyHeader",
    "proxied",
    "scratch",
    "batch",
    "fanout",
    "sharedReads",
    "replay",
    "standing",
    "privateSweep",
    "follow",
    "unsettled",
    "legacy",
    "onlineList",
    "lease",
    "presence",
    "arrival",
    "socketTable",
    "acknowledged",
    "deadlines",
    "connection",
    "listener",
    "serverFlags",
  ],
  operator: [
    "metrics",
    "figures",
    "operatorPort",
    "worker",
    "workers",
    "top",
    "doctor",
    "doctorTexts",
    "mend",
  ],
  client: [
    ...[
      "chatClient",
      "clientLink",
      "dialPlan",
      "linkWatch",
      "acknowledging",
      "sendQueue",
      "seenMessages",
      "pageRequests",
      "registration",
      "outbox",
    ],
    ...["stateFiles", "tokenStore", "deviceName", "deliveredMarks", "clientFlags", "accounts"],
    "serverAddress",
    ...[
      "displayText",
      "ask",
      "pipe",
      "ttyEcho",
      "plainOutput",
      "plainTerminal",
      "plainLines",
      "presenceFold",
    ],
    ...["ownWords", "pasteQuestion", "readBack", "plainChat", "menus"],
    ...["scriptTexts", "scriptFlags", "scriptErrors", "scriptLogin", "passwordFile", "within", "inputLines"],
    ...["lineWriter", "messageLine", "sendScript", "tail", "tailCursor", "tailScript", "historyScript"],
    ...["usersScript", "registerScript", "scripts", "askPerson", "settings", "readMarks", "palette"],
    ...[
      "screenBuffer",
      "wrap",
      "keyEvents",
      "inputEditor",
      "inputLayout",
      "inputLine",
      "completion",
      "commands",
    ],
    ...[
      "room",
      "rooms",
      "roomFetch",
      "roomRows",
      "noteLines",
      "viewport",
      "historyWalk",
      "chatPages",
      "fateReport",
    ],
    ...["frames", "linkStatus", "arrivals", "statusBar", "screenView", "screenTerminal", "screenDialog"],
    ...["chat", "chatStatus", "chatCommands", "pageOver", "pasteLines", "screenChat", "screenClient"],
  ],
};
const layerNames = Object.keys(layers);
const layerOf = new Map(
  Object.entries(layers).flatMap(([layer, names]) => names.map((name) => [name, layer])),
);

/** Packages and modules that are known in few places only: in which layers or files. */
const confined: Record<string, string[]> = {
  ioredis: ["store"],
  "node:net": ["edge", "client", "redisServer", "doctor"],
  "node:tls": [],
  "node:http": ["operatorPort"],
  "node:cluster": ["worker", "workers"],
  "prom-client": ["metrics"],
  "node:child_process": ["redisServer", "ttyEcho"],
  "@node-rs/argon2": ["password"],
  "get-east-asian-width": ["displayText"],
};
const dependencies = ["@node-rs/argon2", "get-east-asian-width", "ioredis", "prom-client", "tsx"];
const devDependencies = [
  ...["@lydell/node-pty", "@types/d3-scale", "@types/node", "@xterm/headless", "d3-scale"],
  ...["fast-check", "prettier", "typescript"],
];

const lib = sourcesIn("lib", ".ts");
const lua = sourcesIn("lib", ".lua");
const scripts = sourcesIn("", ".ts");
const specs = sourcesIn("spec", ".spec.ts");
const helpers = sourcesIn("spec/helpers", ".ts");
const prove = sourcesIn("spec/prove", ".ts");
const bench = sourcesIn("spec/bench", ".ts");
const all = [...lib, ...scripts, ...specs, ...helpers, ...prove, ...bench];

/** What a file imports, types too, by the name it says. */
function importsOf({ code }: Source): string[] {
  const statements = [...code.matchAll(/^(?:import|export)\s(?:[^;"]*?\sfrom\s)?"([^"]+)"/gm)];
  const calls = [...code.matchAll(/\bimport\("([^"]+)"\)/g)];
  return [...statements, ...calls].map(([, name = ""]) => name);
}

/** Names of the lib files that a file imports. */
function libImportsOf(source: Source): string[] {
  const isLib = source.path.startsWith("lib/");
  const pattern = isLib ? /^\.\/([^/]+)\.ts$/ : /(?:^|\/)lib\/([^/]+)\.ts$/;
  return importsOf(source).flatMap((name) => pattern.exec(name)?.[1] ?? []);
}

/** Each line of the sources' code where the pattern is, as "path:line: text". */
function findings(sources: Source[], pattern: RegExp, of: "code" | "text" = "code"): string[] {
  return sources.flatMap((source) =>
    source[of]
      .split("\n")
      .flatMap((line, index) => (pattern.test(line) ? [`${source.path}:${index + 1}: ${line.trim()}`] : [])),
  );
}

const protocol = textOf("spec/PROTOCOL.md");
const clauses = new Set([...protocol.matchAll(/^- \*\*\[([A-Z]-\d+)\]\*\*/gm)].map(([, id = ""]) => id));
const clauseIds = (text: string): string[] => [...text.matchAll(/\[([A-Z]-\d+)\]/g)].map(([, id = ""]) => id);

/** Titles of the tests of a spec, as they stand in its source; `${…}` is part of the title. */
function titlesOf({ code }: Source): string[] {
  return [...code.matchAll(/^\s*test\(\s*(["'`])([\s\S]*?)\1,/gm)].map(([, , title = ""]) => title);
}

test("[house] every clause of PROTOCOL.md is named by a test", () => {
  assert.ok(clauses.size > 70, "the clauses are found");
  // A title made of a table names its clauses in the table: a string of clause ids alone.
  const tables = (code: string): string[] =>
    [...code.matchAll(/["'`]((?:\[[A-Z]-\d+\] ?)+)["'`]/g)].map(([, ids = ""]) => ids);
  const named = new Set(
    specs.flatMap((spec) => [...titlesOf(spec), ...tables(spec.code)].flatMap(clauseIds)),
  );
  const missing = [...clauses].filter((id) => !named.has(id));
  assert.deepEqual(missing, [], "clauses that no test names");
});

test("[house] every clause that a file names is one of PROTOCOL.md", () => {
  const unknown = [...all, ...lua].flatMap(({ path, text }) =>
    clauseIds(text)
      .filter((id) => !clauses.has(id))
      .map((id) => `${path}: [${id}]`),
  );
  assert.deepEqual(unknown, []);
  const inside = clauseIds(protocol).filter((id) => !clauses.has(id));
  assert.deepEqual(inside, [], "PROTOCOL.md points to its own clauses only");
});

test("[house] the name of every test begins with what it proves", () => {
  for (const spec of specs) {
    const titles = titlesOf(spec);
    assert.ok(titles.length > 0, `${spec.path} has tests`);
    for (const title of titles) assert.match(title, /^(\[[A-Za-z$]|\$\{)/, spec.path);
  }
});

test("[house] every file of lib/ is in the table of layers, once", () => {
  const names = Object.values(layers).flat();
  assert.equal(new Set(names).size, names.length, "no name twice");
  assert.deepEqual(
    lib.filter(({ name }) => !layerOf.has(name)).map(({ path }) => path),
    [],
    "files that are in no layer",
  );
});

test("[house] a file imports only from its own layer and lower ones, types too", () => {
  const wrong = lib.flatMap((source) => {
    const layer = layerOf.get(source.name) ?? "";
    const allowed =
      layer === "client" ? ["client", "words", "wire"] : layerNames.slice(0, layerNames.indexOf(layer) + 1);
    return libImportsOf(source)
      .filter((name) => !allowed.includes(layerOf.get(name) ?? "no layer"))
      .map((name) => `${source.path} (${layer}) imports ${name} (${layerOf.get(name) ?? "no layer"})`);
  });
  assert.deepEqual(wrong, []);
  const client = scripts.find(({ name }) => name === "client");
  const foreign = client ? libImportsOf(client) : [];
  const strays = foreign.filter((name) => !["client", "words", "wire"].includes(layerOf.get(name) ?? ""));
  assert.deepEqual(strays, [], "client.ts is made of client, wire and words");
});

test("[house] lib/ imports no script and no spec, and packages and the network only where they belong", () => {
  const wrong = lib.flatMap((source) =>
    importsOf(source)
      .filter((name) => {
        if (name.startsWith("./")) return !/^\.\/[A-Za-z]+\.ts$/.test(name);
        const places = confined[name];
        if (places) return !places.includes(source.name) && !places.includes(layerOf.get(source.name) ?? "");
        return !name.startsWith("node:");
      })
      .map((name) => `${source.path} imports ${name}`),
  );
  assert.deepEqual(wrong, []);
});

test("[house] imports spell node: and .ts, and only packages of package.json", () => {
  const packages = [...dependencies, "fast-check", "d3-scale", "@lydell/node-pty", "@xterm/headless"];
  const wrong = all.flatMap((source) =>
    importsOf(source)
      .filter((name) => {
        if (name.startsWith(".")) return !name.endsWith(".ts");
        if (name.startsWith("node:")) return !builtinModules.includes(name.slice(5)) && name !== "node:test";
        return !packages.includes(name);
      })
      .map((name) => `${source.path} imports ${name}`),
  );
  assert.deepEqual(wrong, []);
});

test("[house] the fault run judges the product, and so shares nothing with it", () => {
  assert.ok(prove.length > 5, "the files are found");
  const shared = prove.flatMap((source) =>
    libImportsOf(source).map((name) => `${source.path} imports ${name}`),
  );
  assert.deepEqual(shared, []);
});

test("[house] package.json has the agreed packages and no other", () => {
  const house = JSON.parse(textOf("package.json")) as Record<string, Record<string, string>>;
  assert.deepEqual(Object.keys(house.dependencies ?? {}).sort(), dependencies);
  assert.deepEqual(Object.keys(house.devDependencies ?? {}).sort(), devDependencies);
  for (const kind of ["peerDependencies", "optionalDependencies", "bundleDependencies"]) {
    assert.equal(house[kind], undefined, kind);
  }
});

test("[house] names of Redis keys are spelled in keys.ts only", () => {
  const others = [...lib.filter(({ name }) => name !== "keys"), ...lua, ...scripts];
  assert.deepEqual(findings(others, /[{](?:c|u|ip):|[{]online[}]/), []);
});

test("[house] files of lib/ are short: 300 lines to be hoped for, 500 at most", (t) => {
  for (const { path, text } of lib) {
    const lines = text.split("\n").length - 1;
    if (lines > 300) t.diagnostic(`${path} has ${lines} lines`);
    assert.ok(lines <= 500, `${path} has ${lines} lines`);
  }
});

test("[house] named exports only, no enum, no any, no index.ts, no utils.ts, lib/ is flat", () => {
  assert.deepEqual(findings(all, /^\s*export default\b/), []);
  assert.deepEqual(findings(all, /^\s*(?:export )?(?:declare )?(?:const )?enum\b/), []);
  assert.deepEqual(findings(all, /[:<|]\s*any\b|,\s*any>|\bas any\b|\bany\[\]/), []);
  assert.deepEqual(findings(all, /@ts-(?:ignore|nocheck|expect-error)/, "text"), []);
  assert.deepEqual(
    all.filter(({ name }) => ["index", "utils", "util", "helpers", "misc"].includes(name)),
    [],
  );
  const files = readdirSync(new URL("../lib/", import.meta.url));
  assert.deepEqual(
    files.filter((file) => !/^[a-z][A-Za-z]*\.(?:ts|lua)$/.test(file)),
    [],
  );
});

test("[house] every file says what it is about, every exported function and class too", () => {
  for (const { path, text } of [...lib, ...specs, ...helpers, ...prove, ...bench])
    assert.match(text, /^\/\*\*\n/, path);
  const bare = lib.flatMap(({ path, text }) => {
    const lines = text.split("\n");
    return lines.flatMap((line, index) => {
      const isExported = /^export (?:async )?(?:abstract )?(?:function\*?|class) /.test(line);
      // An overload's docblock is above its first line.
      const above = lines[index - 1] ?? "";
      return isExported && !above.endsWith("*/") ? [`${path}:${index + 1}: ${line}`] : [];
    });
  });
  assert.deepEqual(bare, []);
});

test("[house] what a file of lib/ exports is used: outside of it, or else in it", () => {
  const product = [...lib, ...scripts];
  const unused = lib.flatMap(({ path, code }) =>
    [...code.matchAll(/^export (?:async )?(?:abstract )?(?:const|function\*?|class|interface|type) (\w+)/gm)]
      .map(([, name = ""]) => name)
      .filter((name) => {
        const word = new RegExp(`\\b${name}\\b`, "g");
        const others = product.some((other) => other.path !== path && word.test(other.code));
        return !others && [...code.matchAll(word)].length === 1;
      })
      .map((name) => `${path}: ${name}`),
  );
  assert.deepEqual(unused, []);
});

test("[house] specs neither sleep nor skip", () => {
  assert.deepEqual(findings(specs, /setTimeout\(.*[,(]\s*(?:[1-9]\d{2,}|[1-9][\d_]*_\d{3})\b/), []);
  assert.deepEqual(findings([...specs, ...helpers], /node:timers\/promises/), []);
  assert.deepEqual(
    findings(specs, /\b(?:test|it|describe|t)[.](?:skip|only|todo)\b|[{,]\s*(?:skip|only|todo):/),
    [],
  );
});

test("[house] every assert.ok of a spec says what was wanted", () => {
  // Without a message a failing assert.ok looks for its own source, and under tsx may look for it for ever.
  const silent = [...specs, ...helpers].flatMap(({ path, code }) =>
    [...code.matchAll(/(?<![.\w])(?:assert|assert[.]ok)[(]/g)].flatMap(({ 0: call, index }) =>
      hasSecondArgument(code, index + call.length)
        ? []
        : [`${path}:${code.slice(0, index).split("\n").length}`],
    ),
  );
  assert.deepEqual(silent, []);
});

/** Whether the call whose arguments begin at `start` has more than one; strings and templates are stepped over. */
function hasSecondArgument(code: string, start: number): boolean {
  let depth = 0;
  for (let index = start; index < code.length; index++) {
    const char = code[index] ?? "";
    if ("\"'`".includes(char)) {
      for (index++; code[index] !== char; index++) if (code[index] === "\\") index++;
    } else if ("([{".includes(char)) depth++;
    else if (")]}".includes(char)) {
      if (depth-- === 0) return false;
    } else if (char === "," && depth === 0) return /^,\s*[^\s)]/.test(code.slice(index));
  }
  return false;
}

test("[house] what package.json starts is there", () => {
  for (const path of ["server.ts", "client.ts", "setup.sh"]) {
    assert.ok(existsSync(new URL(`../${path}`, import.meta.url)), path);
  }
});

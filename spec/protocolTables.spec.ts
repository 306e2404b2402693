/**
 * protocolTables: PROTOCOL.md and lib/ say the same: the codes and their texts, the messages and their fields, and
 * every bound that the page gives as a number.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { codeTexts, codes, legacyInternalErrorText } from "../lib/codes.ts";
import type { Shape } from "../lib/fields.ts";
import * as limits from "../lib/limits.ts";
import { clientShapes, serverShapes } from "../lib/message.ts";
import { textOf } from "./helpers/sources.ts";

const protocol = textOf("spec/PROTOCOL.md");

/** The text of one clause, in one line. */
function clause(id: string): string {
  const start = protocol.indexOf(`- **[${id}]**`);
  assert.notEqual(start, -1, id);
  return (protocol.slice(start).split(/\n(?!  )/)[0] ?? "").replaceAll(/\s+/g, " ");
}

/** Cells of the table whose header line begins so. */
function table(header: string): string[][] {
  const [, ...rows] = (protocol.slice(protocol.indexOf(`\n| ${header} `)).split("\n\n")[0] ?? "")
    .trim()
    .split("\n")
    .slice(1);
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const second = 1000;
const kib = 1024;
const day = 24 * 3600 * second;

/** Each number that a clause gives, in order, and what lib/limits.ts says of it. */
const bounds: [string, RegExp, number[]][] = [
  ["F-1", /^.*? is (\d+) bytes, unsigned, big-endian/, [limits.frameHeaderBytes]],
  [
    "F-2",
    /from 1 to ([\d,]+) before log-in and to ([\d,]+) after/,
    [limits.framePreLoginMaxBytes, limits.frameMaxBytes],
  ],
  ["F-4", /nested deeper than (\d+)\./, [limits.jsonDepthMax]],
  [
    "F-7",
    /within (\d+) s of connecting, the log-in within (\d+) s, any started frame within (\d+) s/,
    [limits.firstFrameDeadlineMs, limits.loginDeadlineMs, limits.startedFrameDeadlineMs].map(
      (ms) => ms / second,
    ),
  ],
  ["F-8", /longer than ([\d,]+) bytes/, [limits.frameMaxBytes]],
  [
    "M-2",
    /userId: integer, 1 to 2\^(53)-1\. userName: 1 to (\d+) code points.*userPwd: 1 to (\d+) bytes\. device: .*\{1,(\d+)\}`\. content: 1 to ([\d,]+) UTF-16 units.*mid: 1 to (\d+) of/,
    [
      Math.log2(limits.userIdMax + 1),
      limits.userNameMaxCodePoints,
      limits.passwordMaxBytes,
      limits.deviceMaxChars,
      limits.contentMaxUnits,
      limits.midMaxChars,
    ],
  ],
  ["A-5", /from the (\d+)th failure on/, [limits.loginFailuresFree]],
  ["L-3", /exactly up to ([\d,]+), beyond/, [limits.replayMaxMessages]],
  ["L-4", /for (\d+) days/, [limits.tokenLifeMs / day]],
  [
    "L-5",
    /at most (\d+) devices; the (\d+)th drops/,
    [limits.devicesPerUserMax, limits.devicesPerUserMax + 1],
  ],
  ["P-2", /\((\d+) ms or more\)/, [limits.presenceWindowMs]],
  ["P-5", /\(1 to (\d+), default (\d+)\)/, [limits.usersPageMaxUsers, limits.usersPageDefaultUsers]],
  ["P-6", /Above ([\d,]+) online/, [limits.presenceFanoutMaxUsers]],
  ["S-4", /within (\d+) h/, [(limits.midDaysKept - 1) * 24]],
  ["S-6", /over ([\d,]+) units/, [limits.contentMaxUnits]],
  ["S-7", /within (\d+) s,/, [limits.answerDeadlineMs / second]],
  [
    "S-9",
    /default (\d+), bursts of (\d+)/,
    [limits.sendsPerSecondDefault, limits.sendsPerSecondDefault * limits.sendBurstSeconds],
  ],
  ["D-3", /At most the ([\d,]+) newest/, [limits.replayMaxMessages]],
  ["D-6", /After (\d+) s without/, [limits.undrainedWriteDeadlineMs / second]],
  [
    "H-1",
    /\(1 to (\d+), default (\d+)\)/,
    [limits.historyPageMaxMessages, limits.historyPageDefaultMessages],
  ],
  ["K-2", /after (\d+) s of silence/, [limits.pingSilenceMaxMs / second]],
  [
    "K-5",
    /from which (\d+) s long nothing was heard.*answered nothing for (\d+) s/,
    [limits.unheardBeforeLookMs / second, limits.undrainedWriteDeadlineMs / second],
  ],
  ["G-2", /longer than ([\d,]+) bytes/, [limits.legacyFrameMaxBytes]],
  ["G-3", /at most (\d+) a second/, [limits.legacyNoticesPerSecond]],
  [
    "G-4",
    /at most (\d+) KiB, then at least (\d+) ms/,
    [limits.legacyBurstMaxBytes / kib, limits.legacyBurstPauseMs],
  ],
  [
    "G-9",
    /arrived at its TCP and (\d+) s went by.*written at least (\d+) s before.*beyond ([\d,]+) too/,
    [limits.legacySettleMs / second, limits.legacyFinSettleMs / second, limits.replayMaxMessages],
  ],
];

for (const [id, pattern, wanted] of bounds) {
  test(`[${id}] the numbers of the clause are those of limits.ts`, () => {
    const found = pattern.exec(clause(id));
    assert.ok(found, `${id} says ${pattern}: ${clause(id)}`);
    assert.deepEqual(
      found.slice(1).map((number) => Number(number.replaceAll(",", ""))),
      wanted,
    );
  });
}

test("[L-6] the limits told are exact bounds of limits.ts, by their names there", () => {
  const all = limits as unknown as Record<string, unknown>;
  const told = Object.entries(limits.toldLimits);
  assert.ok(told.length > 0, "some are told");
  for (const [name, value] of told) assert.equal(value, all[name], name);
  // What a clause bounds and a client can run into, it is told.
  for (const name of [
    "frameMaxBytes",
    "contentMaxUnits",
    "userNameMaxCodePoints",
    "midMaxChars",
    "deviceMaxChars",
  ]) {
    assert.ok(name in limits.toldLimits, name);
  }
});

test("[E-1] the table of codes is that of codes.ts", () => {
  const listed = table("code").map(([code, meaning]) => [Number(code), meaning]);
  const meanings: Record<keyof typeof codes, RegExp> = {
    ok: /^ok$/,
    malformed: /^malformed$/,
    notLoggedIn: /^not logged in$/,
    wrongPassword: /^wrong password$/,
    notFound: /^no such user or conversation$/,
    replaced: /^replaced by a newer session/,
    tooLong: /^too long$/,
    slowDown: /^slow down, again after retryMs$/,
    userUnknown: /^user unknown \(log-in\)$/,
    tryAgain: /^not known to be done, try again/,
    taken: /^id taken \(registration\)/,
    unknown: /^unknown \(registration\)$/,
  };
  assert.deepEqual(
    listed.map(([code]) => code),
    Object.values(codes),
  );
  for (const [index, name] of Object.keys(codes).entries()) {
    assert.match(String(listed[index]?.[1]), meanings[name as keyof typeof codes], name);
  }
  assert.deepEqual(Object.keys(codeTexts).map(Number), Object.values(codes), "each has its text");
});

test("[E-2] the texts of the first generation are its own, letter for letter", () => {
  const found = /of 403 (\S+), 500 (\S+), 505 (\S+) \(legacy log-in: (\S+)\) and 506 (\S+) are/.exec(
    clause("E-2"),
  );
  assert.deepEqual(found?.slice(1), [
    codeTexts[403],
    codeTexts[500],
    codeTexts[505],
    legacyInternalErrorText,
    codeTexts[506],
  ]);
});

interface Row {
  types: string[];
  directions: string[];
  cell: string;
  /** Names of the fields, outermost only, and whether each may be absent. */
  fields: Map<string, boolean>;
}

/** The outermost names in a cell's code spans: `{a, b: {c}, d?}` is a, b and d?. */
function fieldsOf(cell: string): Map<string, boolean> {
  const fields = new Map<string, boolean>();
  for (const [, span = ""] of cell.matchAll(/`([^`]*)`/g)) {
    let flat = span.replace(/^\{(.*)\}$/, "$1");
    for (let before = ""; before !== flat;) {
      before = flat;
      flat = flat.replace(/:\s*(?:\{[^{}[\]]*\}|\[[^[\]]*\]|"[^"]*"|\d+)/g, "");
    }
    for (const part of flat.split(/,| or /)) {
      const [, name, optional] = /^\s*([A-Za-z]+)(\?)?\s*$/.exec(part) ?? [];
      if (name) fields.set(name, (fields.get(name) ?? true) && optional === "?");
      else assert.equal(part.trim(), "", `a field in ${cell}`);
    }
  }
  return fields;
}

const rows: Row[] = table("type").map(([types = "", directions = "", cell = ""]) => ({
  types: types.split(", "),
  directions: directions.split(", "),
  cell,
  fields: fieldsOf(cell),
}));

/** The rows of one direction, by type. */
function rowsOf(direction: "c→s" | "s→c"): Map<string, Row> {
  return new Map(
    rows.flatMap((row): [string, Row][] =>
      row.types.flatMap((type, index): [string, Row][] => {
        // PingMes, PongMes and c→s, s→c in one row: each type has its own direction.
        const own = row.types.length > 1 ? [row.directions[index]] : row.directions;
        return own.includes(direction) ? [[type, row]] : [];
      }),
    ),
  );
}

/** Whether the reader takes an absent field. */
function mayBeAbsent(shape: Shape, name: string): boolean {
  try {
    shape[name]?.(undefined, name);
    return true;
  } catch {
    return false;
  }
}

for (const [direction, shapes] of [
  ["c→s", clientShapes],
  ["s→c", serverShapes],
] as ["c→s" | "s→c", Record<string, Shape>][]) {
  test(`[M-1] [M-3] the messages ${direction} are those of the table, with its fields and no other`, () => {
    const listed = rowsOf(direction);
    // What a client may say of its status is accepted and passed over: the row of the other direction says so.
    const passedOver = direction === "c→s" ? ["NotifyUserStatusMes"] : [];
    for (const type of passedOver) {
      assert.match(rowsOf("s→c").get(type)?.cell ?? "", /c→s: accepted and passed over/, type);
    }
    assert.deepEqual(Object.keys(shapes).sort(), [...listed.keys(), ...passedOver].sort());
    for (const [type, { fields, cell }] of listed) {
      const shape = shapes[type] ?? {};
      assert.deepEqual(Object.keys(shape).sort(), [...fields.keys()].sort(), type);
      // Where a type has two looks, what one of them needs the other may leave out.
      if (/legacy:|modern:/.test(cell)) continue;
      for (const [name, optional] of fields)
        assert.equal(mayBeAbsent(shape, name), optional, `${type}.${name}`);
    }
  });
}

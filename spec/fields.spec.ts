/**
 * fields: the bounds of every field a client may send, from both sides, on lib/message.ts alone. Values are JSON text,
 * so that 1e400, -0 and 2^53 arrive as a stranger would spell them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type ClientType, clientShapes } from "../lib/message.ts";
import { anyText } from "./helpers/arbitraries.ts";
import { readAs } from "./helpers/payloads.ts";

const json = (value: unknown): string => JSON.stringify(value);
const quoted = (...texts: string[]): string[] => texts.map(json);

/** Samples of one kind of field, as JSON texts: read as they are, refused with 400, refused with 413. */
interface Kind {
  good: string[];
  bad: string[];
  long?: string[];
}

const notText = ["null", "true", "1", "[]", '["x"]', "{}"];
const notNumber = ["null", "true", "false", '""', '"1"', "[]", "[1]", "{}", '{"valueOf":1}'];
const notInteger = ["1.5", "0.1", "-1", "1e-3", "9007199254740992", "-9007199254740993", "1e400", "-1e400"];
const badIds = [
  ...[
    "",
    "1",
    "-",
    "1-",
    "-1",
    "1-1-1",
    "01-1",
    "1-01",
    "+1-1",
    "1--1",
    " 1-1",
    "1-1 ",
    "1-1\n",
    "1.0-1",
    "a-b",
  ],
  ...["9007199254740992-1", "1-9007199254740992", "99999999999999999999-1", "1e3-1", "0x1-1", "١-١"],
];

const userId: Kind = {
  good: ["1", "2", "1e3", "1.0", "9007199254740991"],
  bad: [...notNumber, ...notInteger, "0", "-0"],
};
const count: Kind = { good: ["0", "1", "9007199254740991"], bad: [...notNumber, ...notInteger] };
const upTo = (max: number): Kind => ({
  good: ["1", String(max)],
  bad: [...notNumber, ...notInteger, "0", "-0", String(max + 1)],
});
const id: Kind = {
  good: quoted("0-0", "1-0", "0-1", "1790000000-12", "9007199254740991-9007199254740991"),
  bad: [...notText, ...quoted(...badIds)],
};
// Any text passes here: what is no conversation is 404, not a wrong shape ([M-6]).
const conv: Kind = { good: quoted("all", "u:1", "", "x".repeat(65), "u:0"), bad: notText };
const userName: Kind = {
  good: quoted("a", "李雷", " ", "a b", "x".repeat(32), "😀".repeat(32), "é", "e\u0301", "\u00a0", "\u200d"),
  bad: [
    ...notText,
    ...quoted("", "\u0000", "a\nb", "\t", "\u001b[2J", "\u007f", "\u0080", "\u009b", "\u009f"),
    ...quoted(..."\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"),
    ...quoted("李\u202e雷", "x".repeat(31) + "\u0007"),
  ],
  long: quoted("x".repeat(33), "😀".repeat(33), "x".repeat(1000), "é".repeat(33)),
};
const longSecrets = quoted(
  "x".repeat(257),
  "é".repeat(129),
  "中".repeat(86),
  "😀".repeat(65),
  "\ud800".repeat(86),
);
const secret: Kind = {
  good: quoted("x", " ", "\u0000", "x".repeat(256), "é".repeat(128), "中".repeat(85), "😀".repeat(64)),
  bad: [...notText, '""'],
  long: longSecrets,
};
const device: Kind = {
  good: quoted("a", "Z9._-", "x".repeat(32), "..", "__proto__"),
  bad: [...notText, ...quoted("", " ", "a b", "a/b", "a|b", "a:b", "é", "a\n", "\na", "中".repeat(9))],
  long: quoted("x".repeat(33), "/".repeat(33)),
};
const mid: Kind = {
  good: quoted("!", "~", "m-1", "x".repeat(64), "__proto__", "{}"),
  // One that is too long cannot be read, which is 400 ([S-6]).
  bad: [...notText, ...quoted("", " ", "a b", "a\n", "\u007f", "é", "\u0000", "x".repeat(65))],
};
const content: Kind = {
  good: quoted("x", " ", "\n", "\u0000", "\u202e", "x".repeat(4000), "😀".repeat(2000), "中".repeat(4000)),
  bad: [...notText, '""'],
  long: quoted("x".repeat(4001), "😀".repeat(2000) + "x", "\ud800".repeat(4001)),
};
const flag: Kind = { good: ["true", "false"], bad: ["null", "0", "1", '""', '"true"', "[]", "{}"] };

interface Field {
  kind: Kind;
  optional?: true;
}
const must = (kind: Kind): Field => ({ kind });
const may = (kind: Kind): Field => ({ kind, optional: true });

/** What each field of a client's message may be; `user.` fields lie inside RegisterMes.user. */
const fields: { [T in ClientType]: Record<string, Field> } = {
  RegisterMes: {
    user: must({ good: [], bad: ["null", "true", "1", '"x"', "[]", '[{"userId":1}]', "{}"] }),
    "user.userId": must(userId),
    "user.userPwd": must(secret),
    "user.userName": must(userName),
    "user.sex": may({ good: quoted("", "男", "x".repeat(16)), bad: notText, long: quoted("x".repeat(17)) }),
  },
  LoginMes: {
    userId: must(userId),
    // An empty one has the right shape and is a wrong password ([L-2]).
    userPwd: may({ good: ['""', ...secret.good], bad: notText, long: longSecrets }),
    v: may({ good: ["2", "2.0"], bad: [...notNumber, "0", "1", "3", "-2", "2.5", "1e400", '"2"'] }),
    device: may(device),
    token: may({ good: quoted("", "x".repeat(128)), bad: notText, long: quoted("x".repeat(129)) }),
    replay: may({
      good: quoted("all", "none"),
      bad: [...notText, ...quoted("", "All", "none ", "constructor")],
    }),
    presence: may(flag),
  },
  SmsMes: { content: must(content), conv: may(conv), mid: may(mid) },
  NotifyUserStatusMes: { status: may({ good: ["0", "1", "2"], bad: [...notNumber, ...notInteger, "3"] }) },
  AckMes: { conv: must(conv), id: must(id) },
  HistoryMes: { conv: must(conv), before: may(id), after: may(id), limit: may(upTo(200)) },
  UsersMes: { after: may(count), limit: may(upTo(500)) },
  WhyMes: { conv: must(conv), id: must(id) },
  PingMes: { n: must(count) },
  LogoutMes: {},
};

/** The message as JSON, every needed field with its first good value, except `name`, which is `value` or absent. */
function messageWith(type: ClientType, name: string, value: string | null): string {
  const outer: string[] = [];
  const inner: string[] = [];
  for (const [one, { kind, optional }] of Object.entries(fields[type])) {
    const text = one === name ? value : optional || one === "user" ? null : (kind.good[0] ?? null);
    if (text === null) continue;
    if (one.startsWith("user.")) inner.push(`${json(one.slice(5))}:${text}`);
    else outer.push(`${json(one)}:${text}`);
  }
  if (inner.length > 0 && name !== "user") outer.push(`"user":{${inner.join()}}`);
  return `{${outer.join()}}`;
}

/** The field of what was read. */
function fieldOf(read: unknown, name: string): unknown {
  assert.equal(typeof read, "object", `refused with ${String(read)}`);
  return name.split(".").reduce<unknown>((value, part) => (value as Record<string, unknown>)[part], read);
}

test("[M-2] the list below has every field of every client message", () => {
  for (const [type, shape] of Object.entries(clientShapes)) {
    const listed = Object.keys(fields[type as ClientType]).filter((name) => !name.includes("."));
    assert.deepEqual(listed.sort(), Object.keys(shape).sort(), type);
  }
});

for (const type of Object.keys(fields) as ClientType[]) {
  test(`[M-1] [M-2] ${type}: each field within its bounds is read as it is, beyond them it is 400 or 413`, () => {
    for (const [name, { kind, optional }] of Object.entries(fields[type])) {
      for (const value of kind.good) {
        const read = fieldOf(readAs(type, messageWith(type, name, value)), name);
        assert.deepEqual(read, JSON.parse(value), `${name}: ${value}`);
      }
      for (const value of kind.bad) {
        assert.equal(readAs(type, messageWith(type, name, value)), 400, `${name}: ${value}`);
      }
      for (const value of kind.long ?? []) {
        assert.equal(
          readAs(type, messageWith(type, name, value)),
          413,
          `${name}: ${value.length} characters`,
        );
      }
      const read = readAs(type, messageWith(type, name, null));
      if (optional) assert.equal(fieldOf(read, name), undefined, `${name} may be absent`);
      else assert.equal(read, 400, `${name} may not be absent`);
    }
  });
}

test("[M-2] -0 is 0 where 0 may be", () => {
  // assert.equal is Object.is here, and tells them apart.
  assert.equal(fieldOf(readAs("PingMes", '{"n":-0}'), "n"), 0);
  assert.equal(fieldOf(readAs("UsersMes", '{"after":-0.0}'), "after"), 0);
});

test("[M-2] lone surrogates become U+FFFD in every text that is kept, pairs stay", () => {
  const escaped = '"a\\ud800b\\udc00\\ud83d\\ude00\\udc00"';
  const wellFormed = "a\ufffdb\ufffd😀\ufffd";
  for (const [type, name] of [
    ["SmsMes", "content"],
    ["RegisterMes", "user.userName"],
    ["RegisterMes", "user.userPwd"],
    ["RegisterMes", "user.sex"],
    ["LoginMes", "userPwd"],
  ] as const) {
    assert.equal(
      fieldOf(readAs(type, messageWith(type, name, escaped)), name),
      wellFormed,
      `${type} ${name}`,
    );
  }
});

test("[M-2] any content of 1 to 4,000 units is read as it is, made well-formed; longer is 413", () => {
  const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 60 });
  const anyContent = fc
    .tuple(
      units.map((codes) => String.fromCharCode(...codes)),
      fc.integer({ min: 1, max: 90 }),
    )
    .map(([text, times]) => text.repeat(times));
  fc.assert(
    fc.property(anyContent, (text) => {
      const wanted = text.length > 4000 ? 413 : { content: text.toWellFormed() };
      assert.deepEqual(readAs("SmsMes", json({ content: text })), wanted);
    }),
    { numRuns: 300 },
  );
});

test("[M-2] any name of 1 to 32 code points is read as it is, unless it holds a control or bidi control", () => {
  const unfit = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/u;
  const point = fc.oneof(
    fc.integer({ min: 0, max: 0x10ffff }).filter((code) => code < 0xd800 || code > 0xdfff),
    fc.integer({ min: 0, max: 0x2100 }),
  );
  fc.assert(
    fc.property(fc.array(point, { minLength: 1, maxLength: 40 }), (points) => {
      const userName = String.fromCodePoint(...points);
      const wanted =
        points.length > 32 ? 413 : unfit.test(userName) ? 400 : { userId: 1, userPwd: "p", userName };
      const read = readAs("RegisterMes", json({ user: { userId: 1, userPwd: "p", userName } }));
      assert.deepEqual(read, typeof wanted === "number" ? wanted : { user: wanted });
    }),
    { numRuns: 500 },
  );
});

test("[M-2] a password is measured in bytes of UTF-8", () => {
  fc.assert(
    fc.property(anyText(300, 1), (userPwd) => {
      const wanted = Buffer.byteLength(userPwd) > 256 ? 413 : { userId: 1, userPwd };
      assert.deepEqual(readAs("LoginMes", json({ userId: 1, userPwd })), wanted);
    }),
    { numRuns: 300 },
  );
});

test("[S-6] empty content is 400, over 4,000 units 413, a mid that cannot be read 400", () => {
  assert.equal(readAs("SmsMes", json({ content: "", mid: "m" })), 400);
  assert.equal(readAs("SmsMes", json({ content: "x".repeat(4001), mid: "m" })), 413);
  assert.equal(readAs("SmsMes", json({ content: "x", mid: "" })), 400);
});

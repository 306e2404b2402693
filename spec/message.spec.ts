/**
 * message: payloads to messages and back, on lib/message.ts alone: what is read of a message, and what of it never
 * is. What breaks a frame is in envelope.spec.ts, the bounds of each field are in fields.spec.ts.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import {
  type ClientFields,
  type ClientType,
  type ServerFields,
  type ServerType,
  clientShapes,
  decodeClient,
  decodeServer,
  encodeClient,
  encodeServer,
  serverShapes,
} from "../lib/message.ts";
import { clientArbitraries, serverArbitraries } from "./helpers/arbitraries.ts";
import { isBroken, payloadOf, readAs } from "./helpers/payloads.ts";
import { frameOf } from "./helpers/wireClient.ts";

const clientTypes = Object.keys(clientShapes) as ClientType[];
const serverTypes = Object.keys(serverShapes) as ServerType[];

const prototypeBefore = Object.getOwnPropertyNames(Object.prototype).join();
after(() => {
  assert.equal(Object.getOwnPropertyNames(Object.prototype).join(), prototypeBefore, "never added to");
});

test("[F-4] every message of a client decodes to what was encoded", () => {
  for (const type of clientTypes) {
    fc.assert(
      fc.property(clientArbitraries[type] as fc.Arbitrary<ClientFields<ClientType>>, (fields) => {
        const frame = encodeClient(type, fields);
        assert.deepEqual(frame, frameOf(type, fields), "as a client that knows nothing of lib/ writes it");
        assert.deepEqual(decodeClient(frame.subarray(4)), { type, fields });
      }),
      { numRuns: 60 },
    );
  }
});

test("[F-4] every message of a server decodes to what was encoded", () => {
  for (const type of serverTypes) {
    fc.assert(
      fc.property(serverArbitraries[type] as fc.Arbitrary<ServerFields<ServerType>>, (fields) => {
        const frame = encodeServer(type, fields);
        assert.deepEqual(frame, frameOf(type, fields), "as a server that knows nothing of lib/ writes it");
        assert.deepEqual(decodeServer(frame.subarray(4)), { type, fields });
      }),
      { numRuns: 60 },
    );
  }
});

test("[M-1] bad JSON in data is 400, of the type it says", () => {
  for (const type of clientTypes) {
    for (const data of [
      "",
      " ",
      "{",
      "}",
      "{n:1}",
      "{'n':1}",
      '{"n":NaN}',
      '{"n":1,}',
      "nul",
      '{"n":01}',
      "1 2",
    ]) {
      const message = decodeClient(payloadOf(type, data));
      assert.ok(
        message.type === null && message.error.code === 400 && message.of === type,
        `${type} ${data}`,
      );
    }
    for (const data of ["null", "true", "1", '"{}"', "[]", '[{"n":1}]']) {
      assert.equal(readAs(type, data), 400, `${type} ${data}: data is an object`);
    }
  }
});

test("[M-1] an unknown type is 400, also where the name is one of an object's own", () => {
  const names = ["", "pingMes", "PINGMES", "PingMes ", "PongMes", "SmsResMes", "constructor", "toString"];
  for (const type of [...names, "__proto__", "hasOwnProperty", "valueOf", "0", "\u0000", "x".repeat(4000)]) {
    const message = decodeClient(payloadOf(type, '{"n":1}'));
    assert.ok(message.type === null && message.error.code === 400, type);
    assert.equal(message.of, type.slice(0, 64), "named, but never at length");
  }
});

test("[M-1] [M-4] a refused SmsMes has its mid wherever that can be read", () => {
  const midOf = (dataJson: string): unknown => {
    const message = decodeClient(payloadOf("SmsMes", dataJson));
    assert.ok(message.type === null, dataJson);
    return message.mid;
  };
  assert.equal(midOf('{"mid":"m1"}'), "m1");
  assert.equal(midOf('{"mid":"m1","content":""}'), "m1");
  assert.equal(midOf(JSON.stringify({ mid: "m1", content: "x".repeat(4001) })), "m1");
  assert.equal(midOf('{"mid":"m1","content":1,"conv":[]}'), "m1");
  assert.equal(midOf('{"mid":"m 1","content":"x"}'), undefined);
  assert.equal(midOf('{"mid":1,"content":"x"}'), undefined);
  assert.equal(midOf('{"__proto__":{"mid":"m1"},"content":""}'), undefined, "not its own");
  assert.equal(midOf('["m1"]'), undefined);
});

test("[M-3] unknown fields are passed over, everywhere and whatever they hold", () => {
  const names = ["x", "Content", "content ", "", "0", "__proto__", "constructor", "prototype", "toString"];
  const extra = fc.dictionary(
    fc.oneof(fc.constantFrom(...names), fc.string()),
    fc.jsonValue({ maxDepth: 2 }),
  );
  for (const type of clientTypes) {
    const known = Object.keys(clientShapes[type]);
    fc.assert(
      fc.property(
        clientArbitraries[type] as fc.Arbitrary<ClientFields<ClientType>>,
        extra,
        fc.boolean(),
        (fields, unknown, isFirst) => {
          const more = Object.entries(unknown).filter(([name]) => !known.includes(name));
          const pairs = [...Object.entries(fields)];
          pairs.splice(isFirst ? 0 : pairs.length, 0, ...more);
          const json = pairs
            .map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
            .join();
          assert.deepEqual(readAs(type, `{${json}}`), fields);
        },
      ),
      { numRuns: 40 },
    );
  }
  const user = { userId: 1, userPwd: "p", userName: "n" };
  assert.deepEqual(
    readAs("RegisterMes", JSON.stringify({ user: { ...user, userStatus: "", since: "9-9" } })),
    {
      user,
    },
  );
});

test("[M-3] names are matched exactly", () => {
  assert.equal(readAs("PingMes", '{"N":1}'), 400);
  assert.equal(readAs("PingMes", '{"n ":1}'), 400);
  assert.equal(readAs("LoginMes", '{"userid":1,"userPwd":"x"}'), 400);
  assert.deepEqual(readAs("LoginMes", '{"userId":1,"V":2,"Device":"x"}'), { userId: 1 });
  assert.deepEqual(readAs("SmsMes", '{"content":"x","MID":"m","Conv":"u:1"}'), { content: "x" });
});

test("[M-3] a field is the message's own, never one that it inherits", () => {
  assert.equal(readAs("PingMes", '{"__proto__":{"n":1}}'), 400);
  assert.equal(readAs("AckMes", '{"__proto__":{"conv":"all","id":"1-1"}}'), 400);
  assert.equal(
    readAs("RegisterMes", '{"user":{"__proto__":{"userId":1,"userPwd":"p","userName":"n"}}}'),
    400,
  );
  const inherited = { v: 2, device: "evil", type: "PingMes", data: '{"n":1}', n: 1, mid: "m" };
  // As if something else in the process had spoilt every object.
  for (const [name, value] of Object.entries(inherited)) {
    Object.defineProperty(Object.prototype, name, { value, configurable: true, enumerable: false });
  }
  try {
    assert.deepEqual(Object.keys(readAs("LoginMes", '{"userId":1}') as object), ["userId"]);
    assert.equal(readAs("PingMes", "{}"), 400);
    for (const text of ["{}", '{"type":"PingMes"}', '{"data":"{}"}']) {
      assert.equal(isBroken(Buffer.from(text)), true, text);
    }
    const refused = decodeClient(payloadOf("SmsMes", "{}"));
    assert.equal(Object.hasOwn(refused, "mid"), false);
  } finally {
    for (const name of Object.keys(inherited)) delete (Object.prototype as Record<string, unknown>)[name];
  }
});

test("[M-3] what is read is a new plain object, nothing of the stranger's", () => {
  const json = '{"n":1,"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';
  const fields = readAs("PingMes", json) as object;
  assert.deepEqual(Reflect.ownKeys(fields), ["n"]);
  assert.equal(Object.getPrototypeOf(fields), Object.prototype);
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
  const limits = '{"__proto__":7,"constructor":8}';
  const answer = decodeServer(payloadOf("LoginResMes", `{"code":200,"error":"","limits":${limits}}`));
  assert.ok(answer.type === "LoginResMes", "it is understood");
  assert.deepEqual(Object.entries(answer.fields.limits ?? {}), [
    ["__proto__", 7],
    ["constructor", 8],
  ]);
});

/**
 * arbitraries: any valid message of each type, for properties. Written by hand from the tables of PROTOCOL.md, not
 * derived from those of lib/; the compiler asks for one of each type.
 */
import fc from "fast-check";
import type { ClientFields, ClientType, ServerFields, ServerType } from "../../lib/message.ts";

/** Any well-formed text of at most `maxUnits` UTF-16 units. */
export function anyText(maxUnits: number, minUnits = 0): fc.Arbitrary<string> {
  return fc
    .string({ unit: "binary", minLength: minUnits, maxLength: maxUnits })
    .map((text) => text.slice(0, maxUnits).toWellFormed());
}

const textOf = (units: string[], maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...units), minLength: 1, maxLength });
const printable = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index));

const count = fc.maxSafeNat();
const userId = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const userName = fc.string({ unit: fc.constantFrom(..."aZ é中😀'\"\\<\u0301"), minLength: 1, maxLength: 32 });
const device = textOf([..."abzABZ059._-"], 32);
const mid = textOf(printable, 64);
const id = fc.tuple(count, count).map(([epoch, seq]) => `${epoch}-${seq}`);
const conv = fc.oneof(
  fc.constant("all"),
  userId.map((one) => `u:${one}`),
);
const code = fc.constantFrom(200, 400, 401, 403, 404, 409, 413, 429, 500, 503, 505, 506);
const text = anyText(60);

/** A record of which only `requiredKeys` are always there; absent means absent, not undefined. */
function recordOf<T, K extends keyof T>(
  shape: { [N in keyof T]: fc.Arbitrary<T[N]> },
  requiredKeys: K[],
): fc.Arbitrary<Partial<T> & Pick<T, K>> {
  return fc.record(shape, { requiredKeys, noNullPrototype: true }) as fc.Arbitrary<Partial<T> & Pick<T, K>>;
}

/** An object without a prototype, as a table of names is read. */
const table = fc.array(fc.tuple(fc.oneof(text, fc.constant("__proto__")), count)).map((entries) => {
  const names = Object.create(null) as Record<string, number>;
  for (const [name, value] of entries) names[name] = value;
  return names;
});

const delivered = recordOf(
  {
    content: anyText(4000),
    userId,
    userPwd: fc.constant(""),
    userName: text,
    userStatus: fc.constant("\u0000"),
    sex: text,
    conv,
    id,
    time: count,
    mid,
  },
  ["content", "userId", "userName"],
);
const people = fc.array(recordOf({ userId, userName: text }, ["userId", "userName"]));

export const clientArbitraries: { [T in ClientType]: fc.Arbitrary<ClientFields<T>> } = {
  RegisterMes: recordOf(
    {
      user: recordOf({ userId, userPwd: anyText(80, 1), userName, sex: anyText(16) }, [
        "userId",
        "userPwd",
        "userName",
      ]),
    },
    ["user"],
  ),
  LoginMes: recordOf(
    {
      userId,
      userPwd: anyText(80),
      v: fc.constant(2 as const),
      device,
      token: anyText(128),
      replay: fc.constantFrom("all" as const, "none" as const),
      presence: fc.boolean(),
    },
    ["userId"],
  ),
  SmsMes: recordOf({ content: anyText(4000, 1), conv, mid }, ["content"]),
  NotifyUserStatusMes: recordOf({ status: fc.integer({ min: 0, max: 2 }) }, []),
  AckMes: recordOf({ conv, id }, ["conv", "id"]),
  HistoryMes: recordOf({ conv, before: id, after: id, limit: fc.integer({ min: 1, max: 200 }) }, ["conv"]),
  UsersMes: recordOf({ after: count, limit: fc.integer({ min: 1, max: 500 }) }, []),
  WhyMes: recordOf({ conv, id }, ["conv", "id"]),
  PingMes: recordOf({ n: count }, ["n"]),
  LogoutMes: recordOf({}, []),
};

export const serverArbitraries: { [T in ServerType]: fc.Arbitrary<ServerFields<T>> } = {
  RegisterResMes: recordOf({ code, error: text, retryMs: count }, ["code", "error"]),
  LoginResMes: recordOf(
    {
      code,
      error: text,
      UsersId: fc.option(fc.array(userId), { nil: null }),
      userName: text,
      token: text,
      online: count,
      convs: fc.array(
        recordOf({ conv, userName: text, head: id, cursor: id, unread: count, delivered: id }, [
          "conv",
          "userName",
          "head",
          "cursor",
          "unread",
        ]),
      ),
      more: fc.boolean(),
      limits: table,
      time: count,
      retryMs: count,
    },
    ["code", "error"],
  ),
  NotifyUserStatusMes: recordOf({ userId, status: fc.integer({ min: 0, max: 2 }) }, ["userId", "status"]),
  PresenceMes: recordOf({ online: people, offline: fc.array(userId), total: count, more: fc.boolean() }, [
    "online",
    "offline",
    "total",
    "more",
  ]),
  SmsMes: delivered,
  SmsResMes: recordOf(
    {
      code,
      error: text,
      mid,
      conv,
      id,
      time: count,
      stored: fc.constantFrom("memory" as const, "disk" as const, "replica" as const),
      retryMs: count,
    },
    ["code", "error", "mid"],
  ),
  HistoryResMes: recordOf(
    { code, error: text, conv, messages: fc.array(delivered, { maxLength: 5 }), more: fc.boolean() },
    ["code", "error", "conv", "messages", "more"],
  ),
  UsersResMes: recordOf({ code, total: count, users: people, more: fc.boolean() }, [
    "code",
    "total",
    "users",
    "more",
  ]),
  GapMes: recordOf(
    {
      conv,
      after: id,
      before: id,
      count,
      reason: fc.constantFrom("trimmed" as const, "lost" as const, "skipped" as const),
    },
    ["conv", "after", "before", "count", "reason"],
  ),
  DeliveredMes: recordOf({ conv, id }, ["conv", "id"]),
  WhyResMes: recordOf(
    {
      code,
      error: text,
      conv,
      id,
      time: count,
      stored: fc.constantFrom("memory" as const, "disk" as const, "replica" as const),
      devices: fc.array(
        recordOf({ kind: text, acked: fc.boolean(), ackedTime: count, online: fc.boolean(), since: count }, [
          "kind",
          "acked",
          "online",
        ]),
      ),
    },
    ["code", "error", "conv", "id", "time", "stored", "devices"],
  ),
  PongMes: recordOf({ n: count }, ["n"]),
  GoAwayMes: recordOf({ code, reason: text, retryMs: count }, ["code", "reason"]),
  ErrorMes: recordOf({ code, error: text, of: text, retryMs: count }, ["code", "error", "of"]),
};

/**
 * message: the one table of message types, from which the types, the validators and the encoders derive. A payload
 * is UTF-8 JSON `{"type": T, "data": D}` where D is a string that holds the JSON of the message ([F-4]). Two tables,
 * since SmsMes and LoginMes look different in the two directions: what a client says, what a server says.
 */
import { isUtf8 } from "node:buffer";
import { CodedError, codes } from "./codes.ts";
import {
  type FieldsOf,
  type Shape,
  flag,
  integer,
  integersByName,
  list,
  nullable,
  object,
  oneOf,
  optional,
  personName,
  secret,
  text,
  textThat,
} from "./fields.ts";
import { FrameError, encodeFrame } from "./frame.ts";
import * as limits from "./limits.ts";
import { parseId } from "./messageId.ts";

const userId = integer(1, limits.userIdMax);
// A mid that is too long cannot be read either: it is 400 like any other ([S-6]).
const mid = textThat((one) => /^[!-~]{1,64}$/.test(one), "1 to 64 characters from ! to ~");
const device = textThat(
  (one) => /^[A-Za-z0-9._-]+$/.test(one),
  `1 to ${limits.deviceMaxChars} of A-Z a-z 0-9 . _ -`,
  limits.deviceMaxChars,
);
const id = textThat((one) => parseId(one) !== null, "<epoch>-<seq>");
const anyText = text(0, limits.frameMaxBytes);
// Which of them name a conversation is not a question of shape ([M-6]).
const conv = anyText;
const count = integer(0);
const code = integer(0, 999);

const registeringUser = {
  userId,
  userPwd: secret(1, limits.passwordMaxBytes),
  userName: personName(limits.userNameMaxCodePoints),
  sex: optional(text(0, limits.sexMaxUnits)),
} satisfies Shape;

/** A message as a modern reader gets it; the first generation's fields first, [S-5]. */
const deliveredMessage = {
  content: anyText,
  userId,
  userPwd: optional(anyText),
  userName: anyText,
  userStatus: optional(anyText),
  sex: optional(anyText),
  conv: optional(conv),
  id: optional(id),
  time: optional(count),
  mid: optional(anyText),
} satisfies Shape;

const person = object({ userId, userName: anyText });
const stored = oneOf("memory", "disk", "replica");

/** A device of the other side, [B-4]: of what kind, whether it has the message, whether it is there. */
const deviceState = object({
  kind: anyText,
  acked: flag,
  ackedTime: optional(count),
  online: flag,
  since: optional(count),
});

/** What a client may say. */
export const clientShapes = {
  RegisterMes: { user: object(registeringUser) },
  LoginMes: {
    userId,
    // Checked here only for length: an absent or empty one is a wrong password unless there is a token.
    userPwd: optional(secret(0, limits.passwordMaxBytes)),
    v: optional(oneOf(2)),
    device: optional(device),
    token: optional(text(0, limits.tokenMaxChars)),
    replay: optional(oneOf("all", "none")),
    presence: optional(flag),
  },
  SmsMes: { content: text(1, limits.contentMaxUnits), conv: optional(conv), mid: optional(mid) },
  NotifyUserStatusMes: { status: optional(integer(0, 2)) },
  AckMes: { conv, id },
  HistoryMes: {
    conv,
    before: optional(id),
    after: optional(id),
    limit: optional(integer(1, limits.historyPageMaxMessages)),
  },
  UsersMes: { after: optional(integer(0)), limit: optional(integer(1, limits.usersPageMaxUsers)) },
  WhyMes: { conv, id },
  PingMes: { n: integer(0) },
  LogoutMes: {},
} satisfies Record<string, Shape>;

/** What a server may say. */
export const serverShapes = {
  RegisterResMes: { code, error: anyText, retryMs: optional(count) },
  LoginResMes: {
    code,
    error: anyText,
    UsersId: optional(nullable(list(userId))),
    userName: optional(anyText),
    token: optional(anyText),
    online: optional(count),
    convs: optional(
      list(object({ conv, userName: anyText, head: id, cursor: id, unread: count, delivered: optional(id) })),
    ),
    more: optional(flag),
    limits: optional(integersByName),
    stored: optional(stored),
    time: optional(count),
    retryMs: optional(count),
  },
  NotifyUserStatusMes: { userId, status: integer(0, 2) },
  PresenceMes: { online: list(person), offline: list(userId), total: count, more: flag },
  SmsMes: deliveredMessage,
  SmsResMes: {
    code,
    error: anyText,
    mid: anyText,
    conv: optional(conv),
    id: optional(id),
    time: optional(count),
    stored: optional(stored),
    retryMs: optional(count),
  },
  HistoryResMes: { code, error: anyText, conv, messages: list(object(deliveredMessage)), more: flag },
  UsersResMes: { code, total: count, users: list(person), more: flag },
  DeliveredMes: { conv, id },
  WhyResMes: { code, error: anyText, conv, id, time: count, stored, devices: list(deviceState) },
  GapMes: { conv, after: id, before: id, count, reason: oneOf("trimmed", "lost", "skipped") },
  PongMes: { n: count },
  GoAwayMes: { code, reason: anyText, retryMs: optional(count) },
  ErrorMes: { code, error: anyText, of: anyText, retryMs: optional(count) },
} satisfies Record<string, Shape>;

export type ClientType = keyof typeof clientShapes;
export type ServerType = keyof typeof serverShapes;
export type ClientFields<T extends ClientType> = FieldsOf<(typeof clientShapes)[T]>;
export type ServerFields<T extends ServerType> = FieldsOf<(typeof serverShapes)[T]>;
export type ClientMessage = { [T in ClientType]: { type: T; fields: ClientFields<T> } }[ClientType];
export type ServerMessage = { [T in ServerType]: { type: T; fields: ServerFields<T> } }[ServerType];
/** How safely a message was stored before its sender was told, [S-3]. */
export type Stored = NonNullable<ServerFields<"SmsResMes">["stored"]>;
/** What is known of one device of the other side, [B-4]. */
export type DeviceState = ServerFields<"WhyResMes">["devices"][number];

/** Why a message was refused: `of` is its type, `mid` the sender's, where readable; `modern`: it says `v`. */
export interface Refused {
  type: null;
  of: string;
  mid?: string;
  modern: boolean;
  error: CodedError;
}
/** A message that was understood, or why it was refused. */
export type Decoded<M> = M | Refused;

const clientReaders = readersOf(clientShapes);
const serverReaders = readersOf(serverShapes);

function readersOf(shapes: Record<string, Shape>): Map<string, ReturnType<typeof object<Shape>>> {
  return new Map(Object.entries(shapes).map(([type, shape]) => [type, object(shape)]));
}

/** Reads what a client said. Throws FrameError when the payload is no message at all ([F-5]). */
export function decodeClient(payload: Buffer): Decoded<ClientMessage> {
  return decode(payload, clientReaders) as Decoded<ClientMessage>;
}

/** Reads what a server said. Throws FrameError when the payload is no message at all. */
export function decodeServer(payload: Buffer): Decoded<ServerMessage> {
  return decode(payload, serverReaders) as Decoded<ServerMessage>;
}

/** One frame with what a client says. */
export function encodeClient<T extends ClientType>(type: T, fields: ClientFields<T>): Buffer {
  return encodeFrame(payloadText(type, JSON.stringify(fields)));
}

/** One frame with what a server says. Field order is the caller's: the first generation's is kept by its callers. */
export function encodeServer<T extends ServerType>(type: T, fields: ServerFields<T>): Buffer {
  return encodeFrame(payloadText(type, JSON.stringify(fields)));
}

/** What a server says, as the text of a payload. */
export function payloadOf<T extends ServerType>(type: T, fields: ServerFields<T>): string {
  return payloadText(type, JSON.stringify(fields));
}

// What JSON.stringify writes otherwise than it is, or might: quotes, backslashes, controls, surrogates.
const unlike = /["\\\u0000-\u001f\ud800-\udfff]/;

/** A string of `data`, as it stands in the text of a payload: escaped twice, since `data` is JSON in JSON ([F-4]). */
export function quotedTwice(text: string): string {
  return unlike.test(text) ? JSON.stringify(JSON.stringify(text)).slice(1, -1) : `\\"${text}\\"`;
}

function payloadText(type: string, data: string): string {
  return `{"type":"${type}","data":${JSON.stringify(data)}}`;
}

function decode(payload: Buffer, readers: typeof clientReaders): Decoded<{ type: string; fields: unknown }> {
  const { type, data } = openEnvelope(payload);
  const reader = readers.get(type);
  if (!reader) return refused(type, undefined, new CodedError(codes.malformed, { detail: "unknown type" }));
  let value: unknown;
  try {
    value = parseJson(data);
    return { type, fields: reader(value, "") };
  } catch (error) {
    const coded =
      error instanceof CodedError ? error : new CodedError(codes.malformed, { detail: "data wants JSON" });
    return refused(type, value, coded);
  }
}

function refused(type: string, value: unknown, error: CodedError): Refused {
  const mid = readMid(value);
  // The first generation says no `v`, of whatever kind ([L-2]).
  const modern = typeof value === "object" && value !== null && Object.hasOwn(value, "v");
  return { type: null, of: type.slice(0, 64), ...(mid !== undefined && { mid }), modern, error };
}

/** `{type: string, data: string}`, or the frame is broken. */
function openEnvelope(payload: Buffer): { type: string; data: string } {
  if (!isUtf8(payload)) throw new FrameError("payload is not UTF-8");
  let value: unknown;
  try {
    value = parseJson(payload.toString());
  } catch (error) {
    throw new FrameError("payload is not JSON", { cause: error });
  }
  if (
    typeof value === "object" &&
    value !== null &&
    Object.hasOwn(value, "type") &&
    Object.hasOwn(value, "data")
  ) {
    const { type, data } = value as Record<string, unknown>;
    if (typeof type === "string" && typeof data === "string") return { type, data };
  }
  throw new FrameError("payload is not {type: string, data: string}");
}

/** The sender's mid, so that even a refusal can name it ([M-4]). */
function readMid(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "mid")) return undefined;
  try {
    return mid((value as Record<string, unknown>).mid, "mid");
  } catch {
    return undefined;
  }
}

/** JSON.parse behind a bound on depth: deep nesting costs a stack, and is never meant. */
function parseJson(json: string): unknown {
  // Most say too little to be nested too deep, which is seen at once: looking at each character is 6 % of a message.
  if (!hasMoreThan(json, limits.jsonDepthMax)) return JSON.parse(json);
  assertDepth(json);
  return JSON.parse(json);
}

/** Whether more than `most` objects and lists may begin in it. */
function hasMoreThan(json: string, most: number): boolean {
  let count = 0;
  for (const bracket of ["{", "["]) {
    for (let at = json.indexOf(bracket); at >= 0; at = json.indexOf(bracket, at + 1))
      if (++count > most) return true;
  }
  return false;
}

function assertDepth(json: string): void {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < json.length; index++) {
    const char = json.charCodeAt(index);
    if (inString) {
      if (char === 0x5c) index++;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) {
      if (++depth > limits.jsonDepthMax) throw new CodedError(codes.malformed, { detail: "nested too deep" });
    } else if (char === 0x7d || char === 0x5d) depth--;
  }
}

/**
 * chatClient: the protocol engine of a modern client, without a terminal; client.ts, the specs and the benchmarks use
 * it alike. It reconnects by itself with growing, jittered pauses, sends what is unanswered again with the same mid,
 * one message unanswered at a time, drops what it has seen by (conv, id), and acknowledges what it has handed on
 * (clause [C-5]). A closed one is inert.
 */
import { randomUUID } from "node:crypto";
import { type Clock, type Timer, systemClock } from "./clock.ts";
import { ClientLink } from "./clientLink.ts";
import { type Code, codes } from "./codes.ts";
import * as limits from "./limits.ts";
import { type ClientFields, type ServerFields, type ServerMessage, encodeClient } from "./message.ts";
import { type MessageId, compareIds, formatId, parseId } from "./messageId.ts";

export type Delivered = ServerFields<"SmsMes">;
export type LoginInfo = ServerFields<"LoginResMes">;

export type ClientState =
  | { kind: "idle" }
  | { kind: "connecting"; attempt: number }
  | { kind: "online" }
  | { kind: "offline"; reason: string; nextTryMs: number }
  | { kind: "ended"; reason: "closed" | "replaced" | "refused"; code?: number };

export type SendOutcome =
  | { kind: "stored"; mid: string; id: string; time: number; stored: string }
  | { kind: "refused"; mid: string; code: number; error: string }
  /** The client was closed before an answer came: nobody knows. */
  | { kind: "unknown"; mid: string };

export interface ChatClientEvents {
  state?: (state: ClientState) => void;
  message?: (message: Delivered) => void;
  gap?: (gap: ServerFields<"GapMes">) => void;
  presence?: (change: { online: { userId: number; userName: string }[]; offline: number[] }) => void;
}

export interface ChatClientOptions {
  host: string;
  port: number;
  userId: number;
  /** At least one of the two; the token is tried first. */
  password?: string;
  token?: string;
  device?: string;
  replay?: "all" | "none";
  presence?: boolean;
  /** False: the first end of the link is the end. */
  reconnect?: boolean;
  /** False: only `ack` acknowledges. */
  autoAck?: boolean;
  clock?: Clock;
  /** 0 to 1, for the jitter. */
  random?: () => number;
  events?: ChatClientEvents;
}

interface Outgoing {
  conv: string;
  content: string;
  mid: string;
  settle: (outcome: SendOutcome) => void;
}

type Asked = {
  type: "HistoryMes" | "UsersMes";
  settle: (answer: never) => void;
  fail: (error: Error) => void;
};

export class ChatClient {
  readonly #options: ChatClientOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #events: ChatClientEvents;
  #state: ClientState = { kind: "idle" };
  #link: ClientLink | null = null;
  #token: string | undefined;
  #attempt = 0;
  #goAwayRetryMs: number | null = null;
  #loginWaiters: ((answer: LoginInfo | Error) => void)[] = [];
  readonly #outgoing: Outgoing[] = [];
  #retryTimer: Timer | null = null;
  readonly #asked: Asked[] = [];
  readonly #positions = new Map<string, MessageId>();
  readonly #unacked = new Map<string, MessageId>();
  #unackedCount = 0;
  #timers: Timer[] = [];
  #reconnectTimer: Timer | null = null;
  #heardBytes = 0;
  #silentMs = 0;
  #pings = 0;
  /** Who is online, as told; incomplete while the server only tells totals ([P-6]). */
  readonly online = new Map<number, string>();
  /** What the last log-in said. */
  info: LoginInfo | null = null;

  constructor(options: ChatClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#events = options.events ?? {};
    this.#token = options.token;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Log-in token of the last log-in, for the next one of this device. */
  get token(): string | undefined {
    return this.#token;
  }

  /** Messages that were not answered yet. */
  get unsent(): number {
    return this.#outgoing.length;
  }

  /**
   * Connects and logs in. Resolves with LoginResMes, 200 or a refusal, and then goes on by itself.
   * Throws an Error when the server cannot be reached at this first time.
   */
  login(): Promise<LoginInfo> {
    return new Promise((resolve, reject) => {
      this.#loginWaiters.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
      if (this.#state.kind === "idle") this.#dial();
    });
  }

  /** Says something; settles when it is stored or refused for good, however long that takes. Never throws. */
  send({
    conv = "all",
    content,
    mid = randomUUID(),
  }: {
    conv?: string;
    content: string;
    mid?: string;
  }): Promise<SendOutcome> {
    return new Promise((settle) => {
      if (this.#state.kind === "ended") return settle({ kind: "unknown", mid });
      if (this.#outgoing.length >= limits.clientOutgoingMax) {
        return settle({ kind: "refused", mid, code: codes.slowDown, error: "too many unsent messages" });
      }
      this.#outgoing.push({ conv, content, mid, settle });
      if (this.#outgoing.length === 1) this.#sendFirst();
    });
  }

  /** A page of what was said ([H-1]). Throws an Error when there is no connection, or the server refuses. */
  history(fields: ClientFields<"HistoryMes">): Promise<ServerFields<"HistoryResMes">> {
    return this.#ask("HistoryMes", fields);
  }

  /** A page of who is online ([P-5]). Throws an Error when there is no connection. */
  users(fields: ClientFields<"UsersMes"> = {}): Promise<ServerFields<"UsersResMes">> {
    return this.#ask("UsersMes", fields);
  }

  /** Everything up to `id` is safe here ([D-2]). */
  ack(conv: string, id: string): void {
    if (this.#state.kind === "online") this.#link?.write(encodeClient("AckMes", { conv, id }));
  }

  /** Acknowledges what was handed on and not acknowledged yet. */
  acknowledge(): void {
    if (this.#state.kind !== "online") return;
    for (const [conv, id] of this.#unacked) this.ack(conv, formatId(id));
    this.#unacked.clear();
    this.#unackedCount = 0;
  }

  /** Leaves the list at once, and ends ([K-3]). */
  logout(): void {
    this.acknowledge();
    if (this.#state.kind === "online") this.#link?.write(encodeClient("LogoutMes", {}));
    this.#finish({ kind: "ended", reason: "closed" }, "end");
  }

  /** Ends; what was not answered settles as unknown. */
  close(): void {
    this.acknowledge();
    this.#finish({ kind: "ended", reason: "closed" }, "end");
  }

  #become(state: ClientState): void {
    this.#state = state;
    this.#events.state?.(state);
  }

  #dial(): void {
    const { host, port, userId, device, replay, presence, password } = this.#options;
    this.#become({ kind: "connecting", attempt: ++this.#attempt });
    if (this.#state.kind === "ended") return;
    const secret = this.#token !== undefined ? { token: this.#token } : { userPwd: password ?? "" };
    const fields = {
      userId,
      ...secret,
      v: 2 as const,
      ...(device !== undefined && { device }),
      ...(replay !== undefined && { replay }),
      ...(presence !== undefined && { presence }),
    };
    const link = new ClientLink({
      host,
      port,
      first: encodeClient("LoginMes", fields),
      heard: (message) => {
        if (this.#link === link) this.#heard(message);
      },
      ended: (reason) => {
        if (this.#link === link || this.#link === null) this.#lost(reason);
      },
    });
    this.#link = link;
  }

  #heard(message: ServerMessage): void {
    switch (message.type) {
      case "LoginResMes":
        return this.#loggedIn(message.fields);
      case "SmsMes":
        return this.#delivered(message.fields);
      case "SmsResMes":
        return this.#answered(message.fields);
      case "PresenceMes":
        return this.#presenceChanged(message.fields);
      case "GapMes":
        return this.#events.gap?.(message.fields);
      case "HistoryResMes":
        return this.#settleAsked("HistoryMes", message.fields);
      case "UsersResMes":
        return this.#settleAsked("UsersMes", message.fields);
      case "GoAwayMes":
        return this.#goAway(message.fields);
      case "ErrorMes":
        return this.#refused(message.fields);
      default:
        return undefined;
    }
  }

  #loggedIn(answer: LoginInfo): void {
    if (answer.code === codes.ok) {
      this.#attempt = 0;
      this.#token = answer.token;
      this.info = answer;
      this.online.clear();
      this.#watch();
      this.#become({ kind: "online" });
      this.#settleLogin(answer);
      this.#sendFirst();
      return;
    }
    if (
      answer.code === codes.wrongPassword &&
      this.#token !== undefined &&
      this.#options.password !== undefined
    ) {
      // The token has run out; the password may still do.
      this.#token = undefined;
      this.#link?.destroy("token refused");
      return;
    }
    if (
      (answer.code === codes.tryAgain || answer.code === codes.slowDown) &&
      this.#loginWaiters.length === 0
    ) {
      this.#goAwayRetryMs = answer.retryMs ?? null;
      this.#link?.destroy(answer.error);
      return;
    }
    this.#settleLogin(answer);
    this.#finish({ kind: "ended", reason: "refused", code: answer.code }, "destroy");
  }

  #settleLogin(answer: LoginInfo | Error): void {
    const waiters = this.#loginWaiters;
    this.#loginWaiters = [];
    for (const settle of waiters) settle(answer);
  }

  /** Pings, watches for silence, acknowledges; all of one connection. */
  #watch(): void {
    this.#silentMs = 0;
    this.#timers = [
      this.#clock.every(limits.clientPingMs, () => {
        if (this.#link?.heardBytes === this.#heardBytes) this.#silentMs += limits.clientPingMs;
        else this.#silentMs = 0;
        this.#heardBytes = this.#link?.heardBytes ?? 0;
        if (this.#silentMs >= limits.clientSilenceMaxMs) this.#link?.destroy("silent");
        else this.#link?.write(encodeClient("PingMes", { n: ++this.#pings }));
      }),
      this.#clock.every(limits.clientAckMs, () => this.acknowledge()),
    ];
  }

  #delivered(message: Delivered): void {
    const conv = message.conv ?? "all";
    const id = parseId(message.id ?? "");
    if (id) {
      const seen = this.#positions.get(conv);
      if (seen && compareIds(id, seen) <= 0) return;
      this.#positions.set(conv, id);
    }
    this.#events.message?.(message);
    if (!id || this.#options.autoAck === false) return;
    this.#unacked.set(conv, id);
    if (++this.#unackedCount >= limits.clientAckMessages) this.acknowledge();
  }

  #presenceChanged({ online, offline }: ServerFields<"PresenceMes">): void {
    for (const { userId, userName } of online) this.online.set(userId, userName);
    for (const userId of offline) this.online.delete(userId);
    this.#events.presence?.({ online, offline });
  }

  /** The oldest unanswered message, and only that one: order is the order of answers. */
  #sendFirst(): void {
    const first = this.#outgoing[0];
    if (!first || this.#state.kind !== "online" || this.#retryTimer) return;
    const { conv, content, mid } = first;
    this.#link?.write(encodeClient("SmsMes", { conv, content, mid }));
  }

  #answered({ mid, code, error, id, time, stored, retryMs }: ServerFields<"SmsResMes">): void {
    const first = this.#outgoing[0];
    if (first?.mid !== mid) return;
    if (code === codes.tryAgain || code === codes.slowDown) {
      const waitMs = (retryMs ?? limits.clientRetryMs) * (1 + this.#random() / 2);
      this.#retryTimer = this.#clock.after(waitMs, () => {
        this.#retryTimer = null;
        this.#sendFirst();
      });
      return;
    }
    this.#outgoing.shift();
    first.settle(
      code === codes.ok
        ? { kind: "stored", mid, id: id ?? "", time: time ?? 0, stored: stored ?? "memory" }
        : { kind: "refused", mid, code, error },
    );
    this.#sendFirst();
  }

  #ask<T>(type: Asked["type"], fields: ClientFields<"HistoryMes"> | ClientFields<"UsersMes">): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#state.kind !== "online") return reject(new Error("not connected"));
      if (this.#asked.length >= limits.clientOutgoingMax) return reject(new Error("too many requests"));
      this.#asked.push({ type, settle: resolve as (answer: never) => void, fail: reject });
      this.#link?.write(encodeClient(type, fields as never));
    });
  }

  /** Answers come in the order of their requests ([M-5]). */
  #takeAsked(type: string): Asked | undefined {
    const index = this.#asked.findIndex((asked) => asked.type === type);
    return index < 0 ? undefined : this.#asked.splice(index, 1)[0];
  }

  #settleAsked(type: Asked["type"], answer: unknown): void {
    this.#takeAsked(type)?.settle(answer as never);
  }

  #refused({ code, error, of }: ServerFields<"ErrorMes">): void {
    this.#takeAsked(of)?.fail(Object.assign(new Error(error), { code }));
    const first = this.#outgoing[0];
    if (of === "SmsMes" && first) this.#answered({ mid: first.mid, code, error });
  }

  #goAway({ code, retryMs }: ServerFields<"GoAwayMes">): void {
    if (code === codes.replaced) this.#finish({ kind: "ended", reason: "replaced", code }, "destroy");
    else this.#goAwayRetryMs = retryMs ?? null;
  }

  #lost(reason: string): void {
    if (this.#state.kind === "ended") return;
    const first = this.#loginWaiters.length > 0 && this.info === null;
    const retriesPassword = reason === "token refused";
    this.#letGo(reason);
    if (retriesPassword) return this.#dial();
    if (first) {
      this.#settleLogin(new Error(reason));
      this.#finish({ kind: "ended", reason: "closed" }, "destroy");
      return;
    }
    if (this.#options.reconnect === false)
      return this.#finish({ kind: "ended", reason: "closed" }, "destroy");
    const ceilingMs = Math.min(
      limits.clientReconnectMaxMs,
      limits.clientReconnectFirstMs * 2 ** this.#attempt,
    );
    const nextTryMs = Math.round(this.#goAwayRetryMs ?? ceilingMs * (0.5 + this.#random() / 2));
    this.#goAwayRetryMs = null;
    this.#become({ kind: "offline", reason, nextTryMs });
    this.#reconnectTimer = this.#clock.after(nextTryMs, () => {
      if (this.#state.kind === "offline") this.#dial();
    });
  }

  /** The connection's own things end with it; what waits for an answer to a page fails, unsent messages stay. */
  #letGo(reason: string): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    this.#retryTimer?.cancel();
    this.#retryTimer = null;
    this.#link = null;
    for (const asked of this.#asked.splice(0)) asked.fail(new Error(reason));
  }

  #finish(state: ClientState & { kind: "ended" }, how: "end" | "destroy"): void {
    if (this.#state.kind === "ended") return;
    const link = this.#link;
    this.#become(state);
    this.#reconnectTimer?.cancel();
    this.#letGo("closed");
    if (how === "end") link?.end();
    else link?.destroy("closed");
    this.#settleLogin(new Error("closed"));
    for (const { mid, settle } of this.#outgoing.splice(0)) settle({ kind: "unknown", mid });
  }
}

/** Makes an account, on a connection of its own. Throws an Error when the server cannot be reached. */
export function register(
  { host, port }: { host: string; port: number },
  user: { userId: number; userPwd: string; userName: string },
): Promise<{ code: Code | number; error: string }> {
  return new Promise((resolve, reject) => {
    const link: ClientLink = new ClientLink({
      host,
      port,
      first: encodeClient("RegisterMes", { user }),
      heard: (message) => {
        if (message.type !== "RegisterResMes") return;
        resolve({ code: message.fields.code, error: message.fields.error });
        link.end();
      },
      ended: (reason) => reject(new Error(reason)),
    });
  });
}

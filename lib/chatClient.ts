/**
 * chatClient: the protocol engine of a modern client, without a terminal; client.ts, the specs and the benchmarks use
 * it alike. It reconnects by itself with growing, jittered pauses, sends what is unanswered again with the same mid,
 * one message unanswered at a time, drops what it has seen by (conv, id), and acknowledges what it has handed on
 * (clause [C-5]). A closed one is inert.
 */
import { randomUUID } from "node:crypto";
import { type Clock, type Timer, systemClock } from "./clock.ts";
import { ClientLink } from "./clientLink.ts";
import { codes } from "./codes.ts";
import { DeliveredMarks } from "./deliveredMarks.ts";
import * as limits from "./limits.ts";
import { type ClientFields, type ServerFields, type ServerMessage, encodeClient } from "./message.ts";
import type { Outbox } from "./outbox.ts";
import { PageRequests } from "./pageRequests.ts";
import { SeenMessages } from "./seenMessages.ts";
import type { ServerAddress } from "./serverAddress.ts";
import { type NewSms, type SendOutcome, SendQueue } from "./sendQueue.ts";

export type Delivered = ServerFields<"SmsMes">;
export type LoginInfo = ServerFields<"LoginResMes">;

export type ClientState =
  | { kind: "idle" }
  | { kind: "connecting"; attempt: number }
  | { kind: "online" }
  | { kind: "offline"; reason: string; nextTryMs: number }
  | { kind: "ended"; reason: "closed" | "replaced" | "refused"; code?: number };

export interface PresenceChange {
  online: { userId: number; userName: string }[];
  offline: number[];
  initial: boolean;
}

export interface ChatClientEvents {
  state?: (state: ClientState) => void;
  message?: (message: Delivered) => void;
  gap?: (gap: ServerFields<"GapMes">) => void;
  /** The other side of a private conversation has received it further than was known, up to `id` ([B-1]). */
  delivered?: (receipt: ServerFields<"DeliveredMes">) => void;
  /** What became of a message that an earlier client had left in the outbox, or that was said again from there. */
  restored?: (sms: NewSms, outcome: SendOutcome) => void;
  /** Who came and who left; `initial`: part of the list that comes at log-in. */
  presence?: (change: PresenceChange) => void;
}

export interface ChatClientOptions {
  /** Where messages are kept until their fate is known; absent: in memory only. */
  outbox?: Outbox;
  host: string;
  port: number;
  /** Other servers of the same chat: each time a link ends, the next one in turn is tried. */
  fallbacks?: readonly ServerAddress[];
  userId: number;
  /** At least one of the two; the token is tried first. */
  password?: string;
  token?: string;
  device?: string;
  replay?: "all" | "none";
  presence?: boolean;
  /** How long a first log-in that is refused for now is tried again; 0: not at all. */
  loginWaitMs?: number;
  /** False: the first end of the link is the end. */
  reconnect?: boolean;
  /** True: a server that cannot be reached at the first time is tried again like any later time. */
  patient?: boolean;
  /** False: only `ack` acknowledges. */
  autoAck?: boolean;
  clock?: Clock;
  /** 0 to 1, for the jitter. */
  random?: () => number;
  events?: ChatClientEvents;
}

/** One logged-in client, over as many links as it takes. */
export class ChatClient {
  readonly #options: ChatClientOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #events: ChatClientEvents;
  #state: ClientState = { kind: "idle" };
  #link: ClientLink | null = null;
  readonly #addresses: readonly ServerAddress[];
  /** Which of them is tried next, modulo their number. */
  #at = 0;
  #token: string | undefined;
  #attempt = 0;
  /** When the server said to come back. */
  #retryMs: number | null = null;
  /** The log-in was refused for now: its link has ended for that. */
  #refusal: LoginInfo | null = null;
  #loginBeganMs = 0;
  #loginWaiters: ((answer: LoginInfo | Error) => void)[] = [];
  readonly #sending: SendQueue;
  readonly #pages = new PageRequests();
  readonly #seen = new SeenMessages();
  /** How far the other sides have received what is said to them; a server without receipts tells nothing. */
  readonly delivered = new DeliveredMarks();
  #privateAck: Timer | null = null;
  #timers: Timer[] = [];
  #reconnectTimer: Timer | null = null;
  /** The list of who is online is still coming, [P-1]. */
  #listing = true;
  #heardBytes = 0;
  #silentMs = 0;
  #pings = 0;
  #pingedAtMs = 0;
  /** How long the last ping took to come back, behind all that was asked before it; null: none did on this link. */
  lagMs: number | null = null;
  /** Who is online, as told; incomplete while the server only tells totals ([P-6]). */
  readonly online = new Map<number, string>();
  /** What the last log-in said. */
  info: LoginInfo | null = null;

  constructor(options: ChatClientOptions) {
    this.#options = options;
    this.#addresses = [options, ...(options.fallbacks ?? [])];
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#events = options.events ?? {};
    this.#token = options.token;
    this.#sending = new SendQueue({
      clock: this.#clock,
      random: this.#random,
      write: (frame) => this.#link?.write(frame),
      outbox: options.outbox ?? null,
      restored: (sms, outcome) => this.#events.restored?.(sms, outcome),
    });
  }

  get userId(): number {
    return this.#options.userId;
  }

  /** The server it is connected to, or tries now or next. */
  get server(): ServerAddress {
    return this.#addresses[this.#at % this.#addresses.length] ?? this.#options;
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
    return this.#sending.count;
  }

  /**
   * Connects and logs in. Resolves with LoginResMes, 200 or a refusal, and then goes on by itself. A 503 or 429 is tried
   * again when the server said, for `loginWaitMs` in all: its state is "offline" meanwhile; `close` ends the wait.
   * Throws an Error when the server cannot be reached at this first time, or the client has ended.
   */
  login(): Promise<LoginInfo> {
    return new Promise((resolve, reject) => {
      if (this.#state.kind === "ended") return reject(new Error("closed"));
      if (this.#state.kind === "online" && this.info) return resolve(this.info);
      this.#loginWaiters.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
      if (this.#state.kind !== "idle") return;
      this.#loginBeganMs = this.#clock.monotonicMs();
      this.#dial();
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
    return this.#sending.add({ conv, content, mid });
  }

  /** Says what was refused once more, as new messages. */
  again(): void {
    this.#sending.again();
  }

  /** A page of what was said ([H-1]). Throws an Error when there is no connection, or the server refuses. */
  history(fields: ClientFields<"HistoryMes">): Promise<ServerFields<"HistoryResMes">> {
    return this.#ask("HistoryMes", fields);
  }

  /** A page of who is online ([P-5]). Throws an Error when there is no connection. */
  users(fields: ClientFields<"UsersMes"> = {}): Promise<ServerFields<"UsersResMes">> {
    return this.#ask("UsersMes", fields);
  }

  /**
   * What became of a message of one's own ([B-3]). Throws an Error when there is no connection, or the server refuses:
   * `code` 404 where it knows no such message, 400 where it knows no such question.
   */
  why(fields: ClientFields<"WhyMes">): Promise<ServerFields<"WhyResMes">> {
    return this.#ask("WhyMes", fields);
  }

  /** Everything up to `id` is safe here ([D-2]). */
  ack(conv: string, id: string): void {
    if (this.#state.kind === "online") this.#link?.write(encodeClient("AckMes", { conv, id }));
  }

  /** Acknowledges what was handed on and not acknowledged yet. */
  acknowledge(): void {
    if (this.#state.kind !== "online") return;
    this.#acknowledge(this.#seen.takeUnacked());
  }

  /** Leaves the list at once, and ends ([K-3]). */
  logout(): void {
    if (this.#options.autoAck !== false) this.acknowledge();
    if (this.#state.kind === "online") this.#link?.write(encodeClient("LogoutMes", {}));
    this.#finish({ kind: "ended", reason: "closed" }, "end");
  }

  /** Ends; what was not answered settles as unknown. */
  close(): void {
    if (this.#options.autoAck !== false) this.acknowledge();
    this.#finish({ kind: "ended", reason: "closed" }, "end");
  }

  #become(state: ClientState): void {
    this.#state = state;
    this.#events.state?.(state);
  }

  #dial(): void {
    const { userId, device, replay, presence, password } = this.#options;
    const { host, port } = this.server;
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
    // Where others may answer, one that is silent is not waited for; who was at all of them has to be patient.
    const hasOthers = this.#addresses.length > 1;
    const isPatient = this.#token === undefined && !(hasOthers && this.#attempt <= this.#addresses.length);
    const link = new ClientLink({
      host,
      port,
      clock: this.#clock,
      connectDeadlineMs: hasOthers ? limits.clientOthersConnectMs : limits.clientConnectDeadlineMs,
      first: encodeClient("LoginMes", fields),
      // A token is looked up; a password may have to wait for its turn to be hashed ([L-9]).
      answerDeadlineMs: isPatient ? limits.clientPasswordDeadlineMs : limits.clientAnswerDeadlineMs,
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
        return this.#sending.answered(message.fields);
      case "PresenceMes":
        return this.#presenceChanged(message.fields);
      case "DeliveredMes":
        return this.#received(message.fields);
      case "WhyResMes":
        return this.#pages.answered("WhyMes", message.fields);
      case "GapMes":
        return this.#events.gap?.(message.fields);
      case "HistoryResMes":
        return this.#pages.answered("HistoryMes", message.fields);
      case "UsersResMes":
        return this.#pages.answered("UsersMes", message.fields);
      case "PongMes":
        if (message.fields.n === this.#pings) this.lagMs = this.#clock.monotonicMs() - this.#pingedAtMs;
        return undefined;
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
      this.#listing = true;
      this.#watch();
      this.#become({ kind: "online" });
      for (const { conv, delivered } of answer.convs ?? []) {
        if (delivered !== undefined) this.#received({ conv, id: delivered });
      }
      this.#settleLogin(answer);
      this.#sending.linked();
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
    if ((answer.code === codes.tryAgain || answer.code === codes.slowDown) && this.#mayRetry(answer)) {
      this.#refusal = answer;
      this.#retryMs = answer.retryMs ?? null;
      this.#link?.destroy(answer.error);
      return;
    }
    this.#settleLogin(answer);
    this.#finish({ kind: "ended", reason: "refused", code: answer.code }, "destroy");
  }

  /** A first log-in is tried again only as long as its caller wants to wait. */
  #mayRetry({ retryMs = 0 }: LoginInfo): boolean {
    if (this.info !== null) return true;
    if (this.#options.reconnect === false) return false;
    const waitMs = this.#options.loginWaitMs ?? limits.clientLoginWaitMs;
    return this.#clock.monotonicMs() + retryMs - this.#loginBeganMs < waitMs;
  }

  #settleLogin(answer: LoginInfo | Error): void {
    const waiters = this.#loginWaiters;
    this.#loginWaiters = [];
    for (const settle of waiters) settle(answer);
  }

  /** Pings, watches for silence, acknowledges; all of one connection. */
  #watch(): void {
    this.#silentMs = 0;
    this.#heardBytes = 0;
    this.#timers = [
      this.#clock.every(limits.clientPingMs, () => {
        if (this.#link?.heardBytes === this.#heardBytes) this.#silentMs += limits.clientPingMs;
        else this.#silentMs = 0;
        this.#heardBytes = this.#link?.heardBytes ?? 0;
        if (this.#silentMs >= limits.clientSilenceMaxMs) this.#link?.destroy("silent");
        else this.#ping();
      }),
      this.#clock.every(limits.clientAckMs, () => {
        if (this.#options.autoAck !== false) this.acknowledge();
      }),
    ];
  }

  #ping(): void {
    this.#pingedAtMs = this.#clock.monotonicMs();
    this.#link?.write(encodeClient("PingMes", { n: ++this.#pings }));
  }

  #delivered(message: Delivered): void {
    if (this.#seen.note(message.conv ?? "all", message.id ?? "")) this.#events.message?.(message);
    if (this.#options.autoAck === false) return;
    if (this.#seen.ackDue) this.acknowledge();
    else if (message.conv !== undefined && message.conv !== "all") this.#acknowledgeSoon();
  }

  /** Whoever wrote privately would like to know ([C-8]); what everybody reads can wait. */
  #acknowledgeSoon(): void {
    this.#privateAck ??= this.#clock.after(limits.clientPrivateAckMs, () => {
      this.#privateAck = null;
      this.#acknowledge(this.#seen.takeUnackedPrivate());
    });
  }

  #acknowledge(acks: { conv: string; id: string }[]): void {
    for (const { conv, id } of acks) this.ack(conv, id);
  }

  #received(receipt: ServerFields<"DeliveredMes">): void {
    if (this.delivered.note(receipt.conv, receipt.id)) this.#events.delivered?.(receipt);
  }

  #presenceChanged({ online, offline, more }: ServerFields<"PresenceMes">): void {
    const initial = this.#listing;
    this.#listing &&= more;
    // Names of those who leave are still there while they are told of.
    for (const { userId, userName } of online) this.online.set(userId, userName);
    this.#events.presence?.({ online, offline, initial });
    for (const userId of offline) this.online.delete(userId);
  }

  #ask<T>(
    type: "HistoryMes" | "UsersMes" | "WhyMes",
    fields: ClientFields<"HistoryMes"> | ClientFields<"UsersMes"> | ClientFields<"WhyMes">,
  ): Promise<T> {
    if (this.#state.kind !== "online") return Promise.reject(new Error("not connected"));
    return this.#pages.ask(type, fields, (frame) => this.#link?.write(frame));
  }

  #refused({ code, error, of }: ServerFields<"ErrorMes">): void {
    this.#pages.refused(of, code, error);
    if (of === "SmsMes") this.#sending.refused(code, error);
  }

  #goAway({ code, retryMs }: ServerFields<"GoAwayMes">): void {
    if (code === codes.replaced) this.#finish({ kind: "ended", reason: "replaced", code }, "destroy");
    else this.#retryMs = retryMs ?? null;
  }

  #lost(reason: string): void {
    if (this.#state.kind === "ended") return;
    const first = this.info === null && this.#refusal === null && this.#options.patient !== true;
    this.#refusal = null;
    const retriesPassword = reason === "token refused";
    this.#letGo(reason);
    if (retriesPassword) return this.#dial();
    this.#at++;
    if (first && this.#attempt < this.#addresses.length) return this.#dial();
    if (first) {
      this.#settleLogin(new Error(reason));
      this.#finish({ kind: "ended", reason: "closed" }, "destroy");
      return;
    }
    if (this.#options.reconnect === false)
      return this.#finish({ kind: "ended", reason: "closed" }, "destroy");
    const ceilingMs = Math.min(
      limits.clientReconnectMaxMs,
      // Another server is no repeat: pauses grow when all have been tried.
      limits.clientReconnectFirstMs * 2 ** Math.floor(this.#attempt / this.#addresses.length),
    );
    // Never before the server said so, and not all of its clients at once; a long wait the server has spread already.
    const pauseMs = this.#retryMs ?? ceilingMs / 2;
    const spreadMs = Math.min((this.#retryMs ?? ceilingMs) / 2, limits.clientRetrySpreadMaxMs);
    const nextTryMs = Math.round(
      pauseMs + this.#random() * (this.#retryMs === null ? ceilingMs / 2 : spreadMs),
    );
    this.#retryMs = null;
    this.#reconnectTimer = this.#clock.after(nextTryMs, () => this.#dial());
    this.#become({ kind: "offline", reason, nextTryMs });
  }

  /** The connection's own things end with it; what waits for an answer to a page fails, unsent messages stay. */
  #letGo(reason: string): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    this.#privateAck?.cancel();
    this.#privateAck = null;
    this.#link = null;
    this.lagMs = null;
    this.#sending.unlinked();
    this.#pages.failAll(reason);
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
    this.#sending.close();
  }
}

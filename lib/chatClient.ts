/**
 * chatClient: the protocol engine of a modern client, without a terminal; client.ts, the specs and the benchmarks use
 * it alike. It logs in, goes on over as many links as it takes (clause [C-5]), and hands each message on once. Its parts
 * know one thing each: `dialPlan` where and when to dial, `linkWatch` whether the link lives, `sendQueue` what is
 * unanswered, `acknowledging` what was handed on. A closed one is inert.
 */
import { randomUUID } from "node:crypto";
import { Acknowledging } from "./acknowledging.ts";
import { type Clock, type Timer, systemClock } from "./clock.ts";
import { ClientLink } from "./clientLink.ts";
import { codes } from "./codes.ts";
import { DeliveredMarks } from "./deliveredMarks.ts";
import { DialPlan } from "./dialPlan.ts";
import { clientLoginWaitMs } from "./limits.ts";
import { LinkWatch } from "./linkWatch.ts";
import { type ClientFields, type ServerFields, type ServerMessage, encodeClient } from "./message.ts";
import type { Outbox } from "./outbox.ts";
import { PageRequests } from "./pageRequests.ts";
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
  readonly #events: ChatClientEvents;
  #state: ClientState = { kind: "idle" };
  #link: ClientLink | null = null;
  readonly #plan: DialPlan;
  readonly #watch: LinkWatch;
  #token: string | undefined;
  /** The log-in was refused for now: its link has ended for that. */
  #refusal: LoginInfo | null = null;
  #loginBeganMs = 0;
  #loginWaiters: ((answer: LoginInfo | Error) => void)[] = [];
  readonly #sending: SendQueue;
  readonly #pages = new PageRequests();
  readonly #acknowledging: Acknowledging;
  /** How far the other sides have received what is said to them; a server without receipts tells nothing. */
  readonly delivered = new DeliveredMarks();
  #reconnectTimer: Timer | null = null;
  /** The list of who is online is still coming, [P-1]. */
  #listing = true;
  /** Who is online, as told; incomplete while the server only tells totals ([P-6]). */
  readonly online = new Map<number, string>();
  /** What the last log-in said. */
  info: LoginInfo | null = null;

  constructor(options: ChatClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const random = options.random ?? Math.random;
    this.#plan = new DialPlan([options, ...(options.fallbacks ?? [])], random);
    this.#watch = new LinkWatch(this.#clock);
    this.#events = options.events ?? {};
    this.#token = options.token;
    const write = (frame: Buffer): void => this.#link?.write(frame);
    const isAutomatic = options.autoAck !== false;
    this.#acknowledging = new Acknowledging({ clock: this.#clock, isAutomatic, write });
    this.#sending = new SendQueue({
      clock: this.#clock,
      random,
      write,
      outbox: options.outbox ?? null,
      restored: (sms, outcome) => this.#events.restored?.(sms, outcome),
    });
  }

  get userId(): number {
    return this.#options.userId;
  }

  /** The server it is connected to, or tries now or next. */
  get server(): ServerAddress {
    return this.#plan.server;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Log-in token of the last log-in, for the next one of this device. */
  get token(): string | undefined {
    return this.#token;
  }

  /** How long the last ping took to come back; null: none did on this link. */
  get lagMs(): number | null {
    return this.#watch.lagMs;
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
    this.#acknowledging.ack(conv, id);
  }

  /** Acknowledges what was handed on and not acknowledged yet. */
  acknowledge(): void {
    this.#acknowledging.all();
  }

  /** Leaves the list at once, and ends ([K-3]). */
  logout(): void {
    this.#acknowledging.last();
    if (this.#state.kind === "online") this.#link?.write(encodeClient("LogoutMes", {}));
    this.#finish({ kind: "ended", reason: "closed" }, "end");
  }

  /** Ends; what was not answered settles as unknown. */
  close(): void {
    this.#acknowledging.last();
    this.#finish({ kind: "ended", reason: "closed" }, "end");
  }

  #become(state: ClientState): void {
    this.#state = state;
    this.#events.state?.(state);
  }

  #dial(): void {
    const { userId, device, replay, presence, password } = this.#options;
    const { host, port } = this.server;
    this.#become({ kind: "connecting", attempt: this.#plan.begin() });
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
      clock: this.#clock,
      first: encodeClient("LoginMes", fields),
      ...this.#plan.deadlines({ hasToken: this.#token !== undefined }),
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
        return this.#watch.pong(message.fields.n);
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
      this.#plan.loggedIn();
      this.#token = answer.token;
      this.info = answer;
      this.online.clear();
      this.#listing = true;
      if (this.#link) this.#watch.start(this.#link);
      this.#acknowledging.linked();
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
      this.#plan.comeBack(answer.retryMs ?? null);
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
    const waitMs = this.#options.loginWaitMs ?? clientLoginWaitMs;
    return this.#clock.monotonicMs() + retryMs - this.#loginBeganMs < waitMs;
  }

  #settleLogin(answer: LoginInfo | Error): void {
    const waiters = this.#loginWaiters;
    this.#loginWaiters = [];
    for (const settle of waiters) settle(answer);
  }

  #delivered(message: Delivered): void {
    if (this.#acknowledging.note(message)) this.#events.message?.(message);
    this.#acknowledging.handedOn(message.conv);
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
    else this.#plan.comeBack(retryMs ?? null);
  }

  #lost(reason: string): void {
    if (this.#state.kind === "ended") return;
    const first = this.info === null && this.#refusal === null && this.#options.patient !== true;
    this.#refusal = null;
    const retriesPassword = reason === "token refused";
    this.#letGo(reason);
    if (retriesPassword) return this.#dial();
    this.#plan.moveOn();
    if (first && this.#plan.hasUntried) return this.#dial();
    if (first) {
      this.#settleLogin(new Error(reason));
      this.#finish({ kind: "ended", reason: "closed" }, "destroy");
      return;
    }
    if (this.#options.reconnect === false)
      return this.#finish({ kind: "ended", reason: "closed" }, "destroy");
    const nextTryMs = this.#plan.takePauseMs();
    this.#reconnectTimer = this.#clock.after(nextTryMs, () => this.#dial());
    this.#become({ kind: "offline", reason, nextTryMs });
  }

  /** The connection's own things end with it; what waits for an answer to a page fails, unsent messages stay. */
  #letGo(reason: string): void {
    this.#watch.stop();
    this.#acknowledging.unlinked();
    this.#link = null;
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

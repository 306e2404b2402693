/**
 * talker: one device of one user: it reads all that comes and acknowledges it by and by, and, when it is a sender, sends,
 * and sends the same again until it has an answer. Whatever ends its connection, it comes back at once.
 */
import type { Link } from "./gate.ts";
import { Random } from "./random.ts";
import {
  type DeviceBook,
  type Id,
  type RecordedConv,
  type Recorder,
  type SessionBook,
  altered,
  countOf,
  idOf,
  privately,
  senderOf,
  strange,
} from "./recorder.ts";
import { type Fields, Wire } from "./wire.ts";

/** A door to a server: where to connect, and what stands behind it. */
export interface Door {
  host: string;
  port: number;
  /** Whether we have stopped what is behind it. */
  isStopped(): boolean;
  linkFrom(port: number): Link | null;
}

export interface TalkerOptions {
  recorder: Recorder;
  doors: readonly Door[];
  seed: number;
  userId: number;
  userPwd: string;
  device: string;
  legacy: boolean;
  /** Its number as a sender; -1: it only reads. */
  sender: number;
  /** Most messages unanswered at a time. */
  window: number;
  /** Whom it talks to in private. */
  peers: readonly number[];
  /** Mean pause between an answer and the next message. */
  thinkMs: number;
}

interface Outgoing {
  code: number;
  conv: RecordedConv;
  /** Fair ms of its connection when it was written; null: it waits. */
  writtenMs: number | null;
  /** Monotonic ms before which it is not sent again. */
  notBeforeMs: number;
}

/** One connection, from its dial to its end. */
interface Call {
  wire: Wire;
  door: Door;
  /** Null until logged in. */
  session: SessionBook | null;
  /** Time in which nothing of ours held this connection back. */
  fairMs: number;
  heardFairMs: number;
  /** Monotonic ms. */
  pingedMs: number;
  /** The highest seq heard and not acknowledged yet. */
  unacked: Map<RecordedConv, Id>;
}

export const answerDeadlineMs = 5500;
const silenceMaxMs = 9000;
const pingMs = 2000;
const tickMaxMs = 25;

let groupCount = 0;

/** What a message says: its number, and filler of a length that follows from the number. */
export function contentOf(code: number): string {
  const dice = (Math.imul(countOf(code), 2654435761) >>> 0) % 1000;
  const length = dice < 20 ? 3900 : 10 + (dice % 150);
  return `${code} ${"海".repeat(dice % 7)}${"x".repeat(length)}`;
}

/** One device of one user. */
export class Talker {
  readonly options: TalkerOptions;
  readonly device: DeviceBook;
  readonly #random: Random;
  readonly #recorder: Recorder;
  #call: Call | null = null;
  #token: string | null = null;
  #redialAtMs = 0;
  #outgoing: Outgoing[] = [];
  #nextSendMs = 0;
  #nextAckMs = 0;
  #group = 0;
  #pages: ((fields: Fields | null) => void)[] = [];
  #state: "running" | "ended" = "running";
  /** Sends new messages. */
  sends = false;
  stalled = false;
  logins = 0;
  /** Answers that are neither 200 nor "again". */
  refusals: Fields[] = [];
  /** Where "all" stood at the latest log-in, by its answer. */
  toldHead: Id = { epoch: 0, seq: 0 };

  constructor(options: TalkerOptions) {
    this.options = options;
    const { recorder, userId, device: name, legacy, sender, seed } = options;
    this.#recorder = recorder;
    this.#random = new Random(seed, `${userId} ${name}`);
    this.device = recorder.addDevice({ name: `${userId}/${name}`, userId, legacy, sender });
    this.#group = options.window === 1 ? ++groupCount : 0;
  }

  get isLoggedIn(): boolean {
    return this.#call?.session != null;
  }

  /** Messages that have no answer yet. */
  get waiting(): number {
    return this.#outgoing.length;
  }

  waitingCodes(): number[] {
    return this.#outgoing.map(({ code }) => code);
  }

  /** The link it talks through, if a gate is in between. */
  get link(): Link | null {
    const port = this.#call?.wire.socket.localPort;
    return port === undefined ? null : (this.#call?.door.linkFrom(port) ?? null);
  }

  get door(): Door | null {
    return this.#call?.door ?? null;
  }

  /** Lets the connection go, as a program does that gives up, and dials again. */
  giveUp(): void {
    const call = this.#call;
    if (!call) return;
    call.wire.drop();
    this.#over(call);
  }

  /** Stops or goes on reading. */
  stall(stalled: boolean): void {
    this.stalled = stalled;
    if (stalled) this.#call?.wire.socket.pause();
    else this.#call?.wire.socket.resume();
  }

  /** One last message to each of those it talks to. */
  sayLast(): void {
    const { sender, legacy, peers, userId } = this.options;
    if (sender < 0 || legacy) return;
    for (const conv of new Set<RecordedConv>(["all", ...peers.map((peer) => privately(userId, peer))])) {
      const code = this.#recorder.sent(sender, conv, this.#group);
      this.#outgoing.push({ code, conv, writtenMs: null, notBeforeMs: 0 });
    }
  }

  end(): void {
    this.#state = "ended";
    this.giveUp();
  }

  /** Called every few ms, with what went by since the last time. */
  tick(nowMs: number, sinceMs: number): void {
    if (this.#state === "ended") return;
    const call = this.#call;
    if (!call) {
      if (nowMs >= this.#redialAtMs) this.#dial();
      return;
    }
    const isHeld = this.stalled || call.door.isStopped() || (this.link?.isTroubled ?? false);
    // A pause of our own process is nobody else's fault.
    if (!isHeld) call.fairMs += Math.min(sinceMs, tickMaxMs);
    // The first generation has no pings: its silence says nothing.
    const isSilent = call.fairMs - call.heardFairMs > silenceMaxMs;
    if (isSilent && !(this.options.legacy && call.session)) return this.giveUp();
    if (!call.session) return;
    // It pings while it does not read, too, as programs do whose pings run by a timer.
    if (!this.options.legacy && nowMs - call.pingedMs > pingMs) {
      call.pingedMs = nowMs;
      call.wire.say("PingMes", { n: this.logins });
    }
    this.#acknowledge(call, nowMs);
    if (this.options.sender >= 0) this.#send(call, nowMs);
  }

  /** A page of history; null when it did not come. */
  history(fields: Fields): Promise<Fields | null> {
    const call = this.#call;
    if (!call?.session) return Promise.resolve(null);
    call.wire.say("HistoryMes", fields);
    return new Promise((resolve) => this.#pages.push(resolve));
  }

  /** What a conversation is called over the wire by this user. */
  viewOf(conv: string): string {
    if (conv === "all") return conv;
    const [low, high] = conv.split(":").map(Number);
    return `u:${low === this.options.userId ? high : low}`;
  }

  /** The number of a delivered message: what it says has to be what its sender said. */
  codeOf({ content, userId, mid }: Fields): number {
    const text = String(content).replace(/^（私聊）/, "");
    const code = Number(/^(\d{8,16}) /.exec(text)?.[1] ?? 0);
    const book = this.#recorder.senders[senderOf(code)];
    if (!book || countOf(code) >= book.convs.length || book.userId !== userId) return strange;
    // The first generation's lines have a mid of the server's own.
    const hasMid = mid === undefined || mid === String(code) || String(mid).startsWith("legacy.");
    return hasMid && text === contentOf(code) ? code : altered;
  }

  #dial(): void {
    const { doors, userId, userPwd, device, legacy } = this.options;
    const door = this.#random.pick(doors);
    const wire = new Wire(door, {
      heard: (type, fields) => {
        if (this.#call !== call) return;
        call.heardFairMs = call.fairMs;
        this.#heard(call, type, fields);
      },
      closed: () => this.#over(call),
    });
    const call: Call = {
      wire,
      door,
      session: null,
      fairMs: 0,
      heardFairMs: 0,
      pingedMs: 0,
      unacked: new Map(),
    };
    this.#call = call;
    if (this.stalled) wire.socket.pause();
    if (legacy) wire.say("LoginMes", { userId, userPwd, userName: "" });
    else {
      const proof = this.#token === null ? { userPwd } : { token: this.#token };
      wire.say("LoginMes", { userId, ...proof, v: 2, device, presence: this.#random.chance(0.8) });
    }
  }

  #over(call: Call): void {
    if (this.#call !== call) return;
    this.#call = null;
    if (call.session) call.session.endMs = performance.now();
    this.#redialAtMs = performance.now() + this.#random.between(0, call.session ? 60 : 250);
    for (const one of this.#outgoing) one.writtenMs = null;
    const pages = this.#pages;
    this.#pages = [];
    for (const page of pages) page(null);
    if (this.options.legacy) {
      // It cannot know what became of its lines, and so does not repeat them.
      this.#outgoing = [];
      this.#group = ++groupCount;
    }
  }

  #heard(call: Call, type: string, fields: Fields): void {
    switch (type) {
      case "SmsMes":
        return this.#message(call, fields);
      case "SmsResMes":
        return this.#answer(call, fields);
      case "LoginResMes":
        return this.#login(call, fields);
      case "GapMes":
        if (call.session) {
          this.#recorder.gap(this.device, call.session, this.#convOf(fields.conv), {
            after: idOf(fields.after),
            before: idOf(fields.before),
            count: Number(fields.count),
            reason: String(fields.reason),
          });
        }
        return;
      case "HistoryResMes":
        return this.#pages.shift()?.(fields);
      case "ErrorMes":
        if (fields.of === "HistoryMes") this.#pages.shift()?.(null);
        else if (fields.code !== 503) this.refusals.push({ type, ...fields });
        return;
    }
  }

  #login(call: Call, fields: Fields): void {
    if (fields.code !== 200) {
      // A token that another log-in of ours made old: the password is always good.
      if (fields.code === 403) this.#token = null;
      call.wire.drop();
      this.#over(call);
      this.#redialAtMs = performance.now() + Math.min(Number(fields.retryMs ?? 200), 2000);
      return;
    }
    this.logins++;
    if (typeof fields.token === "string") this.#token = fields.token;
    call.session = this.#recorder.login(this.device);
    const told = (fields.convs as Fields[] | undefined)?.find(({ conv }) => conv === "all");
    if (told) this.toldHead = idOf(told.head);
  }

  #message(call: Call, fields: Fields): void {
    if (!call.session) return;
    const code = this.codeOf(fields);
    if (this.options.legacy) {
      // Content that would not fit comes in parts; only the first one says the number.
      return this.#recorder.gotLegacy(this.device, call.session, code);
    }
    const conv = this.#convOf(fields.conv);
    const id = idOf(fields.id);
    this.#recorder.got(this.device, call.session, conv, id, code);
    call.unacked.set(conv, id);
  }

  #answer(call: Call, { mid, code, id, retryMs }: Fields): void {
    const index = this.#outgoing.findIndex((one) => String(one.code) === mid);
    const one = this.#outgoing[index];
    if (!one) return this.#knownAnswer(String(mid), code, id);
    if (code === 503 || code === 429) {
      one.writtenMs = null;
      one.notBeforeMs = performance.now() + Math.min(Number(retryMs ?? 100), this.#random.between(20, 400));
      return;
    }
    this.#outgoing.splice(index, 1);
    this.#nextSendMs = performance.now() + this.#random.untilNextMs(this.options.thinkMs);
    if (code !== 200) return void this.refusals.push({ type: "SmsResMes", mid, code });
    this.#recorder.stored(one.code, idOf(id));
    // Now and then a message is sent again although it was answered: it has to be known.
    if (this.#random.chance(0.01)) {
      call.wire.say("SmsMes", { conv: this.viewOf(one.conv), content: contentOf(one.code), mid });
    }
  }

  /** The answer to a message that had been answered before. */
  #knownAnswer(mid: string, code: unknown, id: unknown): void {
    if (code === 200 && senderOf(Number(mid)) === this.options.sender)
      this.#recorder.stored(Number(mid), idOf(id));
  }

  #acknowledge(call: Call, nowMs: number): void {
    if (nowMs < this.#nextAckMs || this.options.legacy) return;
    this.#nextAckMs = nowMs + this.#random.between(50, 600);
    for (const [conv, { epoch, seq }] of call.unacked) {
      call.wire.say("AckMes", { conv: this.viewOf(conv), id: `${epoch}-${seq}` });
      this.#recorder.acked(this.device, conv, { epoch, seq });
    }
    call.unacked.clear();
  }

  #send(call: Call, nowMs: number): void {
    const { window, legacy, sender, peers, userId, thinkMs } = this.options;
    if (this.sends && this.#outgoing.length < window && nowMs >= this.#nextSendMs) {
      const conv =
        legacy || peers.length === 0 || this.#random.chance(0.5)
          ? "all"
          : privately(userId, this.#random.pick(peers));
      const code = this.#recorder.sent(sender, conv, this.#group);
      this.#outgoing.push({ code, conv, writtenMs: null, notBeforeMs: 0 });
      if (window > 1 || legacy)
        this.#nextSendMs = nowMs + this.#random.untilNextMs(legacy ? 4 * thinkMs : thinkMs);
    }
    for (const one of this.#outgoing) {
      if (one.writtenMs === null && nowMs >= one.notBeforeMs) {
        one.writtenMs = call.fairMs;
        this.#recorder.said(one.code);
        const fields: Fields = { content: contentOf(one.code) };
        if (!legacy) Object.assign(fields, { conv: this.viewOf(one.conv), mid: String(one.code) });
        call.wire.say("SmsMes", fields);
      } else if (one.writtenMs !== null && call.fairMs - one.writtenMs > answerDeadlineMs && !legacy) {
        this.#recorder.unanswered.push(one.code);
        return this.giveUp();
      }
    }
    if (legacy) this.#outgoing = [];
  }

  #convOf(view: unknown): RecordedConv {
    const text = String(view);
    return text === "all" ? "all" : privately(this.options.userId, Number(text.slice(2)));
  }
}

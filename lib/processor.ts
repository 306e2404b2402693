/**
 * processor: one table (type -> allowed in which state -> handler) and one gate. It takes a payload and gives an
 * answer as a value; it never writes to a socket. A refusal is answered as clause [M-4] says; anything else that is
 * thrown is a fault of ours, and costs the connection ([K-6]).
 */
import { CodedError, codes, codeTexts, legacyInternalErrorText } from "./codes.ts";
import {
  type ClientFields,
  type ClientMessage,
  type ClientType,
  type ServerFields,
  decodeClient,
  encodeServer,
} from "./message.ts";
import type { Session } from "./session.ts";
import type { SmsProcess } from "./smsProcess.ts";
import type { Knocking, UserProcess } from "./userProcess.ts";
import type { WhyProcess } from "./whyProcess.ts";

/** What goes back for one request. */
export interface Answer {
  frames: Buffer[];
  /** Done when the frames were handed over. */
  after?: () => void;
  /** Ends the connection after the frames; the reason is for the journal. */
  close?: string;
}

/** A request that was taken: `alone` says that the next may not be begun before its answer is there. */
export type Begun =
  | { alone: boolean; answer: Promise<Answer> | Answer; later?: undefined }
  /** Not begun yet: call it with when the request came, when the answers before its own were taken. */
  | { alone: false; later: (arrivedMs: number) => Promise<Answer> | Answer };

/** One connection, as the gate sees it. */
export interface Peer extends Knocking {
  session: Session | null;
  /** When the request that is being begun came (monotonic ms): its answer is due answerDeadlineMs later ([S-7]). */
  readonly arrivedMs: number;
  /** Set by the first PingMes: from then on silence is a reason to close ([K-2]). */
  pings: boolean;
}

interface Rule<T extends ClientType> {
  when: "before log-in" | "after log-in";
  /** Nothing else of this connection is begun until it is answered. */
  alone: boolean;
  /** Its answer may be as long as a frame: it is begun when those before it were taken, so that memory is bounded. */
  isLong?: true;
  /** `arrivedMs`: see Peer. */
  handle: (peer: Peer, fields: ClientFields<T>, arrivedMs: number) => Promise<Answer> | Answer;
}

export interface ProcessorOptions {
  userProcess: UserProcess;
  smsProcess: SmsProcess;
  whyProcess: WhyProcess;
}

const nothing: Answer = { frames: [] };
/** What a legacy session may say: the answers to the rest are of a generation it does not know ([G-8]). */
const firstGeneration: ReadonlySet<ClientType> = new Set(["SmsMes", "NotifyUserStatusMes", "LogoutMes"]);

/** The gate of all connections. */
export class Processor {
  readonly #userProcess: UserProcess;
  readonly #smsProcess: SmsProcess;
  readonly #rules: { [T in ClientType]: Rule<T> };

  constructor({ userProcess, smsProcess, whyProcess }: ProcessorOptions) {
    this.#userProcess = userProcess;
    this.#smsProcess = smsProcess;
    this.#rules = {
      RegisterMes: {
        when: "before log-in",
        alone: true,
        handle: (peer, fields) => this.#register(peer, fields),
      },
      LoginMes: { when: "before log-in", alone: true, handle: (peer, fields) => this.#login(peer, fields) },
      SmsMes: { when: "after log-in", alone: false, handle: (...said) => this.#sms(...said) },
      NotifyUserStatusMes: { when: "after log-in", alone: false, handle: () => nothing },
      AckMes: {
        when: "after log-in",
        alone: false,
        handle: async (peer, fields, arrivedMs) => {
          await this.#smsProcess.ack(sessionOf(peer), fields, arrivedMs);
          return nothing;
        },
      },
      HistoryMes: {
        when: "after log-in",
        // A page that is long in coming holds up the answers behind it, but not what they were asked for.
        alone: false,
        isLong: true,
        handle: async (peer, fields, arrivedMs) => ({
          frames: [
            await this.#smsProcess.history(sessionOf(peer), fields, {
              arrivedMs,
              isWanted: () => !peer.gone,
            }),
          ],
        }),
      },
      UsersMes: {
        when: "after log-in",
        alone: false,
        isLong: true,
        handle: (_peer, fields) => ({ frames: [this.#userProcess.users(fields)] }),
      },
      WhyMes: {
        when: "after log-in",
        alone: true,
        handle: async (peer, fields) => ({ frames: [await whyProcess.why(sessionOf(peer), fields)] }),
      },
      PingMes: {
        when: "after log-in",
        alone: false,
        handle: (peer, fields) => {
          peer.pings = true;
          return { frames: [encodeServer("PongMes", { n: fields.n })] };
        },
      },
      LogoutMes: {
        when: "after log-in",
        alone: true,
        handle: (peer) => {
          this.#userProcess.leave(sessionOf(peer), "logout");
          return { frames: [], close: "logout" };
        },
      },
    };
  }

  /**
   * One payload to one answer. Throws FrameError on a payload that is no message ([F-5]). The answer's promise never
   * rejects on a refusal.
   */
  process(peer: Peer, payload: Buffer): Begun {
    const message = decodeClient(payload);
    if (message.type === null) {
      const { of, mid, modern, error } = message;
      // Before log-in nobody learns which fields a message would have ([L-8]).
      const early = peer.session === null && of !== "LoginMes" && of !== "RegisterMes";
      const told = early ? new CodedError(codes.notLoggedIn) : error;
      return { alone: false, answer: refusal(peer, told, { of, mid, modern }) };
    }
    const rule = this.#rules[message.type] as Rule<ClientType>;
    const about = { of: message.type, ...(message.type === "SmsMes" && { mid: message.fields.mid }) };
    const refused = this.#gate(peer, message.type, rule);
    if (refused) return { alone: false, answer: refusal(peer, refused, about) };
    const handled = (arrivedMs: number): Promise<Answer> | Answer =>
      this.#handled(peer, rule, { message, about, arrivedMs });
    return rule.isLong
      ? { alone: false, later: handled }
      : { alone: rule.alone, answer: handled(peer.arrivedMs) };
  }

  /** The connection has ended: its session, if it has one, leaves. */
  leave(peer: Peer, reason: string): void {
    if (peer.session) this.#userProcess.leave(peer.session, reason);
  }

  #gate(peer: Peer, type: ClientType, rule: Rule<ClientType>): CodedError | null {
    if (rule.when === "after log-in" && peer.session === null) return new CodedError(codes.notLoggedIn);
    if (rule.when === "before log-in" && peer.session !== null) {
      return new CodedError(codes.malformed, { detail: "already logged in" });
    }
    if (peer.session?.legacy && !firstGeneration.has(type)) {
      return new CodedError(codes.malformed, { detail: "wants v: 2 at log-in" });
    }
    return null;
  }

  #handled(
    peer: Peer,
    rule: Rule<ClientType>,
    { message, about, arrivedMs }: { message: ClientMessage; about: About; arrivedMs: number },
  ): Promise<Answer> | Answer {
    const refuse = (error: unknown): Answer => {
      if (error instanceof CodedError) return refusal(peer, error, about);
      throw error;
    };
    try {
      const answer = rule.handle(peer, message.fields, arrivedMs);
      return answer instanceof Promise ? answer.catch(refuse) : answer;
    } catch (error) {
      return refuse(error);
    }
  }

  async #register(peer: Peer, fields: ClientFields<"RegisterMes">): Promise<Answer> {
    await this.#userProcess.register(peer, fields);
    return { frames: [encodeServer("RegisterResMes", { code: codes.ok, error: "" })] };
  }

  async #login(peer: Peer, fields: ClientFields<"LoginMes">): Promise<Answer> {
    try {
      const { session, token, convs } = await this.#userProcess.login(peer, fields);
      peer.session = session;
      const frame =
        session.legacy === null
          ? await this.#userProcess.modernAnswer(session, token ?? "", convs)
          : session.legacy.loginAnswer();
      return { frames: [frame], after: () => this.#userProcess.start(session) };
    } catch (error) {
      this.leave(peer, "log-in failed");
      peer.session = null;
      if (!(error instanceof CodedError)) throw error;
      return { frames: [loginRefusal(error, fields.v === 2)] };
    }
  }

  async #sms(peer: Peer, fields: ClientFields<"SmsMes">, arrivedMs: number): Promise<Answer> {
    const session = sessionOf(peer);
    if (session.legacy === null) return { frames: [await this.#smsProcess.send(session, fields, arrivedMs)] };
    await this.#smsProcess.sendLegacy(session, fields.content);
    return nothing;
  }
}

interface About {
  of: string;
  mid?: string | undefined;
  /** Whether the log-in it was says that it is of the second generation. */
  modern?: boolean;
}

function sessionOf(peer: Peer): Session {
  if (!peer.session) throw new Error("processor: the gate let a message through before log-in");
  return peer.session;
}

/** The error answer to a message, by the rules of [M-4]; a legacy session gets none ([G-8]). */
function refusal(peer: Peer, error: CodedError, { of, mid, modern = false }: About): Answer {
  const { code, message, retryMs } = error;
  const retry = retryMs === undefined ? {} : { retryMs };
  if (of === "RegisterMes" && !peer.session) {
    // The first generation knows 505 and 506; "not known to be done" is its 506 ([A-4]).
    const told = code === codes.tryAgain ? codes.unknown : code;
    const text = told === code && code !== codes.taken ? message : codeTexts[told];
    return { frames: [encodeServer("RegisterResMes", { code: told, error: text, ...retry })] };
  }
  if (of === "LoginMes" && !peer.session) return { frames: [loginRefusal(error, modern)] };
  if (peer.session?.legacy) return nothing;
  if (of === "SmsMes" && mid !== undefined && peer.session) {
    return { frames: [encodeServer("SmsResMes", { code, error: message, mid, ...retry })] };
  }
  return { frames: [encodeServer("ErrorMes", { code, error: message, of, ...retry })] };
}

function loginRefusal({ code, message, retryMs }: CodedError, modern: boolean): Buffer {
  const retry = retryMs === undefined ? {} : { retryMs };
  if (modern) return encodeServer("LoginResMes", { code, error: message, ...retry });
  // What the first generation has no code for is its internal error.
  const foreign = code === codes.tryAgain || code === codes.slowDown;
  const fields: ServerFields<"LoginResMes"> = foreign
    ? { code: codes.taken, UsersId: null, error: legacyInternalErrorText }
    : { code, UsersId: null, error: message };
  return encodeServer("LoginResMes", fields);
}

/**
 * userProcess: registering, logging in and out, and the list of who is online. Passwords are argon2id only; a plain
 * record of the first generation is upgraded at its first log-in (clauses to, [L-1] to [L-7]).
 */
import type { Clock } from "./clock.ts";
import { CodedError, codes } from "./codes.ts";
import { allConv, convFor } from "./conv.ts";
import type { Doorbell } from "./doorbell.ts";
import { type Journal, reasonOf } from "./journal.ts";
import * as limits from "./limits.ts";
import { type ClientFields, type Stored, encodeServer } from "./message.ts";
import { formatId, parseId, zeroId } from "./messageId.ts";
import type { Meter } from "./meter.ts";
import { type PasswordHasher, samePlainPassword } from "./password.ts";
import type { Receipts } from "./receipts.ts";
import { repeatUntilDue } from "./repeat.ts";
import type { ConvState, LegacyOutput, Output, Presence, Reading } from "./session.ts";
import { Session } from "./session.ts";
import type { ThrottleDao } from "./throttleDao.ts";
import type { TokenDao } from "./tokenDao.ts";
import type { UserDao, UserRecord } from "./userDao.ts";
import type { UserMgr } from "./userMgr.ts";

export const legacyDevice = "legacy";
export const defaultDevice = "default";

export interface UserProcessOptions {
  userDao: UserDao;
  tokenDao: TokenDao;
  /** Null: no throttling. */
  throttleDao: ThrottleDao | null;
  hasher: PasswordHasher;
  userMgr: UserMgr;
  doorbell: Doorbell;
  reading: Reading;
  presence: Presence;
  receipts: Receipts;
  /** How safely what is kept is stored. */
  stored: () => Stored;
  clock: Clock;
  journal: Journal;
  meter: Meter;
}

/** Who knocks: the connection before it has a session. */
export interface Knocking extends Output {
  address: string;
  /** The paced output of a legacy session; made when asked for. */
  legacyOutput: (userId: number) => LegacyOutput;
  /** Whether the connection has ended meanwhile. */
  readonly gone: boolean;
  /** Whether the other side will say no more: it has gone, or only listens. */
  readonly heardAll: boolean;
}

/** What RegisterMes, LoginMes and UsersMes do. */
export class UserProcess {
  readonly #options: UserProcessOptions;

  constructor(options: UserProcessOptions) {
    this.#options = options;
  }

  /** RegisterMes: makes the account, or throws CodedError 505 (taken), 429, 503. */
  async register(
    knocking: Pick<Knocking, "address" | "gone">,
    { user }: ClientFields<"RegisterMes">,
  ): Promise<void> {
    const { userDao, throttleDao, hasher, reading, clock, journal } = this.#options;
    const { address } = knocking;
    // Looked up before hashing: the first-generation client sends every registration twice.
    if ((await userDao.find(user.userId)) !== null) throw new CodedError(codes.taken);
    const waitMs = (await throttleDao?.register(address)) ?? 0;
    if (waitMs > 0) throw new CodedError(codes.slowDown, { retryMs: waitMs });
    const record: UserRecord = {
      userId: user.userId,
      userName: user.userName,
      sex: user.sex ?? "",
      pwd: await hasher.hash(user.userPwd, { patient: true, isWanted: () => !knocking.gone }),
      since: formatId(await reading.roomHead()),
    };
    const dueMs = clock.monotonicMs() + limits.answerDeadlineMs - limits.answerReserveMs;
    // A reply that was lost must not make the same person hear that the id is taken.
    const created = await repeatUntilDue(clock, dueMs, () => userDao.create(record));
    if (!created) throw new CodedError(codes.taken);
    journal.write("user_created", { userId: user.userId, address });
  }

  /**
   * LoginMes: the session, and where it stands in each conversation. Throws CodedError 500 (unknown), 403, 429, 503.
   * The caller answers, then calls `start`.
   */
  async login(
    knocking: Knocking,
    fields: ClientFields<"LoginMes">,
  ): Promise<{ session: Session; token: string | null; convs: ConvState[] }> {
    const { doorbell, reading, userMgr } = this.#options;
    const modern = fields.v === 2;
    const device = modern ? (fields.device ?? defaultDevice) : legacyDevice;
    const { record, token } =
      modern && fields.token !== undefined
        ? await this.#byToken(knocking.address, { userId: fields.userId, device, token: fields.token })
        : await this.#byPassword(knocking, fields, modern ? device : null);
    const legacy = modern ? null : knocking.legacyOutput(fields.userId);
    const session = new Session(
      {
        userId: record.userId,
        userName: record.userName,
        sex: record.sex,
        device,
        since: parseId(record.since),
        replay: fields.replay ?? "all",
        presence: fields.presence ?? true,
        address: knocking.address,
      },
      legacy ?? knocking,
      legacy,
    );
    await doorbell.hold(session.userId);
    try {
      const convs = await reading.prepare(session);
      // Last of all that can fail: whoever is replaced is replaced by somebody who is there. A client that gave up on a
      // server that hung may be on another one by now.
      if (modern && !knocking.heardAll) await userMgr.claim(session);
      if (knocking.gone) throw new CodedError(codes.tryAgain, { detail: "gone" });
      userMgr.add(session);
      return { session, token, convs };
    } catch (error) {
      reading.stop(session);
      doorbell.release(session.userId);
      throw error;
    }
  }

  /** LoginResMes 200 of a modern session ([L-3]). */
  async modernAnswer(session: Session, token: string, convs: ConvState[]): Promise<Buffer> {
    const { presence, receipts, stored, clock, userDao } = this.#options;
    const told = convs.slice(0, limits.loginConvsMax);
    const [names, delivered] = await Promise.all([
      Promise.all(
        told.map(async ({ conv }) => {
          const peer = Number(convFor(conv, session.userId).slice(2));
          return Number.isNaN(peer) ? "" : ((await userDao.nameOf(peer)) ?? "");
        }),
      ),
      receipts.atLogin(
        session,
        told.map(({ conv }) => conv),
      ),
    ]);
    return encodeServer("LoginResMes", {
      code: codes.ok,
      error: "",
      userName: session.userName,
      token,
      online: presence.total,
      convs: told.map(({ conv, head, cursor, unread }, index) => ({
        conv: convFor(conv, session.userId),
        userName: names[index] ?? "",
        head: formatId(head),
        cursor: formatId(cursor),
        unread,
        ...(conv !== allConv && { delivered: formatId(delivered[index] ?? zeroId) }),
      })),
      more: convs.length > told.length,
      limits: { ...limits.toldLimits },
      stored: stored(),
      time: clock.wallMs(),
    });
  }

  /** Presence, messages and receipts begin to flow. Call when LoginResMes was written ([G-1], [P-1]). */
  start(session: Session): void {
    session.answered();
    if (session.closed) return;
    this.#options.presence.start(session);
    this.#options.reading.start(session);
    this.#options.receipts.start(session);
  }

  /** The connection of the session has ended, or it logs out. */
  leave(session: Session, reason: string): void {
    if (session.closed) return;
    this.#options.userMgr.remove(session, reason);
  }

  /** UsersMes: a page of who is online ([P-5]). */
  users({ after = 0, limit = limits.usersPageDefaultUsers }: ClientFields<"UsersMes">): Buffer {
    const { presence } = this.#options;
    const { users, more } = presence.page(after, limit);
    return encodeServer("UsersResMes", { code: codes.ok, total: presence.total, users, more });
  }

  /**
   * By token: one that fits passes all throttling, so that nobody can lock out who was here before ([A-5]). What a
   * token that does not fit is told is throttled and counted like a password.
   */
  async #byToken(
    address: string,
    { userId, device, token: presented }: { userId: number; device: string; token: string },
  ): Promise<{ record: UserRecord; token: string }> {
    const { userDao, tokenDao, throttleDao } = this.#options;
    const user = await userDao.find(userId);
    const token = user && (await tokenDao.renew(userId, device, presented));
    if (!token) {
      await this.#mayTry(userId, address);
      await this.#failed(userId, address, user ? "token" : "unknown");
      throw new CodedError(user ? codes.wrongPassword : codes.userUnknown);
    }
    await throttleDao?.loginSucceeded(userId);
    return { record: user.record, token };
  }

  /** By password; a modern session's device gets a token. */
  async #byPassword(
    knocking: Knocking,
    fields: ClientFields<"LoginMes">,
    device: string | null,
  ): Promise<{ record: UserRecord; token: string | null }> {
    const { tokenDao, throttleDao } = this.#options;
    await this.#mayTry(fields.userId, knocking.address);
    const record = await this.#authenticated(knocking, fields);
    const token = device === null ? null : await tokenDao.renew(fields.userId, device, null);
    await throttleDao?.loginSucceeded(fields.userId);
    return { record, token };
  }

  /** Throws CodedError 429 while too many have failed. */
  async #mayTry(userId: number, address: string): Promise<void> {
    const waitMs = (await this.#options.throttleDao?.beforeLogin(userId, address)) ?? 0;
    if (waitMs > 0) throw new CodedError(codes.slowDown, { retryMs: waitMs });
  }

  /** The user's record, when the password is theirs. */
  async #authenticated(knocking: Knocking, fields: ClientFields<"LoginMes">): Promise<UserRecord> {
    const { userDao, hasher } = this.#options;
    const { address } = knocking;
    const waiting = { patient: fields.v !== 2, isWanted: () => !knocking.gone };
    const user = await userDao.find(fields.userId);
    if (!user) {
      await this.#failed(fields.userId, address, "unknown");
      throw new CodedError(codes.userUnknown);
    }
    const password = fields.userPwd ?? "";
    const fits =
      user.kind === "plain"
        ? samePlainPassword(user.userPwd, password)
        : await hasher.verify(user.record.pwd, password, waiting);
    if (!fits) {
      await this.#failed(fields.userId, address, "password");
      throw new CodedError(codes.wrongPassword);
    }
    if (user.kind === "hashed" && user.record.since !== "") return user.record;
    // A record put in by hand, with a plain password or one that was mended: its first log-in is its beginning ([D-7]).
    const { reading, journal } = this.#options;
    const record = {
      ...user.record,
      pwd: user.kind === "plain" ? await hasher.hash(password, waiting) : user.record.pwd,
      since: formatId(await reading.roomHead()),
    };
    if (!(await userDao.upgrade(user, record))) {
      // Somebody else upgraded it a moment ago: theirs is the record now.
      return (await userDao.find(fields.userId))?.record ?? record;
    }
    if (user.kind === "plain") journal.write("password_migrated", { userId: record.userId });
    return record;
  }

  async #failed(userId: number, address: string, what: "unknown" | "password" | "token"): Promise<void> {
    this.#options.meter.loginsFailed++;
    this.#options.journal.write("login_failed", { userId, address, what });
    await this.#options.throttleDao?.loginFailed(userId, address).catch((error: unknown) => {
      this.#options.journal.write("throttle_not_counted", { userId, reason: reasonOf(error) });
    });
  }
}

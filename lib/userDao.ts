/**
 * userDao: the records of users, in the hash `users` (clause ). Absence is null, faults throw CodedError 503.
 * A record's password is either `pwd` (an argon2id string) or, in a record of the first generation, `userPwd` in
 * plain: two fields, so that a plain password that looks like a hash is never taken for one.
 */
import { type Clock, systemClock } from "./clock.ts";
import { madeFitForName } from "./fields.ts";
import type { Journal } from "./journal.ts";
import { usersKey } from "./keys.ts";
import * as limits from "./limits.ts";
import { Script, type RedisStore } from "./redis.ts";

const untold: Journal = { write: () => undefined };
const createScript = new Script("createField");
const replaceField = new Script("replaceField");

export interface UserRecord {
  userId: number;
  userName: string;
  sex: string;
  /** argon2id PHC string. */
  pwd: string;
  /** Head of "all" when the user registered, "<epoch>-<seq>". */
  since: string;
}

export type StoredUser =
  | { kind: "hashed"; json: string; record: UserRecord }
  /** Of the first generation; `record.pwd` and `record.since` are still empty. */
  | { kind: "plain"; json: string; record: UserRecord; userPwd: string };

/** Reads and makes the records of users. */
export class UserDao {
  readonly #store: RedisStore;
  /** Names of users known to exist. Users are never deleted or renamed, so it cannot go stale. */
  readonly #names = new Map<number, string>();
  readonly #journal: Journal;
  readonly #clock: Clock;
  /** When each record that cannot be read was told of; monotonic. */
  readonly #toldMs = new Map<number, number>();

  /** Without a journal records that cannot be read are not told of. */
  constructor(
    store: RedisStore,
    { journal = untold, clock = systemClock }: { journal?: Journal; clock?: Clock } = {},
  ) {
    this.#store = store;
    this.#journal = journal;
    this.#clock = clock;
  }

  /** The record of a user, or null. A record that cannot be read counts as none. */
  async find(userId: number): Promise<StoredUser | null> {
    const json = await this.#store.call("HGET", usersKey, userId);
    const user = typeof json === "string" ? parseUser(userId, json) : null;
    if (user) this.#know(userId, user.record.userName);
    else if (json !== null) this.#tellUnreadable(userId);
    return user;
  }

  /** The name of a user, or null when there is none. */
  async nameOf(userId: number): Promise<string | null> {
    return this.#names.get(userId) ?? (await this.find(userId))?.record.userName ?? null;
  }

  /** Makes the user; false when the id is taken. May be repeated: our own record does not count as taken. */
  async create(record: UserRecord): Promise<boolean> {
    const args = [record.userId, JSON.stringify(record)];
    return (await this.#store.keep(createScript, [usersKey], args)).reply === 1;
  }

  /** Puts `record` in place of what was read; false when it has changed meanwhile. */
  async upgrade(user: StoredUser, record: UserRecord): Promise<boolean> {
    const args = [record.userId, user.json, JSON.stringify(record)];
    return (await this.#store.run(replaceField, [usersKey], args)) === 1;
  }

  /**
   * Every record, a slice at a time; null for one that cannot be read. One that is changed meanwhile comes as it was or
   * as it is, one that is added may be missing.
   */
  async *slices(): AsyncGenerator<(StoredUser | null)[]> {
    let cursor = "0";
    do {
      const reply = await this.#store.call("HSCAN", usersKey, cursor, "COUNT", limits.scanSliceUsers);
      const [next, flat] = reply as [string, string[]];
      const slice: (StoredUser | null)[] = [];
      for (let index = 0; index + 1 < flat.length; index += 2) {
        const userId = Number(flat[index]);
        slice.push(Number.isSafeInteger(userId) ? parseUser(userId, flat[index + 1] ?? "") : null);
      }
      yield slice;
      cursor = next;
    } while (cursor !== "0");
  }

  /** Who asks again and again fills no journal; nothing of the record is told, since it may be a password. */
  #tellUnreadable(userId: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - (this.#toldMs.get(userId) ?? -Infinity) < limits.unreadableSayMs) return;
    if (this.#toldMs.size >= limits.unreadableKnownMax) this.#toldMs.clear();
    this.#toldMs.set(userId, nowMs);
    this.#journal.write("user_unreadable", { userId });
  }

  #know(userId: number, userName: string): void {
    if (this.#names.size >= limits.knownUsersMax) this.#names.clear();
    this.#names.set(userId, userName);
  }
}

function parseUser(userId: number, json: string): StoredUser | null {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const given = value as Record<string, unknown>;
  const textOf = (name: string): string => (typeof given[name] === "string" ? given[name] : "");
  const record = {
    userId,
    userName: madeFitForName(textOf("userName"), limits.userNameMaxCodePoints),
    sex: textOf("sex").slice(0, limits.sexMaxUnits).toWellFormed(),
    pwd: textOf("pwd"),
    since: textOf("since"),
  };
  if (record.pwd) return { kind: "hashed", json, record };
  const userPwd = textOf("userPwd");
  return userPwd ? { kind: "plain", json, record, userPwd } : null;
}

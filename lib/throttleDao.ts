/**
 * throttleDao: how often somebody may try (clause ). Counters live in Redis, so all nodes share them, and run out
 * by themselves. Faults throw CodedError 503.
 */
import { accountThrottleKey, addressThrottleKey } from "./keys.ts";
import * as limits from "./limits.ts";
import { Script, type RedisStore } from "./redis.ts";

const throttleScript = new Script("throttle");
const accountScript = new Script("throttleAccount");
const windowMs = 60_000;

/** Counts attempts by account and by address. */
export class ThrottleDao {
  readonly #store: RedisStore;

  constructor(store: RedisStore) {
    this.#store = store;
  }

  /** Ms until a log-in to this account from this address is looked at; 0 = now. */
  async beforeLogin(userId: number, address: string): Promise<number> {
    const pauses = await Promise.all([
      this.#account(userId, "look"),
      this.#address("login", address, limits.addressFailuresPerMinuteMax, 0),
    ]);
    return Math.max(...pauses);
  }

  /** Counts a wrong password or an unknown user. */
  async loginFailed(userId: number, address: string): Promise<void> {
    await Promise.all([
      this.#account(userId, "fail"),
      this.#address("login", address, limits.addressFailuresPerMinuteMax, 1),
    ]);
  }

  /** A log-in went well: the account's failures are forgotten. */
  async loginSucceeded(userId: number): Promise<void> {
    await this.#account(userId, "clear");
  }

  /** Counts a registration; ms until there is room for it, 0 = now. */
  async register(address: string): Promise<number> {
    return this.#address("register", address, limits.addressRegistersPerMinuteMax, 1);
  }

  async #account(userId: number, action: "look" | "fail" | "clear"): Promise<number> {
    const args = [action, limits.loginFailuresFree, limits.loginDelayFirstMs, limits.loginDelayMaxMs];
    return Number(await this.#store.run(accountScript, [accountThrottleKey(userId)], args));
  }

  async #address(kind: "login" | "register", address: string, most: number, add: number): Promise<number> {
    const args = [windowMs, most, add];
    return Number(await this.#store.run(throttleScript, [addressThrottleKey(kind, address)], args));
  }
}

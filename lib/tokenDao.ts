/**
 * tokenDao: log-in tokens by device (clauses [L-4], [L-5]). Redis holds SHA-256 of them only. Faults throw
 * CodedError 503.
 */
import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "./clock.ts";
import { cursorsKey, receivedKey, seenKey, tokensKey } from "./keys.ts";
import { devicesPerUserMax, tokenBytes, tokenLifeMs } from "./limits.ts";
import { Script, type RedisStore } from "./redis.ts";

const tokenScript = new Script("token");

/** Gives out tokens and renews them. */
export class TokenDao {
  readonly #store: RedisStore;
  readonly #clock: Clock;

  constructor(store: RedisStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * A new token for the device, or null when the one it came with (`presented`; null: it came with the password)
   * does not fit. Drops the device unused for the longest time where there are too many.
   */
  async renew(userId: number, device: string, presented: string | null): Promise<string | null> {
    const token = randomBytes(tokenBytes).toString("base64url");
    const expires = this.#clock.wallMs() + tokenLifeMs;
    const hash = presented === null ? "" : hashOf(presented);
    const args = [device, hashOf(token), expires, devicesPerUserMax, hash];
    const keys = [tokensKey(userId), cursorsKey(userId), receivedKey(userId), seenKey(userId)];
    const { reply } = await this.#store.keep(tokenScript, keys, args);
    return reply === 1 ? token : null;
  }

  /** Forgets the token of a device. */
  async forget(userId: number, device: string): Promise<void> {
    await this.#store.call("HDEL", tokensKey(userId), device);
  }
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}

/**
 * loginDao: which log-in of each device is the newest one (clause [L-7]). Log-ins are numbered in Redis, where all
 * servers see the same order, and the others are told in the same step; who was not told can ask. Faults throw
 * CodedError 503.
 */
import { cursorsKey, loginField, userBell } from "./keys.ts";
import { replacedText } from "./doorbell.ts";
import { Script, type RedisStore } from "./redis.ts";

const loginScript = new Script("login");

/** Numbers log-ins. */
export class LoginDao {
  readonly #store: RedisStore;
  readonly #node: string;

  constructor(store: RedisStore, node: string) {
    this.#store = store;
    this.#node = node;
  }

  /** Makes this log-in the newest of its device; its number. A repeat gives a newer number, and does no harm. */
  async claim(userId: number, device: string): Promise<number> {
    const text = replacedText(this.#node, userId, device);
    const args = [loginField(device), userBell(userId), text, this.#store.publishCommand];
    return Number(await this.#store.run(loginScript, [cursorsKey(userId)], args));
  }

  /** Numbers of the newest log-ins, in the order of `devices`; 0 where none is known. */
  async newest(userId: number, devices: string[]): Promise<number[]> {
    const fields = devices.map(loginField);
    const found = (await this.#store.call("HMGET", cursorsKey(userId), ...fields)) as (string | null)[];
    return found.map(Number);
  }
}

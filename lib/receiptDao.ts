/**
 * receiptDao: how far a user has received private conversations, with which devices and when, and when those were last
 * here (clauses [B-1], [B-4]). What was received is written by cursors.lua, in one with the cursor. Faults throw
 * CodedError 503.
 */
import type { StoredConv } from "./conv.ts";
import { cursorField, receivedKey, seenKey, tokensKey } from "./keys.ts";
import { type MessageId, parseId } from "./messageId.ts";
import { Script, type RedisStore } from "./redis.ts";

const replaceField = new Script("replaceField");

/** When a device was last here. */
export type Seen = { state: "on"; sinceMs: number; node: string } | { state: "off"; sinceMs: number };

/** One acknowledgement: everything up to `id`, at that time. */
export interface Ack {
  id: MessageId;
  timeMs: number;
}

export interface DeviceFacts {
  device: string;
  /** The latest acknowledgements, the newest first. */
  acks: Ack[];
  /** Null: never seen, or never shown. */
  seen: Seen | null;
}

/** Reads receipts; notes who is here. */
export class ReceiptDao {
  readonly #store: RedisStore;

  constructor(store: RedisStore) {
    this.#store = store;
  }

  /** How far a user has received a conversation with any device; null: nothing yet. */
  async received(userId: number, conv: StoredConv): Promise<MessageId | null> {
    const id = (await this.#store.call("HGET", receivedKey(userId), conv)) as string | null;
    return parseId(id ?? "");
  }

  /** All devices of a user, and what each of them has acknowledged of one conversation. */
  async devicesOf(userId: number, conv: StoredConv): Promise<DeviceFacts[]> {
    const [named, flat] = (await Promise.all([
      this.#store.call("HKEYS", tokensKey(userId)),
      this.#store.call("HGETALL", seenKey(userId)),
    ])) as [string[], string[]];
    const seen = new Map<string, string>();
    for (let index = 0; index + 1 < flat.length; index += 2)
      seen.set(flat[index] ?? "", flat[index + 1] ?? "");
    // First-generation sessions have no token, hidden devices are never seen.
    const devices = [...new Set([...named, ...seen.keys()])];
    if (devices.length === 0) return [];
    const fields = devices.map((device) => cursorField(device, conv));
    const acks = (await this.#store.call("HMGET", receivedKey(userId), ...fields)) as (string | null)[];
    return devices.map((device, index) => ({
      device,
      acks: parseAcks(acks[index] ?? ""),
      seen: parseSeen(seen.get(device) ?? ""),
    }));
  }

  /** The device is here. */
  async setSeen(userId: number, device: string, seen: Seen): Promise<void> {
    await this.#store.call("HSET", seenKey(userId), device, formatSeen(seen));
  }

  /** The device has left, unless it has meanwhile come back elsewhere: then it is no longer seen as `before`. */
  async replaceSeen(
    userId: number,
    device: string,
    { before, after }: { before: Seen; after: Seen },
  ): Promise<void> {
    await this.#store.run(replaceField, [seenKey(userId)], [device, formatSeen(before), formatSeen(after)]);
  }
}

function parseAcks(text: string): Ack[] {
  return text.split(" ").flatMap((ack) => {
    const [idText = "", time = ""] = ack.split("@");
    const id = parseId(idText);
    return id ? [{ id, timeMs: Number(time) }] : [];
  });
}

function formatSeen(seen: Seen): string {
  return seen.state === "on" ? `on ${seen.sinceMs} ${seen.node}` : `off ${seen.sinceMs}`;
}

function parseSeen(text: string): Seen | null {
  const [state, since = "", node = ""] = text.split(" ");
  const sinceMs = Number(since);
  if (!Number.isSafeInteger(sinceMs)) return null;
  if (state === "on") return { state, sinceMs, node };
  return state === "off" ? { state, sinceMs } : null;
}

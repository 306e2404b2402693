/**
 * whyProcess: what became of a message, for its sender only (clauses [B-3], [B-4]). Of the other side's devices it says
 * of what kind they are, what they have acknowledged and whether they are here; neither names nor addresses.
 */
import { CodedError, codes } from "./codes.ts";
import { otherSideOf, storedConv } from "./conv.ts";
import { deviceKind } from "./deviceKind.ts";
import { acksKeptMax } from "./limits.ts";
import { type ClientFields, type DeviceState, type Stored, encodeServer } from "./message.ts";
import { type MessageId, compareIds, parseId, zeroId } from "./messageId.ts";
import type { PresenceDao } from "./presenceDao.ts";
import type { DeviceFacts, ReceiptDao } from "./receiptDao.ts";
import type { Presence, Session } from "./session.ts";
import type { SmsDao } from "./smsDao.ts";

export interface WhyProcessOptions {
  smsDao: SmsDao;
  receiptDao: ReceiptDao;
  presenceDao: PresenceDao;
  presence: Presence;
  stored: () => Stored;
}

/** What WhyMes does. */
export class WhyProcess {
  readonly #options: WhyProcessOptions;

  constructor(options: WhyProcessOptions) {
    this.#options = options;
  }

  /** WhyMes: WhyResMes; CodedError 404 where the session's user sent no such message, or it is no longer kept. */
  async why(session: Session, fields: ClientFields<"WhyMes">): Promise<Buffer> {
    const { smsDao, stored } = this.#options;
    const conv = storedConv(fields.conv, session.userId);
    const id = parseId(fields.id) ?? zeroId;
    const entry = compareIds(id, zeroId) > 0 ? await smsDao.find(conv, id) : null;
    if (entry?.sender !== session.userId) {
      // One and the same whoever asks: what others said, and whether they did, stays theirs.
      throw new CodedError(codes.notFound, { detail: `no message ${fields.id} of yours` });
    }
    const reader = otherSideOf(conv, session.userId);
    return encodeServer("WhyResMes", {
      code: codes.ok,
      error: "",
      conv: fields.conv,
      id: fields.id,
      time: entry.time,
      // It is still there, so it is as safe as this Redis keeps things.
      stored: stored(),
      devices: reader === null ? [] : await this.#devicesOf(reader, conv, id),
    });
  }

  async #devicesOf(userId: number, conv: string, id: MessageId): Promise<DeviceState[]> {
    const { receiptDao, presenceDao, presence } = this.#options;
    const [devices, nodes] = await Promise.all([receiptDao.devicesOf(userId, conv), presenceDao.nodes()]);
    // What a device's own note says may have outlived a lost write; who is in no list is not here.
    const isOnline = presence.page(userId - 1, 1).users[0]?.userId === userId;
    return devices
      .map((facts) => stateOf(facts, { id, nodes: isOnline ? nodes : [] }))
      .sort((one, other) => rankOf(other) - rankOf(one) || (other.since ?? 0) - (one.since ?? 0));
  }
}

/** One device, as the sender may know it. `nodes`: those that live. */
function stateOf(
  { device, acks, seen }: DeviceFacts,
  { id, nodes }: { id: MessageId; nodes: string[] },
): DeviceState {
  // The earliest one that covers the message; where older ones are forgotten it is not known when it was.
  const covering = acks.filter((ack) => compareIds(ack.id, id) >= 0);
  const first = covering.at(-1);
  const isKnown = covering.length < acks.length || acks.length < acksKeptMax;
  const online = seen?.state === "on" && nodes.includes(seen.node);
  // Its node is gone, and nobody noted when.
  const isSinceKnown = seen !== null && (online || seen.state === "off");
  return {
    kind: deviceKind(device),
    acked: first !== undefined,
    ...(first && isKnown && { ackedTime: first.timeMs }),
    online,
    ...(isSinceKnown && { since: seen.sinceMs }),
  };
}

/** Those that have it first, then those that are here. */
function rankOf({ acked, online }: DeviceState): number {
  return (acked ? 2 : 0) + (online ? 1 : 0);
}

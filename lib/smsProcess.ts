/**
 * smsProcess: sending, acknowledging and looking back. Who speaks is taken from the session, never from the payload
 * ([S-5]). Nothing is answered before it is stored.
 */
import { randomUUID } from "node:crypto";
import type { Appender } from "./appender.ts";
import { type Clock, delay } from "./clock.ts";
import { CodedError, codes } from "./codes.ts";
import { type StoredConv, allConv, convFor, participantsOf, peerOf, storedConv } from "./conv.ts";
import type { CursorDao } from "./cursorDao.ts";
import * as limits from "./limits.ts";
import { type ClientFields, type ServerFields, encodeServer } from "./message.ts";
import { compareIds, earlierId, formatId, laterId, parseId, zeroId } from "./messageId.ts";
import { deliveredFields } from "./delivered.ts";
import type { Meter } from "./meter.ts";
import { Bucket } from "./rate.ts";
import type { Receipts } from "./receipts.ts";
import { answerBy, repeatUntilDue } from "./repeat.ts";
import type { Session } from "./session.ts";
import type { Entry, SmsDao } from "./smsDao.ts";
import { Turns } from "./turns.ts";
import type { UserDao } from "./userDao.ts";

export interface SmsProcessOptions {
  smsDao: SmsDao;
  cursorDao: CursorDao;
  userDao: UserDao;
  appender: Appender;
  receipts: Receipts;
  clock: Clock;
  meter: Meter;
  /** Messages a second for one session; 0 = no throttling. */
  rate: number;
}

/** What SmsMes, AckMes and HistoryMes do. */
export class SmsProcess {
  readonly #options: SmsProcessOptions;
  readonly #buckets = new WeakMap<Session, Bucket>();
  /** Pages are read a few at a time: their bytes share the way with what is sent. */
  readonly #pages = new Turns(limits.historyReadsMax);
  /** Private conversations whose hint this node has written, and when (monotonic ms). */
  readonly #hinted = new Map<StoredConv, number>();
  /** Hints being written: who comes meanwhile waits for the same one, so that messages do not overtake each other. */
  readonly #hinting = new Map<StoredConv, Promise<void>>();
  /** Unique over nodes and restarts; never told to be anything but a mid. */
  readonly #legacyMids = `legacy.${randomUUID()}`;
  #legacyCount = 0;

  constructor(options: SmsProcessOptions) {
    this.#options = options;
  }

  /** SmsMes of a modern session: SmsResMes, always, within answerDeadlineMs of its arrival ([S-7]). */
  async send(session: Session, fields: ClientFields<"SmsMes">, arrivedMs: number): Promise<Buffer> {
    const { mid, conv = allConv, content } = fields;
    if (mid === undefined)
      throw new CodedError(codes.malformed, { detail: "mid wants 1 to 64 characters from ! to ~" });
    const dueMs = dueAfter(arrivedMs);
    const waitMs = this.#bucketOf(session)?.take() ?? 0;
    if (waitMs > 0) throw new CodedError(codes.slowDown, { retryMs: Math.ceil(waitMs) });
    const stored = storedConv(conv, session.userId);
    if (!this.#isOpen(stored)) await this.#openPrivate(stored, session.userId, dueMs);
    const { userId: sender, device, userName: name, sex } = session;
    const message = { sender, device, mid, name, sex, content };
    const { id, time, stored: grade } = await this.#options.appender.append(stored, message, dueMs);
    this.#options.receipts.awaits(session.userId, stored, id);
    const { clock, meter } = this.#options;
    meter.timings?.answer.observe((clock.monotonicMs() - arrivedMs) / 1000);
    return encodeServer("SmsResMes", {
      code: codes.ok,
      error: "",
      mid,
      conv,
      id: formatId(id),
      time,
      stored: grade,
    });
  }

  /** SmsMes of a legacy session: to everyone, no answer either way; too fast is read more slowly ([S-9]). */
  async sendLegacy(session: Session, content: string): Promise<void> {
    const { appender, clock } = this.#options;
    const waitMs = this.#bucketOf(session)?.takeOnCredit() ?? 0;
    if (waitMs > 0) await delay(clock, waitMs);
    const { userId: sender, device, userName: name, sex } = session;
    // A mid of our own, so that an append whose answer was lost can be repeated.
    const mid = `${this.#legacyMids}.${this.#legacyCount++}`;
    const dueMs = dueAfter(clock.monotonicMs());
    await appender.append(allConv, { sender, device, mid, name, sex, content }, dueMs);
  }

  /** AckMes: moves the device's cursor forward, not above what this session was sent ([D-2]). */
  async ack(session: Session, fields: ClientFields<"AckMes">, arrivedMs: number): Promise<void> {
    const conv = storedConv(fields.conv, session.userId);
    // Looked up first: a LogoutMes right behind it takes the readers away.
    const reader = session.readerOf(conv);
    const sent = reader?.position ?? zeroId;
    if (conv !== allConv) {
      const assertPeer = (): Promise<void> => this.#assertPeer(conv, session.userId);
      await answerBy(this.#options.clock, dueAfter(arrivedMs), assertPeer);
    }
    const id = earlierId(parseId(fields.id) ?? zeroId, sent);
    if (compareIds(id, zeroId) > 0) {
      this.#options.cursorDao.acknowledge(session.userId, session.device, conv, id);
    }
    if (reader) reader.acked = laterId(reader.acked, id);
  }

  /**
   * HistoryMes: a page of what was said, oldest first ([H-1] to [H-3]). One that cannot be read in time is refused
   * with 503, since the answers behind it wait for this one.
   */
  async history(
    session: Session,
    fields: ClientFields<"HistoryMes">,
    { arrivedMs, isWanted }: { arrivedMs: number; isWanted: () => boolean },
  ): Promise<Buffer> {
    if (fields.before !== undefined && fields.after !== undefined) {
      throw new CodedError(codes.malformed, { detail: "before and after exclude each other" });
    }
    const conv = storedConv(fields.conv, session.userId);
    const { clock } = this.#options;
    const dueMs = dueAfter(arrivedMs);
    if (clock.monotonicMs() >= dueMs) throw new CodedError(codes.tryAgain, { retryMs: 1000 });
    return answerBy(clock, dueMs, () =>
      this.#pages.take(async () => {
        if (!isWanted() || clock.monotonicMs() >= dueMs) throw new CodedError(codes.tryAgain);
        await this.#assertPeer(conv, session.userId);
        return this.#page(session, conv, fields);
      }),
    );
  }

  async #page(
    session: Session,
    conv: StoredConv,
    { conv: view, before, after, limit = limits.historyPageDefaultMessages }: ClientFields<"HistoryMes">,
  ): Promise<Buffer> {
    const { smsDao } = this.#options;
    const forward = after !== undefined;
    const found: Entry[] = [];
    let position = parseId(after ?? before ?? "") ?? (forward ? zeroId : null);
    let bytes = 0;
    // In parts: a page of the longest messages is cut to a frame, and there is no need to read forty frames for it.
    for (let most = limits.historyPartMessages; found.length <= limit && bytes <= limits.frameMaxBytes;) {
      const count = Math.min(most, limit + 1 - found.length);
      const part = forward
        ? await smsDao.readAfter(conv, position ?? zeroId, count)
        : await smsDao.readBefore(conv, position, count);
      found.push(...part);
      if (part.length < count) break;
      position = part.at(-1)?.id ?? position;
      for (const { content } of part) bytes += Buffer.byteLength(content);
      most *= 2;
    }
    const { messages, cut } = fitPage(found.slice(0, limit), session.userId, conv);
    if (!forward) messages.reverse();
    return encodeServer("HistoryResMes", {
      code: codes.ok,
      error: "",
      conv: view,
      messages,
      more: cut || found.length > limit,
    });
  }

  /** Redis came back, and may have lost hints: they are written again. */
  forgetHints(): void {
    this.#hinted.clear();
  }

  #bucketOf(session: Session): Bucket | null {
    const { rate, clock } = this.#options;
    if (rate === 0) return null;
    let bucket = this.#buckets.get(session);
    if (!bucket)
      this.#buckets.set(session, (bucket = new Bucket(clock, rate, rate * limits.sendBurstSeconds)));
    return bucket;
  }

  /** Whether nothing has to be written before an append: there are no hints for "all", and the others may be there. */
  #isOpen(conv: StoredConv): boolean {
    const participants = participantsOf(conv);
    const hintedMs = this.#hinted.get(conv);
    if (participants && hintedMs !== undefined) this.#renewHint(conv, participants, hintedMs);
    return !participants || hintedMs !== undefined;
  }

  /** Hints before the append ([D-1]): a private conversation is in both lists before its first message is. */
  async #openPrivate(conv: StoredConv, userId: number, dueMs: number): Promise<void> {
    const { clock } = this.#options;
    // The append has to have its time afterwards.
    const openDueMs = dueMs - limits.storeDeadlineMs;
    await answerBy(clock, dueMs, () => repeatUntilDue(clock, openDueMs, () => this.#hintOnce(conv, userId)));
  }

  async #hintOnce(conv: StoredConv, userId: number): Promise<void> {
    const participants = participantsOf(conv);
    if (!participants) return;
    let hinting = this.#hinting.get(conv);
    if (!hinting) {
      hinting = this.#hint(conv, participants, userId).finally(() => this.#hinting.delete(conv));
      this.#hinting.set(conv, hinting);
    }
    await hinting;
  }

  /**
   * The hint is never taken out, but says when the conversation was used: the sweep looks there. Written now and then,
   * on the way of the append and before it; nobody waits for it.
   */
  #renewHint(conv: StoredConv, participants: [number, number], hintedMs: number): void {
    const { smsDao, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - hintedMs < limits.hintRenewMs) return;
    this.#hinted.set(conv, nowMs);
    smsDao.hint(participants, clock.wallMs()).catch(() => this.#hinted.delete(conv));
  }

  async #hint(conv: StoredConv, participants: [number, number], userId: number): Promise<void> {
    await this.#assertPeer(conv, userId);
    await this.#options.smsDao.hint(participants, this.#options.clock.wallMs());
    if (this.#hinted.size >= limits.hintedConvsMax) this.#hinted.clear();
    this.#hinted.set(conv, this.#options.clock.monotonicMs());
  }

  async #assertPeer(conv: StoredConv, userId: number): Promise<void> {
    const peer = peerOf(conv, userId);
    if (peer !== null && (await this.#options.userDao.nameOf(peer)) === null) {
      throw new CodedError(codes.notFound, { detail: convFor(conv, userId) });
    }
  }
}

/** When what came at `arrivedMs` has to be answered, monotonic ms. */
function dueAfter(arrivedMs: number): number {
  return arrivedMs + limits.answerDeadlineMs - limits.answerReserveMs;
}

/** As many messages, from the first on, as fit one frame ([F-8]). */
function fitPage(
  entries: Entry[],
  reader: number,
  conv: StoredConv,
): { messages: ServerFields<"HistoryResMes">["messages"]; cut: boolean } {
  const messages: ServerFields<"HistoryResMes">["messages"] = [];
  const view = convFor(conv, reader);
  let bytes = 512;
  for (const entry of entries) {
    const fields = deliveredFields(entry, view);
    // Twice escaped, as it will be: the page is JSON inside JSON.
    bytes += Buffer.byteLength(JSON.stringify(JSON.stringify(fields)));
    if (bytes > limits.frameMaxBytes) return { messages, cut: true };
    messages.push(fields);
  }
  return { messages, cut: false };
}

/**
 * standing: where a device stands in each of its conversations at log-in: head, cursor, unread ([L-3]). One small
 * answer a conversation, in slices, a few at a time for the whole node: a log-in, or many, hold up nobody's sends.
 */
import { type StoredConv, allConv, privateConv } from "./conv.ts";
import type { CursorDao } from "./cursorDao.ts";
import * as limits from "./limits.ts";
import { type MessageId, compareIds, earlierId, laterId, zeroId } from "./messageId.ts";
import type { Session } from "./session.ts";
import type { Entry, SmsDao } from "./smsDao.ts";
import { Turns } from "./turns.ts";

/** Where a device stands in one conversation. */
export interface Stand {
  conv: StoredConv;
  head: MessageId;
  /** Never beyond the head. */
  cursor: MessageId;
  /** Messages of others above the cursor. A legacy session, which is not told, has the difference of seqs. */
  unread: number;
  /** Its stored cursor is beyond the log, which has lost its end. */
  beyond: boolean;
}

/** Looks up where sessions stand. */
export class Standing {
  readonly #smsDao: SmsDao;
  readonly #cursorDao: CursorDao;
  readonly #slices = new Turns(limits.standSlicesMax);
  /** Who sent the newest messages of "all", for exact counts without reading them again. */
  #recent: { id: MessageId; sender: number }[] = [];

  constructor({ smsDao, cursorDao }: { smsDao: SmsDao; cursorDao: CursorDao }) {
    this.#smsDao = smsDao;
    this.#cursorDao = cursorDao;
  }

  /** New messages of "all", in order. */
  remember(entries: Pick<Entry, "id" | "sender">[]): void {
    for (const { id, sender } of entries) this.#recent.push({ id, sender });
    if (this.#recent.length > 2 * limits.replayMaxMessages) {
      this.#recent = this.#recent.slice(-limits.replayMaxMessages);
    }
  }

  /** "all" first, then the private conversations, the latest used first. */
  async of(session: Session): Promise<Stand[]> {
    const { userId, device } = session;
    const peers = await this.#smsDao.peersOf(userId, limits.loginPeersMax);
    const convs = [allConv, ...peers.map((peer) => privateConv(userId, peer))];
    const cursors = await this.#cursorDao.read(userId, device, convs);
    const stands: Stand[] = [];
    for (let at = 0; at < convs.length && !session.closed; at += limits.standSliceConvs) {
      const slice = convs.slice(at, at + limits.standSliceConvs);
      // Heads are asked of Redis, not of this node: what was answered before this log-in is not new to it.
      const found = await this.#slices.take(() =>
        Promise.all(slice.map((conv, index) => this.#standOf(session, conv, cursors[at + index] ?? null))),
      );
      stands.push(...found);
    }
    return stands;
  }

  async #standOf(session: Session, conv: StoredConv, stored: MessageId | null): Promise<Stand> {
    const first = conv === allConv ? session.since : zeroId;
    const most = session.legacy ? 0 : limits.replayMaxMessages;
    const { head, unread } = await this.#unreadAbove(conv, stored ?? first, { userId: session.userId, most });
    // A log that lost its tail may end before a cursor.
    const cursor = earlierId(stored ?? first ?? head, head);
    return { conv, head, cursor, unread, beyond: stored !== null && compareIds(stored, head) > 0 };
  }

  /** `cursor` null: at the head, wherever that is. */
  async #unreadAbove(
    conv: StoredConv,
    cursor: MessageId | null,
    { userId, most }: { userId: number; most: number },
  ): Promise<{ head: MessageId; unread: number }> {
    if (conv !== allConv) return this.#smsDao.unread(conv, { cursor: cursor ?? zeroId, userId, most });
    const newest = this.#recent.at(-1)?.id ?? zeroId;
    const after = laterId(newest, cursor ?? zeroId);
    const { head, unread } = await this.#smsDao.unread(conv, { cursor: after, userId, most });
    if (!cursor) return { head, unread: 0 };
    const behind = Math.max(0, head.seq - cursor.seq);
    if (behind > most) return { head, unread: behind };
    // What was read while Redis was asked is counted there.
    const last = earlierId(newest, head);
    const remembered = this.#recent.filter(
      ({ id, sender }) => sender !== userId && compareIds(id, cursor) > 0 && compareIds(id, last) <= 0,
    );
    return { head, unread: unread + (compareIds(after, cursor) > 0 ? remembered.length : 0) };
  }
}

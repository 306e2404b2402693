/**
 * presence: who is online, and telling it (clauses [P-1] to [P-6]). The node keeps the whole list. Changes go into one
 * log; what a session was told ends at an index of that log, so those who are up to date share one Buffer, and one
 * that came in the middle, or was slow, gets exactly what it lacks, netted. Redis holds the counts of all nodes: what
 * it says is the truth about who has left; while it is away nobody leaves.
 */
import { hasEnded } from "./nodeName.ts";
import type { Clock, Timer } from "./clock.ts";
import { parsePresenceChange } from "./presenceDao.ts";
import { type Journal, reasonOf } from "./journal.ts";
import * as limits from "./limits.ts";
import { encodeServer } from "./message.ts";
import type { PresenceCount, PresenceDao } from "./presenceDao.ts";
import type { Presence, Session } from "./session.ts";

interface Change {
  userId: number;
  userName: string;
  online: boolean;
}

export interface PresenceOptions {
  presenceDao: PresenceDao;
  clock: Clock;
  journal: Journal;
}

/** Who is online, as this node sees it, and what each session was told of it. */
export class PresenceBoard implements Presence {
  readonly #dao: PresenceDao;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #view = new Map<number, string>();
  /** Sessions on this node that are shown, by user. */
  readonly #shown = new Map<number, { count: number; userName: string }>();
  readonly #dirty = new Set<number>();
  /** Index in the change log up to which each session was told. */
  readonly #told = new Map<Session, number>();
  #log: Change[] = [];
  /** Index of the first change that `#log` still holds. */
  #logStart = 0;
  #version = 0;
  #snapshot: { frames: Buffer; index: number } | null = null;
  #sorted: number[] | null = null;
  #windowTimer: Timer | null = null;
  #lastFlushMs = 0;
  #flushing = false;
  #closed = false;
  #leaseSinceMs: number | null = null;
  #leaseRenewedMs = 0;
  readonly #moving = new Set<Timer>();
  #timers: Timer[] = [];

  constructor({ presenceDao, clock, journal }: PresenceOptions) {
    this.#dao = presenceDao;
    this.#clock = clock;
    this.#journal = journal;
  }

  get total(): number {
    return this.#view.size;
  }

  userIds(): Iterable<number> {
    return this.#view.keys();
  }

  /** Takes part: registers the node, reads who is online. Call once, before the first session. */
  async open(): Promise<void> {
    // A server that was killed leaves its users behind: where it can be known, that lasts no lease.
    const ended = (await this.#dao.nodes()).filter(hasEnded);
    if (ended.length > 0) await this.#dao.sweep(ended);
    await this.#join();
    this.#timers = [
      this.#clock.every(limits.leaseBeatMs, () => void this.#beat()),
      this.#clock.every(limits.leaseSweepMs, () => void this.#sweep()),
    ];
  }

  /** The node goes: its users are no longer counted. */
  async close(): Promise<void> {
    // A session that leaves later, or a window that is just being written, opens no more of them.
    this.#closed = true;
    for (const timer of [...this.#timers, ...this.#moving]) timer.cancel();
    this.#windowTimer?.cancel();
    await this.#dao.join([]).catch(() => undefined);
  }

  came(session: Session): void {
    if (!session.presence) return;
    const { userId, userName } = session;
    this.#shown.set(userId, { count: (this.#shown.get(userId)?.count ?? 0) + 1, userName });
    // Told here at once: who logs in next finds the user in the list. Redis hears of it with this window.
    this.#setOnline(userId, userName);
    this.#changed(userId);
  }

  left(session: Session, moved: boolean): void {
    this.#told.delete(session);
    if (!session.presence || this.#closed) return;
    if (!moved) return this.#uncount(session.userId);
    // The other node counts the user with its next window; until then this one does, or all would be told a gap.
    const timer = this.#clock.after(limits.presenceMoveMs, () => {
      this.#moving.delete(timer);
      this.#uncount(session.userId);
    });
    this.#moving.add(timer);
  }

  start(session: Session): void {
    if (!session.presence || session.closed) return;
    this.#told.set(session, this.#logEnd);
    if (!session.legacy) session.output.write(this.#snapshotFrames());
  }

  page(after: number, count: number): { users: { userId: number; userName: string }[]; more: boolean } {
    this.#sorted ??= [...this.#view.keys()].sort((left, right) => left - right);
    const first = firstAbove(this.#sorted, after);
    const ids = this.#sorted.slice(first, first + count);
    const users = ids.map((userId) => ({ userId, userName: this.#view.get(userId) ?? "" }));
    return { users, more: first + count < this.#sorted.length };
  }

  /** What a presence script published, from this node or another one. */
  changed(json: string): void {
    const change = parsePresenceChange(json);
    if (change.version <= this.#version) return;
    if (change.version > this.#version + 1) {
      void this.#resync();
      return;
    }
    this.#version = change.version;
    for (const { userId, userName } of change.online) this.#setOnline(userId, userName);
    for (const userId of change.offline) if (!this.#shown.get(userId)?.count) this.#setOffline(userId);
    this.#openWindow();
  }

  /** Changes may have been missed. */
  async missed(): Promise<void> {
    await this.#resync();
  }

  get #logEnd(): number {
    return this.#logStart + this.#log.length;
  }

  #setOnline(userId: number, userName: string): void {
    if (this.#view.has(userId)) return;
    this.#view.set(userId, userName);
    this.#sorted = null;
    this.#log.push({ userId, userName, online: true });
  }

  #setOffline(userId: number): void {
    const userName = this.#view.get(userId);
    if (userName === undefined) return;
    this.#view.delete(userId);
    this.#sorted = null;
    this.#log.push({ userId, userName, online: false });
  }

  #uncount(userId: number): void {
    const shown = this.#shown.get(userId);
    if (!shown) return;
    shown.count--;
    this.#changed(userId);
  }

  #changed(userId: number): void {
    this.#dirty.add(userId);
    this.#openWindow();
  }

  /** A window with a pause as long as the last flush took: a storm is told in few, large steps (design 5). */
  #openWindow(atLeastMs: number = limits.presenceWindowMs): void {
    if (this.#windowTimer || this.#flushing || this.#closed) return;
    const waitMs = Math.max(atLeastMs, this.#lastFlushMs);
    this.#windowTimer = this.#clock.after(waitMs, () => {
      this.#windowTimer = null;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    this.#flushing = true;
    const startedMs = this.#clock.monotonicMs();
    try {
      await this.#write();
      await this.#tell();
    } catch (error) {
      this.#journal.write("presence_frozen", { reason: reasonOf(error) });
    }
    this.#flushing = false;
    this.#lastFlushMs = this.#clock.monotonicMs() - startedMs;
    if (this.#dirty.size > 0 || this.#somebodyLacks(false)) this.#openWindow();
    else if (this.#somebodyLacks(true)) this.#openWindow(limits.presenceSlowRetryMs);
  }

  /** Counts of this window to Redis; its totals say who is online. What fails is written with the next window. */
  async #write(): Promise<void> {
    if (this.#dirty.size === 0) return;
    const users = [...this.#dirty];
    this.#dirty.clear();
    try {
      const counts = users.map((userId) => this.#countOf(userId));
      const result = await this.#dao.beat(counts);
      if (!result) return await this.#join();
      // Published changes come on another connection, and may have overtaken this answer: its totals are old then.
      const overtaken = result.version < this.#version;
      for (const { userId, userName } of counts) {
        // A change that came while Redis was asked is in the next window.
        if (this.#dirty.has(userId)) continue;
        if (!overtaken && (result.totals.get(userId) ?? 0) > 0) this.#setOnline(userId, userName);
        else if (!overtaken) this.#setOffline(userId);
        if (this.#shown.get(userId)?.count === 0) this.#shown.delete(userId);
      }
      if (overtaken) await this.#resync();
    } catch (error) {
      for (const userId of users) this.#dirty.add(userId);
      throw error;
    }
  }

  #countOf(userId: number): PresenceCount {
    const shown = this.#shown.get(userId);
    return { userId, count: shown?.count ?? 0, userName: shown?.userName ?? this.#view.get(userId) ?? "" };
  }

  /** Tells every session what it was not told yet. */
  async #tell(): Promise<void> {
    const end = this.#logEnd;
    const shared = new Map<number, { frames: Buffer; online: Change[]; offline: Change[] }>();
    let inSlice = 0;
    for (const [session, index] of this.#told) {
      if (index >= end) continue;
      // A slow one keeps its index, and is told all it lacks when it drains.
      if (isSlow(session)) continue;
      let told = shared.get(index);
      if (!told) shared.set(index, (told = this.#since(index, end)));
      if (session.legacy) session.legacy.presenceChanged(idsOf(told.online), idsOf(told.offline));
      else if (told.frames.length > 0) session.output.write(told.frames);
      this.#told.set(session, end);
      if (++inSlice % limits.fanoutSliceSessions === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#trimLog();
  }

  /** The changes from index to end, netted: who came and left again is in neither list. */
  #since(index: number, end: number): { frames: Buffer; online: Change[]; offline: Change[] } {
    const changes = this.#log.slice(index - this.#logStart, end - this.#logStart);
    const net = new Map<number, Change>();
    for (const change of changes) {
      // Changes of one user alternate, so a second one undoes the first.
      if (!net.delete(change.userId)) net.set(change.userId, change);
    }
    const online = [...net.values()].filter((change) => change.online);
    const offline = [...net.values()].filter((change) => !change.online);
    const frames =
      net.size === 0 ? Buffer.alloc(0) : this.#framesOf(online, idsOf(offline), this.#view.size, false);
    return { frames, online, offline };
  }

  /** PresenceMes frames, as many as it takes; `more` on all but the last, and on that one too if asked. */
  #framesOf(
    online: { userId: number; userName: string }[],
    offline: number[],
    total: number,
    more: boolean,
  ): Buffer {
    if (total > limits.presenceFanoutMaxUsers) {
      return encodeServer("PresenceMes", { online: [], offline: [], total, more: true });
    }
    const size = limits.presenceFrameMaxUsers;
    const frames: Buffer[] = [];
    for (let at = 0; at === 0 || at < Math.max(online.length, offline.length); at += size) {
      const last = at + size >= Math.max(online.length, offline.length);
      const people = online.slice(at, at + size).map(({ userId, userName }) => ({ userId, userName }));
      const fields = { online: people, offline: offline.slice(at, at + size), total, more: more || !last };
      frames.push(encodeServer("PresenceMes", fields));
    }
    return Buffer.concat(frames);
  }

  /** Everybody who is online: one frame, or one cached Buffer and what has changed since it was made. */
  #snapshotFrames(): Buffer {
    const total = this.#view.size;
    if (total <= limits.presenceFrameMaxUsers) return this.#framesOf(this.#people(), [], total, false);
    const { frames, index } = this.#freshSnapshot();
    const since = this.#since(index, this.#logEnd);
    return Buffer.concat([frames, this.#framesOf(since.online, idsOf(since.offline), total, false)]);
  }

  #freshSnapshot(): { frames: Buffer; index: number } {
    const cached = this.#snapshot;
    const usable =
      cached &&
      cached.index >= this.#logStart &&
      this.#logEnd - cached.index <= limits.presenceSnapshotStaleMax;
    if (usable) return cached;
    const frames = this.#framesOf(this.#people(), [], this.#view.size, true);
    return (this.#snapshot = { frames, index: this.#logEnd });
  }

  #people(): { userId: number; userName: string }[] {
    return [...this.#view].map(([userId, userName]) => ({ userId, userName }));
  }

  /** Whether a session, slow or not, was not told all. */
  #somebodyLacks(slow: boolean): boolean {
    for (const [session, index] of this.#told) {
      if (index < this.#logEnd && isSlow(session) === slow) return true;
    }
    return false;
  }

  /** Forgets what everybody was told. One that is too far behind to be told is closed: memory is bounded. */
  #trimLog(): void {
    let oldest = this.#logEnd;
    for (const index of this.#told.values()) oldest = Math.min(oldest, index);
    this.#log.splice(0, oldest - this.#logStart);
    this.#logStart = oldest;
    if (this.#log.length <= limits.presenceLogMaxChanges) return;
    for (const [session, index] of this.#told) {
      if (index === oldest) session.output.close("too slow for presence");
    }
  }

  /** Renews the lease, and finds out whether a change was missed. */
  async #beat(): Promise<void> {
    try {
      const result = await this.#dao.beat([]);
      if (!result) await this.#join();
      else if (result.version !== this.#version) await this.#resync();
      this.#held();
    } catch {
      this.#leaseSinceMs = null;
    }
  }

  /** The own lease was renewed just now. */
  #held(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#leaseRenewedMs >= limits.leaseMs) this.#leaseSinceMs = null;
    this.#leaseSinceMs ??= nowMs;
    this.#leaseRenewedMs = nowMs;
  }

  /** Takes out dead nodes, once the own lease has been held unbroken: an outage of Redis empties nothing. */
  async #sweep(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    // Who was stopped for long, with the machine and all its nodes perhaps, has first to renew its own.
    if (nowMs - this.#leaseRenewedMs >= limits.leaseMs) this.#leaseSinceMs = null;
    const heldMs = this.#leaseSinceMs === null ? 0 : nowMs - this.#leaseSinceMs;
    if (heldMs < limits.leaseMs) return;
    try {
      const dead = await this.#dao.sweep();
      if (dead.length > 0) this.#journal.write("nodes_gone", { nodes: dead.join(" ") });
    } catch {
      this.#leaseSinceMs = null;
    }
  }

  /** Registers all live sessions anew, and reads who is online elsewhere. */
  async #join(): Promise<void> {
    const counts = [...this.#shown.keys()]
      .map((userId) => this.#countOf(userId))
      .filter(({ count }) => count > 0);
    await this.#dao.join(counts);
    await this.#resync();
    this.#leaseSinceMs = this.#leaseRenewedMs = this.#clock.monotonicMs();
  }

  /** Reads the whole list; the difference is told like any change. */
  async #resync(): Promise<void> {
    try {
      const known = this.#version;
      const { version, users } = await this.#dao.readAll();
      // A change that was published after the reading may have overtaken its answer.
      if (version < this.#version && this.#version !== known) return await this.#resync();
      this.#version = version;
      for (const [userId, userName] of users) this.#setOnline(userId, userName);
      for (const userId of [...this.#view.keys()]) {
        if (!users.has(userId) && !this.#shown.get(userId)?.count) this.#setOffline(userId);
      }
      this.#openWindow();
    } catch (error) {
      this.#journal.write("presence_unread", { reason: reasonOf(error) });
    }
  }
}

function isSlow({ output }: Session): boolean {
  return output.backlogBytes > limits.outputBacklogMaxBytes;
}

function idsOf(changes: Change[]): number[] {
  return changes.map(({ userId }) => userId);
}

function firstAbove(sorted: number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * presence: counts who has sessions on this node, and tells its sessions who comes and leaves anywhere (clauses [P-1]
 * to [P-7]). Redis holds the counts of all nodes: what it says is the truth about who has left; while it is away nobody
 * leaves. Changes are written and told in windows.
 */
import type { Clock, Timer } from "./clock.ts";
import { type Journal, reasonOf } from "./journal.ts";
import { Lease } from "./lease.ts";
import * as limits from "./limits.ts";
import { type Changes, OnlineList } from "./onlineList.ts";
import { type PresenceCount, type PresenceDao, parsePresenceChange } from "./presenceDao.ts";
import type { Presence, Session } from "./session.ts";

export interface PresenceOptions {
  presenceDao: PresenceDao;
  clock: Clock;
  journal: Journal;
}

/** Who is online, and what each session of this node was told of it. */
export class PresenceBoard implements Presence {
  readonly #dao: PresenceDao;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #list = new OnlineList();
  readonly #lease: Lease;
  /** Sessions on this node that are shown, by user. */
  readonly #shown = new Map<number, { count: number; userName: string }>();
  readonly #dirty = new Set<number>();
  /** Index in the list's log up to which each session was told. */
  readonly #told = new Map<Session, number>();
  #version = 0;
  /** The version that the last beat told. */
  #announced = 0;
  #windowTimer: Timer | null = null;
  #lastFlushMs = 0;
  /** How long to wait before Redis is asked again; 0: it answered. */
  #retryMs = 0;
  #flushing = false;
  #closed = false;
  readonly #moving = new Set<Timer>();

  constructor({ presenceDao, clock, journal }: PresenceOptions) {
    this.#dao = presenceDao;
    this.#clock = clock;
    this.#journal = journal;
    this.#lease = new Lease({
      presenceDao,
      clock,
      journal,
      lost: () => this.#join(),
      version: () => this.#version,
      renewed: (version, before) => this.#compare(version, before),
    });
  }

  get total(): number {
    return this.#list.total;
  }

  userIds(): Iterable<number> {
    return this.#list.userIds();
  }

  /** Takes part: registers the node, reads who is online. Call once, before the first session. */
  async open(): Promise<void> {
    await this.#lease.open(() => this.#join());
  }

  /**
   * The node goes, before its sessions do: from now on it tells and counts nothing. Its users have not left for others
   * until a lease has run out ([P-8]). Never throws.
   */
  async leave(): Promise<void> {
    // A session that leaves later, or a window that is just being written, opens no more of them.
    this.#closed = true;
    this.#lease.close();
    for (const timer of this.#moving) timer.cancel();
    this.#windowTimer?.cancel();
    await this.#dao.leave().catch(() => undefined);
  }

  came(session: Session): void {
    if (!session.presence) return;
    const { userId, userName } = session;
    this.#shown.set(userId, { count: (this.#shown.get(userId)?.count ?? 0) + 1, userName });
    // Told here at once: who logs in next finds the user in the list. Redis hears of it with this window.
    this.#list.add(userId, userName);
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
    this.#told.set(session, this.#list.end);
    if (session.legacy) return;
    for (const frames of this.#list.snapshot()) if (frames.length > 0) session.output.write(frames);
  }

  page(after: number, count: number): { users: { userId: number; userName: string }[]; more: boolean } {
    return this.#list.page(after, count);
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
    for (const { userId, userName } of change.online) this.#list.add(userId, userName);
    for (const userId of change.offline) if (!this.#shown.get(userId)?.count) this.#list.remove(userId);
    this.#openWindow();
  }

  /** Changes may have been missed, and Redis is there: what waited for it goes on. */
  async missed(): Promise<void> {
    this.#retryMs = 0;
    this.#windowTimer?.cancel();
    this.#windowTimer = null;
    await this.#resync();
    if (this.#dirty.size > 0) this.#openWindow();
  }

  /** A beat was answered: `before` is the version that was known when it was sent. */
  async #compare(version: number, before: number): Promise<void> {
    // What was published just before may still be on its way: only what is missing a beat later was lost.
    const isLost = this.#announced > this.#version;
    this.#announced = version;
    // A Redis that has less than it had is another one, or has lost something.
    if (isLost || version < before) await this.#resync();
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
    const waitMs = Math.max(atLeastMs, this.#lastFlushMs, this.#retryMs);
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
      this.#retryMs = 0;
      await this.#tell();
    } catch (error) {
      // Longer each time: an outage is not asked twenty times a second whether it is over.
      this.#retryMs = Math.min(Math.max(limits.readRetryMs, 2 * this.#retryMs), limits.readRetryMaxMs);
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
        if (!overtaken && (result.totals.get(userId) ?? 0) > 0) this.#list.add(userId, userName);
        else if (!overtaken) this.#list.remove(userId);
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
    return { userId, count: shown?.count ?? 0, userName: shown?.userName ?? this.#list.nameOf(userId) ?? "" };
  }

  /** Tells every session what it was not told yet. */
  async #tell(): Promise<void> {
    const { end } = this.#list;
    const shared = new Map<number, Changes>();
    let inSlice = 0;
    for (const [session, index] of this.#told) {
      if (index >= end) continue;
      // A slow one keeps its index, and is told all it lacks when it drains.
      if (isSlow(session)) continue;
      let told = shared.get(index);
      if (!told) shared.set(index, (told = this.#list.since(index, end)));
      if (session.legacy) session.legacy.presenceChanged(told.online, told.offline);
      else if (told.frames.length > 0) session.output.write(told.frames);
      this.#told.set(session, end);
      if (++inSlice % limits.fanoutSliceSessions === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#forgetTold();
  }

  /** Whether a session, slow or not, was not told all. */
  #somebodyLacks(slow: boolean): boolean {
    for (const [session, index] of this.#told) {
      if (index < this.#list.end && isSlow(session) === slow) return true;
    }
    return false;
  }

  /** Forgets what everybody was told. One that is too far behind to be told is closed: memory is bounded. */
  #forgetTold(): void {
    let oldest = this.#list.end;
    for (const index of this.#told.values()) oldest = Math.min(oldest, index);
    this.#list.forget(oldest);
    if (this.#list.held <= limits.presenceLogMaxChanges) return;
    for (const [session, index] of this.#told) {
      if (index === oldest) session.output.close("too slow for presence");
    }
  }

  /** Registers all live sessions anew, and reads who is online elsewhere. */
  async #join(): Promise<void> {
    if (this.#closed) return;
    const counts = [...this.#shown.keys()]
      .map((userId) => this.#countOf(userId))
      .filter(({ count }) => count > 0);
    await this.#dao.join(counts);
    await this.#resync();
  }

  /** Reads the whole list; the difference is told like any change. */
  async #resync(): Promise<void> {
    try {
      const known = this.#version;
      const { version, users } = await this.#dao.readAll();
      // A change that was published after the reading may have overtaken its answer.
      if (version < this.#version && this.#version !== known) return await this.#resync();
      this.#version = this.#announced = version;
      for (const [userId, userName] of users) this.#list.add(userId, userName);
      for (const userId of [...this.#list.userIds()]) {
        if (!users.has(userId) && !this.#shown.get(userId)?.count) this.#list.remove(userId);
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

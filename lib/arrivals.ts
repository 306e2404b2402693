/**
 * arrivals: what the client says goes into the rooms. At first old messages arrive; when all that was missed is there,
 * or has taken too long, a digest says what it is, and reading begins. From then on mentions and private messages ring.
 */
import type { ChatClient, ChatClientEvents, ClientState, PresenceChange } from "./chatClient.ts";
import type { Clock, Timer } from "./clock.ts";
import { digestConvsMax, digestWaitMs } from "./limits.ts";
import type { LinkStatus } from "./linkStatus.ts";
import { compareIds, laterId, parseId, zeroId } from "./messageId.ts";
import type { Room, RoomItem } from "./room.ts";
import type { RoomFetch } from "./roomFetch.ts";
import type { Rooms } from "./rooms.ts";
import type { Settings } from "./settings.ts";

export interface ArrivalsHost {
  readonly client: Pick<ChatClient, "userId" | "info" | "online">;
  readonly rooms: Rooms;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly link: LinkStatus;
  readonly fetch: RoomFetch;
  /** The person looks at the end of this room. */
  isWatched(room: Room): boolean;
  /** What is on the screen of a room that is not at its end. */
  keptItem(room: Room): RoomItem | null;
  ring(): void;
  /** All that was missed is there. */
  readingBegins(): void;
  ended(state: ClientState & { kind: "ended" }): void;
  /** Something is to be drawn, `marks`: and how far was read is to be kept. */
  changed(what?: { marks: boolean }): void;
}

type Phase = { kind: "arriving"; until: Timer | null } | { kind: "reading" };

/** The events of one client, made into what the rooms hold. */
export class Arrivals {
  readonly #host: ArrivalsHost;
  #phase: Phase = { kind: "arriving", until: null };

  constructor(host: ArrivalsHost) {
    this.#host = host;
  }

  get isReading(): boolean {
    return this.#phase.kind === "reading";
  }

  /** Waits for nothing any more. */
  stop(): void {
    if (this.#phase.kind === "arriving") this.#phase.until?.cancel();
  }

  readonly events: ChatClientEvents = {
    state: (state) => this.#linkChanged(state),
    message: (message) => {
      const { rooms } = this.#host;
      const { room, message: made, isNew } = rooms.received(message, (one) => this.#host.isWatched(one));
      const isOthers = made.userId !== rooms.reader.userId;
      if (isNew && isOthers && this.isReading) this.#ring(room, made.mentions);
      room.trim(this.#host.keptItem(room));
      this.#host.changed({ marks: true });
    },
    gap: ({ conv, after, before, count, reason }) => {
      const [from, to] = [parseId(after), parseId(before)];
      const room = this.#host.rooms.open(conv);
      if (from && to && reason === "skipped") room.skip(to, count);
      else if (from && to && reason !== "skipped") room.gone(from, to, reason);
      this.#host.changed();
    },
    delivered: ({ conv, id }) => {
      const room = this.#host.rooms.open(conv);
      room.deliveredTo = laterId(room.deliveredTo, parseId(id) ?? zeroId);
      this.#host.changed();
    },
    restored: ({ conv, content }, outcome) => {
      const { rooms, link, clock } = this.#host;
      if (outcome.kind === "stored") link.durability = outcome.stored;
      rooms.settled({ conv, content, timeMs: clock.wallMs() }, outcome);
      this.#host.changed();
    },
    presence: (change) => this.#presenceChanged(change),
  };

  #linkChanged(state: ClientState): void {
    const { link, clock, rooms } = this.#host;
    const news = link.changed(state, clock.monotonicMs());
    const timeMs = clock.wallMs();
    if (this.isReading && news.kind === "lost") rooms.current.note({ timeMs, tone: "warning", text: news });
    if (this.isReading && news.kind === "back") rooms.current.note({ timeMs, tone: "notice", text: news });
    if (state.kind === "online") this.#loggedIn();
    if (state.kind === "ended" && state.reason !== "closed") this.#host.ended(state);
    this.#host.changed();
  }

  #loggedIn(): void {
    const { client, rooms, fetch, clock } = this.#host;
    if (!client.info) return;
    rooms.loggedIn(client.info);
    if (this.#phase.kind !== "arriving") return;
    const behind = rooms.all.filter(({ readTo, head }) => readTo && compareIds(readTo, head) < 0);
    this.#phase.until ??= clock.after(digestWaitMs, () => this.#settle());
    // Only behind this event does the client take questions.
    clock.after(0, () => {
      void Promise.all(behind.map((room) => fetch.catchUp(room))).then(() => this.#settle());
    });
  }

  /** The digest; then reading begins. */
  #settle(): void {
    if (this.#phase.kind !== "arriving") return;
    this.#phase.until?.cancel();
    this.#phase = { kind: "reading" };
    const { rooms, clock } = this.#host;
    const lines = rooms.digest.slice(0, digestConvsMax);
    if (lines.length > 0) {
      rooms.current.note({ timeMs: clock.wallMs(), tone: "notice", text: { kind: "digest", lines } });
    }
    this.#host.readingBegins();
  }

  #presenceChanged({ online, offline, initial }: PresenceChange): void {
    const { settings, client, rooms, clock } = this.#host;
    this.#host.changed();
    const mode = settings.get("presence");
    if (initial || mode === "off") return;
    const came = online.filter(({ userId }) => userId !== client.userId);
    const left = offline.map((userId) => ({ userId, userName: client.online.get(userId) ?? "" }));
    if (came.length + left.length === 0) return;
    const timeMs = clock.wallMs();
    if (mode === "fold") return rooms.presence({ came, left }, timeMs);
    for (const person of came) rooms.presenceOne({ came: [person], left: [] }, timeMs);
    for (const person of left) rooms.presenceOne({ came: [], left: [person] }, timeMs);
  }

  #ring(room: Room, isMention: boolean): void {
    if (this.#host.settings.get("bell") === "off") return;
    if (isMention || (room.isPrivate && !this.#host.isWatched(room))) this.#host.ring();
  }
}

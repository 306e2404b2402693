/**
 * arrivals: what the client says goes into the rooms. At first old messages arrive; when all that was missed is there,
 * or has taken too long, a digest says what it is where reading stopped, and reading begins. From then on mentions and private messages ring.
 */
import type { Chat } from "./chat.ts";
import type { ChatClientEvents, ClientState, PresenceChange } from "./chatClient.ts";
import type { Timer } from "./clock.ts";
import { digestConvsMax, digestWaitMs } from "./limits.ts";
import { compareIds, laterId, parseId, zeroId } from "./messageId.ts";
import type { Room } from "./room.ts";

/** What of a chat they go into. */
export type ArrivalsHost = Pick<
  Chat,
  "client" | "rooms" | "settings" | "clock" | "link" | "fetch" | "view" | "marksChanged" | "note" | "settled"
>;

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
      const { room, message: made, isNew } = rooms.received(message, (one) => this.#host.view.isWatched(one));
      const isOthers = made.userId !== rooms.reader.userId;
      if (isNew && isOthers && this.isReading) this.#ring(room, made.mentions);
      room.trim(this.#host.view.keptItem(room));
      this.#host.marksChanged();
      this.#host.view.told({ kind: "message", room, message: made, isNew });
      this.#host.view.changed();
    },
    gap: ({ conv, after, before, count, reason }) => {
      const [from, to] = [parseId(after), parseId(before)];
      const room = this.#host.rooms.open(conv);
      if (from && to && reason === "skipped") room.skip(to, count);
      else if (from && to && reason !== "skipped") room.gone(from, to, reason);
      this.#host.view.told({ kind: "gap", room, count, reason });
      this.#host.view.changed();
    },
    delivered: ({ conv, id }) => {
      const room = this.#host.rooms.open(conv);
      const from = room.deliveredTo;
      room.deliveredTo = laterId(from, parseId(id) ?? zeroId);
      this.#host.view.told({ kind: "delivered", room, from, to: room.deliveredTo });
      this.#host.view.changed();
    },
    restored: ({ conv, content }, outcome) => {
      this.#host.settled({ conv, content, timeMs: this.#host.clock.wallMs() }, outcome);
    },
    presence: (change) => this.#presenceChanged(change),
  };

  #linkChanged(state: ClientState): void {
    const { link, clock } = this.#host;
    const news = link.changed(state, clock.monotonicMs());
    this.#host.view.told({ kind: "link", state, news });
    if (this.isReading && news.kind === "lost") this.#host.note(news, "warning");
    if (this.isReading && news.kind === "back") this.#host.note(news);
    if (state.kind === "online") this.#loggedIn();
    if (state.kind === "ended" && state.reason !== "closed") this.#host.view.ended(state);
    this.#host.view.changed();
  }

  #loggedIn(): void {
    const { client, rooms, fetch, clock, link } = this.#host;
    if (!client.info) return;
    rooms.loggedIn(client.info);
    link.durability = client.info.stored ?? link.durability;
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
    const lines = this.#host.rooms.digest.slice(0, digestConvsMax);
    if (lines.length > 0) this.#host.note({ kind: "digest", lines });
    this.#host.view.readingBegins();
  }

  #presenceChanged({ online, offline, initial }: PresenceChange): void {
    const { settings, client, rooms, clock } = this.#host;
    this.#host.view.changed();
    if (initial) return;
    const came = online.filter(({ userId }) => userId !== client.userId);
    const left = offline.map((userId) => ({ userId, userName: client.online.get(userId) ?? "" }));
    if (came.length + left.length === 0) return;
    this.#host.view.told({ kind: "presence", came, left });
    const mode = settings.get("presence");
    if (mode === "off") return;
    const timeMs = clock.wallMs();
    if (mode === "fold") return rooms.presence({ came, left }, timeMs);
    for (const person of came) rooms.presenceOne({ came: [person], left: [] }, timeMs);
    for (const person of left) rooms.presenceOne({ came: [], left: [person] }, timeMs);
  }

  #ring(room: Room, isMention: boolean): void {
    if (this.#host.settings.get("bell") === "off") return;
    if (isMention || (room.isPrivate && !this.#host.view.isWatched(room))) this.#host.view.ring();
  }
}

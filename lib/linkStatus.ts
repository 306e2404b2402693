/**
 * linkStatus: how the link is, as a person wants it told: since when there is none, when the next try is, how durably
 * the server stored last. No I/O.
 */
import type { ClientState } from "./chatClient.ts";

/** What a change of the link means to the person. */
export type LinkNews =
  { kind: "none" } | { kind: "lost"; reason: string } | { kind: "back"; seconds: number };

/** The link of one log-in. */
export class LinkStatus {
  #offlineSinceMs: number | null = null;
  #nextTryAtMs = 0;
  /** How the server stores, as it said at log-in or of the last message of one's own; null: it did not say. */
  durability: string | null = null;

  /** The client's state is another. */
  changed(state: ClientState, nowMs: number): LinkNews {
    if (state.kind === "offline") {
      this.#nextTryAtMs = nowMs + state.nextTryMs;
      if (this.#offlineSinceMs !== null) return { kind: "none" };
      this.#offlineSinceMs = nowMs;
      return { kind: "lost", reason: state.reason };
    }
    if (state.kind !== "online" || this.#offlineSinceMs === null) return { kind: "none" };
    const seconds = Math.round((nowMs - this.#offlineSinceMs) / 1000);
    this.#offlineSinceMs = null;
    return { kind: "back", seconds };
  }

  /** How long there has been no link, 0 while there is one, and how long until the next try. */
  at(nowMs: number): { offlineMs: number; nextTryMs: number } {
    return {
      offlineMs: this.#offlineSinceMs === null ? 0 : nowMs - this.#offlineSinceMs,
      nextTryMs: this.#nextTryAtMs - nowMs,
    };
  }
}

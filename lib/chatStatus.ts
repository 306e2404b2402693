/**
 * chatStatus: the state that a person wants in sight (clause [C-26]), whatever shows it. No I/O.
 */
import type { Chat } from "./chat.ts";
import type { ClientState } from "./chatClient.ts";
import type { ScreenTexts } from "./screenTexts.ts";
import { shownAddress } from "./serverAddress.ts";

export interface Status {
  link: ClientState;
  /** How long there has been no link; 0 while there is one. */
  offlineMs: number;
  /** Until the next try. */
  nextTryMs: number;
  server: string;
  /** How the server stores; null: it did not say. */
  durability: string | null;
  lagMs: number | null;
  unsent: number;
  undecided: number;
  unreadElsewhere: number;
}

/** How a chat stands at the moment. */
export function statusOf({ client, link, clock, rooms }: Chat): Status {
  const { state, unsent, lagMs } = client;
  return {
    link: state,
    ...link.at(clock.monotonicMs()),
    server: shownAddress(client.server),
    durability: link.durability,
    lagMs: lagMs === null ? null : Math.round(lagMs),
    unsent,
    undecided: rooms.all.reduce((sum, { undecided }) => sum + undecided.length, 0),
    unreadElsewhere: rooms.unread - rooms.current.unread,
  };
}

/** The state of the link, as a person wants it told. */
export function linkText(
  { link, offlineMs, nextTryMs }: Pick<Status, "link" | "offlineMs" | "nextTryMs">,
  state: ScreenTexts["state"],
): string {
  const seconds = (ms: number): number => Math.max(0, Math.ceil(ms / 1000));
  switch (link.kind) {
    case "idle":
    case "connecting":
      return state.connecting;
    case "online":
      return state.online;
    case "offline":
      return state.offline(Math.floor(offlineMs / 1000), seconds(nextTryMs));
    case "ended":
      return state[link.reason];
  }
}

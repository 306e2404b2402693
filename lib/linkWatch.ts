/**
 * linkWatch: whether a client's link still lives: it pings, ends the link when nothing was heard for too long, and knows
 * how long the last ping took. One link at a time.
 */
import type { ClientLink } from "./clientLink.ts";
import type { Clock, Timer } from "./clock.ts";
import { clientPingMs, clientSilenceMaxMs } from "./limits.ts";
import { encodeClient } from "./message.ts";

/** The watch of one client, over all of its links. */
export class LinkWatch {
  readonly #clock: Clock;
  #timer: Timer | null = null;
  #pings = 0;
  #pingedAtMs = 0;
  /** How long the last ping took to come back, behind all that was asked before it; null: none did on this link. */
  lagMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Watches this link from now on. */
  start(link: Pick<ClientLink, "heardBytes" | "write" | "destroy">): void {
    this.stop();
    let heardBytes = 0;
    let silentMs = 0;
    this.#timer = this.#clock.every(clientPingMs, () => {
      silentMs = link.heardBytes === heardBytes ? silentMs + clientPingMs : 0;
      heardBytes = link.heardBytes;
      if (silentMs >= clientSilenceMaxMs) return link.destroy("silent");
      this.#pingedAtMs = this.#clock.monotonicMs();
      link.write(encodeClient("PingMes", { n: ++this.#pings }));
    });
  }

  /** A PongMes has come. */
  pong(n: number): void {
    if (n === this.#pings) this.lagMs = this.#clock.monotonicMs() - this.#pingedAtMs;
  }

  /** The link has ended. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.lagMs = null;
  }
}

/**
 * dialPlan: which of a client's servers is dialled next, how long it is waited for, and after which pause: growing and
 * jittered, never before the server said so (clause [C-5]). No I/O.
 */
import * as limits from "./limits.ts";
import type { ServerAddress } from "./serverAddress.ts";

/** The attempts of one client, over all of its links. */
export class DialPlan {
  readonly #addresses: readonly ServerAddress[];
  readonly #random: () => number;
  /** Which of them is tried next, modulo their number. */
  #at = 0;
  #attempt = 0;
  /** When the server said to come back. */
  #retryMs: number | null = null;

  /** `random`: 0 to 1, for the jitter. */
  constructor(addresses: readonly ServerAddress[], random: () => number) {
    this.#addresses = addresses;
    this.#random = random;
  }

  /** The server it is connected to, or that is tried now or next. */
  get server(): ServerAddress {
    const server = this.#addresses[this.#at % this.#addresses.length];
    if (!server) throw new Error("a client without a server");
    return server;
  }

  /** Not all of them were tried since the last log-in. */
  get hasUntried(): boolean {
    return this.#attempt < this.#addresses.length;
  }

  /** Another attempt begins; which one it is since the last log-in. */
  begin(): number {
    return ++this.#attempt;
  }

  loggedIn(): void {
    this.#attempt = 0;
  }

  /** The server said when to come back; null: it did not say. */
  comeBack(retryMs: number | null): void {
    this.#retryMs = retryMs;
  }

  /** The next one in turn. */
  moveOn(): void {
    this.#at++;
  }

  /** How long the connection may take, and then the answer to the log-in. */
  deadlines({ hasToken }: { hasToken: boolean }): { connectDeadlineMs: number; answerDeadlineMs: number } {
    // Where others may answer, one that is silent is not waited for; who was at all of them has to be patient.
    const hasOthers = this.#addresses.length > 1;
    const isPatient = !hasToken && !(hasOthers && this.#attempt <= this.#addresses.length);
    return {
      connectDeadlineMs: hasOthers ? limits.clientOthersConnectMs : limits.clientConnectDeadlineMs,
      // A token is looked up; a password may have to wait for its turn to be hashed ([L-9]).
      answerDeadlineMs: isPatient ? limits.clientPasswordDeadlineMs : limits.clientAnswerDeadlineMs,
    };
  }

  /** The pause before the next attempt; what the server said counts once. */
  takePauseMs(): number {
    const ceilingMs = Math.min(
      limits.clientReconnectMaxMs,
      // Another server is no repeat: pauses grow when all have been tried.
      limits.clientReconnectFirstMs * 2 ** Math.floor(this.#attempt / this.#addresses.length),
    );
    const saidMs = this.#retryMs;
    this.#retryMs = null;
    if (saidMs === null) return Math.round(ceilingMs / 2 + (this.#random() * ceilingMs) / 2);
    // Not all of its clients at once; a long wait the server has spread already.
    return Math.round(saidMs + this.#random() * Math.min(saidMs / 2, limits.clientRetrySpreadMaxMs));
  }
}

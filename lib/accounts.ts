/**
 * accounts: the accounts that this installation has on one server, or several of one chat: the log-in that is kept (clause [C-20]), messages
 * whose fate is not known yet, how far was read, and the client that logs in.
 */
import { join } from "node:path";
import { ChatClient, type ChatClientEvents } from "./chatClient.ts";
import type { Clock } from "./clock.ts";
import { reasonOf } from "./journal.ts";
import { clientQuitLookMs } from "./limits.ts";
import { Outbox } from "./outbox.ts";
import { ReadMarks } from "./readMarks.ts";
import type { ServerAddresses } from "./serverAddress.ts";
import { accountName } from "./stateFiles.ts";
import { TokenStore } from "./tokenStore.ts";

export interface AccountsOptions extends ServerAddresses {
  clock: Clock;
  /** This installation's device name. */
  device: string;
  stateFolder: string;
}

/** Who logs in and how. */
export type Credentials = { userId: number; token: string } | { userId: number; password: string };

export interface OpenAccount {
  /** Null where messages cannot be kept on disk; `why` says what is wrong. */
  outbox: Outbox | null;
  why: string;
  marks: ReadMarks;
}

/** The accounts of one installation on one server. */
export class Accounts {
  readonly #options: AccountsOptions;
  readonly #tokens: TokenStore;

  constructor(options: AccountsOptions) {
    this.#options = options;
    this.#tokens = new TokenStore(options.stateFolder);
  }

  /** Who logged in last; null where nobody did, or they logged out. */
  get lastUser(): number | null {
    return this.#tokens.lastUser(this.#options);
  }

  /** The log-in that is kept; null: there is none. */
  kept(userId: number): Credentials | null {
    const token = this.#tokens.read(this.#tokenOf(userId));
    return token === undefined ? null : { userId, token };
  }

  /** What of an account is on disk; `close` its outbox. Never throws. */
  open(userId: number): OpenAccount {
    const { host, port, device, stateFolder } = this.#options;
    const account = accountName({ host, port, userId });
    const marks = new ReadMarks(stateFolder, account);
    try {
      const outbox = Outbox.open({ folder: join(stateFolder, "outbox"), account, device });
      return { outbox, why: "", marks };
    } catch (error) {
      return { outbox: null, why: reasonOf(error), marks };
    }
  }

  /** A client that keeps each log-in it is given; `patient` as in ChatClientOptions. */
  connect(
    credentials: Credentials,
    {
      outbox,
      events,
      patient = false,
    }: { outbox: Outbox | null; events: ChatClientEvents; patient?: boolean },
  ): ChatClient {
    const { host, port, fallbacks = [], clock, device } = this.#options;
    const { userId } = credentials;
    const secret = "token" in credentials ? { token: credentials.token } : { password: credentials.password };
    const client: ChatClient = new ChatClient({
      ...{ host, port, fallbacks, userId, device, clock, patient },
      ...secret,
      ...(outbox && { outbox }),
      events: {
        ...events,
        state: (state) => {
          if (state.kind === "online" && client.token !== undefined) {
            this.#tokens.write(this.#tokenOf(userId), client.token);
          }
          events.state?.(state);
        },
      },
    });
    return client;
  }

  /** They are who logs in next time, if nobody says otherwise. */
  remember(userId: number): void {
    this.#tokens.remember(this.#options, userId);
  }

  /** The log-in that is kept is over. */
  forget(userId: number): void {
    this.#tokens.forget(this.#tokenOf(userId));
  }

  /** They have logged out: nothing is kept of who they were. */
  loggedOut(userId: number): void {
    this.forget(userId);
    this.#tokens.forgetUser(this.#options);
  }

  #tokenOf(userId: number): { host: string; port: number; userId: number; device: string } {
    const { host, port, device } = this.#options;
    return { host, port, userId, device };
  }
}

/** What was typed before the end is still said, as long as `isHopeful` and so many ms have not gone by. */
export async function waitForUnsent(
  client: ChatClient,
  { clock, waitMs, isHopeful }: { clock: Clock; waitMs: number; isHopeful: () => boolean },
): Promise<void> {
  const endMs = clock.monotonicMs() + waitMs;
  while (client.unsent > 0 && isHopeful() && clock.monotonicMs() < endMs) {
    await new Promise<void>((resolve) => clock.after(clientQuitLookMs, resolve));
  }
}

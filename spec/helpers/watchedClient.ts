/**
 * watchedClient: a ChatClient on a clock of its own, with everything its events said, in order.
 */
import { after } from "node:test";
import {
  ChatClient,
  type ChatClientOptions,
  type ClientState,
  type Delivered,
  type PresenceChange,
} from "../../lib/chatClient.ts";
import { ManualClock } from "./manualClock.ts";
import { until } from "./wait.ts";

type StateOf<K extends ClientState["kind"]> = ClientState & { kind: K };

const open = new Set<ChatClient>();
after(() => {
  for (const client of open) client.close();
});

export class WatchedClient {
  readonly client: ChatClient;
  readonly clock = new ManualClock();
  readonly states: ClientState[] = [];
  readonly messages: Delivered[] = [];
  readonly presence: PresenceChange[] = [];
  /** Called with each state, after it was noted. */
  onState: (state: ClientState) => void = () => undefined;

  /** The password is `pw<userId>` unless the options say otherwise. */
  constructor(options: Partial<ChatClientOptions> & { port: number; userId: number }) {
    this.client = new ChatClient({
      host: "127.0.0.1",
      password: `pw${options.userId}`,
      clock: this.clock,
      events: {
        state: (state) => {
          this.states.push(state);
          this.onState(state);
        },
        message: (message) => this.messages.push(message),
        presence: (change) => this.presence.push(change),
      },
      ...options,
    });
    open.add(this.client);
  }

  /** Makes one and logs it in; throws unless that is answered 200. */
  static async login(
    options: Partial<ChatClientOptions> & { port: number; userId: number },
  ): Promise<WatchedClient> {
    const watched = new WatchedClient(options);
    const { code, error } = await watched.client.login();
    if (code !== 200) throw new Error(`log-in of ${options.userId}: ${code} ${error}`);
    return watched;
  }

  /** Resolves when the state is of this kind, with it. */
  async becomes<K extends ClientState["kind"]>(kind: K): Promise<StateOf<K>> {
    await until(`state ${kind} of user ${this.client.userId}`, () => this.client.state.kind === kind);
    return this.client.state as StateOf<K>;
  }

  /** Loses no time: whenever the link is lost, the pause is over at once. */
  hurry(): void {
    this.onState = (state) => {
      if (state.kind === "offline") setImmediate(() => this.clock.advance(state.nextTryMs));
    };
  }

  /** Contents of the messages of one sender, in order of arrival. */
  contentsOf(userId: number): string[] {
    return this.messages.filter((message) => message.userId === userId).map(({ content }) => content);
  }

  /** A round to the server: what it had for this client before was heard. */
  async settled(): Promise<void> {
    await this.client.users({ limit: 1 });
  }
}

/**
 * bystanders: two people who chat while others misbehave, and a third who listens the first-generation way. Whatever
 * the others do, every line arrives, once, in order, and nothing else does.
 */
import assert from "node:assert/strict";
import { type Data, WireClient, newUser, registerUser } from "./wireClient.ts";

export class Bystanders {
  readonly #speaker: WireClient;
  readonly #listener: WireClient;
  readonly #legacy: WireClient;
  readonly #speakerId: number;
  #said = 0;

  private constructor(speakerId: number, speaker: WireClient, listener: WireClient, legacy: WireClient) {
    this.#speakerId = speakerId;
    this.#speaker = speaker;
    this.#listener = listener;
    this.#legacy = legacy;
  }

  /** Makes and logs in the users `userId`, `userId` + 1 and `userId` + 2. */
  static async meet(port: number, userId: number): Promise<Bystanders> {
    const speaker = await newUser(port, userId);
    const listener = await newUser(port, userId + 1, { replay: "none" });
    const legacyId = userId + 2;
    await registerUser(port, legacyId);
    const legacy = await WireClient.login(port, {
      userId: legacyId,
      userPwd: `pw${legacyId}`,
      v: undefined,
    });
    return new Bystanders(userId, speaker, listener, legacy);
  }

  /** Lines said so far. */
  get said(): number {
    return this.#said;
  }

  /** One more line, stored, and heard by both. */
  async talk(): Promise<void> {
    const line = this.#said++;
    const answer = await this.#speaker.ask(
      "SmsMes",
      { content: `line ${line}`, mid: `m${line}` },
      "SmsResMes",
    );
    assert.equal(answer.code, 200);
    for (const client of [this.#listener, this.#legacy]) {
      await client.hears(`line ${line}`, () => this.#linesOf(client).includes(`line ${line}`));
    }
  }

  /** One more line; then everything both have heard of the speaker: all lines, once, in order; nobody was told off. */
  async assertUndisturbed(): Promise<void> {
    await this.talk();
    await this.#listener.settled();
    const lines = Array.from({ length: this.#said }, (_, line) => `line ${line}`);
    for (const client of [this.#listener, this.#legacy]) assert.deepEqual(this.#linesOf(client), lines);
    for (const client of [this.#speaker, this.#listener, this.#legacy]) {
      const unexpected = client.heard.filter(({ type }) =>
        ["ErrorMes", "GoAwayMes", "GapMes"].includes(type),
      );
      assert.deepEqual(unexpected, []);
      assert.equal(client.isClosed, false);
    }
  }

  leave(): void {
    for (const client of [this.#speaker, this.#listener, this.#legacy]) client.destroy();
  }

  #linesOf(client: WireClient): unknown[] {
    return client
      .all("SmsMes")
      .filter(({ userId }: Data) => userId === this.#speakerId)
      .map(({ content }) => content);
  }
}

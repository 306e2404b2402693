/**
 * legacyRepeat: what comes again to a first-generation client after its session ended, and what does not: on a live
 * server whose clock is moved by hand.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { looked } from "./helpers/kernelTable.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

const clock = new ManualClock();
let redis: SpecRedis;
let server: SpecServer;

before(async () => {
  redis = await startRedis();
  server = await startSpecServer({ redis, clock });
});
after(async () => {
  await server.close();
  await redis.stop();
});

/** One who writes to a first-generation reader, privately and to all, and that reader's sessions. */
class Pair {
  readonly readerId: number;
  readonly #speaker: WireClient;
  #said = 0;
  /** Of the last line of each conversation. */
  readonly #lastIds = new Map<string, unknown>();

  private constructor(readerId: number, speaker: WireClient) {
    this.readerId = readerId;
    this.#speaker = speaker;
  }

  static async meet(userId: number): Promise<Pair> {
    await registerUser(server.port, userId);
    return new Pair(userId, await newUser(server.port, userId + 1, { replay: "none" }));
  }

  login(port = server.port): Promise<WireClient> {
    return WireClient.login(port, { userId: this.readerId, userPwd: `pw${this.readerId}`, v: undefined });
  }

  /** Says a line, in turn to all and in private; its name. */
  async say(speaker = this.#speaker): Promise<string> {
    const line = `${this.readerId}.${this.#said++}`;
    const conv = this.#said % 2 === 0 ? "all" : `u:${this.readerId}`;
    const { code, id } = await speaker.ask("SmsMes", { conv, content: line, mid: line }, "SmsResMes");
    assert.equal(code, 200);
    this.#lastIds.set(conv === "all" ? "all" : `dm:${this.readerId}:${this.readerId + 1}`, id);
    return line;
  }

  /** Lines of this pair that a session has heard, sorted: two conversations have no common order. */
  linesOf(session: WireClient): string[] {
    return session
      .all("SmsMes")
      .map(({ content }) => String(content).replace("（私聊）", ""))
      .filter((content) => content.startsWith(`${this.readerId}.`))
      .sort();
  }

  /** Waits until the session has heard these, while the pauses of its bursts go by; on a slow machine too not much more. */
  async hears(session: WireClient, lines: string[], ofServer = clock): Promise<void> {
    let looks = 0;
    await until(lines.join(" "), () => {
      if (++looks < 8 || looks % 32 === 0) ofServer.advance(2);
      return lines.every((line) => this.linesOf(session).includes(line));
    });
  }

  /** Seconds go by until the reader's cursors are at the last lines that were said. */
  async settles(): Promise<void> {
    await until("the cursors to move", async () => {
      clock.advance(1_000);
      await looked();
      const cursors = await redis.client.hgetall(`{u:${this.readerId}}:cursors`);
      return [...this.#lastIds].every(([conv, id]) => cursors[`legacy|${conv}`] === id);
    });
  }

  /** Vanishes with a reset; resolves when the server knows. */
  async vanish(session: WireClient): Promise<void> {
    const gone = (): number =>
      server.events.filter(({ event, userId }) => event === "session_closed" && userId === this.readerId)
        .length;
    const goneBefore = gone();
    session.socket.resetAndDestroy();
    await until("the session to be gone", () => gone() > goneBefore);
  }

  /** Logs in anew: exactly these lines come again, and then what is said now, on both ways. */
  async assertComesAgain(lines: string[], port = server.port, speaker = this.#speaker): Promise<WireClient> {
    const session = await this.login(port);
    const fence = [await this.say(speaker), await this.say(speaker)];
    await this.hears(session, fence);
    assert.deepEqual(this.linesOf(session), [...lines, ...fence].sort());
    return session;
  }
}

test("[G-9] after a reset within 5 s the tail comes again; what is older does not", async () => {
  const pair = await Pair.meet(100);
  const session = await pair.login();
  const early = [await pair.say(), await pair.say()];
  await pair.hears(session, early);
  await pair.settles();
  const late = [await pair.say(), await pair.say(), await pair.say()];
  await pair.hears(session, late);
  clock.advance(4_000);
  await pair.vanish(session);
  await pair.vanish(await pair.assertComesAgain(late));
});

test("[G-9] at least once: as long as each session is reset at once, the same lines come again each time", async () => {
  const pair = await Pair.meet(110);
  const lines = [await pair.say(), await pair.say()];
  for (let round = 0; round < 3; round++) {
    const session = await pair.login();
    await pair.hears(session, lines);
    assert.deepEqual(pair.linesOf(session), lines);
    await pair.vanish(session);
  }
});

test("[G-9] after a clean FIN what was written 2 s before does not come again, what is younger does", async () => {
  const pair = await Pair.meet(120);
  const session = await pair.login();
  const early = [await pair.say(), await pair.say()];
  await pair.hears(session, early);
  clock.advance(1_000);
  const late = [await pair.say(), await pair.say()];
  await pair.hears(session, late);
  clock.advance(1_000);
  await session.end();
  await pair.vanish(await pair.assertComesAgain(late));
});

test("[G-9] an end inside a frame is no clean one", async () => {
  const pair = await Pair.meet(130);
  const session = await pair.login();
  const lines = [await pair.say(), await pair.say()];
  await pair.hears(session, lines);
  clock.advance(4_000);
  session.socket.end(Buffer.from([0, 0]));
  await inTime("the server's end", session.closed);
  await pair.vanish(await pair.assertComesAgain(lines));
});

test("[G-9] a reset right behind what the reader said is no clean end", async () => {
  const pair = await Pair.meet(170);
  const lines = [await pair.say(), await pair.say()];
  for (let round = 0; round < 10; round++) {
    const session = await pair.login();
    await pair.hears(session, lines);
    assert.deepEqual(pair.linesOf(session), lines);
    clock.advance(4_000);
    // Both are there when the server looks: it sees an end where a reset was. Node's own resetAndDestroy would end the
    // socket in good order first; this is what it sets before it destroys.
    session.say("NotifyUserStatusMes", { userId: pair.readerId, status: 0 });
    Object.assign(session.socket, { resetAndClosing: true });
    session.socket.destroy();
    await inTime("the end", session.closed);
  }
  await pair.vanish(await pair.assertComesAgain(lines));
});

test("[G-9] nothing comes twice to a session that stays", async () => {
  const pair = await Pair.meet(140);
  const session = await pair.login();
  const lines = [await pair.say(), await pair.say()];
  await pair.hears(session, lines);
  for (let second = 0; second < 120; second++) clock.advance(1_000);
  const fence = [await pair.say(), await pair.say()];
  await pair.hears(session, fence);
  assert.deepEqual(pair.linesOf(session), [...lines, ...fence]);
  await pair.vanish(session);
});

test("[G-9] what it does not read is settled neither by its reset nor by the next log-in", async () => {
  const pair = await Pair.meet(150);
  const away = [await pair.say(), await pair.say(), await pair.say()];
  const deaf = await pair.login();
  deaf.socket.pause();
  const missed = [await pair.say()];
  await pair.vanish(deaf);
  await pair.vanish(await pair.assertComesAgain([...away, ...missed]));
});

test("[G-9] a server that was stopped: in that time nobody has read, whether the reader's end was a reset or a clean one", async () => {
  const pair = await Pair.meet(180);
  const lines = [await pair.say(), await pair.say()];
  for (const end of ["reset", "fin"] as const) {
    const session = await pair.login();
    await pair.hears(session, lines);
    // They are known to have arrived.
    clock.advance(1_000);
    await looked();
    // The end comes right behind that, and is found when the server goes on: its timers come first then.
    const gone = session.closed;
    if (end === "reset") session.socket.resetAndDestroy();
    else session.socket.end();
    clock.sleep(8_000);
    await inTime("the end", gone);
  }
  await pair.vanish(await pair.assertComesAgain(lines));
});

test("[G-9] [K-4] a server that goes away: what was written 2 s before its end does not come again", async () => {
  const ownClock = new ManualClock();
  const leaving = await startSpecServer({ redis, clock: ownClock });
  const pair = await Pair.meet(160);
  const session = await pair.login(leaving.port);
  const early = [await pair.say(), await pair.say()];
  await pair.hears(session, early, ownClock);
  ownClock.advance(2_000);
  const late = [await pair.say(), await pair.say()];
  await pair.hears(session, late, ownClock);
  await leaving.close();
  assert.equal(await inTime("the server's end", session.closed), "end");
  await pair.vanish(await pair.assertComesAgain(late));
});

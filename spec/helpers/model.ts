/**
 * model: the chat as plain maps and arrays, and steps that are taken by it and by real servers on one Redis alike. After each
 * `settle` the two have to agree: what is in every log, what every session has heard, in order and once, who is online.
 * Every list of steps is valid: a step names its actor by a number that is taken modulo those there are.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Redis } from "ioredis";
import { type SpecServer, startSpecServer } from "./server.ts";
import { until } from "./wait.ts";
import { type Data, WireClient, frameOf } from "./wireClient.ts";

export type Step =
  | { do: "register"; user: number; node?: number }
  | {
      do: "login";
      user: number;
      device: number;
      replay: "all" | "none";
      presence: boolean;
      token: boolean;
      node?: number;
    }
  | { do: "legacy"; user: number; node?: number }
  | { do: "send"; session: number; to: number; count: number; cuts: number[] }
  | { do: "everybodySends"; to: number; count: number }
  | {
      do: "sendInTrouble";
      session: number;
      to: number;
      count: number;
      trouble: "links" | "bells" | "scripts";
    }
  | { do: "repeat"; session: number; which: number }
  | { do: "ack"; session: number; which: number }
  | { do: "history"; session: number; to: number; at: number; limit: number; forward: boolean }
  | { do: "ping"; session: number }
  | { do: "drop"; session: number; how: "logout" | "end" | "reset" | "torn" | "unanswered"; to: number }
  | { do: "stall"; session: number }
  | { do: "restart"; node?: number }
  | { do: "epoch" }
  | { do: "trim"; to: number }
  | { do: "settle" };

interface User {
  userId: number;
  /** Seq of the head of "all" at registration; null: there is no such user yet. */
  since: number | null;
  tokens: Map<string, string>;
}

interface Entry {
  id: string;
  sender: number;
  device: string;
  mid: string;
  content: string;
}

interface Log {
  /** Entry with seq n is at n - 1. */
  entries: Entry[];
  /** Seq of the oldest one that is kept. */
  firstSeq: number;
}

interface Live {
  user: User;
  device: string;
  legacy: boolean;
  shown: boolean;
  /** Which server it is on. */
  node: number;
  client: WireClient;
  stalled: boolean;
  /** Seq after which this session was to be given everything, by stored name of the conversation. */
  starts: Map<string, number>;
}

interface Said {
  userId: number;
  device: string;
  conv: string;
  mid: string;
  content: string;
}

const userIds = [11, 22, 33, 44];
const sweepScript = readFileSync(new URL("../../lib/presenceSweep.lua", import.meta.url), "utf8");

export class World {
  readonly #redis: { url: string; client: Redis };
  readonly #servers: SpecServer[];
  readonly #users: User[] = userIds.map((userId) => ({ userId, since: null, tokens: new Map() }));
  #sessions: Live[] = [];
  readonly #logs = new Map<string, Log>();
  /** `<userId>|<device>|<conv>` -> seq. */
  readonly #cursors = new Map<string, number>();
  /** Said, and not known to be stored: each may be there once, or not. */
  readonly #maybe: Said[] = [];
  /** Said, and answered with 200. */
  readonly #known: Said[] = [];
  #count = 0;

  private constructor(redis: { url: string; client: Redis }, servers: SpecServer[]) {
    this.#redis = redis;
    this.#servers = servers;
  }

  /** An empty Redis, so many servers, nobody there. */
  static async open(redis: { url: string; client: Redis }, nodes: number): Promise<World> {
    await redis.client.flushall();
    const servers: SpecServer[] = [];
    for (let index = 0; index < nodes; index++) servers.push(await startSpecServer({ redis }));
    return new World(redis, servers);
  }

  /** Takes the steps and settles. Throws where the server and the model part. */
  async run(steps: Step[]): Promise<void> {
    // Most of them are there from the start: a talk needs people.
    for (const [index, user] of this.#users.slice(1).entries()) await this.#register(user, index);
    for (const step of steps) await this.#take(step);
    await this.#settle();
  }

  async close(): Promise<void> {
    for (const { client } of this.#sessions) client.destroy();
    for (const server of this.#servers) await server.close();
  }

  async #take(step: Step): Promise<void> {
    switch (step.do) {
      case "register":
        return this.#register(this.#userAt(step.user), step.node);
      case "login":
        return this.#login(this.#userAt(step.user), step);
      case "legacy":
        return this.#loginLegacy(this.#userAt(step.user), step.node);
      case "everybodySends":
        return this.#everybodySends(step);
      case "restart":
        return this.#restart(this.#nodeAt(step.node));
      case "epoch":
        // As if Redis had come back as another one: the next append sees another replication id.
        return void (await this.#redis.client.hset("{c:all}:meta", "replid", `other${++this.#count}`));
      case "trim":
        return this.#trim(step.to);
      case "settle":
        return this.#settle();
      default: {
        const live = this.#sessions[step.session % Math.max(1, this.#sessions.length)];
        if (live) await this.#act(live, step);
      }
    }
  }

  async #act(live: Live, step: Extract<Step, { session: number }>): Promise<void> {
    switch (step.do) {
      case "send":
        return this.#send(live, step);
      case "sendInTrouble":
        return this.#sendInTrouble(live, step);
      case "repeat":
        return this.#repeat(live, step.which);
      case "ack":
        return this.#ack(live, step.which);
      case "history":
        return this.#history(live, step);
      case "ping":
        return live.legacy || live.stalled ? undefined : live.client.settled();
      case "stall":
        live.stalled = true;
        live.client.socket.pause();
        return;
      case "drop":
        return this.#drop(live, step);
    }
  }

  async #register(user: User, at: number | undefined): Promise<void> {
    const client = await this.#connect(this.#nodeAt(at));
    const { userId } = user;
    const fields = { userId, userPwd: `pw${userId}`, userName: `user ${userId}` };
    const { code } = await client.ask("RegisterMes", { user: fields }, "RegisterResMes");
    client.destroy();
    assert.equal(code, user.since === null ? 200 : 505, `registration of ${userId}`);
    user.since ??= this.#log("all").entries.length;
  }

  async #login(user: User, step: Extract<Step, { do: "login" }>): Promise<void> {
    const device = `device${step.device}`;
    const node = this.#nodeAt(step.node);
    const client = await this.#connect(node);
    const token = step.token ? user.tokens.get(device) : undefined;
    const secret = token === undefined ? { userPwd: `pw${user.userId}` } : { token };
    const { replay, presence } = step;
    const fields = { v: 2, userId: user.userId, ...secret, device, replay, presence };
    const answer = await client.ask("LoginMes", fields, "LoginResMes");
    assert.equal(answer.code, user.since === null ? 500 : 200, `log-in of ${user.userId}`);
    if (user.since === null) return client.destroy();
    user.tokens.set(device, String(answer.token));
    const replaced = this.#sessions.find((live) => live.user === user && live.device === device);
    if (replaced) {
      replaced.client.socket.resume();
      await replaced.client.closed;
      assert.equal(replaced.client.all("GoAwayMes")[0]?.code, 409);
      this.#gone(replaced);
    }
    const starts = new Map(
      this.#convsOf(user.userId).map((conv) => {
        const cursor = this.#cursor(user, device, conv);
        return [conv, replay === "none" ? this.#log(conv).entries.length : cursor];
      }),
    );
    this.#assertConvs(user, device, answer);
    const live = { user, device, legacy: false, shown: presence, node, client, stalled: false, starts };
    this.#sessions.push(live);
  }

  async #loginLegacy(user: User, at: number | undefined): Promise<void> {
    const node = this.#nodeAt(at);
    const client = await this.#connect(node);
    const fields = { userId: user.userId, userPwd: `pw${user.userId}`, userName: "" };
    const { code, UsersId } = await client.ask("LoginMes", fields, "LoginResMes");
    assert.equal(code, user.since === null ? 500 : 200, `legacy log-in of ${user.userId}`);
    if (user.since === null) return client.destroy();
    assert.ok((UsersId as number[]).includes(user.userId), "(UsersId as number[]).includes(user.userId)");
    const device = "legacy";
    const starts = new Map(
      this.#convsOf(user.userId).map((conv) => [conv, this.#cursor(user, device, conv)]),
    );
    this.#sessions.push({ user, device, legacy: true, shown: true, node, client, stalled: false, starts });
  }

  /** LoginResMes.convs: "all" and what has unread messages, others' only ([L-3]). */
  #assertConvs(user: User, device: string, answer: Data): void {
    const convs = answer.convs as { conv: string; head: string; unread: number }[];
    for (const conv of this.#convsOf(user.userId)) {
      const { entries, firstSeq } = this.#log(conv);
      if (firstSeq > 1) continue;
      const cursor = this.#cursor(user, device, conv);
      const unread = entries.slice(cursor).filter(({ sender }) => sender !== user.userId).length;
      const told = convs.find((one) => one.conv === viewOf(conv, user.userId));
      if (this.#maybe.some((said) => said.conv === conv)) continue;
      assert.equal(told?.unread ?? 0, unread, `unread of ${conv} for ${user.userId} ${device}`);
      if (told && entries.length > 0) assert.equal(told.head, entries.at(-1)?.id);
    }
  }

  async #send(live: Live, step: { to: number; count: number; cuts: number[] }): Promise<void> {
    const said = this.#say(live, step);
    const frames = Buffer.concat(said.map((one) => frameOf("SmsMes", fieldsOf(one, live))));
    let from = 0;
    for (const cut of [...step.cuts].sort((left, right) => left - right)) {
      live.client.bytes(frames.subarray(from, cut));
      from = Math.max(from, Math.min(cut, frames.length));
    }
    live.client.bytes(frames.subarray(from));
    await this.#answered([{ live, said }]);
  }

  /** Something happens to the server's links to Redis while messages are on their way: replies are lost, or scripts. */
  async #sendInTrouble(live: Live, step: Extract<Step, { do: "sendInTrouble" }>): Promise<void> {
    if (live.legacy || live.stalled) return;
    const said = this.#say(live, step);
    for (const one of said) live.client.say("SmsMes", fieldsOf(one, live));
    if (step.trouble === "links")
      await this.#redis.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    else if (step.trouble === "bells") await this.#redis.client.call("CLIENT", "KILL", "TYPE", "pubsub");
    else await this.#redis.client.call("SCRIPT", "FLUSH");
    await this.#answered([{ live, said }]);
  }

  async #everybodySends(step: { to: number; count: number }): Promise<void> {
    const all = this.#sessions.map((live) => ({ live, said: this.#say(live, step) }));
    for (const { live, said } of all) for (const one of said) live.client.say("SmsMes", fieldsOf(one, live));
    await this.#answered(all);
  }

  /** What the session says next. First-generation sessions speak to all. */
  #say(live: Live, { to, count }: { to: number; count: number }): Said[] {
    const convs = live.legacy ? ["all"] : this.#convsOf(live.user.userId);
    const conv = convs[to % convs.length] ?? "all";
    const said = Array.from({ length: count }, () => {
      const n = ++this.#count;
      return { userId: live.user.userId, device: live.device, conv, mid: `m${n}`, content: `line ${n} 你好` };
    });
    this.#maybe.push(...said);
    return said;
  }

  /** Waits for the answers; a first-generation session gets none, a stalled one reads none: theirs are looked up. */
  async #answered(all: { live: Live; said: Said[] }[]): Promise<void> {
    const unanswered: string[] = [];
    for (const { live, said } of all) {
      for (const one of said) {
        if (live.legacy || live.stalled) {
          unanswered.push(one.content);
          continue;
        }
        let tries = 1;
        let answer = await answerTo(live.client, one.mid, tries);
        while (answer.code === 503) {
          // Not known to be stored: said again with the same mid, as a client does.
          live.client.say("SmsMes", fieldsOf(one, live));
          answer = await answerTo(live.client, one.mid, ++tries);
        }
        assert.equal(answer.code, 200, JSON.stringify(answer));
        this.#known.push(one);
      }
    }
    await this.#reconcile(unanswered);
    for (const { said } of all) {
      for (const one of said) assert.ok(this.#find(one), `${one.content} is not in the log`);
    }
  }

  /** The same mid again, from any session of the same user: the first answer again, and nothing new. */
  async #repeat(live: Live, which: number): Promise<void> {
    if (live.legacy || live.stalled) return;
    const own = this.#known.filter(({ userId }) => userId === live.user.userId);
    const one = own[which % Math.max(1, own.length)];
    if (!one) return;
    const before = live.client.all("SmsResMes").filter((data) => data.mid === one.mid).length;
    live.client.say("SmsMes", fieldsOf(one, live));
    const { id, code } = await answerTo(live.client, one.mid, before + 1);
    assert.deepEqual({ id, code }, { id: this.#find(one)?.id, code: 200 }, `${one.content} again`);
  }

  /** Acknowledges something that was heard. */
  async #ack(live: Live, which: number): Promise<void> {
    if (live.legacy || live.stalled) return;
    const heard = live.client.all("SmsMes");
    const one = heard[which % Math.max(1, heard.length)];
    if (!one) return;
    live.client.say("AckMes", { conv: one.conv, id: one.id });
    await live.client.settled();
    const conv = storedOf(String(one.conv), live.user.userId);
    const key = `${live.user.userId}|${live.device}|${conv}`;
    this.#cursors.set(key, Math.max(this.#cursors.get(key) ?? 0, seqOf(String(one.id))));
  }

  async #history(live: Live, step: Extract<Step, { do: "history" }>): Promise<void> {
    if (live.legacy || live.stalled) return;
    const convs = this.#convsOf(live.user.userId);
    const conv = convs[step.to % convs.length] ?? "all";
    await this.#reconcile([]);
    const { entries, firstSeq } = this.#log(conv);
    const at = entries[step.at % Math.max(1, entries.length)];
    const bound = at && (step.forward ? { after: at.id } : { before: at.id });
    const fields = { conv: viewOf(conv, live.user.userId), limit: step.limit, ...bound };
    const answer = await live.client.ask("HistoryMes", fields, "HistoryResMes");
    const kept = entries.slice(firstSeq - 1);
    const range = !at
      ? []
      : kept.filter(({ id }) => (step.forward ? seqOf(id) > seqOf(at.id) : seqOf(id) < seqOf(at.id)));
    const wanted = step.forward ? range.slice(0, step.limit) : range.slice(-step.limit);
    assert.deepEqual(
      (answer.messages as Data[]).map(({ id, content, mid }) => [id, content, mid]),
      wanted.map(({ id, content, mid, device }) => [
        id,
        content,
        device === "legacy" ? answerMid(answer, id) : mid,
      ]),
    );
    assert.equal(answer.more, range.length > wanted.length);
  }

  async #drop(live: Live, step: Extract<Step, { do: "drop" }>): Promise<void> {
    const { client } = live;
    client.socket.resume();
    const speaks = step.how === "torn" || step.how === "unanswered";
    const [last] = speaks ? this.#say(live, { to: step.to, count: 1 }) : [];
    if (step.how === "logout" && !live.legacy) {
      client.say("LogoutMes", {});
      await client.closed;
    } else if (step.how === "end" || step.how === "logout") {
      await client.end();
    } else if (step.how === "torn" && last) {
      this.#maybe.splice(this.#maybe.indexOf(last), 1);
      const frame = frameOf("SmsMes", fieldsOf(last, live));
      client.bytes(frame.subarray(0, 1 + (step.to % (frame.length - 1))));
      await client.end();
    } else if (step.how === "unanswered" && last) {
      // The bytes leave, the answer is not waited for.
      if (!live.legacy) this.#known.push(last);
      await new Promise<void>((resolve) =>
        client.socket.write(frameOf("SmsMes", fieldsOf(last, live)), () => resolve()),
      );
      await client.end();
    } else client.socket.resetAndDestroy();
    await client.closed;
    this.#gone(live);
    if (step.how === "unanswered") await this.#reconcile([]);
  }

  #gone(live: Live): void {
    this.#sessions = this.#sessions.filter((one) => one !== live);
  }

  async #restart(node: number): Promise<void> {
    const leaving = this.#sessions.filter((live) => live.node === node);
    for (const { client } of leaving) client.socket.resume();
    await this.#servers[node]?.close();
    for (const { client, legacy } of leaving) {
      await client.closed;
      if (!legacy) assert.equal(client.all("GoAwayMes").at(-1)?.code, 503);
    }
    this.#sessions = this.#sessions.filter((live) => live.node !== node);
    await this.#reconcile([]);
    await this.#endLeases();
    this.#servers[node] = await startSpecServer({ redis: this.#redis });
  }

  /** Who is not back when its server has gone is out of the list after a lease: as if that had run out. */
  async #endLeases(): Promise<void> {
    const { client } = this.#redis;
    const names = await client.zrange("{online}:nodes", "0", "-1");
    const left = names.filter((name) => name.endsWith(".left"));
    const keys = ["users", "nodes", "version", "node:", "replids", "swept"].map((key) => `{online}:${key}`);
    // The lease, and the longest pause between sweeps, in ms; then those that are known to have ended.
    const told = ["{online}:bell", "PUBLISH", 10_000, 3_000, ...left];
    await client.eval(sweepScript, keys.length, ...keys, ...told);
  }

  #nodeAt(index = 0): number {
    return index % this.#servers.length;
  }

  #connect(node: number): Promise<WireClient> {
    return WireClient.connect(this.#servers[node]?.port ?? 0);
  }

  /** Trims what everybody online has got already. */
  async #trim(to: number): Promise<void> {
    await this.#settle();
    const convs = [...this.#logs.keys()];
    const conv = convs[to % Math.max(1, convs.length)];
    const log = conv === undefined ? undefined : this.#logs.get(conv);
    if (!log || log.entries.length === 0) return;
    const first = log.entries[Math.max(log.firstSeq - 1, log.entries.length - 2)];
    if (!first) return;
    await this.#redis.client.xtrim(`{c:${conv}}:log`, "MINID", first.id);
    log.firstSeq = seqOf(first.id);
  }

  /** Everything said has arrived wherever it should have, and nothing else. */
  async #settle(): Promise<void> {
    for (const live of this.#sessions) {
      live.client.socket.resume();
      live.stalled = false;
    }
    await this.#reconcile([]);
    for (const live of this.#sessions) {
      if (live.legacy) await this.#assertLegacyHeard(live);
      else await this.#assertHeard(live);
    }
    await this.#assertOnline();
  }

  async #assertHeard(live: Live): Promise<void> {
    const { client, user, device, starts } = live;
    for (const [conv, start] of starts) {
      const log = this.#log(conv);
      const view = viewOf(conv, user.userId);
      const wanted = log.entries
        .slice(Math.max(start, log.firstSeq - 1, 0))
        .filter(({ sender, device: from }) => sender !== user.userId || from !== device)
        .map(({ id, content, sender }) => `${id} ${sender} ${content}`);
      const heard = (): string[] =>
        client
          .all("SmsMes")
          .filter((data) => data.conv === view)
          .map(({ id, content, userId }) => `${String(id)} ${String(userId)} ${String(content)}`);
      // What was trimmed after it was heard is in `heard` only.
      const relevant = (): string[] => heard().slice(-wanted.length || heard().length);
      // The last one too: lines that were trimmed since count among the heard, and another server's come when it rings.
      const last = wanted.at(-1);
      await client.hears(`${wanted.length} lines of ${conv}, ${last} the last`, () => {
        const lines = heard();
        return lines.length >= wanted.length && (last === undefined || lines.includes(last));
      });
      await client.settled();
      const got = log.firstSeq > start + 1 ? relevant() : heard();
      if (wanted.length > 0 || log.firstSeq <= start + 1)
        assert.deepEqual(got, wanted, `${user.userId} ${device} ${conv}`);
      const seqs = heard().map(seqOf);
      assert.deepEqual(
        seqs,
        [...new Set(seqs)].sort((left, right) => left - right),
        "each once, in order",
      );
    }
  }

  /** A first-generation session gets at least everything after its cursor, in order, without holes. */
  async #assertLegacyHeard(live: Live): Promise<void> {
    const { client, user, starts } = live;
    for (const [conv, start] of starts) {
      const log = this.#log(conv);
      const others = log.entries.filter(
        ({ sender, device }) => sender !== user.userId || device !== "legacy",
      );
      const wanted = others.filter(({ id }) => seqOf(id) > Math.max(start, log.firstSeq - 1));
      const last = wanted.at(-1)?.content;
      const contents = new Set(others.map(({ content }) => content));
      const heard = (): string[] =>
        client
          .all("SmsMes")
          .map(({ content }) => String(content).replace(/^（私聊）/, ""))
          .filter((content) => contents.has(content));
      // Its cursor may have moved on by itself, so that the first lines were heard by an earlier session.
      if (last === undefined) continue;
      await until(`${last} at ${user.userId} legacy`, () => {
        return heard().at(-1) === last || this.#legacyCursorMoved(user, conv);
      });
      const got = heard();
      const kept = got.slice(-wanted.length);
      assert.deepEqual(
        kept,
        wanted.map(({ content }) => content).slice(-kept.length),
        `${user.userId} legacy ${conv}`,
      );
    }
    assert.deepEqual(client.all("ErrorMes"), []);
    assert.deepEqual(client.all("SmsResMes"), []);
  }

  async #legacyCursorMoved(user: User, conv: string): Promise<boolean> {
    return (await this.#redis.client.hexists(`{u:${user.userId}}:cursors`, `legacy|${conv}`)) === 1;
  }

  async #assertOnline(): Promise<void> {
    const online = [...new Set(this.#sessions.filter(({ shown }) => shown).map(({ user }) => user.userId))];
    online.sort((left, right) => left - right);
    const modern = this.#sessions.filter(({ legacy }) => !legacy);
    for (const { client, shown, user } of modern) {
      await until(`${user.userId} to be told who is online: ${online.join(" ")}`, async () => {
        const { users } = await client.ask("UsersMes", { limit: 100 }, "UsersResMes");
        const asked = (users as { userId: number }[]).map(({ userId }) => userId);
        if (asked.join() !== online.join()) return false;
        return !shown || toldOnline(client).join() === online.join();
      });
      if (!shown) assert.deepEqual(client.all("PresenceMes"), []);
    }
  }

  /** Reads the real logs: all that is known is there, what is more is of what may be, and seqs are dense. */
  async #reconcile(wantedContents: string[]): Promise<void> {
    for (const conv of new Set(["all", ...this.#maybe.map((said) => said.conv)])) {
      const wanted = wantedContents.filter((content) =>
        this.#maybe.some((said) => said.conv === conv && said.content === content),
      );
      await until(`${wanted.length} lines in ${conv}`, async () => {
        await this.#readLog(conv);
        const contents = new Set(this.#log(conv).entries.map(({ content }) => content));
        return wanted.every((content) => contents.has(content));
      });
    }
  }

  async #readLog(conv: string): Promise<void> {
    const log = this.#log(conv);
    const found = await this.#redis.client.xrange(`{c:${conv}}:log`, "-", "+");
    for (const [id, flat] of found) {
      const fields = new Map<string, string>();
      for (let index = 0; index < flat.length; index += 2)
        fields.set(flat[index] ?? "", flat[index + 1] ?? "");
      const known = log.entries[seqOf(id) - 1];
      if (known) {
        assert.deepEqual([known.id, known.content], [id, fields.get("content")]);
        continue;
      }
      assert.equal(seqOf(id), log.entries.length + 1, `seq of ${id} in ${conv} is not dense`);
      const content = fields.get("content") ?? "";
      const index = this.#maybe.findIndex((said) => said.conv === conv && said.content === content);
      const [said] = index < 0 ? [] : this.#maybe.splice(index, 1);
      assert.ok(said, `${content} in ${conv}: nobody said that, or it was stored twice`);
      assert.equal(Number(fields.get("sender")), said.userId);
      log.entries.push({ id, sender: said.userId, device: said.device, mid: said.mid, content });
    }
    assert.equal(found.length, log.entries.length - log.firstSeq + 1, `${conv} has lost entries`);
  }

  #userAt(index: number): User {
    return this.#users[index % this.#users.length] as User;
  }

  /** "all" and the private conversations with users that exist, by their stored names. */
  #convsOf(userId: number): string[] {
    const peers = this.#users.filter((user) => user.since !== null).map((user) => user.userId);
    return ["all", ...peers.map((peer) => `dm:${Math.min(userId, peer)}:${Math.max(userId, peer)}`)];
  }

  #log(conv: string): Log {
    let log = this.#logs.get(conv);
    if (!log) this.#logs.set(conv, (log = { entries: [], firstSeq: 1 }));
    return log;
  }

  #find({ conv, content }: Said): Entry | undefined {
    return this.#log(conv).entries.find((entry) => entry.content === content);
  }

  #cursor({ userId, since }: User, device: string, conv: string): number {
    return this.#cursors.get(`${userId}|${device}|${conv}`) ?? (conv === "all" ? (since ?? 0) : 0);
  }
}

/** The answer to the try with this number of a message. */
async function answerTo(client: WireClient, mid: string, tries: number): Promise<Data> {
  const answers = (): Data[] => client.all("SmsResMes").filter((data) => data.mid === mid);
  await client.hears(`answer ${tries} to ${mid}`, () => answers().length >= tries);
  return answers()[tries - 1] as Data;
}

function fieldsOf({ conv, mid, content }: Said, live: Live): Data {
  // The forged sender must not matter, whoever says it.
  if (live.legacy)
    return { content, userId: 99, userPwd: "", userName: "forged", userStatus: "\u0000", sex: "" };
  return { conv: viewOf(conv, live.user.userId), mid, content, userId: 99 };
}

function viewOf(conv: string, userId: number): string {
  if (conv === "all") return "all";
  const [, low, high] = conv.split(":");
  return `u:${Number(low) === userId ? high : low}`;
}

function storedOf(view: string, userId: number): string {
  if (view === "all") return "all";
  const peer = Number(view.slice(2));
  return `dm:${Math.min(userId, peer)}:${Math.max(userId, peer)}`;
}

function seqOf(id: string): number {
  return Number(id.split(" ")[0]?.split("-")[1]);
}

/** A first-generation line has a mid of the server's making. */
function answerMid(answer: Data, id: string): unknown {
  return (answer.messages as Data[]).find((message) => message.id === id)?.mid;
}

/** Who is online as the frames heard so far add up; a user told twice, or gone without having been there, is an error. */
function toldOnline(client: WireClient): number[] {
  const online = new Set<number>();
  for (const frame of client.all("PresenceMes")) {
    for (const { userId } of frame.online as { userId: number }[]) {
      assert.ok(!online.has(userId), `${userId} was told as online twice`);
      online.add(userId);
    }
    for (const userId of frame.offline as number[]) {
      assert.ok(online.delete(userId), `${userId} was told as gone without being there`);
    }
  }
  return [...online].sort((left, right) => left - right);
}

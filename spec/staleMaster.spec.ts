/**
 * staleMaster.spec: a master that was taken over from and does not know it yet (it hung, or was cut off) answers once
 * more. What it lacks is not lost: nobody is told so, nobody is led past it, no cursor falls back.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Durability } from "../lib/durability.ts";
import type { MessageId } from "../lib/messageId.ts";
import { connectRedis } from "../lib/redis.ts";
import { parseRedisUrl } from "../lib/redisUrl.ts";
import { SmsDao } from "../lib/smsDao.ts";
import { Gate } from "./helpers/gate.ts";
import { type GroupMember, startMember } from "./helpers/redisGroup.ts";
import { startSpecServer } from "./helpers/server.ts";
import { heardFrom, sendUntilStored } from "./helpers/throughFaults.ts";
import { until } from "./helpers/wait.ts";
import { WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

const ends: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const end of ends.reverse()) await end();
});

async function member(more: Record<string, string> = {}): Promise<GroupMember> {
  const redis = await startMember(more);
  ends.push(() => redis.end());
  return redis;
}

const replicated: Durability = { grade: "replica", replicas: 1 };

/** A master with a replica, another replica that stays behind and calls itself the master, and the way to either. */
class Split {
  readonly gate: Gate;
  readonly #master: GroupMember;
  readonly #stale: GroupMember;

  private constructor(gate: Gate, master: GroupMember, stale: GroupMember) {
    this.gate = gate;
    this.#master = master;
    this.#stale = stale;
  }

  static async make(): Promise<Split> {
    const master = await member();
    const replicaof = `127.0.0.1 ${master.port}`;
    const [stale] = [await member({ replicaof }), await member({ replicaof })] as [GroupMember, GroupMember];
    await until("both", async () => (await master.replicasOnline()) === 2);
    return new Split(await Gate.to(master.port), master, stale);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.gate.port}`;
  }

  /** What is said from now on the one that is behind does not get. */
  async part(): Promise<void> {
    const offset = (one: GroupMember): Promise<string> => one.info("master_repl_offset");
    await until(
      "both to have the same",
      async () => (await offset(this.#stale)) === (await offset(this.#master)),
    );
    await this.#stale.client.replicaof("NO", "ONE");
  }

  async leadTo(which: "master" | "stale"): Promise<void> {
    const before = this.gate.taken;
    this.gate.retarget(which === "master" ? this.#master.port : this.#stale.port);
    this.gate.cut();
    await until("the other one", () => this.gate.taken > before);
  }
}

test("[R-12] [D-1] [D-8] [G-9] a master that was taken over from answers once more: nobody is led past what it lacks", async () => {
  const split = await Split.make();
  const server = await startSpecServer({ redis: split, durability: replicated });
  ends.push(() => server.close());
  const alice = await newUser(server.port, 1);
  const bob = await newUser(server.port, 2);
  await registerUser(server.port, 3);
  const login = { userId: 3, userPwd: "pw3", v: undefined };
  const say = async (...contents: string[]): Promise<void> => {
    for (const content of contents) await sendUntilStored(alice, { content, mid: content });
  };
  await say("early");
  await split.part();
  await say("late1", "late2", "late3");
  await bob.hears("the late ones", () => heardFrom(bob, 1).length === 4);

  await split.leadTo("stale");
  const reader = await WireClient.connect(server.port);
  const unproven = (): boolean => server.events.some(({ reason }) => /WAIT fell short/.test(String(reason)));
  await until("the log-in that cannot be answered for", async () => {
    assert.equal((await reader.ask("LoginMes", login, "LoginResMes")).code, 505);
    return unproven();
  });
  await split.leadTo("master");
  await until("the log-in", async () => (await reader.ask("LoginMes", login, "LoginResMes")).code === 200);
  await reader.hears("all of it", () => heardFrom(reader, 1).length === 4);
  assert.deepEqual(heardFrom(reader, 1), ["early", "late1", "late2", "late3"]);
  for (const client of [alice, bob, reader]) client.destroy();
});

test("[R-12] [D-5] [B-3] a log that ends before what is known of it: only one that can prove it is believed", async () => {
  const split = await Split.make();
  const address = parseRedisUrl(split.url);
  const store = await connectRedis({
    address,
    journal: { write: () => undefined },
    role: "spec",
    durability: replicated,
  });
  ends.push(() => store.close());
  const dao = new SmsDao(store);
  const append = async (mid: string): Promise<MessageId> => {
    const message = { sender: 1, device: "d", mid, name: "n", sex: "", content: mid };
    return (await dao.append("all", [message]))[0]?.id as MessageId;
  };
  const early = await append("early");
  await split.part();
  const late = await append("late");
  const questions: [what: string, ask: () => Promise<unknown>, answer: unknown][] = [
    ["the head", () => dao.head("all", late), late],
    [
      "what follows",
      async () => (await dao.readAfter("all", early, 10, late)).map(({ mid }) => mid),
      ["late"],
    ],
    ["one message", async () => (await dao.find("all", late))?.mid, "late"],
    ["unread", () => dao.unread("all", { cursor: late, userId: 2, most: 9 }), { head: late, unread: 0 }],
  ];
  await split.leadTo("stale");
  await until("it to answer", () =>
    dao.head("all").then(
      (id) => id.seq === early.seq,
      () => false,
    ),
  );
  for (const [what, ask] of questions) await assert.rejects(ask(), { code: 503 }, what);
  await split.leadTo("master");
  await until("it to answer", () =>
    dao.head("all").then(
      (id) => id.seq === late.seq,
      () => false,
    ),
  );
  for (const [what, ask, answer] of questions) assert.deepEqual(await ask(), answer, what);
});

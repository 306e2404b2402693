/**
 * forkedLog.spec: two Redis that both took themselves for the master, each with messages that the other has not, and
 * either may be the one that goes on ([D-5], [R-12]). Nobody who read here or there misses anything without being told.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { type Seen, isCounted, learn, markOf, nothingSeen } from "../lib/epochCounts.ts";
import { epochsCountedMax } from "../lib/limits.ts";
import { type MessageId, compareIds, formatId, parseId } from "../lib/messageId.ts";
import { Script } from "../lib/redis.ts";
import { Gate } from "./helpers/gate.ts";
import { type GroupMember, startMember } from "./helpers/redisGroup.ts";
import { startSpecServer } from "./helpers/server.ts";
import { sendUntilStored } from "./helpers/throughFaults.ts";
import { until } from "./helpers/wait.ts";
import { WireClient, newUser } from "./helpers/wireClient.ts";

const ends: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const end of ends.reverse()) await end();
});

async function member(more: Record<string, string> = {}): Promise<GroupMember> {
  const redis = await startMember(more);
  ends.push(() => redis.end());
  return redis;
}

/** Contents of what was heard in "all", and gaps as "(count)", in the order in which they came. */
function story({ heard }: WireClient): string {
  const parts = heard.map(({ type, data }) => {
    if (data.conv !== "all") return "";
    return type === "SmsMes" ? String(data.content) : type === "GapMes" ? `(${String(data.count)})` : "";
  });
  return parts.filter((part) => part !== "").join(" ");
}

test("[D-5] [R-12] two masters at a time, and the one that was relieved goes on: who read here and who read there are told what they lack", async () => {
  const here = await member();
  const there = await member({ replicaof: `127.0.0.1 ${here.port}` });
  await until("the replica", async () => (await here.replicasOnline()) === 1);
  const gates = [await Gate.to(here.port), await Gate.to(here.port)] as const;
  const [one, other] = await Promise.all(
    gates.map(async (gate) => {
      const server = await startSpecServer({ redis: { url: `redis://127.0.0.1:${gate.port}` } });
      ends.push(() => server.close());
      return server;
    }),
  );
  assert.ok(one && other, "both are there");
  const [alice, carol] = [await newUser(one.port, 1), await newUser(one.port, 3)];
  const [bob, dora] = [await newUser(other.port, 2), await newUser(other.port, 4)];
  const ids: string[] = [];
  const say = async (client: WireClient, ...contents: string[]): Promise<void> => {
    for (const content of contents) {
      ids.push(String((await sendUntilStored(client, { content, mid: content })).data.id));
    }
  };
  const lead = async (gate: Gate, { port }: GroupMember): Promise<void> => {
    const { taken } = gate;
    gate.retarget(port);
    gate.cut();
    await until("the other one", () => gate.taken > taken);
  };
  const counted = (redis: GroupMember, seq: number): Promise<true> =>
    until("it to be told", async () => (await redis.client.hget("{c:all}:meta", "floor")) === String(seq));
  await say(alice, "1", "2", "3");
  await until("all to be there", async () => (await there.client.xlen("{c:all}:log")) === 3);
  await dora.hears("them", () => story(dora) === "1 2 3");

  // Each goes on by itself.
  await there.client.replicaof("NO", "ONE");
  await lead(gates[1], there);
  await say(alice, "4", "5");
  await say(bob, "4'");
  await dora.hears("what is said there", () => story(dora) === "1 2 3 4'");
  await carol.hears("what is said here", () => story(carol) === "1 2 3 4 5");

  // The first one is the master again. It was never anything else, so its replication id is what it was.
  await lead(gates[1], here);
  await counted(here, 6);
  await say(alice, "6");
  await carol.hears("that one was lost", () => story(carol) === "1 2 3 4 5 (1) 6");
  await dora.hears("that two did not come", () => story(dora) === "1 2 3 4' (2) 6");
  const late = await WireClient.login(one.port, { userId: 4, userPwd: "pw4", device: "late" });
  await late.hears("what is left", () => story(late) === "1 2 3 4 5 (1) 6");

  // And the second one once more, of which nobody has forgotten anything.
  for (const gate of gates) await lead(gate, there);
  await counted(there, 7);
  await say(bob, "7");
  await carol.hears("it", () => story(carol) === "1 2 3 4 5 (1) 6 7");
  await dora.hears("it", () => story(dora) === "1 2 3 4' (2) 6 7");
  const later = await WireClient.login(other.port, { userId: 4, userPwd: "pw4", device: "later" });
  await later.hears("what is left there", () => story(later) === "1 2 3 4' (3) 7");
  assert.equal(new Set(ids).size, ids.length, "no id twice");
  assert.deepEqual(
    ids.map((id) => Number(id.split("-")[1])),
    [1, 2, 3, 4, 5, 4, 7, 8],
  );
  for (const client of [alice, bob, carol, dora, late, later]) client.destroy();
});

test("[D-5] what a log said of itself may come after what it said later: what was learned stays as it is", () => {
  const id = (epoch: number, seq: number): MessageId => ({ epoch, seq });
  const first = learn(nothingSeen, id(7, 3), { epoch: 7, floor: 0, counts: "" });
  const second = learn(first, id(8, 5), { epoch: 8, floor: 3, counts: "7:3" });
  const late = learn(second, id(7, 2), { epoch: 7, floor: 0, counts: "" });
  assert.deepEqual(late, second);
  // It goes on, and another one that has counted only a part of it is told of the rest.
  const more = learn(late, id(8, 9), null);
  assert.equal(isCounted(more, { epoch: 9, floor: 8, counts: "7:3 8:5" }), false);
  assert.equal(isCounted(more, { epoch: 9, floor: 9, counts: "7:3 8:6" }), true);
});

const [appendScript, readScript] = [new Script("append"), new Script("read")];
const keys = ["{c:f}:log", "{c:f}:meta", "{c:f}:mids"];

/** One Redis as the model has it: of everything that its log counts the ids. */
interface Side {
  readonly redis: GroupMember;
  counted: Set<string>;
  /** Its epoch, and what was counted when that began. */
  epoch: number;
  countedThen: Set<string>;
  /** What was counted when each id was given out, itself included. */
  readonly countedAt: Map<string, Set<string>>;
}

/** A server, and the ids of everything that what it has seen counts. */
interface Teller {
  seen: Seen;
  known: Set<string>;
}

type Step =
  | { do: "append"; teller: number; side: number; count: number }
  | { do: "read"; teller: number; side: number }
  | { do: "follow"; side: number; after: number };

/** Plays steps on logs that part and come together again; throws where a seq is not what was counted. */
class Fork {
  readonly #sides: Side[];
  readonly #tellers: Teller[] = [0, 1, 2].map(() => ({ seen: nothingSeen, known: new Set() }));
  readonly #ids = new Set<string>();

  constructor(members: GroupMember[]) {
    this.#sides = members.map((redis) => ({
      redis,
      counted: new Set(),
      epoch: 0,
      countedThen: new Set(),
      countedAt: new Map(),
    }));
  }

  async play(steps: Step[]): Promise<void> {
    for (const { redis } of this.#sides) await redis.client.flushall();
    for (const step of steps) {
      const side = this.#sides[step.side] as Side;
      if (step.do === "follow") await this.#follow(side, this.#sides[step.after] as Side);
      else {
        const teller = this.#tellers[step.teller] as Teller;
        if (step.do === "read") await this.#read(teller, side);
        else await this.#append(teller, side, step.count);
      }
    }
  }

  async #append(teller: Teller, side: Side, count: number): Promise<void> {
    const { id, counts, floor } = teller.seen;
    const args = [1000, 1, formatId(id), 0, counts, floor, epochsCountedMax];
    const messages = Array.from({ length: count }, () => ["1", "d", "", "n", "", "x"]).flat();
    const reply = await side.redis.client.eval(appendScript.text, 3, ...keys, ...args, ...messages);
    const flat = reply as (string | number)[];
    for (const one of teller.known) side.counted.add(one);
    const told = flat.slice(count * 3);
    const mark = told.length > 0 ? markOf(told) : null;
    if (mark && mark.epoch !== side.epoch) {
      side.epoch = mark.epoch;
      side.countedThen = new Set(side.counted);
    }
    const ids = Array.from({ length: count }, (_, index) => String(flat[index * 3]));
    let newest = id;
    for (const text of ids) {
      const given = parseId(text) as MessageId;
      assert.equal(given.seq, side.counted.size + 1, `${text} counts everything that was told`);
      for (const one of side.counted) {
        assert.ok(compareIds(parseId(one) as MessageId, given) < 0, `${text} is above ${one}`);
      }
      assert.ok(!this.#ids.has(text), `${text} is new`);
      this.#ids.add(text);
      side.counted.add(text);
      side.countedAt.set(text, new Set(side.counted));
      newest = given;
    }
    teller.seen = learn(teller.seen, newest, mark);
    // Who stored nothing was shown no id of this epoch.
    const learned = count > 0 ? side.counted : mark ? side.countedThen : [];
    teller.known = new Set([...teller.known, ...learned]);
  }

  async #read(teller: Teller, side: Side): Promise<void> {
    const args = ["XREVRANGE", "+", "-", 1, `${teller.seen.id.epoch}-`];
    const reply = await side.redis.client.eval(
      readScript.text,
      2,
      keys[0] as string,
      keys[1] as string,
      ...args,
    );
    const [entries, more] = JSON.parse(String(reply)) as [[string, string[]][], unknown[]?];
    const text = entries[0]?.[0];
    if (!text) return;
    const id = parseId(text) as MessageId;
    if (compareIds(id, teller.seen.id) <= 0) return;
    const mark = more ? markOf(more) : null;
    const before = teller.seen;
    const wasCounted = [...teller.known].every((one) => side.counted.has(one));
    if (mark && before.id.epoch !== mark.epoch) assert.equal(isCounted(before, mark), wasCounted);
    teller.seen = learn(before, id, mark);
    const learned = mark ? side.counted : (side.countedAt.get(text) as Set<string>);
    teller.known = new Set([...teller.known, ...learned]);
  }

  /** It becomes a replica of the other one, gets all that it has, and is the master again, under another id. */
  async #follow(side: Side, master: Side): Promise<void> {
    if (side !== master) {
      await side.redis.client.flushall();
      for (const key of keys) {
        const dump = await master.redis.client.dumpBuffer(key);
        if (dump) await side.redis.client.restore(key, 0, dump);
      }
      side.counted = new Set(master.counted);
      side.epoch = master.epoch;
      side.countedThen = new Set(master.countedThen);
      for (const [id, counted] of master.countedAt) side.countedAt.set(id, counted);
    }
    await side.redis.client.debug("CHANGE-REPL-ID");
  }
}

let sides: GroupMember[] = [];
before(async () => {
  sides = await Promise.all([0, 1, 2].map(() => member({ "enable-debug-command": "yes" })));
});

test("[D-5] [S-3] a log from before epochs were counted lacks nothing of what it has", async () => {
  const { client } = sides[0] as GroupMember;
  await client.flushall();
  const [log, meta] = keys as [string, string];
  for (const id of ["7-1", "7-2", "8-3"]) await client.xadd(log, id, "sender", "1");
  const replid = /master_replid:(\w+)/.exec(await client.info("replication"))?.[1] ?? "";
  await client.hset(meta, { replid, epoch: 8 });
  const append = async (id: string, counts: string): Promise<unknown> => {
    const args = [1000, 1, id, 0, counts, 0, epochsCountedMax, "1", "d", "", "n", "", "x"];
    return ((await client.eval(appendScript.text, 3, ...keys, ...args)) as unknown[])[0];
  };
  assert.equal(await append("7-2", ""), "8-4");
  assert.equal(await append("8-4", "7:2"), "8-5");
  assert.match(String(await append("8-5", "7:3")), /-7$/, "one of them was lost");
});

const index = fc.nat({ max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      teller: index,
      side: index,
      count: fc.nat({ max: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("read" as const), teller: index, side: index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("follow" as const), side: index, after: index }) },
);

test("[D-5] however logs part and come together, seq counts everything that was told, each message once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), (steps) => new Fork(sides).play(steps)),
    { numRuns: 200 },
  );
});

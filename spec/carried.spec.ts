/**
 * carried: messages that come along with the hint that tells of them ([D-10]). Nothing is taken that does not follow on
 * what there is, and nothing that was told of is forgotten; what is carried is what the log has.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Carried, carriedEntries, carriedText } from "../lib/carried.ts";
import { carriedMaxBytes, readBatchMaxEntries } from "../lib/limits.ts";
import type { MessageId } from "../lib/messageId.ts";
import { connectRedis } from "../lib/redis.ts";
import { parseRedisUrl } from "../lib/redisUrl.ts";
import { type Entry, SmsDao, entryOfAppended } from "../lib/smsDao.ts";
import { startRedis } from "./helpers/redis.ts";
import { startSpecServer } from "./helpers/server.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { newUser } from "./helpers/wireClient.ts";

const entry = (seq: number, epoch = 7): Entry => ({
  ...{ id: { epoch, seq }, time: 1, sender: 2, device: "d", mid: `${seq}` },
  ...{ name: "n", sex: "", content: `line ${seq}` },
});
const entries = (...seqs: number[]): Entry[] => seqs.map((seq) => entry(seq));
const at = (seq: number, epoch = 7): MessageId => ({ epoch, seq });
const seqsOf = (taken: Entry[] | null): number[] | null => taken && taken.map(({ id }) => id.seq);

describe("what hints have carried", () => {
  test("[D-10] is taken where it follows on what there is, over several hints, however often they come", () => {
    const carried = new Carried();
    for (const seqs of [[4], [5, 6], [5, 6], [3, 4]])
      assert.equal(carried.add(at(3), entries(...seqs)), true);
    assert.deepEqual(seqsOf(carried.take(at(3))), [4, 5, 6]);
    assert.equal(carried.take(at(6)), null, "what else there is has to be asked for");
  });

  test("[D-10] is nothing where it was read before", () => {
    const carried = new Carried();
    assert.equal(carried.add(at(3), entries(2, 3)), true);
    assert.equal(carried.isEmpty, true);
    assert.equal(carried.add(at(3), entries(4, 5)), true);
    assert.deepEqual(seqsOf(carried.take(at(4))), [5]);
    assert.equal(carried.add(at(5), entries(6)), true);
    assert.deepEqual(seqsOf(carried.take(at(6))), []);
  });

  test("[D-10] [D-5] with a hole, of another epoch, or too much makes the log be read", () => {
    for (const wrong of [entries(5), entries(4, 6), [entry(4, 8)], [entry(4), entry(5, 8)]]) {
      const carried = new Carried();
      assert.equal(carried.add(at(3), wrong), false);
      assert.equal(carried.take(at(3)), null);
    }
    const carried = new Carried();
    const many = entries(...Array.from({ length: readBatchMaxEntries + 1 }, (_, index) => index + 1));
    assert.equal(carried.add(at(0), many), false);
    assert.equal(carried.take(at(0)), null);
  });

  test("[D-10] does not hide that something else was told of: the log is read once, then it is enough again", () => {
    for (const tellOfMore of [(one: Carried) => one.add(at(3), []), (one: Carried) => one.distrust()]) {
      const carried = new Carried();
      assert.equal(carried.add(at(3), entries(4)), true);
      tellOfMore(carried);
      assert.equal(carried.add(at(3), entries(4)), false);
      assert.equal(carried.take(at(3)), null);
      assert.equal(carried.add(at(9), entries(10)), true);
      assert.deepEqual(seqsOf(carried.take(at(9))), [10]);
    }
  });

  test("[D-10] in whatever order hints come and are lost: no hole, no double, and what is told last is never missed", () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.record({ hint: fc.nat(11), length: fc.integer({ min: 0, max: 3 }) }) },
        { weight: 2, arbitrary: fc.constant("serve" as const) },
      ),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(steps, (run) => {
        const carried = new Carried();
        let position = 0;
        let toldUpTo = 0;
        let pending = false;
        const serve = (): void => {
          while (pending) {
            const taken = seqsOf(carried.take(at(position)));
            if (taken) for (const seq of taken) assert.equal(seq, ++position, "each in its turn");
            // The log has everything that was told of.
            else position = Math.max(position, toldUpTo);
            pending = false;
          }
          assert.equal(position, toldUpTo);
        };
        for (const step of run) {
          if (step === "serve") serve();
          else {
            const seqs = Array.from({ length: step.length }, (_, index) => step.hint + index + 1);
            // A hint that carries nothing tells of one more message.
            toldUpTo = Math.max(toldUpTo, seqs.at(-1) ?? toldUpTo + 1);
            if (!carried.add(at(position), entries(...seqs)) || !carried.isEmpty) pending = true;
          }
        }
        serve();
      }),
      { numRuns: 2000 },
    );
  });
});

const anyText = fc.string({ unit: "binary", maxLength: 60 });

test("[D-10] [S-5] a hint says what the log says, whatever was written, or nothing where it is much", async () => {
  const redis = await startRedis();
  const store = await connectRedis({
    ...{ address: parseRedisUrl(redis.url), journal: { write: () => undefined }, role: "spec" },
  });
  const smsDao = new SmsDao(store);
  let mid = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ name: anyText, sex: anyText, content: anyText }), { minLength: 1, maxLength: 4 }),
      fc.array(fc.constantFrom("\ud83d", "\udc00", "[", "\u0000", "好")),
      async (texts, halves) => {
        const messages = texts.map((text) => ({
          ...{ ...text, content: text.content + halves.join("") },
          ...{ sender: 7, device: "d-1", mid: `m${++mid}` },
        }));
        const from = await smsDao.head("7|8");
        const appended = await smsDao.append("7|8", messages);
        const made = messages.map((message, index) => entryOfAppended(message, appended[index]!));
        const said = carriedText(made);
        const log = await smsDao.readAfter("7|8", from, 100);
        assert.deepEqual(made, log);
        if (said !== "") assert.deepEqual(carriedEntries(said), log);
        const bytes = Buffer.byteLength(JSON.stringify(made));
        assert.ok(said !== "" || bytes > carriedMaxBytes / 2, `${bytes} bytes are carried`);
        assert.ok(Buffer.byteLength(said) <= carriedMaxBytes, "and not more than may be");
      },
    ),
    { numRuns: 200 },
  );
  for (const odd of [
    "",
    "[",
    "{}",
    "7",
    "[1]",
    "[[]]",
    '[["7-1",1,2,"d","m","n",""]]',
    '[["x",1,2,"d","m","n","","c"]]',
  ]) {
    assert.deepEqual(carriedEntries(odd), [], odd);
  }
  await store.close();
  await redis.stop();
});

test("[D-10] [S-1] [S-2] where the hint carries the message nobody reads the log for it, on any server", async () => {
  const redis = await startRedis();
  // Time stands still: no beat, no sweep, nothing else that asks Redis.
  const clock = new ManualClock();
  const one = await startSpecServer({ redis, clock, node: "one" });
  const two = await startSpecServer({ redis, clock, node: "two" });
  const [near, peer, far] = [
    await newUser(one.port, 1),
    await newUser(one.port, 2),
    await newUser(two.port, 3),
  ];
  const scripts = async (): Promise<number> => {
    const [stats = ""] = /cmdstat_evalsha:calls=\d+/.exec(await redis.client.info("commandstats")) ?? [];
    return Number(stats.split("=")[1]);
  };
  const say = async (content: string, conv?: string): Promise<void> => {
    assert.equal((await near.ask("SmsMes", { content, mid: content, conv }, "SmsResMes")).code, 200);
    const readers = conv ? [far] : [peer, far];
    for (const reader of readers) await reader.next("SmsMes", ({ mid }) => mid === content);
  };
  // The first of a conversation makes a reader for it, and a new epoch.
  for (const conv of [undefined, "u:3"]) await say(`first-${conv}`, conv);
  for (const conv of [undefined, "u:3"]) {
    const before = await scripts();
    for (let n = 1; n <= 5; n++) await say(`${conv}-${n}`, conv);
    assert.equal((await scripts()) - before, 5, "one script a message: its append");
    // Too long to be carried.
    await say(`${conv}-${"x".repeat(30)}`, conv);
    const long = "字".repeat(carriedMaxBytes);
    assert.equal((await near.ask("SmsMes", { content: long, mid: "long", conv }, "SmsResMes")).code, 200);
    await far.next("SmsMes", ({ content }) => content === long);
    await say(`${conv}-after`, conv);
  }
  for (const client of [near, peer, far]) {
    assert.deepEqual(client.all("GapMes"), []);
    client.destroy();
  }
  await one.close();
  await two.close();
  await redis.stop();
});

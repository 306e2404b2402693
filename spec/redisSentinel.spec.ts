/**
 * redisSentinel.spec: the server on a real group that three sentinels watch: masters that die, hang, are put in the
 * second row or lose their replicas, and what of the messages is left after it.
 */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import type { Durability } from "../lib/durability.ts";
import { type GroupMember, type SentinelGroup, startSentinelGroup } from "./helpers/redisGroup.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { Talker, assertDenseIds, hearsAll, heardFrom, sendUntilStored } from "./helpers/throughFaults.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser } from "./helpers/wireClient.ts";

// Whoever may take over has to have it: that is both.
const replicated: Durability = { grade: "replica", replicas: 2 };

const ends: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const end of ends.reverse()) await end();
});

async function ownGroup(): Promise<SentinelGroup> {
  const group = await startSentinelGroup();
  ends.push(() => group.stop());
  return group;
}

async function serve(group: SentinelGroup): Promise<SpecServer> {
  const server = await startSpecServer({ redis: group, durability: replicated });
  ends.push(() => server.close());
  return server;
}

describe("a group that Sentinel watches", { concurrency: 4 }, () => {
  const failovers: [string, (master: GroupMember, group: SentinelGroup) => Promise<() => Promise<void>>][] = [
    [
      "killed",
      async (master) => {
        await master.kill();
        return () => master.start();
      },
    ],
    [
      "stopped",
      async (master) => {
        master.signal("SIGSTOP");
        return async () => master.signal("SIGCONT");
      },
    ],
    [
      "relieved by hand",
      async (_master, group) => {
        await group.sentinels[0]?.client.call("SENTINEL", "FAILOVER", group.name);
        return async () => undefined;
      },
    ],
  ];
  for (const [what, fail] of failovers) {
    test(`[R-12] [S-3] [R-10] a master that is ${what} while people talk: what was answered "replica" is all there, once, in order`, async () => {
      const group = await ownGroup();
      const master = await group.settled();
      const [one, other] = [await serve(group), await serve(group)];
      const base = 1;
      const [alice, bob, far] = [
        await newUser(one.port, base),
        await newUser(one.port, base + 1),
        await newUser(other.port, base + 2),
      ];
      const talkers = [
        new Talker(alice, "all", "a"),
        new Talker(far, "all", "f"),
        new Talker(far, `u:${base + 1}`, "p"),
      ];
      const said = (): number => Math.min(...talkers.map(({ lines }) => lines.length));
      await until("some lines", () => said() > 20);
      const heal = await fail(master, group);
      await until("another master", async () => (await group.master()) !== master, 20_000);
      await heal();
      const then = said();
      await until("lines on the other master", () => said() > then + 20, 30_000);
      for (const talker of talkers) await talker.end();
      for (const { lines, longestMs } of talkers) {
        assert.ok(longestMs < 5000, `answered after ${longestMs} ms`);
        for (const { data } of lines) assert.equal(data.stored, "replica");
      }
      const [a, f, p] = talkers.map(({ contents }) => contents) as [string[], string[], string[]];
      await hearsAll(bob, base, a);
      await hearsAll(far, base, a);
      await hearsAll(alice, base + 2, f);
      await bob.hears("private ones", () => heardFrom(bob, base + 2).includes(p.at(-1)));
      for (const client of [alice, bob, far]) assert.deepEqual(client.all("GapMes"), []);
      const ids = talkers.slice(0, 2).flatMap(({ lines }) => lines.map(({ data }) => String(data.id)));
      const seqs = ids.map((id) => Number(id.split("-")[1])).sort((left, right) => left - right);
      assertDenseIds(seqs.map((seq) => `0-${seq}`));
      for (const client of [alice, bob, far]) client.destroy();
    });
  }

  test("[R-11] [S-7] replicas that hang: 503; the same mid again is found, and answered once a replica has it", async () => {
    const group = await ownGroup();
    const master = await group.settled();
    const server = await serve(group);
    const base = 1;
    const alice = await newUser(server.port, base);
    const bob = await newUser(server.port, base + 1);
    const replicas = group.members.filter((member) => member !== master);
    for (const replica of replicas) replica.signal("SIGSTOP");
    const sms = { content: "hello", mid: "m" };
    const startMs = performance.now();
    assert.equal((await alice.ask("SmsMes", sms, "SmsResMes")).code, 503);
    assert.ok(performance.now() - startMs < 5000, `answered after ${performance.now() - startMs} ms`);
    // Known by then, on the connection that wrote it and on another one alike.
    await master.client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    const { data } = await answered(alice, sms);
    assert.equal(data.code, 503);
    for (const replica of replicas) replica.signal("SIGCONT");
    const last = await sendUntilStored(alice, sms);
    assert.equal(last.data.stored, "replica");
    const { messages } = await bob.ask("HistoryMes", { conv: "all", limit: 200 }, "HistoryResMes");
    assert.equal(
      (messages as Data[]).filter(({ content, userId }) => content === "hello" && userId === base).length,
      1,
    );
    alice.destroy();
    bob.destroy();
  });
});

/** One attempt, whatever it is answered. */
async function answered(client: WireClient, fields: Data): Promise<{ data: Data }> {
  client.say("SmsMes", fields);
  return client.next("SmsResMes");
}

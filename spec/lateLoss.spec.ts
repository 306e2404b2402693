/**
 * lateLoss.spec: a replica takes over that lacks the last messages, and a server that had not seen them stores on over
 * them before the one that had is back. The loss is announced all the same, with its count, and no id is given twice.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Gate } from "./helpers/gate.ts";
import { type GroupMember, startMember } from "./helpers/redisGroup.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
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

async function serverBehind(gate: Gate): Promise<SpecServer> {
  const server = await startSpecServer({ redis: { url: `redis://127.0.0.1:${gate.port}` } });
  ends.push(() => server.close());
  return server;
}

const partsOf = (id: unknown): [epoch: number, seq: number] =>
  String(id).split("-").map(Number) as [number, number];

test("[R-12] [D-5] a tail that another server has stored over is announced with its count, to live readers and to late ones", async () => {
  const old = await member();
  const next = await member({ replicaof: `127.0.0.1 ${old.port}` });
  await until("the replica", async () => (await old.replicasOnline()) === 1);
  const [knowing, unknowing] = [await Gate.to(old.port), await Gate.to(old.port)];
  const [one, other] = [await serverBehind(knowing), await serverBehind(unknowing)];
  const alice = await newUser(one.port, 1);
  const [bob, carol] = [await newUser(other.port, 2), await newUser(other.port, 3)];
  const dave = await newUser(one.port, 4);
  const say = async (client: WireClient, content: string, conv = "all"): Promise<string> =>
    String((await sendUntilStored(client, { conv, content, mid: content })).data.id);
  const ids: string[] = [];
  for (const content of ["1", "2", "3"]) ids.push(await say(alice, content));
  await say(dave, "p1", "u:3");
  for (const client of [bob, carol]) await client.next("SmsMes", ({ content }) => content === "3");

  // From here on the replica gets nothing any more, and the other server sees nothing.
  await until("all to be there", async () => (await next.client.xlen("{c:all}:log")) === 3);
  await until("the private one", async () => (await next.client.xlen("{c:dm:3:4}:log")) === 1);
  await next.client.replicaof("NO", "ONE");
  unknowing.refuse();
  unknowing.cut();
  for (const content of ["4", "5"]) ids.push(await say(alice, content));
  await say(dave, "p2", "u:3");
  // Nobody on that server reads this conversation any more.
  dave.say("LogoutMes", {});
  await dave.closed;
  await old.kill();
  knowing.refuse();
  knowing.cut();
  for (const gate of [knowing, unknowing]) gate.retarget(next.port);
  await unknowing.accept();
  const over = await say(bob, "over");
  assert.deepEqual(
    [partsOf(over)[1], partsOf(over)[0] > partsOf(ids[4])[0]],
    [4, true],
    `${over} after ${ids[4]}`,
  );

  await say(carol, "p.over", "u:4");

  await knowing.accept();
  await until(
    "a loss that nobody here reads of",
    async () => (await next.client.hget("{c:dm:3:4}:meta", "floor")) === "3",
  );
  await until("the loss to be told", async () => (await next.client.hget("{c:all}:meta", "floor")) === "6");
  const last = await say(bob, "last");
  assert.deepEqual(
    [partsOf(last)[1], partsOf(last)[0] > partsOf(over)[0]],
    [7, true],
    `${last} after ${over}`,
  );
  const late = await WireClient.login(other.port, { userId: 3, userPwd: "pw3", device: "late" });
  for (const reader of [carol, late]) {
    await reader.next("SmsMes", ({ content }) => content === "last");
    const here = reader.all("SmsMes").filter(({ conv }) => conv === "all");
    assert.deepEqual(
      here.map(({ content }) => content),
      ["1", "2", "3", "over", "last"],
    );
    assert.deepEqual(reader.all("GapMes"), [
      { conv: "all", after: over, before: last, count: 2, reason: "lost" },
    ]);
  }
  // Told once, whoever else tells of it; and the sender's server goes on, too.
  const more = await say(alice, "more");
  assert.equal(partsOf(more)[1], 8);
  assert.equal(new Set([...ids, over, last, more]).size, 8, "no id twice");
  for (const client of [alice, bob, carol, late]) client.destroy();
});

test("[P-7] [R-12] a Redis that takes over without the last who came and left is told of them", async () => {
  const old = await member();
  const next = await member({ replicaof: `127.0.0.1 ${old.port}` });
  await until("the replica", async () => (await old.replicasOnline()) === 1);
  const gate = await Gate.to(old.port);
  const server = await serverBehind(gate);
  const [alice, leaver] = [await newUser(server.port, 1), await newUser(server.port, 2)];
  const onlineIn = async (redis: GroupMember): Promise<string> =>
    Object.keys(await redis.client.hgetall("{online}:users"))
      .sort()
      .join(" ");
  await until("both to be counted", async () => (await onlineIn(next)) === "1 2");
  await next.client.replicaof("NO", "ONE");
  leaver.destroy();
  const bob = await newUser(server.port, 3);
  await until("who came and who left", async () => (await onlineIn(old)) === "1 3");
  await old.kill();
  gate.refuse();
  gate.cut();
  gate.retarget(next.port);
  // Its accounts lack the newest one, too; who is logged in stays so.
  await gate.accept();
  await until("the same here", async () => (await onlineIn(next)) === "1 3");
  assert.deepEqual([alice.isClosed, bob.isClosed], [false, false]);
  alice.destroy();
  bob.destroy();
});

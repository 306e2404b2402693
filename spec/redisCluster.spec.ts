/**
 * redisCluster.spec: the server on a real Redis Cluster: conversations over all masters, doorbells by sharded pub/sub,
 * masters that die, slots that move.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type ClusterGroup, type GroupMember, startCluster } from "./helpers/redisGroup.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { Talker, assertDenseIds, hearsAll, heardFrom, sendUntilStored } from "./helpers/throughFaults.ts";
import { until } from "./helpers/wait.ts";
import { newUser } from "./helpers/wireClient.ts";
import { type Refusals, type SlotOwner, type SlotPlace, moveSlot, refusals } from "./prove/slotMove.ts";

const halfMovedMs = 400;

let cluster: ClusterGroup;
let one: SpecServer;
let other: SpecServer;
before(async () => {
  cluster = await startCluster();
  one = await startSpecServer({ redis: cluster });
  other = await startSpecServer({ redis: cluster });
});
after(async () => {
  await one?.close();
  await other?.close();
  await cluster?.stop();
});

test("[R-10] on a Cluster everything works as on one Redis, across servers", async () => {
  const alice = await newUser(one.port, 1);
  const bob = await newUser(other.port, 2);
  await alice.hears("bob", (heard) =>
    heard.some(({ data }) => JSON.stringify(data.online ?? "").includes("user2")),
  );
  const answers = [];
  for (let peer = 3; peer <= 12; peer++) {
    const friend = await newUser(other.port, peer);
    answers.push(
      await alice.ask("SmsMes", { conv: `u:${peer}`, content: `to ${peer}`, mid: `p${peer}` }, "SmsResMes"),
    );
    const { data } = await friend.next("SmsMes");
    assert.equal(data.content, `to ${peer}`);
    friend.destroy();
  }
  answers.push(await alice.ask("SmsMes", { content: "all", mid: "a" }, "SmsResMes"));
  assert.deepEqual(
    answers.map(({ code, stored }) => [code, stored]),
    answers.map(() => [200, "disk"]),
  );
  assert.equal((await bob.next("SmsMes")).data.content, "all");
  const sizes = await Promise.all(cluster.members.slice(0, 3).map(({ client }) => client.dbsize()));
  assert.ok(
    sizes.every((size) => size > 0),
    `keys on every master: ${sizes.join(" ")}`,
  );
  alice.destroy();
  bob.destroy();
});

test("[R-12] [R-11] [S-7] slots that move while people talk and replicas are waited for: what was answered is there, once, in order", async () => {
  const server = await startSpecServer({ redis: cluster, durability: { grade: "replica", replicas: 1 } });
  const [alice, bob] = [await newUser(server.port, 151), await newUser(server.port, 152)];
  const talkers = [new Talker(alice, "all", "a"), new Talker(alice, "u:152", "p")];
  const said = (): number => Math.min(...talkers.map(({ lines }) => lines.length));
  await until("some lines", () => said() > 5);
  for (const key of ["{c:all}:log", "{u:152}:cursors", "{c:dm:151:152}:log", "users"]) await moveSlotOf(key);
  const then = said();
  await until("lines after it", () => said() > then + 5, 20_000);
  for (const talker of talkers) {
    await talker.end();
    assert.ok(talker.longestMs < 5000, `answered after ${talker.longestMs} ms`);
  }
  const [a, p] = talkers.map(({ contents }) => contents) as [string[], string[]];
  await bob.hears("the last ones", () => [a, p].every((lines) => heardFrom(bob, 151).includes(lines.at(-1))));
  const heardIn = (conv: string): unknown[] =>
    bob
      .all("SmsMes")
      .filter((sms) => sms.conv === conv && sms.userId === 151)
      .map(({ content }) => content);
  assert.deepEqual(heardIn("all"), a);
  assert.deepEqual(heardIn("u:151"), p);
  assert.deepEqual(bob.all("GapMes"), []);
  alice.destroy();
  bob.destroy();
  await server.close();
});

test("[R-10] [S-7] [D-9] slots that move while people talk: ASK, MOVED and TRYAGAIN are followed or waited out, doorbells move along", async () => {
  const [alice, bob] = [await newUser(one.port, 101), await newUser(other.port, 102)];
  const talkers = [new Talker(alice, "all", "a"), new Talker(alice, "u:102", "p")];
  const said = (): number => Math.min(...talkers.map(({ lines }) => lines.length));
  await until("some lines", () => said() > 5);
  const met: Refusals[] = [];
  for (const key of ["{c:all}:log", "{u:102}:cursors", "{c:dm:101:102}:log", "users"]) {
    met.push(await moveSlotOf(key));
  }
  for (const name of refusals) {
    assert.ok(
      met.some((each) => each[name] > 0),
      `${name} in ${JSON.stringify(met)}`,
    );
  }
  const then = said();
  await until("lines after it", () => said() > then + 5, 20_000);
  for (const talker of talkers) await talker.end();
  for (const { longestMs } of talkers) assert.ok(longestMs < 5000, `answered after ${longestMs} ms`);
  const [a, p] = talkers.map(({ contents }) => contents) as [string[], string[]];
  await bob.hears("the last ones", () => [a, p].every((lines) => heardFrom(bob, 101).includes(lines.at(-1))));
  for (const [conv, lines] of [
    ["all", a],
    ["u:101", p],
  ] as const) {
    const heard = bob.all("SmsMes").filter((sms) => sms.conv === conv && sms.userId === 101);
    assert.deepEqual(
      heard.map(({ content }) => content),
      lines,
    );
  }
  assert.deepEqual(bob.all("GapMes"), []);
  // A doorbell whose slot has moved rings: the sweep of private conversations is half a minute away.
  const ringing = performance.now();
  await sendUntilStored(alice, { conv: "u:102", content: "ring", mid: "ring" });
  await bob.hears("the ring", () => heardFrom(bob, 101).includes("ring"));
  assert.ok(performance.now() - ringing < 5000, `heard after ${performance.now() - ringing} ms`);
  alice.destroy();
  bob.destroy();
});

test("[R-10] [S-7] [D-2] a slot that stays half moved: 503 in time, what was acknowledged is kept; once it has arrived all of it is there, once", async () => {
  const [alice, bob] = [await newUser(one.port, 111), await newUser(other.port, 112)];
  const { data } = await sendUntilStored(alice, { conv: "u:112", content: "before", mid: "before" });
  await bob.hears("it", () => heardFrom(bob, 111).includes("before"));
  // Scripts of several keys, one of which is not there: neither master does them, and neither sends on to the other.
  for (const key of ["{c:dm:111:112}:log", "{u:112}:cursors"]) {
    const { from, to, slot } = await placeOf(key);
    await to.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", String(await from.ask("CLUSTER", "MYID")));
    await from.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", String(await to.ask("CLUSTER", "MYID")));
  }
  bob.say("AckMes", { conv: "u:111", id: data.id });
  const sms = { conv: "u:112", content: "meanwhile", mid: "meanwhile" };
  const startMs = performance.now();
  assert.equal((await alice.ask("SmsMes", sms, "SmsResMes")).code, 503);
  assert.ok(performance.now() - startMs < 5000, `answered after ${performance.now() - startMs} ms`);
  await until("it to be kept back", () => other.events.some(({ event }) => event === "cursors_kept_back"));
  assert.ok(
    one.events.some(({ call, reason }) => call === "append" && /TRYAGAIN/.test(String(reason))),
    JSON.stringify(one.events.slice(-4)),
  );
  assert.deepEqual([bob.all("SmsMes").length, alice.all("DeliveredMes").length], [1, 0]);
  for (const key of ["{c:dm:111:112}:log", "{u:112}:cursors"]) await moveSlotOf(key);
  await sendUntilStored(alice, sms);
  await bob.hears("both", () => bob.all("SmsMes").length === 2);
  await alice.hears("that the first one was received", () => alice.all("DeliveredMes").length > 0);
  const { messages } = await bob.ask("HistoryMes", { conv: "u:111" }, "HistoryResMes");
  assert.deepEqual(
    (messages as { content: string }[]).map(({ content }) => content),
    ["before", "meanwhile"],
  );
  alice.destroy();
  bob.destroy();
});

/** Moves the slot of a key to the next master, with time for people to meet it half moved. */
async function moveSlotOf(key: string): Promise<Refusals> {
  return (await moveSlot(await placeOf(key), halfMovedMs)).met;
}

/** A key's slot, the master that has it, and the next one. */
async function placeOf(key: string): Promise<SlotPlace> {
  const master = await cluster.masterOf(key);
  const slot = Number(await master.client.call("CLUSTER", "KEYSLOT", key));
  const members = cluster.members.map(({ address, client }): SlotOwner => ({
    address,
    ask: (name, ...args) => client.call(name, ...args),
  }));
  const masters = members.slice(0, 3);
  const from = cluster.members.indexOf(master);
  return { from: masters[from] as SlotOwner, to: masters[(from + 1) % 3] as SlotOwner, members, slot };
}

/** How often each error was answered so far. */
async function errorsOf(...members: GroupMember[]): Promise<Map<string, number>> {
  const sums = new Map<string, number>();
  for (const { client } of members) {
    for (const [, name = "", count] of (await client.info("errorstats")).matchAll(
      /^errorstat_(\w+):count=(\d+)/gm,
    )) {
      sums.set(name, (sums.get(name) ?? 0) + Number(count));
    }
  }
  return sums;
}

test("[R-12] [R-11] a master that is killed: what was answered is there, other slots go on, the id of no message comes twice", async () => {
  const server = await startSpecServer({ redis: cluster, durability: { grade: "replica", replicas: 1 } });
  const [alice, bob] = [await newUser(server.port, 201), await newUser(server.port, 202)];
  await cluster.settled();
  const master = await cluster.masterOf("{c:all}:log");
  const talker = new Talker(alice, "all", "a");
  await until("some lines", () => talker.lines.length > 20);
  await master.kill();
  await until("another master", async () => (await cluster.masterOf("{c:all}:log")) !== master, 20_000);
  await master.start();
  const then = talker.lines.length;
  await until("lines on the other master", () => talker.lines.length > then + 20, 20_000);
  await talker.end();
  assert.ok(talker.longestMs < 5000, `answered after ${talker.longestMs} ms`);
  await hearsAll(bob, 201, talker.contents);
  assertDenseIds(talker.lines.map(({ data }) => data.id));
  assert.ok(
    talker.lines.every(({ data }) => data.stored === "replica"),
    "each has its replica",
  );
  alice.destroy();
  bob.destroy();
  await server.close();
  await cluster.settled();
});

test("[S-7] [R-12] CLUSTERDOWN: with a master and its replica gone nothing is stored, connections stay, and it comes back", async () => {
  const [alice, bob] = [await newUser(one.port, 301), await newUser(other.port, 302)];
  const master = await cluster.masterOf("{c:all}:log");
  const gone = [master, ...(await cluster.replicasOf(master))];
  await Promise.all(gone.map((member) => member.kill()));
  const rest = cluster.members.find((member) => !gone.includes(member));
  await until("the Cluster to be down", async () =>
    String(await rest?.client.call("CLUSTER", "INFO")).includes("cluster_state:fail"),
  );
  for (const conv of ["all", "u:302"]) {
    const startMs = performance.now();
    assert.equal((await alice.ask("SmsMes", { conv, content: "x", mid: conv }, "SmsResMes")).code, 503);
    assert.ok(performance.now() - startMs < 5000, `answered after ${performance.now() - startMs} ms`);
  }
  const rests = cluster.members.filter((member) => !gone.includes(member));
  assert.ok((await errorsOf(...rests)).has("CLUSTERDOWN"), "it was met");
  await Promise.all(gone.map((member) => member.start()));
  await cluster.settled();
  for (const conv of ["all", "u:302"]) await sendUntilStored(alice, { conv, content: "x", mid: conv });
  await bob.hears("both", () => heardFrom(bob, 301).length === 2);
  assert.deepEqual([alice.isClosed, bob.isClosed], [false, false]);
  alice.destroy();
  bob.destroy();
});

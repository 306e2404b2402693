/**
 * delivery.spec: who gets what, when, once and in order (clauses [D-1] to [D-7]).
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
let server: SpecServer;
before(async () => {
  redis = await startRedis();
  server = await startSpecServer({ redis });
});
after(async () => {
  await server.close();
  await redis.stop();
});

const login = (userId: number, fields: Data = {}): Promise<WireClient> =>
  WireClient.login(server.port, { userId, userPwd: `pw${userId}`, ...fields });
const contentsOf = (client: WireClient, conv: string): unknown[] =>
  client
    .all("SmsMes")
    .filter((data) => data.conv === conv)
    .map(({ content }) => content);

let midCount = 0;

/** Sends messages, some hundreds at once: more would not all be stored in the 5 s of [S-7]; the ids. */
async function sendMany(client: WireClient, conv: string, contents: string[]): Promise<string[]> {
  const ids: string[] = [];
  for (let at = 0; at < contents.length; at += 500) {
    ids.push(...(await sendAtOnce(client, conv, contents.slice(at, at + 500))));
  }
  return ids;
}

async function sendAtOnce(client: WireClient, conv: string, contents: string[]): Promise<string[]> {
  const first = midCount;
  midCount += contents.length;
  contents.forEach((content, index) => client.say("SmsMes", { conv, content, mid: `m${first + index}` }));
  const ids: string[] = [];
  for (const index of contents.keys()) {
    const { data } = await client.next("SmsResMes", ({ mid }) => mid === `m${first + index}`);
    assert.equal(data.code, 200);
    ids.push(String(data.id));
  }
  return ids;
}

const numbered = (count: number, name = "n"): string[] =>
  Array.from({ length: count }, (_, n) => `${name}${n + 1}`);

/** Acknowledges in a private conversation, and waits until the cursor is stored. */
async function ackStored(
  client: WireClient,
  ack: { reader: number; peer: number; id: string },
): Promise<void> {
  const { reader, peer, id } = ack;
  client.say("AckMes", { conv: `u:${peer}`, id });
  const field = `default|dm:${Math.min(reader, peer)}:${Math.max(reader, peer)}`;
  await until("the cursor", async () => (await redis.client.hget(`{u:${reader}}:cursors`, field)) === id);
}

test("[D-1] what was missed comes at log-in, in order, each once, then what is new; own lines do not", async () => {
  const alice = await newUser(server.port, 101);
  const bob = await newUser(server.port, 102);
  bob.destroy();
  await sendMany(alice, "u:102", numbered(40));
  const back = await login(102);
  await sendMany(back, "u:101", ["own1", "own2"]);
  const live = sendMany(alice, "u:102", numbered(40, "live"));
  await back.next("SmsMes", ({ content }) => content === "live40");
  await live;
  assert.deepEqual(contentsOf(back, "u:101"), [...numbered(40), ...numbered(40, "live")]);
  const once = await login(102);
  await once.next("SmsMes", ({ content }) => content === "live40");
  assert.ok(!contentsOf(once, "u:101").includes("own1"), '!contentsOf(once, "u:101").includes("own1")');
  for (const client of [alice, back, once]) client.destroy();
});

test("[D-1] a log-in in the middle of a flood misses nothing and doubles nothing", async () => {
  const alice = await newUser(server.port, 111);
  await registerUser(server.port, 112);
  const flood = sendMany(alice, "all", numbered(3000, "flood"));
  const readers: WireClient[] = [];
  for (let n = 0; n < 8; n++) readers.push(await login(112, { device: `d${n}` }));
  await flood;
  for (const reader of readers) {
    await reader.next("SmsMes", ({ content }) => content === "flood3000");
    const seqs = reader
      .all("SmsMes")
      .filter(({ conv }) => conv === "all")
      .map(({ id }) => Number(String(id).split("-")[1]));
    const [first = 0] = seqs;
    assert.deepEqual(
      seqs,
      seqs.map((_, n) => first + n),
    );
    reader.destroy();
  }
  alice.destroy();
});

test("[D-2] an acknowledged message does not come again, an unacknowledged one does; each device has its own cursor", async () => {
  const alice = await newUser(server.port, 121);
  await registerUser(server.port, 122);
  const ids = await sendMany(alice, "u:122", ["1", "2", "3"]);
  const first = await login(122);
  await first.next("SmsMes", ({ content }) => content === "3");
  await ackStored(first, { reader: 122, peer: 121, id: ids[1] ?? "" });
  first.destroy();
  const second = await login(122);
  await second.next("SmsMes", ({ content }) => content === "3");
  assert.deepEqual(contentsOf(second, "u:121"), ["3"]);
  const phone = await login(122, { device: "phone" });
  await phone.next("SmsMes", ({ content }) => content === "3");
  assert.deepEqual(contentsOf(phone, "u:121"), ["1", "2", "3"]);
  for (const client of [alice, second, phone]) client.destroy();
});

test("[D-2] a cursor never goes back", async () => {
  const alice = await newUser(server.port, 125);
  const bob = await newUser(server.port, 126);
  const ids = await sendMany(alice, "u:126", ["1", "2"]);
  await bob.next("SmsMes", ({ content }) => content === "2");
  // Both within what the node collects, and after it was stored.
  for (const id of [ids[1], ids[0]]) bob.say("AckMes", { conv: "u:125", id });
  await ackStored(bob, { reader: 126, peer: 125, id: ids[1] ?? "" });
  bob.say("AckMes", { conv: "u:125", id: ids[0] });
  await bob.settled();
  await sendMany(alice, "u:126", ["3"]);
  const back = await login(126);
  await back.next("SmsMes", ({ content }) => content === "3");
  assert.deepEqual(contentsOf(back, "u:125"), ["3"]);
  // The next thing stored for this user proves that the earlier one was.
  const phone = await login(126, { device: "phone" });
  await phone.next("SmsMes", ({ content }) => content === "1");
  phone.say("AckMes", { conv: "u:125", id: ids[0] });
  await until("the phone's cursor", async () => {
    return (await redis.client.hget("{u:126}:cursors", "phone|dm:125:126")) === ids[0];
  });
  assert.equal(await redis.client.hget("{u:126}:cursors", "default|dm:125:126"), ids[1]);
  for (const client of [alice, back, phone]) client.destroy();
});

test("[D-2] a cursor never goes above what the session was sent", async () => {
  const alice = await newUser(server.port, 131);
  const bob = await newUser(server.port, 132);
  const ids = await sendMany(alice, "u:132", ["1", "2"]);
  await bob.next("SmsMes", ({ content }) => content === "2");
  bob.say("AckMes", { conv: "u:131", id: "9007199254740991-9007199254740991" });
  bob.say("AckMes", { conv: "all", id: "9007199254740991-9007199254740991" });
  await bob.settled();
  bob.say("LogoutMes", {});
  await bob.closed;
  await sendMany(alice, "u:132", ["3"]);
  await sendMany(alice, "all", ["131 to all"]);
  const back = await login(132);
  await back.next("SmsMes", ({ content }) => content === "3");
  await back.hears("the one to all", () => contentsOf(back, "all").includes("131 to all"));
  assert.deepEqual(contentsOf(back, "u:131"), ["3"]);
  await until("the cursor", async () => {
    return (await redis.client.hget("{u:132}:cursors", "default|dm:131:132")) === ids[1];
  });
  for (const client of [alice, back]) client.destroy();
});

test("[D-3] [D-5] at most the 1,000 newest are replayed; GapMes skipped tells how many were not", async () => {
  const alice = await newUser(server.port, 141);
  await registerUser(server.port, 142);
  const ids = await sendMany(alice, "u:142", numbered(1007));
  const bob = await login(142);
  await bob.next("SmsMes", ({ content }) => content === "n1007");
  assert.deepEqual(contentsOf(bob, "u:141"), numbered(1007).slice(7));
  const place = bob.heard.findIndex(({ type }) => type === "GapMes");
  assert.deepEqual(bob.heard[place]?.data, {
    conv: "u:141",
    after: "0-0",
    before: ids[7],
    count: 7,
    reason: "skipped",
  });
  const firstOfConv = bob.heard.findIndex(({ type, data }) => type === "SmsMes" && data.conv === "u:141");
  assert.ok(place < firstOfConv, "place < firstOfConv");
  alice.destroy();
  bob.destroy();
});

test("[D-3] [D-1] what a device has said itself is no gap to it, however much it was", async () => {
  const other = await newUser(server.port, 1060);
  await registerUser(server.port, 1061);
  const device = await login(1061, { device: "d" });
  const [first] = await sendMany(other, "all", ["before"]);
  await device.next("SmsMes", ({ id }) => id === first);
  device.say("AckMes", { conv: "all", id: first });
  const ids = await sendMany(device, "all", numbered(1100, "own"));
  // Then the device has been passed by as well: one read is for all.
  await other.next("SmsMes", ({ id }) => id === ids.at(-1));
  await device.settled();
  await device.end();
  const again = await login(1061, { device: "d" });
  await again.settled();
  assert.deepEqual(again.all("GapMes"), []);
  assert.deepEqual(again.all("SmsMes"), []);
  const [all] = again.heard[0]?.data.convs as Data[];
  assert.deepEqual([all?.cursor, all?.unread], [ids.at(-1), 0]);
  // What it did not acknowledge still comes again, and what it says behind that does not hide it.
  const [unseen] = await sendMany(other, "all", ["unseen"]);
  await again.next("SmsMes", ({ id }) => id === unseen);
  const [mine] = await sendMany(again, "all", ["mine"]);
  await other.next("SmsMes", ({ id }) => id === mine);
  await again.settled();
  await again.end();
  const third = await login(1061, { device: "d" });
  await third.next("SmsMes", ({ id }) => id === unseen);
  await third.settled();
  assert.deepEqual(contentsOf(third, "all"), ["unseen"]);
  for (const client of [other, third]) client.destroy();
});

test("[D-4] replay none is live from the head; only AckMes moves the cursor", async () => {
  const alice = await newUser(server.port, 151);
  await registerUser(server.port, 152);
  const [first] = await sendMany(alice, "u:152", ["old"]);
  await sendMany(alice, "all", ["151 old"]);
  const bob = await login(152, { replay: "none" });
  const state = bob.heard[0]?.data as { convs: { conv: string; unread: number }[] };
  assert.equal(state.convs.find(({ conv }) => conv === "u:151")?.unread, 1);
  await sendMany(alice, "u:152", ["new"]);
  await bob.next("SmsMes", ({ content }) => content === "new");
  await bob.settled();
  assert.deepEqual(
    bob.all("SmsMes").map(({ content }) => content),
    ["new"],
  );
  assert.deepEqual(bob.all("GapMes"), []);
  bob.say("LogoutMes", {});
  await bob.closed;
  // Nothing was acknowledged, so a session that replays gets it all.
  const all = await login(152);
  await all.next("SmsMes", ({ content }) => content === "new");
  assert.deepEqual(contentsOf(all, "u:151"), ["old", "new"]);
  assert.ok(first, "first");
  alice.destroy();
  all.destroy();
});

test("[D-5] what was trimmed is announced before the next message, with the exact count", async () => {
  const alice = await newUser(server.port, 161);
  await registerUser(server.port, 162);
  const ids = await sendMany(alice, "u:162", numbered(10));
  await redis.client.xtrim("{c:dm:161:162}:log", "MINID", ids[6] ?? "");
  const bob = await login(162);
  await bob.next("SmsMes", ({ content }) => content === "n10");
  assert.deepEqual(contentsOf(bob, "u:161"), ["n7", "n8", "n9", "n10"]);
  assert.deepEqual(bob.all("GapMes"), [
    { conv: "u:161", after: "0-0", before: ids[6], count: 6, reason: "trimmed" },
  ]);
  alice.destroy();
  bob.destroy();
});

test("[D-6] a reader that does not read is not buffered for; it gets all of it when it does, others at once", async () => {
  const alice = await newUser(server.port, 171);
  const fast = await newUser(server.port, 172);
  const slow = await newUser(server.port, 173);
  slow.socket.pause();
  const big = "大".repeat(3000);
  const count = 5000;
  const beforeBytes = process.memoryUsage().rss;
  const sent = sendMany(
    alice,
    "all",
    numbered(count).map((name) => `${name} ${big}`),
  );
  await fast.next("SmsMes", ({ content }) => String(content).startsWith(`n${count} `));
  await sent;
  assert.ok(
    server.events.some(({ event, userId }) => event === "reader_slow" && userId === 173),
    'server.events.some(({ event, userId }) => event === "reader_slow" && userId === 173)',
  );
  assert.ok(!slow.isClosed, "!slow.isClosed");
  // 45 MB went to the others; what is held for the slow one is one backlog.
  const grownBytes = process.memoryUsage().rss - beforeBytes;
  assert.ok(grownBytes < 400e6, `grew by ${Math.round(grownBytes / 1e6)} MB`);
  slow.socket.resume();
  await slow.next("SmsMes", ({ content }) => String(content).startsWith(`n${count} `));
  const names = contentsOf(slow, "all").map((content) => String(content).split(" ")[0]);
  assert.deepEqual(names, numbered(count));
  for (const client of [alice, fast, slow]) client.destroy();
});

test("[D-6] a reader without any progress for 60 s is closed", async () => {
  const clock = new ManualClock();
  const own = await startSpecServer({ redis, clock });
  const alice = await newUser(own.port, 181);
  const stuck = await newUser(own.port, 182);
  stuck.socket.pause();
  const big = "大".repeat(3900);
  await sendMany(
    alice,
    "all",
    numbered(4200).map((name) => `181 ${name} ${big}`),
  );
  await until("a full socket", () => own.events.some(({ event }) => event === "reader_slow"));
  for (let seconds = 0; seconds < 58; seconds++) clock.advance(1000);
  assert.ok(
    !own.events.some(({ event, userId }) => event === "session_closed" && userId === 182),
    '!own.events.some(({ event, userId }) => event === "session_closed" && userId === 182)',
  );
  for (let seconds = 0; seconds < 4; seconds++) clock.advance(1000);
  const closed = await until("the end", () =>
    own.events.find(({ event, userId }) => event === "session_closed" && userId === 182),
  );
  assert.equal(closed.reason, "no progress");
  assert.ok(
    !own.events.some(({ event, userId }) => event === "session_closed" && userId === 181),
    '!own.events.some(({ event, userId }) => event === "session_closed" && userId === 181)',
  );
  stuck.destroy();
  alice.destroy();
  const closing = own.close();
  await until("the drain", () => {
    clock.advance(100);
    return own.events.some(({ event }) => event === "stopped");
  });
  await closing;
});

test("[D-7] a server that has just started knows the head of a long log", async () => {
  const alice = await newUser(server.port, 185);
  const ids = await sendMany(alice, "all", numbered(3000, "185 "));
  for (let round = 0; round < 3; round++) {
    const fresh = await startSpecServer({ redis });
    const bob = await newUser(fresh.port, 186 + round);
    const { convs } = bob.heard[0]?.data as { convs: { head: string; cursor: string; unread: number }[] };
    assert.deepEqual([convs[0]?.head, convs[0]?.cursor, convs[0]?.unread], [ids.at(-1), ids.at(-1), 0]);
    bob.destroy();
    await fresh.close();
  }
  alice.destroy();
});

test("[D-7] a new device starts in all where the user registered, a record by hand at its first log-in", async () => {
  const alice = await newUser(server.port, 191);
  await sendMany(alice, "all", ["before 192 was there"]);
  await registerUser(server.port, 192);
  await redis.client.hset("users", "193", '{"userId":193,"userPwd":"pw193","userName":"by hand"}');
  await sendMany(alice, "all", ["after 192 registered"]);
  const registered = await login(192);
  assert.equal((await registered.next("SmsMes")).data.content, "after 192 registered");
  const byHand = await login(193);
  await sendMany(alice, "all", ["after 193 came"]);
  assert.equal((await byHand.next("SmsMes")).data.content, "after 193 came");
  for (const userId of [192, 193]) {
    const other = await login(userId, { device: "other" });
    await other.next("SmsMes", ({ content }) => content === "after 193 came");
    assert.deepEqual(
      contentsOf(other, "all"),
      userId === 192 ? ["after 192 registered", "after 193 came"] : ["after 193 came"],
    );
    other.destroy();
  }
  for (const client of [alice, registered, byHand]) client.destroy();
});

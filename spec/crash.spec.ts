/**
 * crash, the promise of "disk": server and Redis are killed at random moments while several clients send; at the
 * next start everything that was answered is there, once and in order, and what was not answered can be sent again.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { dataFolder, killPrivateRedis, privateRedisPid, runningOn } from "./helpers/privateRedis.ts";
import { type SpawnedServer, spawnServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, registerUser } from "./helpers/wireClient.ts";

interface Sent {
  mid: string;
  conv: string;
}

/** One who sends as fast as it is answered, in a conversation of its own or in "all", and remembers what it said. */
interface Sender {
  userId: number;
  conv: string;
  sent: Sent[];
  answers: Data[];
}

const reader = 1;
const senders: Sender[] = [
  { userId: 2, conv: "all", sent: [], answers: [] },
  { userId: 3, conv: "all", sent: [], answers: [] },
  { userId: 4, conv: "u:1", sent: [], answers: [] },
  { userId: 5, conv: "u:1", sent: [], answers: [] },
];

async function login(port: number, userId: number, fields: Data = {}): Promise<WireClient> {
  return WireClient.login(port, { userId, userPwd: `pw${userId}`, ...fields });
}

/** Sends with up to 8 unanswered until the connection ends. */
async function sendUntilKilled(client: WireClient, sender: Sender, round: number): Promise<void> {
  let answered = 0;
  for (let n = 0; !client.isClosed; n++) {
    const mid = `${sender.userId}.${round}.${n}`;
    sender.sent.push({ mid, conv: sender.conv });
    client.say("SmsMes", { conv: sender.conv, content: `content of ${mid}`, mid });
    await client
      .hears("room", () => client.all("SmsResMes").length > n - 8)
      .catch(() => assert.ok(client.isClosed, "it is answered as long as the server lives"));
  }
  for (const answer of client.all("SmsResMes").slice(answered)) {
    answered++;
    if (answer.code === 200) sender.answers.push(answer);
  }
}

async function wholeHistory(client: WireClient, conv: string): Promise<Data[]> {
  const messages: Data[] = [];
  for (let more = true; more;) {
    const after = String(messages.at(-1)?.id ?? "0-0");
    const page = await client.ask("HistoryMes", { conv, after, limit: 200 }, "HistoryResMes");
    assert.equal(page.code, 200);
    messages.push(...(page.messages as Data[]));
    more = page.more === true;
  }
  return messages;
}

function partsOf(id: unknown): [number, number] {
  const [epoch, seq] = String(id).split("-").map(Number);
  return [epoch ?? NaN, seq ?? NaN];
}

/** Ids are dense from 1 on, epochs never go down, no mid of a sender is there twice. */
function assertDense(messages: Data[]): void {
  assert.deepEqual(
    messages.map(({ id }) => partsOf(id)[1]),
    messages.map((_, index) => index + 1),
  );
  const epochs = messages.map(({ id }) => partsOf(id)[0]);
  assert.ok(
    epochs.every((epoch, index) => epoch >= (epochs[index - 1] ?? 0)),
    "epochs only go up",
  );
  const mids = messages.map(({ userId, mid }) => `${String(userId)} ${String(mid)}`);
  assert.equal(new Set(mids).size, mids.length, "no message twice");
}

/** Where a sender's messages are read: "all", or, from the reader's side, the private conversation. */
function convOfReader(sender: Sender): string {
  return sender.conv === "all" ? "all" : `u:${sender.userId}`;
}

/** What is there against what was answered. */
function assertKept(history: Map<string, Data[]>, sender: Sender): void {
  const messages = history.get(convOfReader(sender)) ?? [];
  const byMid = new Map(
    messages.filter(({ userId }) => userId === sender.userId).map((one) => [one.mid, one]),
  );
  for (const { mid, id, time, stored } of sender.answers) {
    assert.equal(stored, "disk");
    const kept = byMid.get(mid);
    assert.ok(kept, `${String(mid)} was answered, and is lost`);
    assert.deepEqual([kept.id, kept.time, kept.content], [id, time, `content of ${String(mid)}`]);
  }
  const order = sender.sent.map(({ mid }) => mid).filter((mid) => byMid.has(mid));
  assert.deepEqual([...byMid.keys()], order, "in the order they were sent");
}

test("[R-3] [S-3] [S-4] what was answered survives SIGKILL of server and Redis, once and in order", async () => {
  const folder = dataFolder();
  let server: SpawnedServer = await spawnServer(["--data", folder]);
  await privateRedisPid(folder);
  for (const userId of [reader, ...senders.map((one) => one.userId)]) await registerUser(server.port, userId);

  let round = 0;
  // Shrinking would repeat rounds that have left their traces: the seed and the moment are what is printed.
  const moment = fc.record({
    answers: fc.integer({ min: 1, max: 400 }),
    redisFirst: fc.boolean(),
    both: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(moment, async ({ answers, redisFirst, both }) => {
      round++;
      const port = server.port;
      const clients = await Promise.all(senders.map((one) => login(port, one.userId, { replay: "none" })));
      const sending = clients.map((client, index) =>
        sendUntilKilled(client, senders[index] as Sender, round),
      );
      const count = (): number => clients.reduce((sum, client) => sum + client.all("SmsResMes").length, 0);
      await until(`${answers} answers`, () => count() >= answers);
      if (redisFirst) await killPrivateRedis(folder);
      await server.kill("SIGKILL");
      // Left alone it is adopted; killed it has to read its file.
      if (both && !redisFirst) await killPrivateRedis(folder);
      await Promise.all(sending);

      server = await spawnServer(["--data", folder]);
      await privateRedisPid(folder);
      await repeatUnanswered(server.port);

      const fresh = await login(server.port, reader, { device: `round${round}` });
      const history = new Map<string, Data[]>();
      for (const conv of new Set(senders.map(convOfReader)))
        history.set(conv, await wholeHistory(fresh, conv));
      for (const messages of history.values()) assertDense(messages);
      for (const sender of senders) assertKept(history, sender);
      await assertReplayed(fresh, history);
      fresh.destroy();
    }),
    { numRuns: 4, endOnFailure: true },
  );
  assert.equal(await server.kill("SIGTERM"), 0);
  assert.deepEqual(runningOn(folder), []);
});

/** Every mid that was not answered is sent again: then it is there, exactly once. */
async function repeatUnanswered(port: number): Promise<void> {
  for (const sender of senders) {
    const client = await login(port, sender.userId, { replay: "none" });
    const answered = new Set(sender.answers.map(({ mid }) => mid));
    const missing = sender.sent.filter(({ mid }) => !answered.has(mid));
    for (const { mid, conv } of missing) {
      const answer = await client.ask("SmsMes", { conv, content: `content of ${mid}`, mid }, "SmsResMes");
      assert.deepEqual([answer.code, answer.mid], [200, mid]);
      sender.answers.push(answer);
    }
    // And one that was answered is known: the same id as at first.
    const known = sender.answers[0];
    if (known) {
      const { mid } = known;
      const repeat = { conv: sender.conv, content: "another content", mid };
      const again = await client.ask("SmsMes", repeat, "SmsResMes");
      assert.deepEqual([again.id, again.time], [known.id, known.time]);
    }
    client.destroy();
  }
}

/** The replay of a device that is new: the newest 1,000 of each conversation, as they stand in history. */
async function assertReplayed(client: WireClient, history: Map<string, Data[]>): Promise<void> {
  for (const [conv, messages] of history) {
    const wanted = messages.slice(-1000).map(({ id }) => id);
    const told = (): unknown[] =>
      client
        .all("SmsMes")
        .filter((one) => one.conv === conv)
        .map(({ id }) => id);
    await client.hears(`the replay of ${conv}`, () => told().length >= wanted.length);
    await client.settled();
    assert.deepEqual(told(), wanted);
  }
}

/**
 * acrossNodes.spec: messages between people on different servers of one Redis come by doorbell (clause [D-10]). Time of
 * the servers that read stands still, and with it every sweep: what comes was rung for.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { RedisGate } from "./helpers/redisGate.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
let gate: RedisGate;
/** Its clock runs, its links to Redis can be cut. */
let lively: SpecServer;
const still: SpecServer[] = [];

before(async () => {
  redis = await startRedis();
  gate = await RedisGate.before(redis);
  lively = await startSpecServer({ redis: gate, node: "lively" });
  for (const node of ["still", "stiller"]) {
    still.push(await startSpecServer({ redis, clock: new ManualClock(), node }));
  }
});
after(async () => {
  for (const server of [lively, ...still]) await server.close();
  gate.close();
  await redis.stop();
});

const contentsOf = (client: WireClient): unknown[] => client.all("SmsMes").map(({ content }) => content);

test("[D-10] [S-1] [S-2] [S-8] from each server to each other, to all and in private, without any sweep", async () => {
  const ports = still.map(({ port }) => port);
  const people = await Promise.all(ports.map((port, index) => newUser(port, 11 + index)));
  const tablet = await WireClient.login(ports[1] ?? 0, { userId: 11, userPwd: "pw11", device: "tablet" });
  for (const [index, speaker] of people.entries()) {
    const [from, to] = [11 + index, 12 - index];
    for (let n = 1; n <= 20; n++) {
      const conv = n % 2 === 0 ? "all" : `u:${to}`;
      const content = `${n}.from.${from}`;
      await speaker.ask("SmsMes", { conv, content, mid: content }, "SmsResMes");
      await people[1 - index]?.next("SmsMes", (data) => data.content === content);
      if (from === 11) await tablet.next("SmsMes", (data) => data.content === content);
    }
  }
  assert.equal(contentsOf(people[0] as WireClient).length, 20);
  assert.equal(contentsOf(people[1] as WireClient).length, 20);
  for (const client of [...people, tablet]) client.destroy();
});

for (const conv of ["all", "private"]) {
  test(`[D-10] a ring that did not get through to Redis is rung again when the link is back: ${conv}`, async () => {
    const userId = conv === "all" ? 21 : 31;
    const reader = await newUser(still[0]?.port ?? 0, userId);
    const speaker = await newUser(lively.port, userId + 1);
    const say = (content: string): Promise<unknown> => {
      const fields = { conv: conv === "all" ? "all" : `u:${userId}`, content, mid: content };
      return speaker.ask("SmsMes", fields, "SmsResMes");
    };
    // The conversation is there, and both follow it.
    await say("first");
    await reader.next("SmsMes", ({ content }) => content === "first");
    const lost = gate.commandsLost;
    gate.loseCommand(/PUBLISH\r\n\$\d+\r\n[^\r]+\r\n\$\d+\r\nlively conv/i);
    await say("second");
    await reader.next("SmsMes", ({ content }) => content === "second");
    assert.equal(gate.commandsLost, lost + 1);
    assert.deepEqual(contentsOf(reader), ["first", "second"]);
    for (const client of [reader, speaker]) client.destroy();
  });
}

test("[D-10] [D-1] a message to somebody who logs in elsewhere at that moment is there once", async () => {
  await registerUser(lively.port, 41);
  const speaker = await newUser(still[1]?.port ?? 0, 42);
  for (let round = 1; round <= 20; round++) {
    const saying = speaker.ask("SmsMes", { conv: "u:41", content: `${round}`, mid: `${round}` }, "SmsResMes");
    const reader = await WireClient.login(still[0]?.port ?? 0, { userId: 41, userPwd: "pw41", device: "d" });
    await saying;
    await reader.next("SmsMes", ({ content }) => content === `${round}`);
    assert.deepEqual(contentsOf(reader), [`${round}`]);
    reader.say("AckMes", { conv: "u:42", id: reader.all("SmsMes").at(-1)?.id });
    reader.say("LogoutMes", {});
    await reader.closed;
  }
  speaker.destroy();
});

for (const how of ["after LogoutMes", "in place of the older session"]) {
  test(`[D-2] [D-1] what was acknowledged on one server does not come again on another one: ${how}`, async () => {
    const userId = how === "after LogoutMes" ? 51 : 61;
    await registerUser(lively.port, userId);
    const speaker = await newUser(lively.port, userId + 1);
    const login = (at: number): Promise<WireClient> =>
      WireClient.login(still[at]?.port ?? 0, { userId, userPwd: `pw${userId}`, device: "d" });
    let reader = await login(0);
    for (let round = 1; round <= 10; round++) {
      const [toAll, privately] = [`all ${round}`, `private ${round}`];
      await speaker.ask("SmsMes", { content: toAll, mid: `a${round}` }, "SmsResMes");
      await speaker.ask("SmsMes", { conv: `u:${userId}`, content: privately, mid: `p${round}` }, "SmsResMes");
      await reader.hears("both", () => contentsOf(reader).length === 2);
      assert.deepEqual(contentsOf(reader).sort(), [toAll, privately]);
      for (const { conv, id } of reader.all("SmsMes")) reader.say("AckMes", { conv, id });
      if (how === "after LogoutMes") {
        reader.say("LogoutMes", {});
        await reader.closed;
      } else await reader.settled();
      reader = await login(round % 2);
      const fence = await reader.ask("UsersMes", {}, "UsersResMes");
      assert.equal(fence.code, 200);
      assert.deepEqual(contentsOf(reader), [], `round ${round}`);
    }
    for (const client of [reader, speaker]) client.destroy();
  });
}

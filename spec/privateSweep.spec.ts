/**
 * privateSweep: private messages whose doorbell was lost are found by the sweep, in whatever conversation they are
 * ([D-9]), without a storm: users are looked at one after the other. Time is moved by hand.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { RedisGate } from "./helpers/redisGate.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { type WireClient, newUser } from "./helpers/wireClient.ts";

const clocks = [new ManualClock(), new ManualClock()] as const;
let redis: SpecRedis;
let gate: RedisGate;
let deaf: SpecServer;
let other: SpecServer;

before(async () => {
  redis = await startRedis();
  gate = await RedisGate.before(redis);
  deaf = await startSpecServer({ redis: gate, clock: clocks[0] });
  other = await startSpecServer({ redis, clock: clocks[1] });
});
after(async () => {
  await deaf.close();
  await other.close();
  gate.close();
  await redis.stop();
});

/** Half a minute and a bit goes by everywhere, in small steps, with what happens in between. */
async function wait(): Promise<void> {
  for (let step = 0; step < 320; step++) {
    for (const clock of clocks) clock.advance(100);
    if (step % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

test("[D-9] a private message that did not ring is found, in the conversation used least of twenty as well", async () => {
  const reader = await newUser(deaf.port, 100);
  const peers: WireClient[] = [];
  for (let userId = 101; userId <= 120; userId++) peers.push(await newUser(other.port, userId));
  for (const peer of peers) {
    await peer.ask("SmsMes", { conv: "u:100", content: "hello", mid: "1" }, "SmsResMes");
    await reader.next("SmsMes", ({ content }) => content === "hello");
  }
  await wait();
  gate.refuse("bell");
  gate.cut("bell");
  await until("nobody to listen", async () => {
    const [, count] = (await redis.client.pubsub("NUMSUB", "{u:100}:bell")) as [string, number];
    return count === 0;
  });
  for (const peer of peers.slice(0, 3)) {
    await peer.ask("SmsMes", { conv: "u:100", content: "unheard", mid: "2" }, "SmsResMes");
  }
  await wait();
  await wait();
  await reader.hears(
    "all three",
    (heard) => heard.filter(({ data }) => data.content === "unheard").length === 3,
  );
  gate.admit("bell");
  for (const client of [reader, ...peers]) client.destroy();
});

test("[D-9] the sweep of many users is spread over its interval", async () => {
  const readers: WireClient[] = [];
  for (let userId = 200; userId < 300; userId++) readers.push(await newUser(other.port, userId));
  await wait();
  const looks = async (): Promise<number> => {
    const stats = await redis.client.info("commandstats");
    return Number(/cmdstat_zrevrangebyscore:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  };
  const clock = clocks[1];
  const counts: number[] = [];
  for (let step = 0; step < 300; step++) {
    const before = await looks();
    clock.advance(200);
    await readers[0]?.ask("HistoryMes", { conv: "all" }, "HistoryResMes");
    counts.push((await looks()) - before);
  }
  assert.ok(Math.max(...counts) <= 4, `${Math.max(...counts)} in one step`);
  const sum = counts.reduce((total, count) => total + count, 0);
  assert.ok(sum >= 200 && sum <= 400, `${sum} looks in a minute at 100 users`);
  for (const reader of readers) reader.destroy();
});

/**
 * halfOpen.spec: links between server and Redis that are dead without anybody having said so, or that come and go: the
 * server notices, answers all the while, and makes good what it missed.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { RedisGate } from "./helpers/redisGate.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { newUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
let gate: RedisGate;
let server: SpecServer;
let straight: SpecServer;

before(async () => {
  redis = await startRedis();
  gate = await RedisGate.before(redis);
  server = await startSpecServer({ redis: gate });
  straight = await startSpecServer({ redis });
});
after(async () => {
  await server.close();
  await straight.close();
  gate.close();
  await redis.stop();
});

test("[K-6] [S-1] [S-2] a link for doorbells that breaks while it subscribes anew harms nothing: bells ring again later", async () => {
  const [far, near] = [await newUser(straight.port, 3001), await newUser(server.port, 3002)];
  gate.loseReply(/\bsubscribe\r\n.*bell/s, 3);
  gate.cut("bell");
  await until("three links that broke while they subscribed", () => gate.repliesLost === 3);
  await until(
    "subscribers of the user's bell",
    async () => {
      const [, count] = (await redis.client.pubsub("NUMSUB", "{u:3002}:bell")) as [string, number];
      return count === 1;
    },
    3000,
  );
  const startMs = performance.now();
  far.say("SmsMes", { conv: "u:3002", content: "you hear me", mid: "1" });
  await near.next("SmsMes", ({ content }) => content === "you hear me");
  assert.ok(performance.now() - startMs < 1000, "by its bell, not by a sweep");
  for (const client of [far, near]) client.destroy();
});

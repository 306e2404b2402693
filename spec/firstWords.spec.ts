/**
 * firstWords: the first messages of a private conversation, sent one after the other without waiting: what is noted for
 * both sides before the first one must not let a later one overtake it (clauses [S-3], [M-5]).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startRedis } from "./helpers/redis.ts";
import { startSpecServer } from "./helpers/server.ts";
import { type Data, newUser, registerUser } from "./helpers/wireClient.ts";

test("[S-10] [S-3] the first messages of a private conversation get their ids in the order they were sent", async () => {
  const redis = await startRedis();
  const server = await startSpecServer({ redis });
  const client = await newUser(server.port, 1);
  const count = 12;
  for (let peer = 2; peer < 32; peer++) {
    await registerUser(server.port, peer);
    for (let n = 1; n <= count; n++) {
      client.say("SmsMes", { conv: `u:${peer}`, content: "hi", mid: `${peer}.${n}` });
      // A write of its own, so that the server gets them at different moments.
      await new Promise((resolve) => setImmediate(resolve));
    }
    const answersOf = (): Data[] => client.all("SmsResMes").filter(({ conv }) => conv === `u:${peer}`);
    await client.hears("the answers", () => answersOf().length === count);
    assert.deepEqual(
      answersOf().map(({ mid, id }) => [mid, Number(String(id).split("-")[1])]),
      Array.from({ length: count }, (_, index) => [`${peer}.${index + 1}`, index + 1]),
    );
  }
  client.destroy();
  await server.close();
  await redis.stop();
});

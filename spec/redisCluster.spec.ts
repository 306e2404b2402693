/**
 * redisCluster.spec: the server on a real Redis Cluster: conversations over all masters, doorbells by sharded pub/sub,
 * masters that die, slots that move.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type ClusterGroup, startCluster } from "./helpers/redisGroup.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { newUser } from "./helpers/wireClient.ts";

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

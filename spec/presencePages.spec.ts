/**
 * presencePages: lists of people that are longer than a frame: PresenceMes in several, pages by UsersMes, and totals
 * only where there are very many (clauses [P-1], [P-5], [P-6]). The many are put into Redis by hand.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { came, left, putOnline, toldOf, usersOf } from "./helpers/online.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser } from "./helpers/wireClient.ts";

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

/** Waits until the server has heard of at least so many. */
async function totalOf(client: WireClient, least: number): Promise<number> {
  return until(`${least} people`, async () => {
    const { total } = await usersOf(client, { limit: 1 });
    return total >= least && total;
  });
}

test("[P-5] UsersMes pages by ascending userId above `after`", async () => {
  const client = await newUser(server.port, 4100);
  const unique = [...new Set(fc.sample(fc.integer({ min: 1e6, max: Number.MAX_SAFE_INTEGER }), 700))];
  await putOnline(redis, "put", unique);
  const total = await totalOf(client, unique.length + 1);
  const all: number[] = [];
  for (let more = true; more;) {
    const page = await usersOf(client, { after: all.at(-1) ?? 0, limit: 500 });
    all.push(...page.users.map(({ userId }) => userId));
    more = page.more;
  }
  assert.equal(all.length, total);
  const ascending = [...unique, 4100].sort((left, right) => left - right);
  assert.deepEqual(
    all.filter((userId) => userId === 4100 || userId >= 1e6),
    ascending,
  );
  const after = fc.oneof(fc.constantFrom(0, ...all), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }));
  const limit = fc.option(fc.integer({ min: 1, max: 500 }), { nil: undefined });
  await fc.assert(
    fc.asyncProperty(after, limit, async (after, limit) => {
      const page = await usersOf(client, { after, ...(limit !== undefined && { limit }) });
      const above = all.filter((userId) => userId > after);
      const wanted = above.slice(0, limit ?? 100);
      assert.deepEqual(
        page.users.map(({ userId }) => userId),
        wanted,
      );
      for (const { userId, userName } of page.users)
        assert.match(userName, new RegExp(`^(user|put)${userId}$`));
      assert.deepEqual([page.code, page.total, page.more], [200, total, above.length > wanted.length]);
    }),
    { numRuns: 100 },
  );
  for (const limit of [1, 100, 500]) {
    const page = await usersOf(client, { after: all.at(-1 - limit), limit });
    assert.deepEqual([page.users.length, page.more], [limit, false], "the last page is full");
  }
  for (const limit of [0, 501, 1.5, "1"]) {
    assert.equal((await client.ask("UsersMes", { limit }, "ErrorMes")).code, 400);
  }
  client.destroy();
});

test("[P-1] [P-2] where more than 400 are online they come in several frames, more on all but the last", async () => {
  const watcher = await newUser(server.port, 4110);
  const many = Array.from({ length: 1000 }, (_, index) => 500_001 + index);
  await putOnline(redis, "many", many);
  // Told as a change to who is there already, and as the list to who comes.
  await until("all to be told", () => toldOf(watcher, many).flatMap(({ online }) => online).length >= 1000);
  const client = await newUser(server.port, 4111);
  const frames = (): Data[] => client.all("PresenceMes");
  await client.hears("the last frame", () => frames().at(-1)?.more === false);
  const total = await totalOf(client, 1000);
  const ids = frames().flatMap(({ online }) => (online as { userId: number }[]).map(({ userId }) => userId));
  assert.equal(new Set(ids).size, ids.length, "nobody twice");
  assert.equal(ids.length, total);
  assert.ok(
    [4110, 4111, ...many].every((userId) => ids.includes(userId)),
    "everybody is in it",
  );
  const ofTheMany = watcher
    .all("PresenceMes")
    .filter(({ online }) => (online as { userId: number }[]).some(({ userId }) => many.includes(userId)));
  for (const told of [ofTheMany, frames()]) {
    assert.ok(told.length >= 3, `${told.length} frames`);
    for (const { online } of told) assert.ok((online as Data[]).length <= 400, "at most 400 in a frame");
    const last = told.findIndex(({ more }) => more === false);
    assert.equal(last, told.length - 1, "more is true on all but the last");
  }

  // The list is made once for many who come: what changed since is in it too.
  await until("to be told that one came", () => toldOf(watcher, [4111]).length === 1);
  client.destroy();
  await until("to be told that one left", () => toldOf(watcher, [4111]).length === 2);
  assert.deepEqual(toldOf(watcher, [4111]), [came(4111), left(4111)]);
  const later = await newUser(server.port, 4112);
  await later.hears("the last frame", () => later.all("PresenceMes").at(-1)?.more === false);
  const there = new Set<number>();
  for (const { online, offline } of later.all("PresenceMes")) {
    for (const { userId } of online as { userId: number }[]) there.add(userId);
    for (const userId of offline as number[]) there.delete(userId);
  }
  assert.ok(there.has(4110) && there.has(4112) && !there.has(4111), "who left is not in it, who stayed is");
  assert.equal(there.size, await totalOf(later, 1000));
  watcher.destroy();
  later.destroy();
});

test("[P-6] [P-5] above 20,000 online only totals are told, and pages are asked for", async () => {
  const watcher = await newUser(server.port, 4120);
  const crowd = Array.from({ length: 20_001 }, (_, index) => 600_001 + index);
  await putOnline(redis, "crowd", crowd);
  const ofTotals = ({ total }: Data): boolean => Number(total) > 20_000;
  await watcher.hears("the total", () => watcher.all("PresenceMes").some(ofTotals));
  const client = await newUser(server.port, 4121);
  await client.hears("the total", () => client.all("PresenceMes").some(ofTotals));
  await watcher.hears("the next", () => watcher.all("PresenceMes").filter(ofTotals).length >= 2);
  const total = await totalOf(client, 20_003);
  client.say("LogoutMes", {});
  await watcher.hears("the one after", () => watcher.all("PresenceMes").at(-1)?.total === total - 1);
  for (const frame of [...client.all("PresenceMes"), ...watcher.all("PresenceMes").filter(ofTotals)]) {
    assert.deepEqual([frame.online, frame.offline, frame.more], [[], [], true]);
  }
  let count = 0;
  for (let after = 0, more = true; more;) {
    const page = await usersOf(watcher, { after, limit: 500 });
    assert.ok((page.users[0]?.userId ?? 0) > after, `a page above ${after}`);
    after = page.users.at(-1)?.userId ?? after;
    count += page.users.length;
    more = page.more;
  }
  assert.equal(count, total - 1);
  watcher.destroy();
});

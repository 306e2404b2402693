/**
 * sharedReads: many who slept come back at once. Each gets what it lacks, gaps included, wherever it stood; the log is
 * read once for those who stand together.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

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

const said = 700;
const contents = Array.from({ length: said }, (_, n) => `line ${n}`);

/** How often scripts have run at Redis. */
async function scriptCalls(): Promise<number> {
  const [stats = ""] = /cmdstat_evalsha:calls=\d+/.exec(await redis.client.info("commandstats")) ?? [];
  return Number(stats.split("=")[1] ?? 0);
}

test("[D-1] who comes back at different places of the log gets exactly what follows there", async () => {
  const first = 7001;
  const sleepers = Array.from({ length: 24 }, (_, n) => first + n);
  for (const userId of sleepers) await registerUser(server.port, userId);
  const speaker = await newUser(server.port, 7000);
  const ids: string[] = [];
  for (const content of contents) {
    const { id } = await speaker.ask("SmsMes", { content, mid: content.replace(" ", "") }, "SmsResMes");
    ids.push(String(id));
  }
  // Every third at the beginning, the others at places of their own.
  const starts = sleepers.map((_, n) => (n % 3 === 0 ? 0 : 1 + ((n * 97) % (said - 1))));
  for (const [n, userId] of sleepers.entries()) {
    const start = starts[n] ?? 0;
    if (start > 0) await redis.client.hset(`{u:${userId}}:cursors`, "default|all", ids[start - 1] ?? "");
  }
  const before = await scriptCalls();
  const clients = await Promise.all(
    sleepers.map((userId) => WireClient.login(server.port, { userId, userPwd: `pw${userId}` })),
  );
  for (const [n, client] of clients.entries()) {
    await client.hears("the last line", () => client.all("SmsMes").length === said - (starts[n] ?? 0));
    const heard = client.all("SmsMes").map(({ content }) => content);
    assert.deepEqual(heard, contents.slice(starts[n]), `from ${starts[n]}`);
    assert.deepEqual(client.all("GapMes"), []);
  }
  // A log-in runs some scripts of its own; 24 readers with reads of their own would run 24 x 3 more.
  const reads = (await scriptCalls()) - before;
  assert.ok(reads < sleepers.length * 6, `${reads} scripts for ${sleepers.length} log-ins`);
  for (const client of [speaker, ...clients]) client.destroy();
});

test("[D-5] each is told the gap that it has, wherever others stood", async () => {
  const userIds = [7101, 7102, 7103];
  for (const userId of userIds) await registerUser(server.port, userId);
  const log = await redis.client.xrange("{c:all}:log", "-", "+");
  const idOf = (index: number): string => log[index]?.[0] ?? "";
  // The first 300 are trimmed; one stood before them all, one in the middle of them, one at their end.
  await redis.client.xtrim("{c:all}:log", "MINID", idOf(300));
  for (const [n, cursor] of ["0-0", idOf(149), idOf(299)].entries()) {
    await redis.client.hset(`{u:${userIds[n]}}:cursors`, "default|all", cursor);
  }
  // A server that has read nothing yet: what it holds is not trimmed with the log.
  const fresh = await startSpecServer({ redis });
  const clients = await Promise.all(
    userIds.map((userId) => WireClient.login(fresh.port, { userId, userPwd: `pw${userId}` })),
  );
  const gaps: unknown[] = [];
  for (const client of clients) {
    await client.hears("the rest", () => client.all("SmsMes").length === said - 300);
    gaps.push(client.all("GapMes").map(({ count, reason }) => [count, reason]));
  }
  assert.deepEqual(gaps, [[[300, "trimmed"]], [[150, "trimmed"]], []]);
  for (const client of clients) client.destroy();
  await fresh.close();
});

/**
 * npmStart: the server as a person starts and stops it: `npm start` on a terminal, hundreds of people in it, Ctrl-C
 * (clause ). The terminal signals its whole group and npm hands on what it got: one Ctrl-C is many signals.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis } from "ioredis";
import { cursorField, cursorsKey, usersKey } from "../lib/keys.ts";
import { PasswordHasher } from "../lib/password.ts";
import { dataFolder, privateRedisPid, runningOn } from "./helpers/privateRedis.ts";
import { Pty } from "./helpers/pty.ts";
import { spawnServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { WireClient } from "./helpers/wireClient.ts";

const people = Array.from({ length: 25 }, (_, index) => index + 1);
const devices = Array.from({ length: 16 }, (_, index) => `d${index}`);

async function withRedis<T>(folder: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ path: `${folder}/redis.sock`, retryStrategy: null });
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

// Not the tsx command: it kills a child that leaves a signal unanswered for 60 ms, so nothing can be promised of it.
const ways = [["npm", "start", "--"], ["./server.ts"]];
for (const way of ways) {
  test(`[X-2] ${way.join(" ")}, 400 sessions, Ctrl-C: drained, cursors stored, exit code 0, no redis-server`, async () => {
    const folder = dataFolder();
    const terminal = new Pty([...way, "--port", "0", "--rate", "0", "--data", folder], {
      REDIS_URL: "",
    });
    await terminal.shows("haiyu 海语 127.0.0.1:");
    const port = Number(await until("the port", () => /海语 127\.0\.0\.1:(\d+)\r/.exec(terminal.out)?.[1]));
    await privateRedisPid(folder);
    // Cheap hashes: what a log-in costs is not the matter here.
    const pwd = await new PasswordHasher({ memoryKiB: 64, passes: 1 }).hash("pw", {
      patient: true,
      isWanted: () => true,
    });
    const records = people.flatMap((userId) => [
      String(userId),
      JSON.stringify({ userId, userName: `u${userId}`, sex: "", pwd, since: "0-0" }),
    ]);
    await withRedis(folder, (redis) => redis.hset(usersKey, ...records));
    const clients: WireClient[] = [];
    for (const device of devices) {
      const logins = people.map((userId) =>
        WireClient.login(port, { userId, userPwd: "pw", device, presence: false }),
      );
      clients.push(...(await Promise.all(logins)));
    }
    const [first] = clients;
    assert.ok(first, "there are clients");
    const { id } = await first.ask("SmsMes", { content: "hi", mid: "m" }, "SmsResMes");
    await Promise.all(clients.slice(1).map((client) => client.next("SmsMes")));
    await Promise.all(
      clients.map((client) => {
        client.say("AckMes", { conv: "all", id });
        return client.settled();
      }),
    );
    terminal.press("\x03");
    const { code } = await terminal.ends();
    assert.equal(code, 0, terminal.out.slice(-2000));
    assert.deepEqual(runningOn(folder), []);
    assert.match(terminal.out, /"event":"stopped"/);
    for (const client of clients) {
      assert.equal((await client.next("GoAwayMes")).data.code, 503);
      assert.equal(await client.closed, "end");
    }

    const next = await spawnServer(["--data", folder]);
    await privateRedisPid(folder);
    const cursors = await withRedis(folder, (redis) =>
      Promise.all(people.map((userId) => redis.hgetall(cursorsKey(userId)))),
    );
    for (const [index, stored] of cursors.entries()) {
      for (const device of devices) {
        assert.equal(stored[cursorField(device, "all")], id, `user ${people[index]}, device ${device}`);
      }
    }
    assert.equal(await next.kill("SIGTERM"), 0);
  });
}

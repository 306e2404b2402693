/**
 * program: the server as a program: its flags, and how it goes when it is told to (clauses, [X-2], [K-4]).
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { stopAgainMs } from "../lib/limits.ts";
import { parseRedisUrl } from "../lib/redisUrl.ts";
import { parseServerArgs } from "../lib/serverFlags.ts";
import { dataFolder, isRunning, privateRedisPid, runningOn } from "./helpers/privateRedis.ts";
import { spawnScript, spawnServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser } from "./helpers/wireClient.ts";

// Most of the time is spent waiting for processes to start and to end.
describe("the server as a program", { concurrency: 3 }, () => {
  /** A client that does not read, so its end of the connection stays open. */
  async function deafClient(port: number): Promise<WireClient> {
    const client = await newUser(port, 1);
    client.socket.pause();
    return client;
  }

  test("[X-2] one that does not hang up does not keep it: exit code 0 within 10 s", async () => {
    const folder = dataFolder();
    const server = await spawnServer(["--data", folder]);
    await privateRedisPid(folder);
    const deaf = await deafClient(server.port);
    server.child.kill("SIGTERM");
    assert.equal(await inTime("its end", server.ended, 10_000), 0);
    assert.deepEqual(runningOn(folder), []);
    deaf.destroy();
  });

  test("[X-1] --help says what there is, exit code 0", async () => {
    const { output, ended } = spawnScript("server.ts", ["--help"]);
    assert.equal(await ended, 0);
    for (const flag of [
      "--host",
      "--port",
      "--redis",
      "--data",
      "--rate",
      "--workers",
      "--metrics",
      "--help",
    ]) {
      assert.ok(output.out.includes(flag), flag);
    }
    assert.equal(output.err, "");
  });

  for (const args of [["--nonsense"], ["--port", "http"], ["--redis", "localhost"]]) {
    test(`[X-1] ${args.join(" ")}: one line, exit code 2`, async () => {
      const { output, ended } = spawnScript("server.ts", args);
      assert.equal(await ended, 2);
      assert.match(output.err, /^server\.ts: [^\n]+\(see --help\)\n$/);
      assert.ok(output.err.includes(args[0] ?? ""), output.err);
      assert.equal(output.out, "");
    });
  }

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`[X-2] [K-4] ${signal}: everybody is told, cursors and data are kept, exit code 0`, async () => {
      const folder = dataFolder();
      const server = await spawnServer(["--data", folder]);
      const pid = await privateRedisPid(folder);
      const alice = await newUser(server.port, 1);
      const bob = await newUser(server.port, 2);
      const legacy = await WireClient.login(server.port, { userId: 2, userPwd: "pw2", v: undefined });
      const idle = await WireClient.connect(server.port);
      const { id } = await alice.ask("SmsMes", { content: "hi", mid: "m" }, "SmsResMes");
      await bob.next("SmsMes");
      await legacy.next("SmsMes");
      // Kept at the end, since nothing kept it before.
      bob.say("AckMes", { conv: "all", id });
      await bob.settled();
      assert.equal(await server.kill(signal), 0);
      for (const client of [alice, bob]) {
        const { code, retryMs } = (await client.next("GoAwayMes")).data;
        assert.equal(code, 503);
        assert.ok(Number(retryMs) > 0, `retryMs ${String(retryMs)}`);
      }
      for (const client of [alice, bob, legacy, idle]) assert.equal(await client.closed, "end");
      assert.deepEqual(legacy.all("GoAwayMes"), []);
      assert.ok(!isRunning(pid), "its redis-server is gone");
      assert.deepEqual(runningOn(folder), []);
      await assert.rejects(WireClient.connect(server.port));

      const next = await spawnServer(["--data", folder]);
      await privateRedisPid(folder);
      const again = await WireClient.login(next.port, { userId: 2, userPwd: "pw2" });
      const [all] = again.heard[0]?.data.convs as Data[];
      assert.deepEqual([all?.head, all?.cursor, all?.unread], [id, id, 0]);
      assert.equal(await next.kill("SIGTERM"), 0);
    });
  }

  test("[X-2] Ctrl-C reaches the whole group: Redis lives until the server has drained", async () => {
    const folder = dataFolder();
    const server = await spawnServer(["--data", folder], { detached: true });
    const pid = await privateRedisPid(folder);
    const alice = await newUser(server.port, 1);
    await alice.ask("SmsMes", { content: "hi", mid: "m" }, "SmsResMes");
    alice.say("AckMes", { conv: "all", id: alice.all("SmsResMes")[0]?.id });
    process.kill(-(server.child.pid ?? 0), "SIGINT");
    assert.equal(await inTime("its end", server.ended), 0);
    assert.ok(!isRunning(pid), `redis-server ${pid} runs on: ${server.output.err}`);
    const log = readFileSync(join(folder, "redis.log"), "utf8");
    assert.match(log, /User requested shutdown/);
    assert.doesNotMatch(log, /Received SIG/);
    const failed = server.events().filter(({ event }) => /failed|died|kept_back|frozen/.test(event));
    assert.deepEqual(failed, []);
  });

  test("[X-2] a second signal, not an echo of the first, ends it at once, its redis-server too", async () => {
    const folder = dataFolder();
    const server = await spawnServer(["--data", folder]);
    await privateRedisPid(folder);
    const deaf = await deafClient(server.port);
    server.child.kill("SIGINT");
    await until("it to drain", () => server.events().some(({ event }) => event === "draining"));
    // Draining takes 5 s, because of the client, and ends with 0. Relays of the first do not count, a later one does.
    const firstMs = performance.now();
    await until("its end", () => !server.child.kill("SIGINT"), 4000);
    assert.equal(await inTime("its end", server.ended, 2000), 1);
    const tookMs = performance.now() - firstMs;
    assert.ok(tookMs >= stopAgainMs - 100, `it took ${tookMs} ms`);
    deaf.destroy();
    assert.deepEqual(runningOn(folder), []);
  });
});

const wrongArgs: string[][] = [
  ["--nonsense"],
  ["--port"],
  ["--port", "http"],
  ["--port", "65536"],
  ["--port", "-1"],
  ["--port=-1"],
  ["--port", "1.5"],
  ["--port", ""],
  ["--rate", "fast"],
  ["--rate", "1e3"],
  ["--rate", "1000001"],
  ["--port", "0x10"],
  ["--port", "+80"],
  ["--port", " 80"],
  ["--port", "80", "--port", "80"],
  ["--host", ""],
  ["--host", "a b"],
  ["--host=localhost,::1"],
  ["--host", "http://localhost"],
  ["--host", "0:0"],
  ["--host", "1.2.3"],
  ["--host", "::zz"],
  ["--data", ""],
  ["--data", "  "],
  ["--redis", ""],
  ["--redis", "localhost:6379"],
  ["--redis", "http://localhost"],
  ["--redis", "redis://localhost/first"],
  ["--durability", "safe"],
  ["--replicas", "0", "--durability", "replica"],
  ["--replicas", "10", "--durability", "replica"],
  ["--replicas", "2"],
  ["--replicas", "1", "--durability", "disk"],
  ["--rate", "-1"],
  ["--node", "a b"],
  ["--node", ""],
  ["--node", "x".repeat(33)],
  ["--mend"],
  ["--once"],
  ["--mend", "top"],
  ["--trust-proxy", "localhost"],
  ["--trust-proxy", "10.0.0.0/33"],
  ["--trust-proxy", "10.0.0.1,"],
  ["--trust-proxy", "::/129"],
  ["--trust-proxy", "10.0.0.0/8/8"],
  ["--workers", "0"],
  ["--workers", "-1"],
  ["--workers", "all"],
  ["--workers", "257"],
  ["--metrics", ""],
  ["--metrics", "http"],
  ["--metrics", "localhost"],
  ["--metrics", "http://localhost:9100"],
  ["--metrics", "65536"],
  ["--metrics", "0:0:0"],
  ["--metrics", "0:9100"],
  ["--metrics", "::1:9100"],
  ["--metrics", "[::1]"],
  ["--metrics", "[localhost]:9100"],
  ["--metrics", "1.2.3:9100"],
  ["--metrics", "-:9100"],
  ["--metrics", "8889"],
  ["--metrics", "0.0.0.0:80", "--port", "80"],
  ["--help", "--help"],
  [""],
  ["--help=yes"],
  ["8889"],
];

test("[X-1] a wrong flag is refused by its name", () => {
  for (const args of wrongArgs) {
    assert.throws(
      () => parseServerArgs(args, {}),
      (error: Error) => error.message.includes(args[0]?.split("=")[0] ?? "") && !error.message.includes("\n"),
      args.join(" "),
    );
  }
  assert.throws(
    () => parseServerArgs(["--replicas", "2"], {}),
    /^Error: --replicas 2: wanted only with --durability replica, without which no answer waits for replicas$/,
  );
  assert.throws(
    () => parseServerArgs([], { REDIS_URL: "mysql://me:geheim@127.0.0.1" }),
    /--redis mysql:\/\/me:\*\*\*@127\.0\.0\.1: wanted redis:\/\/host:port, unix:\/\/\/path/,
  );
});

test("[X-1] flags are what they say; REDIS_URL counts where --redis is absent", () => {
  const absent = {
    ...{ host: "127.0.0.1", port: 8889, redis: null, data: "./data", rate: 50, node: null },
    ...{ workers: 1, metrics: null, durability: { grade: null, replicas: 1 } },
    ...{ command: "serve", trustProxy: [], lang: "en", mend: false, once: false },
  };
  assert.deepEqual(parseServerArgs([], {}), absent);
  const args =
    "--host 0.0.0.0 --port 0 --redis redis://h --data /d --rate 0 --node web-1 --workers 3 --metrics 9100 --durability replica --replicas 2 --trust-proxy 10.0.0.7,fd00::/8";
  const given = {
    ...{ host: "0.0.0.0", port: 0, redis: parseRedisUrl("redis://h"), data: "/d", rate: 0 },
    ...{ node: "web-1", workers: 3, metrics: { host: "127.0.0.1", port: 9100 } },
    durability: { grade: "replica", replicas: 2 },
    ...{ command: "serve", trustProxy: ["10.0.0.7", "fd00::/8"], lang: "en", mend: false, once: false },
  };
  assert.deepEqual(parseServerArgs(args.split(" "), { REDIS_URL: "redis://other" }), given);
  assert.deepEqual(parseServerArgs([], { REDIS_URL: "redis://e" }), {
    ...absent,
    redis: parseRedisUrl("redis://e"),
  });
  const metrics = (text: string): unknown => {
    const flags = parseServerArgs(["--metrics", text], {});
    return flags === "help" ? null : flags.metrics;
  };
  assert.deepEqual(metrics("0.0.0.0:9100"), { host: "0.0.0.0", port: 9100 });
  assert.deepEqual(metrics("[::1]:0"), { host: "::1", port: 0 });
  assert.deepEqual(metrics("node-1.example:9100"), { host: "node-1.example", port: 9100 });
  const auto = parseServerArgs(["--workers", "auto"], {});
  assert.equal(auto === "help" ? 0 : auto.workers, availableParallelism());
});

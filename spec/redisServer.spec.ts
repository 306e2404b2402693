/**
 * redisServer: the private redis-server of a data folder, with real processes: one a folder, shared and adopted, started
 * again when it dies, gone with the last server that used it (clauses, [R-2], [R-4]).
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { openPrivateRedis } from "../lib/redisServer.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import {
  dataFolder,
  isRunning,
  killPrivateRedis,
  privateRedisPid,
  runningOn,
} from "./helpers/privateRedis.ts";
import { tiedPid } from "./helpers/scratch.ts";
import { spawnScript, spawnServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser } from "./helpers/wireClient.ts";

async function login(port: number, userId: number, fields: Data = {}): Promise<WireClient> {
  return WireClient.login(port, { userId, userPwd: `pw${userId}`, ...fields });
}

async function send(client: WireClient, mid: string): Promise<Data> {
  return client.ask("SmsMes", { content: mid, mid }, "SmsResMes");
}

async function contentsOf(client: WireClient): Promise<unknown[]> {
  const { messages } = await client.ask("HistoryMes", { conv: "all", limit: 200 }, "HistoryResMes");
  return (messages as Data[]).map(({ content }) => content);
}

function redisServersOn(folder: string): string[] {
  return runningOn(folder).filter((line) => line.startsWith("redis-server"));
}

// Most of the time is spent waiting for processes to start.
describe("the private redis-server", { concurrency: 3 }, () => {
  test("[R-1] two servers on one folder share one, and the second to go stops it", async () => {
    const folder = dataFolder();
    const first = await spawnServer(["--data", folder]);
    const pid = await privateRedisPid(folder);
    const second = await spawnServer(["--data", folder]);
    assert.equal(await privateRedisPid(folder), pid);
    assert.equal(redisServersOn(folder).length, 1);
    const alice = await newUser(first.port, 1);
    const bob = await newUser(second.port, 2);
    assert.equal((await send(alice, "m1")).stored, "disk");
    await bob.next("SmsMes", ({ content }) => content === "m1");
    assert.equal(await first.kill("SIGTERM"), 0);
    assert.ok(isRunning(pid), "somebody still uses it");
    assert.equal((await send(bob, "m2")).code, 200);
    assert.equal(await second.kill("SIGTERM"), 0);
    assert.ok(!isRunning(pid), "nobody uses it");
    assert.deepEqual(runningOn(folder), []);
  });

  test("[R-1] one that is stopped until nobody fits into its queue is not dead: there is no second one", async () => {
    const folder = dataFolder();
    const server = await spawnServer(["--data", folder]);
    const pid = await privateRedisPid(folder);
    process.kill(pid, "SIGSTOP");
    const waiting: Socket[] = [];
    let isFull = false;
    await until("the queue to be full", () => {
      for (let n = 0; n < 100; n++) {
        const socket = connect(join(folder, "redis.sock"));
        socket.on("error", ({ code }: NodeJS.ErrnoException) => (isFull ||= code === "EAGAIN"));
        waiting.push(socket);
      }
      return isFull;
    });
    const clock = new ManualClock();
    const keeper = await openPrivateRedis(folder, { journal: { write: () => undefined }, clock });
    assert.ok(keeper.adopted, "it was started anew");
    assert.deepEqual(redisServersOn(folder).length, 1);
    process.kill(pid, "SIGCONT");
    for (const socket of waiting) socket.destroy();
    const alice = await newUser(server.port, 1);
    assert.equal((await send(alice, "m1")).code, 200);
    alice.destroy();
    assert.equal(await server.kill("SIGTERM"), 0);
  });

  test("[R-1] two servers that start at once on an empty folder start one", async () => {
    const folder = dataFolder();
    const servers = await Promise.all([1, 2].map(() => spawnServer(["--data", folder])));
    const pid = await privateRedisPid(folder);
    assert.equal(redisServersOn(folder).length, 1);
    const started = servers
      .flatMap((server) => server.events())
      .filter((one) => one.event === "redis_server_started");
    assert.deepEqual(
      started.map((one) => one.pid),
      [pid],
    );
    await Promise.all(servers.map((server) => server.kill("SIGTERM")));
    assert.deepEqual(runningOn(folder), []);
  });

  test("[R-1] it outlives a killed server and is adopted by the next", async () => {
    const folder = dataFolder();
    const killed = await spawnServer(["--data", folder]);
    const pid = await privateRedisPid(folder);
    const alice = await newUser(killed.port, 1);
    await send(alice, "before");
    await killed.kill("SIGKILL");
    assert.ok(isRunning(pid), "it runs on");
    const next = await spawnServer(["--data", folder]);
    assert.equal(await privateRedisPid(folder), pid);
    assert.equal(redisServersOn(folder).length, 1);
    assert.deepEqual(await contentsOf(await login(next.port, 1)), ["before"]);
    await next.kill("SIGINT");
    assert.deepEqual(runningOn(folder), []);
  });

  test("[R-2] it is started again when it was killed, as often as it is", async () => {
    const folder = dataFolder();
    const server = await spawnServer(["--data", folder]);
    const alice = await newUser(server.port, 1);
    await send(alice, "m0");
    for (const round of [1, 2]) {
      const pid = await privateRedisPid(folder);
      await killPrivateRedis(folder);
      await until("a message to be stored again", async () => (await send(alice, `m${round}`)).code === 200);
      assert.notEqual(await privateRedisPid(folder), pid);
    }
    assert.deepEqual(await contentsOf(alice), ["m0", "m1", "m2"]);
    assert.equal(server.events().filter(({ event }) => event === "redis_server_died").length, 2);
    assert.equal(await server.kill("SIGTERM"), 0);
    assert.deepEqual(runningOn(folder), []);
  });

  for (const name of ["#1", `a?b 100% %20 海语 🌊 "q" 'q' back\\slash`]) {
    test(`[R-1] a folder called ${name} works`, async () => {
      const folder = join(dataFolder(), name);
      const server = await spawnServer([`--data=${name}`], { cwd: dirname(folder) });
      await privateRedisPid(folder);
      const alice = await newUser(server.port, 1);
      assert.equal((await send(alice, "m")).code, 200);
      assert.equal(await server.kill("SIGTERM"), 0);
      assert.ok(readdirSync(folder).includes("appendonlydir"), "its files are there");
      assert.deepEqual(runningOn(folder), []);
    });
  }

  test("[R-1] a folder whose socket path would be too long works, and is shared too", async () => {
    const folder = join(dataFolder(), "数据".repeat(12), "d".repeat(60));
    mkdirSync(folder, { recursive: true });
    assert.ok(Buffer.byteLength(join(folder, "redis.sock")) > 107, "the path is too long");
    const first = await spawnServer(["--data", folder]);
    const second = await spawnServer(["--data", folder]);
    const alice = await newUser(first.port, 1);
    assert.equal((await send(alice, "m1")).stored, "disk");
    assert.deepEqual(await contentsOf(await login(second.port, 1)), ["m1"]);
    const pid = Number(first.events().find(({ event }) => event === "redis_server_started")?.pid);
    tiedPid(pid);
    assert.ok(isRunning(pid), "it runs");
    await Promise.all([first.kill("SIGTERM"), second.kill("SIGTERM")]);
    assert.ok(!isRunning(pid), "nobody uses it");
    const again = await spawnServer(["--data", folder]);
    assert.deepEqual(await contentsOf(await login(again.port, 1)), ["m1"], "the data is in the folder");
    await again.kill("SIGTERM");
    assert.ok(Buffer.byteLength(join(tmpdir(), `haiyu-${userInfo().uid}`)) < 80, "where the socket is");
  });

  for (const [whose, content] of [
    ["a process that has ended", "4194304999"],
    ["nobody, since its owner was killed before it could write", ""],
  ] as const) {
    test(`[R-1] a stale lock file of ${whose} is no obstacle`, async () => {
      const folder = dataFolder();
      writeFileSync(join(folder, "redis.lock"), content);
      const longAgo = new Date(Date.now() - 60_000);
      utimesSync(join(folder, "redis.lock"), longAgo, longAgo);
      const server = await spawnServer(["--data", folder]);
      await privateRedisPid(folder);
      assert.equal(await server.kill("SIGTERM"), 0);
    });
  }

  test("[R-4] a lock file of somebody who lives is waited for, not for ever, and named", async () => {
    const folder = dataFolder();
    const lock = join(folder, "redis.lock");
    writeFileSync(lock, String(process.pid));
    const clock = new ManualClock();
    let reason = "";
    const opening = openPrivateRedis(folder, { journal: { write: () => undefined }, clock }).catch(
      (error: Error) => void (reason = error.message),
    );
    clock.advance(9000);
    assert.equal(reason, "");
    await until("it to give up", () => {
      clock.advance(100);
      return reason !== "";
    });
    await opening;
    assert.ok(reason.includes(lock) && reason.includes(`process ${process.pid}`), reason);
    assert.ok(!reason.includes("\n"), "one line");
    assert.deepEqual(runningOn(folder), []);
  });

  const listening = createServer();
  const somePort = async (): Promise<number> => {
    await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
    return (listening.address() as AddressInfo).port;
  };
  after(() => void listening.close());

  // Each gets a folder of its own, and gives the arguments and the environment.
  type Start = (folder: string) => [string[], NodeJS.ProcessEnv] | Promise<[string[], NodeJS.ProcessEnv]>;
  const starts: [string, Start, RegExp][] = [
    [
      "no redis-server on the PATH",
      (folder) => [["--port", "0", "--data", folder], { PATH: folder }],
      /redis-server is not on the PATH; type: \S+ .*install redis/,
    ],
    [
      "a port that is taken",
      async (folder) => [["--port", String(await somePort()), "--data", folder], {}],
      /cannot listen on 127\.0\.0\.1:\d+: it is taken; give another --port/,
    ],
    [
      "an address of another machine",
      (folder) => [["--port", "1", "--host", "192.0.2.1", "--data", folder], {}],
      /cannot listen on 192\.0\.2\.1:1: that is no address of this machine; give another --host/,
    ],
    [
      "a host that is none",
      (folder) => [["--host", "nowhere.invalid", "--data", folder], {}],
      /cannot listen on nowhere\.invalid:8889: that name (is not known|cannot be looked up now); give/,
    ],
    [
      "a data folder that is a file",
      (folder) => {
        writeFileSync(join(folder, "a-file"), "");
        return [["--port", "0", "--data", join(folder, "a-file")], {}];
      },
      /--data .*a-file: cannot be written \((EEXIST|ENOTDIR)\); give a folder that can/,
    ],
    [
      "a data folder where the kernel makes none",
      () => [["--port", "0", "--data", "/proc/haiyu"], {}],
      /--data \/proc\/haiyu: cannot be written \(ENOENT\); give a folder that can/,
    ],
    [
      "a data folder that only others may write",
      () => [["--port", "0", "--data", "/proc"], {}],
      /--data \/proc: cannot be written \(\w+\); give a folder that can/,
    ],
    [
      "a data folder that cannot be made",
      (folder) => {
        writeFileSync(join(folder, "a-file"), "");
        return [["--port", "0", "--data", join(folder, "a-file", "data")], {}];
      },
      /--data .*a-file\/data: cannot be written \(ENOTDIR\); give a folder that can/,
    ],
    [
      "a Redis that cannot be reached",
      () => [["--port", "0", "--redis", "redis://me:geheim@127.0.0.1:1/0"], {}],
      /--redis redis:\/\/me:\*\*\*@127\.0\.0\.1:1\/0: cannot be reached \(.*ECONNREFUSED.*\); is it running\?/,
    ],
  ];
  for (const [what, make, wanted] of starts) {
    test(`[R-4] ${what}: one line that says so, exit code 1, nothing left running`, async () => {
      const folder = dataFolder();
      const [args, env] = await make(folder);
      const { output, ended } = spawnScript("server.ts", args, { env });
      assert.equal(await ended, 1);
      assert.match(output.err, /^server\.ts: [^\n]+\n$/);
      assert.match(output.err, wanted);
      assert.ok(!output.err.includes("geheim"), "no password");
      assert.equal(output.out, "");
      assert.deepEqual(redisServersOn(folder), []);
    });
  }
});

/**
 * workers: one command, one port, several processes (clause ), as real processes: what is told of them as a whole,
 * and what becomes of their sessions when one of them, or the primary, goes.
 */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { Redis } from "ioredis";
import { operatorPortOf, scrape, state } from "./helpers/operator.ts";
import { dataFolder, isRunning, privateRedisPid, runningOn } from "./helpers/privateRedis.ts";
import { startRedis } from "./helpers/redis.ts";
import { type JournalEvent, type SpawnedServer, spawnScript, spawnServer } from "./helpers/server.ts";
import { tiedPid } from "./helpers/scratch.ts";
import { inTime, until } from "./helpers/wait.ts";
import { WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

interface Serving {
  server: SpawnedServer;
  folder: string;
  /** Processes that serve now, by slot. */
  pids(): number[];
  told(event: string): JournalEvent[];
}

const servers: SpawnedServer[] = [];
after(() => {
  // One of a test that failed must not keep the run alive.
  for (const { child } of servers) child.kill("SIGKILL");
});

async function serving(workers: number, args: string[] = [], detached = false): Promise<Serving> {
  const folder = dataFolder();
  const server = await spawnServer(["--data", folder, "--workers", `${workers}`, ...args], { detached });
  servers.push(server);
  await until("all workers to serve", () => server.output.out.includes("haiyu"), 30_000);
  await privateRedisPid(folder);
  const told = (event: string): JournalEvent[] => server.events().filter((one) => one.event === event);
  const pids = (): number[] => {
    const bySlot = new Map(told("worker_serves").map(({ slot, pid }) => [Number(slot), Number(pid)]));
    return [...bySlot.values()];
  };
  for (const pid of pids()) tiedPid(pid);
  return { server, folder, told, pids };
}

/** Users 1 and 2, each on a worker of its own: connections are dealt out in turn. */
async function twoUsers(port: number): Promise<[WireClient, WireClient]> {
  for (const user of [1, 2]) await registerUser(port, user);
  const login = (userId: number): Promise<WireClient> =>
    WireClient.login(port, { userId, userPwd: `pw${userId}` });
  return [await login(1), await login(2)];
}

/** How many sessions each node counts, by what lies in Redis. */
async function sessionsByNode(folder: string): Promise<number[]> {
  const redis = new Redis({ path: `${folder}/redis.sock` });
  try {
    const nodes = await redis.zrange("{online}:nodes", "0", "-1");
    return await Promise.all(nodes.map((node) => redis.hlen(`{online}:node:${node}`)));
  } finally {
    redis.disconnect();
  }
}

describe("a server of several processes", { concurrency: 3 }, () => {
  test("[R-7] [R-5] [R-6] sessions are dealt out evenly, talk with each other, and are told of as one", async () => {
    const { server, folder, pids } = await serving(3, ["--metrics", "0", "--node", "host"]);
    const port = await operatorPortOf(server);
    const clients: WireClient[] = [];
    for (let user = 1; user <= 6; user++) clients.push(await newUser(server.port, user));
    await until("two each", async () => (await sessionsByNode(folder)).join() === "2,2,2");
    for (const client of clients) {
      const content = `from ${clients.indexOf(client) + 1}`;
      await client.ask("SmsMes", { content, mid: "m" }, "SmsResMes");
    }
    for (const client of clients) await client.hears("the others", () => client.all("SmsMes").length === 5);
    const ids = clients.map((client) => client.all("SmsResMes")[0]?.id);
    assert.deepEqual(
      ids,
      [...ids].sort((one, other) => seqOf(one) - seqOf(other)),
      "one order",
    );
    const told = await scrape(port);
    const wanted = {
      haiyu_workers: 3,
      haiyu_sessions: 6,
      haiyu_users_online: 6,
      haiyu_messages_stored_total: 6,
      haiyu_messages_delivered_total: 30,
      haiyu_sessions_opened_total: 6,
      haiyu_answer_seconds_count: 6,
      haiyu_workers_replaced_total: 0,
      haiyu_redis_ready: 1,
    };
    const found = Object.fromEntries(Object.keys(wanted).map((name) => [name, told.value(name)]));
    assert.deepEqual(found, wanted);
    assert.equal(await state(port, "/readyz"), "200 ok");
    assert.equal(await state(port, "/healthz"), "200 ok");
    const nodes = new Set(server.events().map(({ node }) => String(node).split(".")[0]));
    assert.deepEqual([...nodes].sort(), ["host", "host-1", "host-2", "host-3"], "each is a node of its own");

    const all = pids();
    assert.equal(await server.kill("SIGTERM"), 0);
    for (const client of clients) {
      assert.equal((await client.next("GoAwayMes")).data.code, 503);
      assert.equal(await client.closed, "end");
    }
    assert.deepEqual(all.filter(isRunning), [], "no worker is left");
    assert.deepEqual(runningOn(folder), [], "nor is its redis-server");
    assert.equal(server.events().filter(({ event }) => event === "stopped").length, 4);
  });

  test("[R-7] [R-5] a killed worker: its users come back on another, it is replaced, no count goes back", async () => {
    const { server, folder, pids, told } = await serving(2, ["--metrics", "0"]);
    const port = await operatorPortOf(server);
    const clients = await twoUsers(server.port);
    for (const client of clients) await client.ask("SmsMes", { content: "before", mid: "b" }, "SmsResMes");
    const before = await scrape(port);
    assert.equal(before.value("haiyu_messages_stored_total"), 2);
    const [victim = 0] = pids();
    process.kill(victim, "SIGSTOP");
    const hung = await scrape(port);
    assert.equal(hung.value("haiyu_workers"), 1, "one that does not answer is seen to be missing");
    assert.equal(hung.value("haiyu_messages_stored_total"), 2, "and what it did is not forgotten");
    assert.equal(await state(port, "/readyz"), "200 ok");
    assert.deepEqual(
      told("worker_silent").map(({ pid }) => pid),
      [victim],
      "said once, however often it was asked",
    );
    process.kill(victim, "SIGKILL");
    const lost = await inTime(
      "one connection to break",
      Promise.race(clients.map(async (client, index) => client.closed.then(() => index))),
    );
    const left = clients[1 - lost];
    assert.equal((await scrape(port)).value("haiyu_messages_stored_total"), 2, "what is gone still happened");
    const back = await WireClient.login(server.port, { userId: lost + 1, userPwd: `pw${lost + 1}` });
    await back.ask("SmsMes", { content: "after", mid: "a" }, "SmsResMes");
    await left?.hears("what was said after", () =>
      left.all("SmsMes").some(({ content }) => content === "after"),
    );
    await until("another one to serve", () => pids().length === 2 && !pids().includes(victim), 20_000);
    const [ended] = told("worker_ended");
    assert.deepEqual([ended?.pid, ended?.how], [victim, "SIGKILL"]);
    const after = await scrape(port);
    assert.equal(after.value("haiyu_messages_stored_total"), 3);
    assert.equal(after.value("haiyu_workers_replaced_total"), 1);
    for (const [name, kind] of before.kinds) {
      if (kind === "counter") assert.ok(after.value(name) >= before.value(name), `${name} does not go back`);
    }
    await until("no ghosts", async () => {
      const sessions = await sessionsByNode(folder);
      return sessions.length === 2 && sessions.reduce((sum, count) => sum + count) === 2;
    });
    for (const client of [left, back]) client?.destroy();
    assert.equal(await server.kill("SIGTERM"), 0);
  });

  test("[R-7] one that ends again and again is replaced after a growing pause; SIGTERM to one drains that one", async () => {
    const { server, pids, told } = await serving(2);
    const clients = await twoUsers(server.port);
    let pid = pids()[0] ?? 0;
    for (const signal of ["SIGTERM", "SIGKILL", "SIGKILL"] as const) {
      const before = told("worker_serves").length;
      process.kill(pid, signal);
      await until("its successor", () => told("worker_serves").length > before, 20_000);
      pid = Number(told("worker_serves").at(-1)?.pid);
      tiedPid(pid);
    }
    assert.deepEqual(
      told("worker_ended").map(({ slot, how, pauseMs }) => [slot, how, pauseMs]),
      [
        [1, 0, 200],
        [1, "SIGKILL", 400],
        [1, "SIGKILL", 800],
      ],
    );
    await until("the one of the first worker to be told", () => clients.some((client) => client.isClosed));
    const told503 = clients.flatMap((client) => client.all("GoAwayMes").map(({ reason }) => reason));
    assert.deepEqual(told503, ["restart"]);
    assert.equal(await server.kill("SIGTERM"), 0);
  });

  test("[R-7] [X-2] Ctrl-C reaches the whole group, and it drains all the same", async () => {
    const { server, folder } = await serving(2, [], true);
    const clients = await twoUsers(server.port);
    process.kill(-(server.child.pid ?? 0), "SIGINT");
    assert.equal(await inTime("its end", server.ended), 0);
    for (const client of clients) assert.equal((await client.next("GoAwayMes")).data.code, 503);
    assert.deepEqual(runningOn(folder), []);
    const bad = server
      .events()
      .filter(({ event }) => /failed|died|kept_back|frozen|worker_ended/.test(event));
    assert.deepEqual(bad, []);
  });

  test("[R-7] [X-2] a second signal, meant as such, ends all of them at once", async () => {
    const { server, folder, pids } = await serving(2);
    const deaf = await newUser(server.port, 1);
    deaf.socket.pause();
    server.child.kill("SIGTERM");
    await until("it to drain", () => isDraining(server));
    const sinceMs = performance.now();
    await until("it to be another signal", () => performance.now() - sinceMs > 1100);
    server.child.kill("SIGTERM");
    // Draining would have taken 5 s, because of the client, and ended with 0.
    assert.equal(await inTime("its end", server.ended, 3000), 1);
    await until("the workers to have gone", () => pids().filter(isRunning).length === 0);
    await until("its redis-server to have gone", () => runningOn(folder).length === 0);
    deaf.destroy();
  });

  test("[R-7] a killed primary leaves no worker behind: they drain, and the next server takes over", async () => {
    const { server, folder, pids } = await serving(2);
    const clients = await twoUsers(server.port);
    await server.kill("SIGKILL");
    for (const client of clients) assert.equal((await client.next("GoAwayMes")).data.code, 503);
    await until("both to have gone", () => pids().filter(isRunning).length === 0);
    const next = await spawnServer(["--data", folder, "--port", `${server.port}`, "--workers", "2"]);
    const back = await WireClient.login(next.port, { userId: 1, userPwd: "pw1" });
    assert.equal(back.heard[0]?.data.online, 1, "nobody else is counted any more");
    back.destroy();
    assert.equal(await next.kill("SIGTERM"), 0);
    assert.deepEqual(runningOn(folder), []);
  });

  test("[R-7] a primary that is killed while a worker starts leaves none behind, whenever it is", async () => {
    const redis = await startRedis();
    for (let round = 0; round < 2; round++) {
      const server = spawnScript("server.ts", ["--redis", redis.url, "--port", "0", "--workers", "3"]);
      await until("the first one to serve", () => server.output.err.includes("listening"), 20_000);
      // The next ones are counted, and do not listen yet.
      for (let nodes = 1; nodes < 2; nodes = await redis.client.zcard("{online}:nodes"));
      server.child.kill("SIGKILL");
      // All that it has started hold its output open.
      await inTime("the end of all", server.ended, 14_000);
      await redis.client.flushall();
    }
    await redis.stop();
  });

  test("[R-7] [R-4] what cannot be: one line, exit code 1, nothing is left behind", async () => {
    const { server, folder } = await serving(2);
    const other = dataFolder();
    const args = ["--data", other, "--workers", "3", "--port", `${server.port}`];
    const { output, ended } = spawnScript("server.ts", args);
    assert.equal(await ended, 1);
    const lines = output.err.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
    assert.equal(lines.length, 1, output.err);
    assert.match(
      lines[0] ?? "",
      /^server\.ts: cannot listen on 127\.0\.0\.1:\d+: it is taken; give another --port$/,
    );
    assert.deepEqual(runningOn(other), []);
    // What only a worker finds out is said once, by the one that was started.
    const nowhere = `unix://${other}/none.sock`;
    const lost = spawnScript("server.ts", ["--redis", nowhere, "--workers", "2", "--port", "0"]);
    assert.equal(await lost.ended, 1);
    const said = lost.output.err.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
    assert.equal(said.length, 1, lost.output.err);
    assert.match(said[0] ?? "", /^server\.ts: --redis unix:.*cannot be reached/);
    assert.equal(await server.kill("SIGTERM"), 0);
    assert.deepEqual(runningOn(folder), []);
  });
});

function isDraining(server: SpawnedServer): boolean {
  return server.events().some(({ event }) => event === "draining");
}

function seqOf(id: unknown): number {
  return Number(String(id).split("-")[1]);
}

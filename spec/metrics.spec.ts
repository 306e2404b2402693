/**
 * metrics: what an operator's machines are told by HTTP: figures for Prometheus, whether the server lives, whether new
 * connections are welcome (clauses, [R-6]).
 */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { ask, operatorPortOf, scrape, state } from "./helpers/operator.ts";
import { dataFolder } from "./helpers/privateRedis.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type GroupMember, startMember } from "./helpers/redisGroup.ts";
import { type SpawnedServer, spawnScript, spawnServer, startSpecServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { WireClient, newUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
const ends: (() => Promise<unknown>)[] = [];
before(async () => {
  redis = await startRedis();
});
after(async () => {
  for (const end of ends.reverse()) await end();
  await redis.stop();
});

async function spawned(
  url = redis.url,
  more: string[] = [],
): Promise<{ server: SpawnedServer; port: number }> {
  const server = await spawnServer(["--redis", url, "--metrics", "0", ...more]);
  ends.push(async () => server.child.exitCode ?? server.child.signalCode ?? server.kill("SIGKILL"));
  return { server, port: await operatorPortOf(server) };
}

test("[R-5] who did not ask for metrics does not load what makes them", async () => {
  const server = await startSpecServer({ redis });
  const client = await newUser(server.port, 90);
  client.destroy();
  await server.close();
  const loaded = Object.keys(createRequire(import.meta.url).cache);
  assert.deepEqual(
    loaded.filter((path) => path.includes("prom-client")),
    [],
  );
});

describe("the port of --metrics", { concurrency: true }, () => {
  test("[R-5] what happened is counted, once each, and counts only grow", async () => {
    // Who is online anywhere counts: nobody else's people on this one.
    const own = await startRedis();
    ends.push(() => own.stop());
    const { server, port } = await spawned(own.url);
    const empty = await scrape(port);
    assert.equal(empty.value("haiyu_sessions"), 0);
    const [alice, bob] = [await newUser(server.port, 1), await newUser(server.port, 2)];
    for (const mid of ["a", "b", "c", "c"]) {
      await alice.ask("SmsMes", { content: `says ${mid}`, mid }, "SmsResMes");
    }
    await alice.ask("SmsMes", { conv: "u:2", content: "privately", mid: "p" }, "SmsResMes");
    await bob.hears("all four", () => bob.all("SmsMes").length === 4);
    const stranger = await WireClient.connect(server.port);
    await stranger.ask("LoginMes", { userId: 1, userPwd: "wrong", v: 2 }, "LoginResMes");
    stranger.bytes(Buffer.from([0, 0, 0, 0]));
    await stranger.closed;
    // What is counted behind the last write is counted when the next answer is there.
    await bob.settled();
    const told = await scrape(port);
    const wanted = {
      haiyu_sessions: 2,
      haiyu_connections: 2,
      haiyu_users_online: 2,
      haiyu_redis_ready: 1,
      haiyu_draining: 0,
      haiyu_readers_lagging: 0,
      haiyu_messages_waiting: 0,
      haiyu_sessions_opened_total: 2,
      haiyu_connections_opened_total: 5,
      haiyu_logins_failed_total: 1,
      haiyu_frames_broken_total: 1,
      haiyu_messages_stored_total: 4,
      haiyu_messages_repeated_total: 1,
      haiyu_messages_refused_total: 0,
      haiyu_messages_delivered_total: 4,
      haiyu_answer_seconds_count: 5,
      haiyu_append_seconds_count: 5,
      haiyu_redis_errors_total: 0,
      haiyu_doorbells_healed_total: 0,
    };
    const found = Object.fromEntries(Object.keys(wanted).map((name) => [name, told.value(name)]));
    assert.deepEqual(found, wanted);
    assert.ok(told.value("haiyu_connections_max") > 100, "there is room");
    assert.ok(told.value("haiyu_delivery_seconds_count") >= 2, "two conversations were delivered");
    const [calls, timed] = [told.value("haiyu_redis_calls_total"), told.value("haiyu_redis_seconds_count")];
    assert.ok(
      timed > 10 && timed <= calls,
      `${timed} of ${calls} calls of Redis, all since it serves, are timed`,
    );
    const heard = bob.heard.reduce((sum, { bytes }) => sum + 4 + bytes, 0);
    assert.ok(told.value("haiyu_sent_bytes_total") > heard, "all bytes count");
    assert.ok(told.value("process_resident_memory_bytes") > 1e7, "what everybody's dashboards know is there");
    assert.ok(told.value("nodejs_eventloop_lag_p99_seconds") > 0, "event-loop lag is there");
    for (const [name, kind] of told.kinds) {
      assert.equal(name.endsWith("_total"), kind === "counter", `${name} is a ${kind}`);
      if (kind === "counter") assert.ok(told.value(name) >= empty.value(name), `${name} grows`);
    }
    assert.doesNotMatch([...told.series.keys()].join(), /says|privately|pw1/, "no content, no secret");
    for (const client of [alice, bob]) client.destroy();
    await until("both to have gone", async () => (await scrape(port)).value("haiyu_sessions") === 0);
    assert.equal(await server.kill("SIGTERM"), 0);
  });

  test("[R-5] [D-9] a message whose hint never came is found by the sweep, and that is counted", async () => {
    const own = await startRedis();
    ends.push(() => own.stop());
    const { server, port } = await spawned(own.url);
    const bob = await newUser(server.port, 12);
    const alice = await newUser(server.port, 11);
    const { id } = await alice.ask("SmsMes", { content: "rung", mid: "1" }, "SmsResMes");
    await bob.hears("it", () => bob.all("SmsMes").length === 1);
    const fields = ["sender", "11", "device", "elsewhere", "mid", "2", "time", "1", "name", "x", "sex", ""];
    const [epoch = "", seq = ""] = String(id).split("-");
    await own.client.xadd("{c:all}:log", `${epoch}-${Number(seq) + 1}`, ...fields, "content", "silent");
    await bob.hears("what nobody rang for", () => bob.all("SmsMes").length === 2);
    const healed = async (): Promise<number> => (await scrape(port)).value("haiyu_doorbells_healed_total");
    await until("it to be counted", async () => (await healed()) === 1);
    for (const client of [alice, bob]) client.destroy();
  });

  test("[R-5] readers that lag, messages that are refused and calls of Redis that fail are seen", async () => {
    const own = await startRedis();
    ends.push(() => own.stop());
    const { server, port } = await spawned(own.url);
    const [alice, deaf] = [await newUser(server.port, 41), await newUser(server.port, 42)];
    deaf.socket.pause();
    const before = await scrape(port);
    const content = "海".repeat(4000);
    let mid = 0;
    const lagging = async (): Promise<number> => {
      for (let n = 0; n < 100; n++) alice.say("SmsMes", { content, mid: `m${mid++}` });
      await alice.hears("the answers", () => alice.all("SmsResMes").length === mid);
      return (await scrape(port)).value("haiyu_readers_lagging");
    };
    await until("it to lag", async () => (await lagging()) === 1, 30_000);
    await own.client.config("SET", "maxmemory", "1");
    alice.say("SmsMes", { content: "x", mid: "full" });
    assert.equal((await alice.next("SmsResMes", (answer) => answer.mid === "full")).data.code, 503);
    const told = await scrape(port);
    const moved = (name: string): number => told.value(name) - before.value(name);
    assert.equal(moved("haiyu_messages_refused_total"), 1);
    assert.equal(moved("haiyu_readers_set_aside_total"), 1);
    assert.ok(moved("haiyu_redis_errors_total") >= 1, "a call failed");
    assert.ok(moved("haiyu_received_bytes_total") > mid * 3 * content.length, "bytes that came are counted");
    assert.equal(told.value("haiyu_sessions"), 2, "who lags is not cut off");
    for (const client of [alice, deaf]) client.destroy();
    await until("nobody to lag", async () => (await scrape(port)).value("haiyu_readers_lagging") === 0);
  });

  test("[R-6] ready while Redis takes writes, alive all the time", async () => {
    const own = await startRedis();
    ends.push(() => own.stop());
    const { port } = await spawned(own.url);
    assert.equal(await state(port, "/readyz"), "200 ok");
    own.process.kill("SIGSTOP");
    await until("not ready", async () =>
      /^503 Redis cannot be written to: ./.test(await state(port, "/readyz")),
    );
    assert.equal(await state(port, "/healthz"), "200 ok");
    assert.equal((await scrape(port)).value("haiyu_draining"), 0, "figures are told without Redis");
    own.process.kill("SIGCONT");
    await until("ready again", async () => (await state(port, "/readyz")) === "200 ok");
    // A Redis that answers and takes no writes.
    await own.client.config("SET", "maxmemory", "1");
    await until("not ready", async () =>
      /^503 Redis cannot be written to: ./.test(await state(port, "/readyz")),
    );
    await own.client.config("SET", "maxmemory", "0");
    await until("ready again", async () => (await state(port, "/readyz")) === "200 ok");
  });

  test("[R-6] [X-2] a server that drains is alive and not ready, until it has gone", async () => {
    const { server, port } = await spawned();
    const deaf = await newUser(server.port, 21);
    deaf.socket.pause();
    server.child.kill("SIGTERM");
    await until("not ready", async () => (await state(port, "/readyz")) === "503 draining");
    assert.equal(await state(port, "/healthz"), "200 ok");
    assert.equal((await scrape(port)).value("haiyu_draining"), 1);
    deaf.destroy();
    assert.equal(await inTime("its end", server.ended), 0);
    assert.equal(await state(port, "/healthz"), "gone");
  });

  test("[R-6] other paths and methods are refused, and what is no HTTP harms nobody", async () => {
    const { server, port } = await spawned();
    assert.equal((await ask(port, "/")).status, 404);
    assert.equal((await ask(port, "/metrics/..%2f")).status, 404);
    for (const method of ["POST", "DELETE", "OPTIONS"]) {
      assert.equal((await ask(port, "/metrics", method)).status, 405, method);
    }
    const head = await ask(port, "/metrics?x=1", "HEAD");
    assert.deepEqual([head.status, head.text], [200, ""]);
    for (const bytes of ["\0\0\0\x05hello", `GET / HTTP/1.1\r\nx: ${"y".repeat(20_000)}\r\n\r\n`, "GET"]) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined).resume();
      socket.end(bytes);
      await new Promise((resolve) => socket.on("close", resolve));
    }
    assert.equal(await state(port, "/healthz"), "200 ok");
    assert.equal(await server.kill("SIGTERM"), 0);
  });

  test("[R-6] [R-11] not ready while the durability that is wanted is not given, and why", async () => {
    const own = await startRedis();
    ends.push(() => own.stop());
    const { server, port } = await spawned(own.url, ["--durability", "disk"]);
    const alice = await newUser(server.port, 31);
    assert.equal(await state(port, "/readyz"), "200 ok");
    await own.client.config("SET", "appendfsync", "everysec");
    await until("not ready", async () =>
      (await state(port, "/readyz")).startsWith("503 --durability disk: "),
    );
    assert.match(await state(port, "/readyz"), /appendonly yes, appendfsync everysec/);
    assert.equal((await alice.ask("SmsMes", { content: "1", mid: "1" }, "SmsResMes")).code, 503);
    assert.equal(await state(port, "/healthz"), "200 ok");
    await own.client.config("SET", "appendfsync", "always");
    await until("ready again", async () => (await state(port, "/readyz")) === "200 ok");
    alice.destroy();
  });

  test("[R-6] [R-11] not ready while replicas are missing, or there and not following", async () => {
    const { master, replica } = await masterWithReplica();
    const { port } = await spawned(`redis://${master.address}`, ["--durability", "replica"]);
    const isReady = async (): Promise<boolean> => (await state(port, "/readyz")) === "200 ok";
    assert.ok(await isReady(), "a replica follows");
    for (const [fail, mend, why] of [
      [() => replica.signal("SIGSTOP"), () => replica.signal("SIGCONT"), /a write was not confirmed in time/],
      [() => replica.kill(), () => replica.start(), /has 0 replicas online, wanted 1/],
    ] as const) {
      await fail();
      await until("not ready", async () => why.test(await state(port, "/readyz")));
      assert.match(await state(port, "/readyz"), /^503 --durability replica: /);
      await mend();
      await until("ready again", isReady, 20_000);
    }
  });

  test("[R-7] [R-6] of several processes: Redis away is not ready and alive, and why is said", async () => {
    const own = await startRedis();
    ends.push(() => own.stop());
    const { server, port } = await spawned(own.url, ["--workers", "2"]);
    own.process.kill("SIGSTOP");
    await until("not ready", async () =>
      /^503 Redis cannot be written to: ./.test(await state(port, "/readyz")),
    );
    assert.equal(await state(port, "/healthz"), "200 ok");
    own.process.kill("SIGCONT");
    await until("ready again", async () => (await state(port, "/readyz")) === "200 ok");
    // Killed it would leave its workers to end by themselves.
    assert.equal(await server.kill("SIGTERM"), 0);
  });

  test("[R-6] alive and not ready while it starts, which can take long", async () => {
    const own = await startRedis();
    ends.push(() => own.stop());
    own.process.kill("SIGSTOP");
    const starting = spawnScript("server.ts", ["--port", "0", "--redis", own.url, "--metrics", "0"]);
    ends.push(async () => starting.child.exitCode ?? void starting.child.kill("SIGKILL"));
    const port = Number(
      await until(
        "the operator port",
        () => /"event":"operator_port".*"port":(\d+)/.exec(starting.output.err)?.[1],
      ),
    );
    assert.equal(await state(port, "/healthz"), "200 ok");
    assert.equal(await state(port, "/readyz"), "503 starting");
    assert.equal((await ask(port, "/metrics")).status, 503);
    own.process.kill("SIGCONT");
    await until("ready", async () => (await state(port, "/readyz")) === "200 ok", 20_000);
  });

  for (const more of [[], ["--workers", "2"]]) {
    test(`[R-4] [R-6] a port that is taken: one line, exit code 1, and nobody got in before${more.join(" ")}`, async () => {
      const { port } = await spawned();
      const folder = dataFolder();
      const args = ["--port", "0", "--data", folder, "--metrics", String(port), ...more];
      const { output, ended } = spawnScript("server.ts", args);
      assert.equal(await ended, 1);
      assert.equal(
        output.err,
        `server.ts: --metrics 127.0.0.1:${port}: it is taken; give another port\n`,
        "no Redis was started, no port was opened",
      );
    });
  }
});

async function masterWithReplica(): Promise<{ master: GroupMember; replica: GroupMember }> {
  const master = await startMember();
  ends.push(() => master.end());
  const replica = await startMember({ replicaof: `127.0.0.1 ${master.port}` });
  ends.push(() => replica.end());
  await until("the replica", async () => (await master.replicasOnline()) === 1);
  return { master, replica };
}

/**
 * redisStates.spec: what a Redis may answer instead of doing it, each provoked for real: no replica to write to, a master
 * that is away, a script that does not end, a question that is cut off. It is said by 503, or waited out, and nothing is
 * stored twice.
 */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { Script, connectRedis } from "../lib/redis.ts";
import { parseRedisUrl } from "../lib/redisUrl.ts";
import { type GroupMember, startMember } from "./helpers/redisGroup.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { sendUntilStored } from "./helpers/throughFaults.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser } from "./helpers/wireClient.ts";

const ends: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const end of ends.reverse()) await end();
});

async function member(more: Record<string, string> = {}): Promise<GroupMember> {
  const redis = await startMember(more);
  ends.push(() => redis.end());
  return redis;
}

async function pair(): Promise<{ master: GroupMember; replica: GroupMember }> {
  const master = await member();
  const replica = await member({ replicaof: `127.0.0.1 ${master.port}` });
  await until("the replica", async () => (await master.replicasOnline()) === 1);
  return { master, replica };
}

async function serve(redis: GroupMember, grade: "replica" | "disk" | null = null): Promise<SpecServer> {
  const server = await startSpecServer({
    redis: { url: `redis://${redis.address}` },
    durability: { grade, replicas: 1 },
  });
  ends.push(() => server.close());
  return server;
}

const sms = { content: "hello", mid: "m" };

/** One attempt: its code, within 5 s. */
async function attempt(client: WireClient, fields: Data = sms): Promise<number> {
  const startMs = performance.now();
  client.say("SmsMes", fields);
  const { data } = await client.next("SmsResMes", ({ mid }) => mid === fields.mid);
  assert.ok(performance.now() - startMs < 5000, `answered after ${performance.now() - startMs} ms`);
  return Number(data.code);
}

/** It is stored in the end, once, and `server`'s journal says what kept it from that. */
async function storedOnce(client: WireClient, server: SpecServer, why: RegExp): Promise<void> {
  await sendUntilStored(client, sms);
  const { messages } = await client.ask("HistoryMes", { conv: "all" }, "HistoryResMes");
  assert.equal((messages as Data[]).filter(({ content }) => content === sms.content).length, 1);
  const reasons = [...new Set(server.events.map(({ reason }) => String(reason)))];
  assert.ok(
    reasons.some((reason) => why.test(reason)),
    `${why} in ${reasons.join("; ")}`,
  );
  client.destroy();
}

describe("what a Redis may answer", { concurrency: 4 }, () => {
  test("[S-7] NOREPLICAS: 503 until there is one", async () => {
    const redis = await member();
    const server = await serve(redis);
    const alice = await newUser(server.port, 1);
    await redis.client.config("SET", "min-replicas-to-write", "1");
    assert.equal(await attempt(alice), 503);
    await redis.client.config("SET", "min-replicas-to-write", "0");
    await storedOnce(alice, server, /NOREPLICAS/);
  });

  test("[S-7] MASTERDOWN: not even reads, 503, and back", async () => {
    const redis = await member({ "replica-serve-stale-data": "no" });
    const server = await serve(redis);
    const alice = await newUser(server.port, 1);
    await redis.client.replicaof("127.0.0.1", 1);
    assert.equal(await attempt(alice), 503);
    await redis.client.replicaof("NO", "ONE");
    await storedOnce(alice, server, /MASTERDOWN/);
  });

  test("[S-7] BUSY: a script of somebody else's that does not end: 503 until it does", async () => {
    const redis = await member({ "busy-reply-threshold": "50" });
    const server = await serve(redis);
    const alice = await newUser(server.port, 1);
    const other = redis.client.duplicate({ retryStrategy: () => null });
    other.on("error", () => undefined);
    const endless = other.eval("while true do end", 0).catch((error: unknown) => String(error));
    await until("it to be busy", async () => /BUSY/.test(String(await redis.client.ping().catch(String))));
    assert.equal(await attempt(alice), 503);
    await redis.client.script("KILL");
    assert.match(String(await endless), /killed/i);
    other.disconnect();
    await storedOnce(alice, server, /BUSY/);
  });

  test("[S-7] [R-11] UNBLOCKED: a master that becomes a replica while its replicas are waited for", async () => {
    const { master, replica } = await pair();
    const server = await serve(master, "replica");
    const alice = await newUser(server.port, 1);
    replica.signal("SIGSTOP");
    const first = attempt(alice);
    await until("the question", async () =>
      /flags=b .*cmd=wait/.test(String(await master.client.call("CLIENT", "LIST"))),
    );
    await master.client.replicaof("127.0.0.1", 1);
    assert.equal(await first, 503);
    await master.client.replicaof("NO", "ONE");
    replica.signal("SIGCONT");
    // Redis hangs up on who was waiting, sometimes before the word is out.
    await storedOnce(alice, server, /UNBLOCKED|max retries|closed/);
  });

  test("[R-11] --durability replica: no start without one, 503 while it is lost, also for who registers and logs in", async () => {
    const alone = await member();
    await assert.rejects(
      serve(alone, "replica"),
      /--durability replica: .*has 0 replicas online, wanted 1; .*--replicas/,
    );
    const { master, replica } = await pair();
    const server = await serve(master, "replica");
    const alice = await newUser(server.port, 1);
    assert.equal((await sendUntilStored(alice, { content: "1", mid: "1" })).data.stored, "replica");
    await replica.kill();
    assert.equal(await attempt(alice), 503);
    const user = { userId: 2, userPwd: "pw2", userName: "two" };
    assert.equal((await alice.ask("HistoryMes", { conv: "all" }, "HistoryResMes")).code, 200);
    const stranger = await WireClient.connect(server.port);
    assert.equal((await stranger.ask("RegisterMes", { user }, "RegisterResMes")).code, 506);
    await replica.start();
    // It was stored, and could not be answered for.
    assert.equal((await stranger.ask("RegisterMes", { user }, "RegisterResMes")).code, 505);
    await until("the log-in", async () => {
      const login = await stranger.ask("LoginMes", { userId: 2, userPwd: "pw2", v: 2 }, "LoginResMes");
      return login.code === 200;
    });
    stranger.destroy();
    await storedOnce(alice, server, /WAIT fell short/);
  });

  test("[R-11] [D-2] --durability replica: what is acknowledged while no replica has it is written again until one does", async () => {
    const { master, replica } = await pair();
    const server = await serve(master, "replica");
    const alice = await newUser(server.port, 1);
    const bob = await newUser(server.port, 2);
    const { data } = await sendUntilStored(alice, { conv: "u:2", content: "1", mid: "1" });
    await bob.hears("the message", () => bob.all("SmsMes").length > 0);
    replica.signal("SIGSTOP");
    bob.say("AckMes", { conv: "u:1", id: data.id });
    await until("it to be kept back", async () =>
      server.events.some(({ event }) => event === "cursors_kept_back"),
    );
    assert.deepEqual(alice.all("DeliveredMes"), []);
    replica.signal("SIGCONT");
    await alice.hears("that it was received", () => alice.all("DeliveredMes").length > 0);
  });

  test("[X-2] [R-11] a server that goes away while a replica hangs has gone within 10 s, whatever was acknowledged meanwhile", async () => {
    const { master, replica } = await pair();
    const server = await serve(master, "replica");
    const alice = await newUser(server.port, 1);
    const bob = await newUser(server.port, 2);
    const ids: unknown[] = [];
    for (let n = 1; n <= 20; n++) {
      ids.push((await sendUntilStored(alice, { conv: "u:2", content: "x", mid: `${n}` })).data.id);
    }
    await bob.hears("all of it", () => bob.all("SmsMes").length === ids.length);
    replica.signal("SIGSTOP");
    for (const [n, id] of ids.entries()) {
      bob.say("AckMes", { conv: "u:1", id });
      await bob.ask("PingMes", { n }, "PongMes");
    }
    const startMs = performance.now();
    await server.close();
    const lastedMs = performance.now() - startMs;
    replica.signal("SIGCONT");
    assert.ok(lastedMs < 10_000, `${lastedMs} ms`);
  });

  test("[R-11] [S-7] a replica that hangs: what waits for it fails in time, however much it is", async () => {
    const { master, replica } = await pair();
    const store = await connectRedis({
      address: parseRedisUrl(`redis://${master.address}`),
      journal: { write: () => undefined },
      role: "spec",
      durability: { grade: "replica", replicas: 1 },
    });
    ends.push(() => store.close());
    const script = new Script("createField");
    await store.keep(script, ["spec"], ["first", "x"]);
    replica.signal("SIGSTOP");
    const startMs = performance.now();
    const kept = Array.from({ length: 10_000 }, (_, index) => store.keep(script, ["spec"], [index, "x"]));
    const outcomes = await Promise.allSettled(kept);
    assert.equal(outcomes.filter(({ status }) => status !== "rejected").length, 0);
    const lastedMs = performance.now() - startMs;
    assert.ok(lastedMs < 4_500, `${lastedMs} ms`);
    replica.signal("SIGCONT");
    await until("it to be kept", () =>
      store.keep(script, ["spec"], ["last", "x"]).then(
        ({ stored }) => stored === "replica",
        () => false,
      ),
    );
  });

  test("[R-11] --durability disk: no start without it, 503 from the moment on in which somebody takes it away", async () => {
    const redis = await member();
    const server = await serve(redis, "disk");
    const alice = await newUser(server.port, 1);
    assert.equal((await sendUntilStored(alice, { content: "1", mid: "1" })).data.stored, "disk");
    await redis.client.config("SET", "appendfsync", "everysec");
    assert.equal(await attempt(alice), 503);
    await assert.rejects(
      serve(redis, "disk"),
      /--durability disk: .*appendfsync everysec; CONFIG SET appendfsync always/,
    );
    await redis.client.config("SET", "appendfsync", "always");
    await storedOnce(alice, server, /CONFIG fell short/);
  });
});

/**
 * operators: the commands of an operator beside a running server: `doctor` and `top`, as real processes (clauses,
 * [R-9]).
 */
import assert from "node:assert/strict";
import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { operatorLangOf } from "../lib/lang.ts";
import { dataFolder } from "./helpers/privateRedis.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { startCluster } from "./helpers/redisGroup.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { type SpawnedProcess, spawnScript, spawnServer, startSpecServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { WireClient, newUser } from "./helpers/wireClient.ts";

const ends: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const end of ends.reverse()) await end();
});

async function ownRedis(settings: Record<string, string> = {}): Promise<SpecRedis> {
  const redis = await startRedis({ settings });
  ends.push(() => redis.stop());
  return redis;
}

interface Said {
  code: number | string;
  lines: string[];
  /** Level and text of what was said of one thing. */
  of(what: string): string;
  err: string;
}

async function run(...args: string[]): Promise<Said> {
  const { output, ended } = spawnScript("server.ts", args);
  const code = await inTime(args.join(" "), ended, 30_000);
  const lines = output.out.split("\n").slice(0, -1);
  const of = (what: string): string => {
    const found = lines.find((line) => /^(?:ok|warn|bad)/.test(line) && line.slice(6).startsWith(what));
    assert.ok(found, `${what} is looked at: ${output.out}`);
    return `${found.slice(0, 4).trim()} ${found.slice(20)}`;
  };
  return { code, lines, of, err: output.err };
}

describe("the doctor", { concurrency: 3 }, () => {
  test("[R-9] where all is well it says so, line by line, exit code 0", async () => {
    const redis = await ownRedis({ "maxmemory-policy": "noeviction" });
    const said = await run("doctor", "--redis", redis.url, "--port", "0");
    assert.equal(said.err, "");
    for (const line of said.lines)
      assert.match(line, /^(?:ok {4}|warn {2}|bad {3})[a-z0-9 -]{12} {2}\S/, line);
    for (const what of [
      "node",
      "open files",
      "port 0",
      "redis",
      "role",
      "persistence",
      "eviction",
      "memory",
    ]) {
      assert.match(said.of(what), /^ok /, what);
    }
    for (const what of ["clock", "nodes", "passwords"]) assert.match(said.of(what), /^ok /, what);
    assert.equal(said.code, 0, said.lines.join("\n"));
    assert.deepEqual(await redis.client.keys("*"), [], "it leaves nothing behind");
  });

  test("[R-9] what an operator got wrong is said, with what to do, exit code 1", async () => {
    const redis = await ownRedis({ "maxmemory-policy": "allkeys-lru", maxmemory: "100mb", appendonly: "no" });
    const said = await run("doctor", "--redis", redis.url, "--port", "0", "--host", "192.0.2.1");
    assert.equal(said.code, 1);
    assert.match(said.of("eviction"), /^bad allkeys-lru: .*CONFIG SET maxmemory-policy noeviction/);
    assert.match(said.of("persistence"), /^warn no append-only file: .*appendonly yes/);
    assert.match(said.of("port"), /^bad .*--host/);
    const replica = await ownRedis({ replicaof: "127.0.0.1 1", "maxmemory-policy": "noeviction" });
    const ofReplica = await run("doctor", "--redis", replica.url, "--port", "0");
    assert.match(ofReplica.of("role"), /^bad this is a replica/);
    assert.equal(ofReplica.code, 1);
  });

  test("[R-9] [R-11] asked for a durability it says whether this Redis gives it, and what to do", async () => {
    const redis = await ownRedis({ "maxmemory-policy": "noeviction", appendfsync: "everysec" });
    const asked = (...more: string[]): Promise<Said> =>
      run("doctor", "--redis", redis.url, "--port", "0", ...more);
    const disk = await asked("--durability", "disk");
    assert.match(disk.of("durability"), /^bad disk: .*appendfsync everysec; CONFIG SET appendfsync always/);
    assert.equal(disk.code, 1);
    const replica = await asked("--durability", "replica", "--replicas", "2");
    assert.match(replica.of("durability"), /^bad replica: .*has 0 replicas online, wanted 2; .*--replicas/);
    assert.equal(replica.code, 1);
    const memory = await asked("--durability", "memory");
    assert.match(memory.of("durability"), /^ok memory/);
    assert.equal(memory.code, 0);
    assert.doesNotMatch((await asked()).lines.join(), /durability/, "nothing was asked for");
    await redis.client.config("SET", "appendfsync", "always");
    assert.match((await asked("--durability", "disk")).of("durability"), /^ok disk/);
    const refused = await run("--redis", redis.url, "--port", "0", "--durability", "replica");
    assert.equal(refused.code, 1);
    assert.match(
      refused.err,
      /^server\.ts: --durability replica: .*has 0 replicas online, wanted 1; .*--replicas/m,
    );
  });

  test("[R-9] a Redis that takes no writes is said to take none, whatever keeps it from that", async () => {
    const redis = await ownRedis({ "maxmemory-policy": "noeviction", "min-replicas-to-write": "2" });
    const said = await run("doctor", "--redis", redis.url, "--port", "0");
    assert.match(said.of("role"), /^bad primary, 0 replicas of the 2 .*CONFIG SET min-replicas-to-write 0/);
    const full = await ownRedis({ "maxmemory-policy": "noeviction", maxmemory: "1mb" });
    assert.match((await run("doctor", "--redis", full.url, "--port", "0")).of("memory"), /^bad .*503/);
  });

  test("[R-9] it says the same in Chinese, where that is asked for or the machine speaks it; else English", async () => {
    const redis = await ownRedis({ "maxmemory-policy": "allkeys-lru", appendfsync: "everysec" });
    const ask = (...more: string[]): Promise<Said> =>
      run("doctor", "--redis", redis.url, "--port", "0", "--durability", "replica", ...more);
    const [zh, en] = [await ask("--lang", "zh"), await ask("--lang", "en")];
    const names = (said: Said): string[] => said.lines.map((line) => line.slice(6, 18));
    assert.deepEqual(names(zh), names(en), "what is looked at has the same name");
    assert.equal(zh.code, en.code);
    for (const line of en.lines) assert.doesNotMatch(line, /\p{Script=Han}/u);
    for (const what of [
      "open files",
      "backlog",
      "port",
      "role",
      "persistence",
      "durability",
      "clock",
      "nodes",
    ])
      assert.match(zh.of(what), /\p{Script=Han}/u, what);
    const away = await run("doctor", "--redis", "redis://127.0.0.1:1", "--port", "0", "--lang", "zh");
    assert.match(away.of("redis "), /^bad .*连不上（.*ECONNREFUSED.*）；它在运行吗/);
    const wrong = await run("doctor", "--lang", "fr");
    assert.deepEqual([wrong.code, wrong.err.split("\n").length], [2, 2]);
    assert.equal(operatorLangOf(undefined, { LANG: "zh_CN.UTF-8" }), "zh");
    for (const LANG of [undefined, "C.UTF-8", "de_DE.UTF-8"])
      assert.equal(operatorLangOf(undefined, { LANG }), "en");
  });

  test("[R-9] the port of --metrics is looked at too", async () => {
    const redis = await ownRedis({ "maxmemory-policy": "noeviction" });
    const said = await run("doctor", "--redis", redis.url, "--port", "0", "--metrics", "192.0.2.1:9190");
    assert.match(said.of("port 9190"), /^bad 192\.0\.2\.1 cannot be listened on/);
  });

  test("[R-9] in a Cluster every master is looked at", async () => {
    const cluster = await startCluster({ masters: 3, replicas: 0 });
    ends.push(() => cluster.stop());
    const [, second] = cluster.members;
    await second?.client.config("SET", "maxmemory-policy", "allkeys-lru");
    await second?.client.config("SET", "maxmemory", "100mb");
    const said = await run("doctor", "--redis", cluster.url, "--port", "0");
    const evictions = said.lines.filter((line) => line.includes("eviction"));
    assert.equal(evictions.length, 3, "each has its line");
    const bad = said.lines.filter((line) => line.startsWith("bad"));
    assert.equal(bad.length, 1, said.lines.join("\n"));
    assert.ok(bad[0]?.includes(`:${second?.port}: allkeys-lru`), bad[0]);
    assert.equal(said.code, 1);
  });

  test("[R-9] a Redis that is not there is one line, and so is a folder that others can enter", async () => {
    const gone = await run(
      "doctor",
      "--redis",
      `unix://${join(scratchFolder(), "none.sock")}`,
      "--port",
      "0",
    );
    assert.equal(gone.code, 1);
    assert.match(gone.of("redis "), /^bad --redis unix:.*cannot be reached/);
    const folder = dataFolder();
    chmodSync(folder, 0o755);
    const open = await run("doctor", "--data", folder, "--port", "0");
    assert.match(open.of("data"), /^bad .*chmod 700/);
    assert.equal(open.code, 1);
    const absent = join(folder, "not", "yet");
    assert.match((await run("doctor", "--data", absent, "--port", "0")).of("redis "), /^warn does not run/);
    assert.ok(!existsSync(absent), "it makes nothing");
  });

  test("[R-9] [A-2] [A-3] [D-7] plain passwords are counted, and with --mend hashed; their owners notice nothing", async () => {
    const redis = await ownRedis({ "maxmemory-policy": "noeviction" });
    const server = await startSpecServer({ redis });
    ends.push(() => server.close());
    const alice = await newUser(server.port, 9001);
    const users = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [
        index + 1,
        JSON.stringify({ userId: index + 1, userPwd: `plain${index + 1}`, userName: `old${index + 1}` }),
      ]),
    );
    await redis.client.hset("users", { ...users, 77: "no record" });
    const before = await run("doctor", "--redis", redis.url, "--port", "0");
    assert.match(before.of("passwords"), /^bad 40 of 41 lie there in plain, 1 cannot be read.*doctor --mend/);
    assert.equal(before.code, 1);
    assert.equal(
      (await redis.client.hget("users", "1"))?.includes("plain1"),
      true,
      "looking changes nothing",
    );

    const mended = await run("doctor", "--mend", "--redis", redis.url, "--port", "0");
    assert.match(mended.of("passwords"), /^warn 41 hashed, none plain, 1 cannot be read/);
    assert.equal(mended.code, 0);
    assert.doesNotMatch(mended.lines.join("\n"), /plain1|argon/, "no secret is said");
    const records = Object.values(await redis.client.hgetall("users"));
    assert.deepEqual(
      records.filter((record) => /plain\d|userPwd/.test(record)),
      [],
    );
    assert.equal(await redis.client.hget("users", "77"), "no record", "what cannot be read is left alone");
    // Said before the first log-in of user 1: their devices begin there, and not before.
    await alice.ask("SmsMes", { content: "before", mid: "b" }, "SmsResMes");
    const login = { userId: 1, userPwd: "plain1" };
    const first = await WireClient.login(server.port, { ...login, device: "one" });
    await alice.ask("SmsMes", { content: "after", mid: "a" }, "SmsResMes");
    const second = await WireClient.login(server.port, { ...login, device: "two" });
    for (const client of [first, second]) {
      await client.hears("what was said after", () => client.all("SmsMes").length === 1);
      assert.equal(client.all("SmsMes")[0]?.content, "after");
    }
    for (const client of [alice, first, second]) client.destroy();
  });
});

describe("top", { concurrency: 2 }, () => {
  test("[R-8] every node has a line, whatever process it is of, and all have a sum", async () => {
    const redis = await ownRedis();
    const args = ["--redis", redis.url];
    const servers = await Promise.all([
      spawnServer([...args, "--node", "east"]),
      spawnServer([...args, "--node", "west", "--workers", "2"]),
    ]);
    for (const server of servers) ends.push(() => server.kill("SIGKILL"));
    const clients = [await newUser(servers[0].port, 1), await newUser(servers[0].port, 2)];
    await redis.client.zadd("{online}:nodes", Date.now() + 60_000, "\u001b[31mforeign");
    const rowsOf = ({ lines }: Said): Map<string, string[]> =>
      new Map(lines.map((line) => line.split(/ +/)).map(([name = "", ...cells]) => [name, cells]));
    // A worker that is still starting has said nothing, and is no node yet.
    const seen = await until(
      "the sessions to be told, and every node to serve",
      async () => {
        const said = await run("top", "--once", ...args);
        const rows = rowsOf(said);
        const serving = ["east", "west-1", "west-2"].filter((name) => rows.get(name)?.[0] === "serving");
        return rows.get("all")?.[0] === "2" && serving.length === 3 && said;
      },
      30_000,
    );
    assert.equal(seen.code, 0);
    assert.match(seen.lines[0] ?? "", /^haiyu {2}4 nodes {2}2 online/);
    const rows = rowsOf(seen);
    assert.deepEqual([rows.get("east")?.[1], rows.get("west-1")?.[1]], ["2", "0"]);
    assert.match(rows.get("?[31mforeign")?.join(" ") ?? "", /^says nothing/);
    assert.ok(!seen.lines.join("").includes("\u001b"), "no escape of a stranger's reaches the terminal");
    for (const client of clients) client.destroy();
  });

  test("[R-8] [R-9] two servers of one name are two: each counts its own users, and top and doctor tell them apart", async () => {
    const redis = await ownRedis({ "maxmemory-policy": "noeviction" });
    const args = ["--redis", redis.url, "--node", "twin"];
    const servers = await Promise.all([spawnServer(args), spawnServer(args)]);
    for (const server of servers) ends.push(() => server.kill("SIGKILL"));
    const clients = [await newUser(servers[0].port, 1), await newUser(servers[1].port, 2)];
    const rows = await until(
      "a session each",
      async () => {
        const { lines } = await run("top", "--once", "--redis", redis.url);
        const twins = lines.filter((line) => line.startsWith("twin")).map((line) => line.split(/ +/));
        return twins.length === 2 && twins.every(([, , sessions]) => sessions === "1") && twins;
      },
      30_000,
    );
    const shown = rows.map(([name = ""]) => name);
    for (const name of shown) assert.match(name, /^twin\.[0-9a-f]{6}$/);
    assert.notEqual(shown[0], shown[1]);
    const doctor = await run("doctor", "--redis", redis.url, "--port", "0");
    assert.match(doctor.of("nodes"), /^warn 2 hold a lease, 2 of them are called twin; .*--node/);
    assert.equal(await servers[0].kill("SIGTERM"), 0);
    const [one] = await redis.client.zrangebyscore("{online}:nodes", "-inf", "+inf");
    assert.ok(one, "one node is left");
    assert.deepEqual(await redis.client.hget("{online}:users", "2"), "1", "and its user");
    for (const client of clients) client.destroy();
  });

  test("[R-8] a node that hangs is silent before its lease is over, and serves again", async () => {
    const redis = await ownRedis();
    const args = ["--redis", redis.url];
    const server = await spawnServer([...args, "--node", "east"]);
    ends.push(() => server.kill("SIGKILL"));
    const shown = spawnScript("server.ts", ["top", ...args]);
    ends.push(async () => shown.child.kill("SIGKILL"));
    const states = (): string[] =>
      [...shown.output.out.matchAll(/^east +(\S+)/gm)].map(([, state = ""]) => state);
    for (const [signal, state] of [
      ["SIGCONT", "serving"],
      ["SIGSTOP", "silent"],
      ["SIGCONT", "serving"],
    ] as const) {
      server.child.kill(signal);
      await until(`it to be ${state}`, () => states().at(-1) === state, 20_000);
    }
  });

  test("[R-8] it goes on until its reader has gone, an outage of Redis included", async () => {
    const redis = await ownRedis();
    const shown: SpawnedProcess = spawnScript("server.ts", ["top", "--redis", redis.url]);
    const pictures = (): number => shown.output.out.split("haiyu  0 nodes").length - 1;
    await until("two pictures", () => pictures() >= 2, 20_000);
    redis.process.kill("SIGSTOP");
    await until("the outage to be said", () => shown.output.out.includes("Redis does not answer"), 20_000);
    redis.process.kill("SIGCONT");
    const before = pictures();
    await until("another picture", () => pictures() > before, 20_000);
    shown.child.stdout?.destroy();
    assert.equal(await inTime("its end", shown.ended), 0);
  });

  test("[R-8] [R-4] nothing to look at: one line, exit code 1", async () => {
    const said = await run("top", "--data", dataFolder());
    assert.equal(said.code, 1);
    assert.match(said.err, /^server\.ts: --data \S+: no redis-server runs on it; [^\n]+\n$/);
  });
});

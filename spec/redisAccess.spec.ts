/**
 * redisAccess.spec: ways to a Redis that lets not everybody in: a user of least privilege, TLS with certificates on both
 * sides, sentinels with a password of their own; and what is said where it does not let us in.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { parseRedisUrl } from "../lib/redisUrl.ts";
import { freePort } from "./helpers/freePorts.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { GroupMember, startCluster, startSentinelGroup } from "./helpers/redisGroup.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { spawnScript, startSpecServer } from "./helpers/server.ts";
import { sourcesIn, textOf } from "./helpers/sources.ts";
import { until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser } from "./helpers/wireClient.ts";

const ends: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const end of ends.reverse()) await end();
});

/** The file as it is, but for the password: an `aclfile` may hold nothing but users, not even a comment. */
function aclOf(password: string): string {
  return textOf("fixtures/redis/haiyu.acl").replace(">change-me", `>${password}`);
}

async function ownRedis(settings: Record<string, string>, folder?: string): Promise<SpecRedis> {
  const redis = await startRedis({ settings, ...(folder !== undefined && { folder }) });
  ends.push(() => redis.stop());
  return redis;
}

/** Two people register, log in twice, see each other, talk, look back and leave; across two servers. */
async function talk(url: string, wantedStored = "disk"): Promise<void> {
  const [one, other] = [
    await startSpecServer({ redis: { url }, rate: 50 }),
    await startSpecServer({ redis: { url } }),
  ];
  ends.push(
    () => one.close(),
    () => other.close(),
  );
  const alice = await newUser(one.port, 1);
  const bob = await newUser(other.port, 2);
  await alice.hears("bob", (heard) =>
    heard.some(({ type, data }) => type === "PresenceMes" && JSON.stringify(data.online).includes("user2")),
  );
  const said = await alice.ask("SmsMes", { content: "to all", mid: "1" }, "SmsResMes");
  assert.deepEqual([said.code, said.stored], [200, wantedStored]);
  assert.equal((await bob.next("SmsMes")).data.id, said.id);
  assert.equal((await alice.ask("SmsMes", { content: "you", conv: "u:2", mid: "2" }, "SmsResMes")).code, 200);
  const { data } = await bob.next("SmsMes");
  bob.say("AckMes", { conv: "u:1", id: data.id });
  const { messages } = await bob.ask("HistoryMes", { conv: "all" }, "HistoryResMes");
  assert.equal((messages as Data[]).length, 1);
  assert.equal((await bob.ask("UsersMes", {}, "UsersResMes")).total, 2);
  const token = bob.heard[0]?.data.token;
  const wrong = await WireClient.connect(one.port);
  assert.equal((await wrong.ask("LoginMes", { userId: 2, userPwd: "no", v: 2 }, "LoginResMes")).code, 403);
  wrong.destroy();
  const again = await WireClient.login(one.port, { userId: 2, token });
  assert.equal((await bob.next("GoAwayMes")).data.code, 409);
  await until("no refusal by Redis", () => {
    const refused = [...one.events, ...other.events].filter(({ reason }) =>
      /NOPERM|NOAUTH/.test(String(reason)),
    );
    assert.deepEqual(refused, []);
    return true;
  });
  for (const client of [alice, bob, again]) client.destroy();
}

test("[R-10] a user of least privilege is enough for everything, and sees nothing else", async () => {
  const folder = scratchFolder();
  writeFileSync(join(folder, "users.acl"), `user default on nopass ~* &* +@all\n${aclOf("geheim%:@")}`);
  const redis = await ownRedis({ aclfile: join(folder, "users.acl") }, folder);
  await talk(`unix://haiyu:${encodeURIComponent("geheim%:@")}@${redis.socketPath}`);
  const stranger = redis.client.duplicate({
    username: "haiyu",
    password: "geheim%:@",
    enableReadyCheck: false,
  });
  ends.push(async () => stranger.disconnect());
  for (const [name, ...args] of [
    ["GET", "secrets"],
    ["FLUSHALL"],
    ["KEYS", "*"],
    ["CONFIG", "SET", "dir", "/"],
    ["SUBSCRIBE", "other"],
    ["ACL", "LIST"],
    ["SHUTDOWN", "NOSAVE"],
  ] as const) {
    await assert.rejects(stranger.call(name, ...args), /NOPERM/, name);
  }
});

test("[R-10] the file of least privilege names every command that lib/ uses", () => {
  const allowed = new Set(
    [...aclOf("x").matchAll(/\+([a-z|]+)/g)].map(([, name = ""]) => name.split("|")[0]),
  );
  const scripts = sourcesIn("lib", ".lua").flatMap(({ text }) =>
    [...text.matchAll(/redis\.p?call\('([A-Z]+)'/g)].map(([, name = ""]) => name.toLowerCase()),
  );
  const calls = sourcesIn("lib", ".ts").flatMap(({ text }) =>
    [...text.matchAll(/(?:store|Store|redis|client)\.call\(\s*"([A-Z]+)"/g)].map(([, name = ""]) =>
      name.toLowerCase(),
    ),
  );
  assert.ok(scripts.length > 30 && calls.length > 8, `${scripts.length} in scripts, ${calls.length} calls`);
  assert.deepEqual(
    [...new Set([...scripts, ...calls])].filter((name) => !allowed.has(name)),
    [],
  );
});

test("[R-10] a password on sentinels and Redis alike; on every node of a Cluster", async () => {
  const settings = { requirepass: "geheim", masterauth: "geheim" };
  const group = await startSentinelGroup({ settings, password: "geheim", sentinelPassword: "wache" });
  ends.push(() => group.stop());
  await talk(group.url);
  const cluster = await startCluster({ settings, password: "geheim" });
  ends.push(() => cluster.stop());
  await talk(cluster.url);
});

test("[R-10] TLS: certificates are checked on both sides, for one Redis and for a Cluster", async () => {
  const folder = scratchFolder();
  const [key, cert, other] = ["key.pem", "cert.pem", "other.pem"].map((file) => join(folder, file)) as [
    string,
    string,
    string,
  ];
  const make = (keyFile: string, certFile: string): void => {
    const subject = ["-subj", "/CN=redis.example", "-addext", "subjectAltName=DNS:redis.example"];
    const args = [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
    ];
    execFileSync("openssl", [...args, "-keyout", keyFile, "-out", certFile, ...subject], { stdio: "ignore" });
  };
  make(key, cert);
  make(join(folder, "other.key"), other);
  const port = await freePort();
  const tls = { "tls-cert-file": cert, "tls-key-file": key, "tls-ca-cert-file": cert };
  await ownRedis({ "tls-port": String(port), ...tls });
  const files = `ca=${cert}&cert=${cert}&key=${key}`;
  await talk(`rediss://127.0.0.1:${port}?${files}&servername=redis.example`);
  for (const [query, wanted] of [
    [`${files}&servername=elsewhere.example`, /altnames.*servername=NAME$/],
    [`ca=${other}&cert=${cert}&key=${key}&servername=redis.example`, /certificate.*ca=FILE$/],
    [`ca=${folder}/none.pem`, /ca=.*none\.pem cannot be read \(ENOENT.*give a file/],
    [`ca=${cert}&servername=redis.example`, /want a certificate/],
  ] as const) {
    const { output, ended } = spawnScript("server.ts", [
      "--port",
      "0",
      "--redis",
      `rediss://127.0.0.1:${port}?${query}`,
    ]);
    assert.equal(await ended, 1);
    const said = output.err.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
    assert.equal(said.length, 1, output.err);
    assert.match(said[0] ?? "", wanted);
  }
  const cluster = await startCluster({
    settings: { ...tls, "tls-cluster": "yes", "tls-replication": "yes" },
    tls,
  });
  ends.push(() => cluster.stop());
  await talk(`${cluster.url}?${files}&servername=redis.example`);
});

test("[R-10] [R-4] a Redis that is not what the URL says, or lets us not in: one line, exit code 1", async () => {
  const port = await freePort();
  const redis = new GroupMember(port, scratchFolder(), { requirepass: "geheim" }, { password: "geheim" });
  await redis.start();
  ends.push(() => redis.end());
  const starts: [string, RegExp][] = [
    [`redis://127.0.0.1:${port}`, /NOAUTH.*give user and password/],
    [`redis://:falsch@127.0.0.1:${port}`, /WRONGPASS.*give user and password/],
    [`redis+cluster://:geheim@127.0.0.1:${port}`, /cluster support disabled.*write redis:\/\//],
    [`redis+sentinel://:geheim@127.0.0.1:${port}/chat`, /sentinel/i],
    ["redis+sentinel://127.0.0.1:1/chat", /sentinels are unreachable.*do the sentinels run/],
    ["redis+cluster://127.0.0.1:1", /cannot be reached.*is it running\?$/],
  ];
  await Promise.all(
    starts.map(async ([url, wanted]) => {
      const { output, ended } = spawnScript("server.ts", ["--port", "0", "--redis", url]);
      assert.equal(await ended, 1, url);
      const said = output.err.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
      assert.equal(said.length, 1, `${url}: ${output.err}`);
      assert.match(said[0] ?? "", wanted);
      assert.ok(!/geheim|falsch/.test(output.err), "no password");
    }),
  );
});

test("[R-10] [X-1] URLs are read strictly, and no password is shown", () => {
  const shared = { login: { username: "me", password: "p%:w" }, tls: null };
  assert.deepEqual(parseRedisUrl("redis://me:p%25%3Aw@h:1/2"), {
    ...{ ...shared, kind: "one", at: { host: "h", port: 1 }, db: 2, shown: "redis://me:***@h:1/2" },
  });
  assert.deepEqual(parseRedisUrl("redis+sentinel://a,[::1]:2/chat/3?sentinelUser=s&sentinelPassword=t+u"), {
    ...{ login: {}, tls: null, kind: "sentinel", name: "chat", db: 3 },
    sentinels: [
      { host: "a", port: 26_379 },
      { host: "::1", port: 2 },
    ],
    sentinelLogin: { username: "s", password: "t+u" },
    shown: "redis+sentinel://a,[::1]:2/chat/3?sentinelUser=s&sentinelPassword=***",
  });
  assert.deepEqual(parseRedisUrl("rediss+cluster://h:1,i?ca=/a&servername=n"), {
    ...{
      login: {},
      tls: { ca: "/a", servername: "n" },
      kind: "cluster",
      shown: "rediss+cluster://h:1,i?ca=/a&servername=n",
    },
    nodes: [
      { host: "h", port: 1 },
      { host: "i", port: 6379 },
    ],
  });
  for (const url of [
    ...["redis://", "redis:///0", "unix:///a%20b?db=1"].map((good) => [good, true] as const),
    ...[
      "",
      "h:1",
      "redis:h",
      "mysql://h",
      "redis://h:0",
      "redis://h:65536",
      "redis://h:x",
      "redis://a,b",
    ].map(bad),
    ...[
      "redis://h/x",
      "redis://h/1/2",
      "redis://h?ca=/a",
      "redis://me:secret@h:x",
      "unix://",
      "unix://h/p",
    ].map(bad),
    ...["rediss://h?cert=/a", "redis+sentinel://h", "redis+sentinel://h/n/1/2", "redis+cluster://h/1"].map(
      bad,
    ),
    ...[
      "redis+sentinel:///n",
      "redis+cluster://",
      "redis+cluster://h?sentinelPassword=secret",
      "redis://%zz@h",
    ].map(bad),
  ]) {
    const [text, isGood] = url;
    if (isGood) parseRedisUrl(text);
    else {
      assert.throws(
        () => parseRedisUrl(text),
        (error: Error) => error.message.startsWith("--redis ") && !/\n|secret/.test(error.message),
        text,
      );
    }
  }
});

function bad(url: string): readonly [string, false] {
  return [url, false];
}

/**
 * scripts: every subcommand, flag and exit code of client.ts as scripts call it (clauses [C-30] to [C-33], [C-37],
 * [C-38]); the real process where its end, its streams or its terminal matter.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, readFileSync, readdirSync, statSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { scriptNames } from "../lib/scriptFlags.ts";
import { FrameTap } from "./helpers/frames.ts";
import { Gate } from "./helpers/gate.ts";
import { Pty } from "./helpers/pty.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { beginCall, call, passwordFile, spawnClient } from "./helpers/script.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { type Data, WireClient, frameOf, newUser, registerUser } from "./helpers/wireClient.ts";

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

const at = (userId: number, port = server.port): string => `${userId}@127.0.0.1:${port}`;

/** The flags of a user whose password is pw<userId>. */
function as(userId: number): string[] {
  return ["--password-file", passwordFile(`pw${userId}`)];
}

/** All that is stored in a conversation, as its reader sees it. */
async function stored(userId: number, conv: string): Promise<Data[]> {
  const client = await WireClient.login(server.port, { userId, userPwd: `pw${userId}`, device: "looker" });
  const { messages } = await client.ask("HistoryMes", { conv, limit: 200 }, "HistoryResMes");
  client.destroy();
  return messages as Data[];
}

const contents = (messages: Data[]): unknown[] => messages.map(({ content }) => content);

test("[C-30] --help of each subcommand names its flags and the exit codes, in both languages, on stdout", async () => {
  const flags = {
    send: ["--to", "--wait", "--mid"],
    tail: ["--conv", "--json", "--cursor", "--since", "--once"],
    users: ["--json"],
    history: ["--conv", "--limit", "--before", "--since", "--json"],
    register: ["--name"],
  };
  for (const name of scriptNames) {
    for (const [lang, word] of [
      ["en", "exit codes"],
      ["zh", "退出码"],
    ] as const) {
      const { code, out, err } = await call([name, "--help", "--lang", lang]);
      assert.deepEqual([code, err], [0, ""]);
      for (const flag of [...flags[name], "--password-file", "--timeout", "--lang"]) {
        assert.ok(out.includes(flag), `${name} --help names ${flag}`);
      }
      assert.ok(out.includes(word), out);
      for (const exitCode of ["0", "1", "2", "3", "4", "5"])
        assert.match(out, new RegExp(`\\b${exitCode} \\S`));
    }
  }
  assert.match((await call(["send", "--help"], { env: { LANG: "zh_CN.UTF-8" } })).out, /退出码/);
});

test("[C-30] [X-1] wrong use is 2 and one line on stderr that names the thing, before anything is begun", async () => {
  const wrong: [string[], RegExp][] = [
    [["send"], /USER@HOST/],
    [["send", "127.0.0.1", "x"], /user id/],
    [["send", "x@127.0.0.1", "x"], /x@127.0.0.1/],
    [["send", at(1), "--to", "bob", "x"], /--to bob/],
    [["send", at(1), "--to", "u:0", "x"], /--to u:0/],
    [["send", at(1), "--wait", "read", "x"], /--wait read/],
    [["send", at(1), "--wait", "delivered", "x"], /--wait delivered/],
    [["send", at(1), "--to", "1", "--wait", "delivered", "x"], /--wait delivered/],
    [["send", at(1), "--mid", "a b", "x"], /--mid/],
    [["send", at(1), "--mid", "m".repeat(65), "x"], /--mid/],
    [["send", at(1), "--mid", "m".repeat(53)], /--mid/],
    [["send", at(1), ""], /empty/],
    [["send", at(1), "--timeout", "x", "y"], /--timeout x/],
    [["send", at(1), "--lang", "fr", "y"], /--lang fr/],
    [["send", at(1), "--nonsense", "y"], /nonsense/],
    [["send", at(1), "--to", "2", "--to", "3", "y"], /--to/],
    [["tail", at(1), "more"], /more/],
    [["tail", at(1), "--conv", "room"], /--conv room/],
    [["tail", at(1), "--since", "5-1"], /--since 5-1/],
    [["tail", at(1), "--conv", "all", "--since", "yesterday"], /--since yesterday/],
    [["users", at(1), "more"], /more/],
    [["history", at(1), "--limit", "-1"], /limit/],
    [["history", at(1), "--before", "x"], /--before x/],
    [["history", at(1), "--before", "1-1", "--since", "1-1"], /--before and --since/],
    [["register", at(1)], /--name/],
    [["register", at(1), "--name", "a\nb"], /--name/],
  ];
  for (const [args, names] of wrong) {
    const { code, out, err } = await call(args);
    assert.deepEqual([code, out], [2, ""], args.join(" "));
    assert.match(err, names);
    assert.match(err, new RegExp(`^client.ts ${args[0]}: [^\\n]+\\n$`), "one line");
  }
});

test("[C-31] a password file that others can read is refused, and so is one that is not there or says nothing", async () => {
  await registerUser(server.port, 900);
  for (const mode of [0o640, 0o604, 0o620]) {
    const path = passwordFile("pw900");
    chmodSync(path, mode);
    const { code, err } = await call(["users", at(900), "--password-file", path]);
    assert.equal(code, 2);
    assert.match(err, /others can read it/);
  }
  for (const path of ["/nowhere/at/all", passwordFile(""), passwordFile("x".repeat(257))]) {
    const { code, err } = await call(["users", at(900), "--password-file", path]);
    assert.equal(code, 2);
    assert.ok(err.includes(path) && !err.includes("x".repeat(257)), err);
  }
  assert.equal((await call(["users", at(900), "--password-file", passwordFile("pw900")])).code, 0);
});

test("[C-31] after the first log-in the token that is kept is enough; one that ran out asks for the password", async () => {
  await registerUser(server.port, 905);
  const state = scratchFolder();
  assert.equal((await call(["users", at(905), ...as(905)], { state })).code, 0);
  for (let n = 0; n < 3; n++) assert.equal((await call(["users", at(905)], { state })).code, 0);
  const folder = join(state, "haiyu", "tokens");
  const [file = ""] = readdirSync(folder);
  assert.equal(statSync(join(folder, file)).mode & 0o077, 0);
  assert.doesNotMatch(readFileSync(join(folder, file), "utf8"), /pw905/);
  await redis.client.del("{u:905}:tokens");
  assert.equal(
    (await call(["users", at(905), ...as(905)], { state })).code,
    0,
    "the password file still does",
  );
});

test("[C-31] at a terminal the password is asked for and not shown, though stdin is something else", async () => {
  await registerUser(server.port, 910);
  const command = `echo from a pipe | ${process.execPath} --import ${import.meta.resolve("tsx")} client.ts send ${at(910)}`;
  const pty = new Pty(["sh", "-c", command], {
    XDG_STATE_HOME: scratchFolder(),
    LANG: "en_US.UTF-8",
    LC_ALL: "",
  });
  await pty.shows(`Password of 910@127.0.0.1:${server.port}: `);
  pty.press("pw910\r");
  await pty.shows("code 0");
  assert.doesNotMatch(pty.out, /pw910/);
  assert.deepEqual(contents(await stored(910, "all")).at(-1), "from a pipe");
});

test("[C-31] without a password, a token and a terminal it says so", async () => {
  const child = spawnClient(["users", at(1)], scratchFolder());
  assert.equal(await inTime("the end", child.ended), 2);
  assert.match(child.output.err, /^client.ts users: no password: [^\n]+\n$/);
});

test("[C-30] 3: nobody answers there; 4: wrong password, unknown user", async () => {
  const port = (await Gate.to(1)).port;
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port: nobody } = closed.address() as AddressInfo;
  closed.close();
  await registerUser(server.port, 915);
  const file = as(915);
  const calls: [string[], number][] = [
    [["send", at(915, nobody), ...file, "x"], 3],
    [["tail", at(915, nobody), ...file], 3],
    [["users", at(915, nobody), ...file], 3],
    [["history", at(915, nobody), ...file], 3],
    [["register", at(915, nobody), ...file, "--name", "n"], 3],
    [["users", at(915, port), ...file], 3],
    [["users", at(915), ...as(916)], 4],
    [["send", at(999_999), ...file, "x"], 4],
    [["send", at(915), ...file, "--to", "999999", "x"], 4],
    [["send", at(915), ...file, "x".repeat(4001)], 4],
    [["history", at(915), ...file, "--conv", "999999"], 4],
    [["tail", at(915), ...file, "--conv", "999999"], 4],
    [["register", at(915), ...file, "--name", "n"], 4],
  ];
  for (const [args, wanted] of calls) {
    const { code, out, err } = await call(args);
    assert.deepEqual([code, out], [wanted, ""], `${args.slice(0, 2).join(" ")}: ${err}`);
    assert.match(err, /^client.ts \w+: [^\n]+\n$/);
  }
});

test("[C-30] 5: a step took longer than --timeout", async () => {
  await registerUser(server.port, 920);
  await registerUser(server.port, 921);
  const silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const startMs = performance.now();
  const calls = [
    ["users", at(920, port), ...as(920), "--timeout", "1"],
    ["register", at(922, port), ...as(922), "--name", "n", "--timeout", "1"],
    ["send", at(920), ...as(920), "--to", "921", "--wait", "delivered", "--timeout", "1", "x"],
  ];
  for (const { code, err } of await Promise.all(calls.map((args) => call(args)))) {
    assert.equal(code, 5, err);
    assert.match(err, /not within 1 s: (log-in|delivered)\n$/);
  }
  assert.ok(performance.now() - startMs >= 1_000, "not before it");
  silent.close();
});

test("[C-30] who has stopped reading ends it quietly, with 0", async () => {
  const alice = await newUser(server.port, 925);
  const state = scratchFolder();
  const child = spawnClient(["tail", at(925), ...as(925), "--since", "0-0"], state);
  await alice.ask("SmsMes", { content: "one", mid: "m1" }, "SmsResMes");
  await until("the line", () => child.output.out.includes("one"));
  child.child.stdout?.destroy();
  await alice.ask("SmsMes", { content: "two", mid: "m2" }, "SmsResMes");
  assert.equal(await inTime("the end", child.ended), 0);
  assert.equal(child.output.err, "");
});

test("[C-32] the words behind the target are one message; the lines of stdin one each, in order", async () => {
  await registerUser(server.port, 930);
  await registerUser(server.port, 931);
  const state = scratchFolder();
  const one = await call(["send", at(930), ...as(930), "--to", "931", "two", "words", "--", "-x"], { state });
  assert.deepEqual([one.code, one.out, one.err], [0, "", ""]);
  const lines = ["早上好", "", "  kept  ", "a\u2028b\rc", "last"];
  const many = await call(["send", at(930), "--to", "u:931"], { state, input: lines.join("\r\n") });
  assert.deepEqual([many.code, many.out, many.err], [0, "", ""]);
  assert.deepEqual(contents(await stored(930, "u:931")), [
    "two words -x",
    ...lines.filter((line) => line !== ""),
  ]);
  assert.equal((await call(["send", at(930)], { state, input: "" })).code, 0, "nothing to say is said");
});

test("[C-32] each line is sent as it comes, and the next only when it is stored", async () => {
  await registerUser(server.port, 935);
  const begun = beginCall(["send", at(935), ...as(935)]);
  begun.say("first\nsec");
  await until("the first", async () => contents(await stored(935, "all")).includes("first"));
  begun.end("ond\n");
  assert.equal((await begun.ended).code, 0);
  assert.deepEqual(contents((await stored(935, "all")).filter(({ userId }) => userId === 935)), [
    "first",
    "second",
  ]);
});

test("[C-32] at the first line that is refused it stops, names it, and says no more", async () => {
  await registerUser(server.port, 940);
  const input = ["good", "x".repeat(4001), "never sent"].join("\n");
  const { code, err } = await call(["send", at(940), ...as(940)], { input });
  assert.equal(code, 4);
  assert.match(err, /^client.ts send: line 2 not sent: [^\n]+\n$/);
  assert.deepEqual(contents((await stored(940, "all")).filter(({ userId }) => userId === 940)), ["good"]);
  const huge = beginCall(["send", at(940)], {});
  huge.end();
  assert.equal((await huge.ended).code, 2);
});

test("[C-32] --wait delivered: 0 only when the other side has acknowledged the last of them", async () => {
  await registerUser(server.port, 945);
  const bob = await newUser(server.port, 946);
  const begun = beginCall(["send", at(945), ...as(945), "--to", "946", "--wait", "delivered"]);
  begun.end("one\ntwo\n");
  const { data: one } = await bob.next("SmsMes");
  bob.say("AckMes", { conv: "u:945", id: one.id });
  const { data: two } = await bob.next("SmsMes");
  let isOver = false;
  void begun.ended.then(() => (isOver = true));
  await until("the first to be known", () => redis.client.hexists("{u:946}:received", "dm:945:946"));
  assert.equal(isOver, false);
  bob.say("AckMes", { conv: "u:945", id: two.id });
  assert.equal((await inTime("the end", begun.ended)).code, 0);
});

test("[C-30] [C-32] 1: --wait delivered with a server that knows no receipts, and says so", async () => {
  const old = createServer((socket) => {
    const tap = new FrameTap();
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      tap.take(chunk);
      for (const { type, data } of tap.frames.splice(0)) {
        if (type === "LoginMes") socket.write(frameOf("LoginResMes", { code: 200, error: "", token: "t" }));
        const answer = {
          code: 200,
          error: "",
          mid: data.mid,
          conv: data.conv,
          id: "5-1",
          time: 5,
          stored: "disk",
        };
        if (type === "SmsMes") socket.write(frameOf("SmsResMes", answer));
        if (type === "WhyMes") socket.write(frameOf("ErrorMes", { code: 400, error: "unknown", of: type }));
      }
    });
  }).listen(0, "127.0.0.1");
  await once(old, "listening");
  const { port } = old.address() as AddressInfo;
  const { code, err } = await call(["send", at(1, port), ...as(1), "--to", "2", "--wait", "delivered", "x"]);
  assert.equal(code, 1);
  assert.match(err, /knows no receipts/);
  old.close();
});

test("[C-33] the same --mid, however often, is one message; the lines of one KEY are one each", async () => {
  await registerUser(server.port, 950);
  await registerUser(server.port, 951);
  const state = scratchFolder();
  const send = ["send", at(950), ...as(950), "--to", "951"];
  for (let n = 0; n < 3; n++) {
    assert.equal((await call([...send, "--mid", "backup-24", "done"], { state })).code, 0);
    assert.equal((await call([...send, "--mid", "log-24"], { state, input: "a\n\nb\n" })).code, 0);
  }
  assert.deepEqual(
    (await stored(950, "u:951")).map(({ content, mid }) => [content, mid]),
    [
      ["done", "backup-24"],
      ["a", "log-24.1"],
      ["b", "log-24.3"],
    ],
  );
  for (let n = 0; n < 2; n++) assert.equal((await call([...send, "again"], { state })).code, 0);
  assert.deepEqual(
    contents(await stored(950, "u:951")).slice(3),
    ["again", "again"],
    "without a key each run is new",
  );
});

test("[C-32] a link that is lost on the way is made good, in order, each line once", async () => {
  await registerUser(server.port, 955);
  const gate = await Gate.to(server.port);
  const begun = beginCall(["send", at(955, gate.port), ...as(955)]);
  const lines = Array.from({ length: 30 }, (_, index) => `line ${index}`);
  const watcher = await newUser(server.port, 956);
  const answered = new FrameTap();
  gate.tap = (direction, chunk) => {
    if (direction === "down") answered.take(chunk);
  };
  for (const [index, line] of lines.entries()) {
    if (index % 10 !== 5) begun.say(`${line}\n`);
    else {
      await until(
        "those before",
        () => new Set(answered.all("SmsResMes").map(({ mid }) => mid)).size === index,
      );
      // Its answer is lost on the way, after the message was stored.
      gate.drop("down");
      begun.say(`${line}\n`);
      await watcher.hears(line, (heard) => heard.some(({ data }) => data.content === line));
      gate.cut();
      gate.flow();
    }
  }
  begun.end();
  const { code, err } = await inTime("the end", begun.ended, 20_000);
  assert.equal(code, 0, err);
  assert.deepEqual(contents((await stored(955, "all")).filter(({ userId }) => userId === 955)), lines);
  gate.close();
});

test("[C-37] users: everybody online, by id, through as many pages as it takes; not oneself", async () => {
  await registerUser(server.port, 960);
  await registerUser(server.port, 961, "tab\u0085bob".replace("\u0085", " "));
  const bob = await WireClient.login(server.port, { userId: 961, userPwd: "pw961" });
  const { code, out } = await call(["users", at(960), ...as(960)]);
  assert.equal(code, 0);
  const lines = out.trimEnd().split("\n");
  assert.ok(lines.includes("961\ttab bob"), out);
  assert.ok(!lines.some((line) => line.startsWith("960\t")), "who only asks is not shown");
  const ids = lines.map((line) => Number(line.split("\t")[0]));
  assert.deepEqual(
    ids,
    ids.toSorted((one, other) => one - other),
  );
  const json = await call(["users", at(960), ...as(960), "--json"]);
  assert.deepEqual(
    json.out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Data)
      .find(({ userId }) => userId === 961),
    { userId: 961, userName: "tab bob" },
  );
  bob.destroy();
});

test("[C-37] history: the newest, oldest first; --limit, --before, --since, over several pages", async () => {
  await registerUser(server.port, 966);
  const alice = await newUser(server.port, 965);
  const ids: string[] = [];
  for (let n = 1; n <= 450; n++) {
    alice.say("SmsMes", { conv: "u:966", content: `c${n}`, mid: `h${n}` });
  }
  for (let n = 1; n <= 450; n++) ids.push(String((await alice.next("SmsResMes")).data.id));
  const state = scratchFolder();
  const history = async (...flags: string[]): Promise<string[]> => {
    const args = ["history", at(965), ...as(965), "--conv", "966", "--json", ...flags];
    const { code, out, err } = await call(args, { state });
    assert.deepEqual([code, err], [0, ""]);
    return out.split("\n").flatMap((line) => (line === "" ? [] : String((JSON.parse(line) as Data).content)));
  };
  const range = (from: number, to: number): string[] =>
    Array.from({ length: to - from + 1 }, (_, index) => `c${from + index}`);
  assert.deepEqual(await history(), range(401, 450));
  assert.deepEqual(await history("--limit", "430"), range(21, 450));
  assert.deepEqual(await history("--limit", "3", "--before", ids[9] ?? ""), range(7, 9));
  assert.deepEqual(await history("--limit", "250", "--since", ids[9] ?? ""), range(11, 260));
  assert.deepEqual(await history("--limit", "1000", "--since", "0-0"), range(1, 450));
  assert.deepEqual(await history("--limit", "0"), []);
  // What is no longer kept is a line too.
  await redis.client.xtrim("{c:dm:965:966}:log", "MAXLEN", 2);
  const { out } = await call(["history", at(965), ...as(965), "--conv", "966", "--since", "0-0"], { state });
  assert.match(out, /^\tu:966\t\t\t… 448 are no longer kept\n[^\n]*c449\n[^\n]*c450\n$/);
});

test("[C-37] register: makes the account, with the name that was given", async () => {
  const { code, out, err } = await call(["register", at(970), ...as(970), "--name", "李雷"]);
  assert.deepEqual([code, out, err], [0, "", ""]);
  const client = await WireClient.login(server.port, { userId: 970, userPwd: "pw970" });
  assert.equal(client.heard[0]?.data.userName, "李雷");
  client.destroy();
});

test("[C-38] scripts beside each other are devices of their own, the same few again and again", async () => {
  await registerUser(server.port, 975);
  const terminal = await WireClient.login(server.port, {
    userId: 975,
    userPwd: "pw975",
    device: "terminal-1",
  });
  const state = scratchFolder();
  for (let round = 0; round < 3; round++) {
    const begun = Array.from({ length: 10 }, () => beginCall(["send", at(975), ...as(975)], { state }));
    for (const { end } of begun) end("x\n");
    for (const { ended } of begun) assert.equal((await inTime("the end", ended)).code, 0);
  }
  assert.equal(terminal.isClosed, false);
  const devices = await redis.client.hkeys("{u:975}:tokens");
  const scripts = devices.filter((device) => device.startsWith("script-"));
  assert.ok(scripts.length > 1 && scripts.length <= 8, devices.join());
  assert.equal(devices.length, scripts.length + 1, devices.join());
  terminal.destroy();
  // Without a state folder they share one name: each new one would push out a device of the person.
  for (let n = 0; n < 2; n++)
    assert.equal((await call(["users", at(975), ...as(975)], { state: "/proc" })).code, 0);
  assert.ok((await redis.client.hkeys("{u:975}:tokens")).includes("script"), "one name for all of them");
});

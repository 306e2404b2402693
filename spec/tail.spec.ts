/**
 * tail: what was said as lines, each message once and without a seam, whatever becomes of links, files and readers
 * (clauses [C-34] to [C-36], [C-38]). The script runs in this process; scriptKills.spec.ts has the one that is killed.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { after, before, test } from "node:test";
import fc from "fast-check";
import type { Delivered } from "../lib/chatClient.ts";
import { tailQueueMaxMessages } from "../lib/limits.ts";
import { gapLine, jsonLine, messageLine, plain } from "../lib/messageLine.ts";
import { scriptTexts } from "../lib/scriptTexts.ts";
import { Gate } from "./helpers/gate.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { type Call, beginCall, call, passwordFile, spawnClient } from "./helpers/script.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

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
const as = (userId: number): string[] => ["--password-file", passwordFile(`pw${userId}`)];
const newCursor = (): string => join(scratchFolder(), "cursor");

let mids = 0;
/** Says something; the id it was stored under. */
async function say(client: WireClient, conv: string, content: string): Promise<string> {
  const { code, id } = await client.ask("SmsMes", { conv, content, mid: `t${++mids}` }, "SmsResMes");
  assert.equal(code, 200);
  return String(id);
}

const linesOf = (out: string): Data[] =>
  out
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Data);
const contentsOf = (out: string): unknown[] => linesOf(out).map(({ content }) => content);

/** Waits until a tail has written these contents, and nothing else. */
async function writes(tail: Call, contents: string[]): Promise<void> {
  await until(`${contents.length} lines`, () => contentsOf(tail.out()).length >= contents.length).catch(
    () => undefined,
  );
  assert.deepEqual(contentsOf(tail.out()), contents);
}

/** Begins a tail and waits until it listens: until a first message is in its lines. */
async function listening(args: string[], talker: WireClient, state?: string): Promise<Call> {
  const tail = beginCall(["tail", ...args, "--json"], state === undefined ? {} : { state });
  const isWritten = (): boolean => contentsOf(tail.out()).includes("listening?");
  await until(
    "the tail to listen",
    async () => isWritten() || (await say(talker, "all", "listening?"), isWritten()),
  );
  return tail;
}

/** What was written behind the first words. */
const behind = (tail: Call): unknown[] =>
  contentsOf(tail.out()).filter((content) => content !== "listening?");

test("[C-34] from now on: everything the user may read, one JSON line each, with the fields of a message", async () => {
  const alice = await newUser(server.port, 1000);
  await registerUser(server.port, 1001);
  await say(alice, "all", "before");
  await say(alice, "u:1001", "before, privately");
  const tail = await listening([at(1001), ...as(1001)], alice);
  const id = await say(alice, "all", "to all\nin two lines");
  await say(alice, "u:1001", "privately");
  const own = await WireClient.login(server.port, { userId: 1001, userPwd: "pw1001", device: "phone" });
  await say(own, "u:1000", "by the other device");
  await until("the lines", () => behind(tail).length === 3);
  assert.deepEqual(behind(tail).sort(), ["by the other device", "privately", "to all\nin two lines"]);
  const line = linesOf(tail.out()).find((one) => one.id === id && one.conv === "all") ?? {};
  assert.deepEqual(Object.keys(line), ["conv", "id", "time", "userId", "userName", "content"]);
  assert.deepEqual([line.userId, line.userName], [1000, "user1000"]);
  tail.stop();
});

test("[C-34] --conv: that conversation only; --since: from there on; what is no longer kept is a line", async () => {
  const alice = await newUser(server.port, 1010);
  await registerUser(server.port, 1011);
  const first = await say(alice, "u:1011", "one");
  await say(alice, "u:1011", "two");
  const third = await say(alice, "u:1011", "three");
  await say(alice, "all", "not this");
  const tail = ["tail", at(1011), ...as(1011), "--json", "--once"];
  const some = await call([...tail, "--conv", "1010", "--since", first]);
  assert.deepEqual(contentsOf(some.out), ["two", "three"]);
  assert.deepEqual((await call([...tail, "--conv", "u:1010"])).out, "", "from now on there is nothing");
  const all = await call([...tail, "--since", "0-0"]);
  assert.deepEqual(
    linesOf(all.out)
      .filter(({ conv }) => conv === "u:1010")
      .map(({ content }) => content),
    ["one", "two", "three"],
  );
  await redis.client.xtrim("{c:dm:1010:1011}:log", "MAXLEN", 1);
  const cut = await call([...tail, "--conv", "1010", "--since", first]);
  const [gap, last] = linesOf(cut.out);
  assert.deepEqual(gap, {
    gap: true,
    conv: "u:1010",
    after: first,
    before: third,
    count: 1,
    reason: "trimmed",
  });
  assert.equal(last?.content, "three");
  // A tail that Redis lost: the seqs are a hole, the epoch is another one.
  const epoch = Number(third.split("-")[0]);
  await redis.client.xadd(
    "{c:dm:1010:1011}:log",
    `${epoch + 1}-9`,
    "sender",
    "1010",
    "content",
    "after the loss",
  );
  const lost = await call([...tail, "--conv", "1010", "--since", third]);
  assert.deepEqual(
    linesOf(lost.out).map(({ count, reason, content }) => [count, reason, content]),
    [
      [5, "lost", undefined],
      [undefined, undefined, "after the loss"],
    ],
  );
});

test("[C-34] a link that is lost, again and again, leaves neither hole nor double", async () => {
  const alice = await newUser(server.port, 1020);
  await registerUser(server.port, 1021);
  const gate = await Gate.to(server.port);
  const tail = await listening([at(1021, gate.port), ...as(1021)], alice);
  const said: string[] = [];
  for (let round = 0; round < 4; round++) {
    for (let n = 0; n < 40; n++) said.push(`${round}.${n}`);
    for (const content of said.slice(-40)) alice.say("SmsMes", { content, mid: `l${content}` });
    // Somewhere in the middle of what is being told.
    gate.cutAfter("down", 2_000);
    await alice.hears("the answers", (heard) => heard.some(({ data }) => data.mid === `l${round}.39`));
  }
  await until("all lines", () => behind(tail).length >= said.length);
  assert.deepEqual(behind(tail), said);
  assert.ok(gate.cuts > 0, "the link was cut");
  tail.stop();
  gate.close();
});

test("[C-34] it acknowledges what it has written out, and nothing before that", async () => {
  const alice = await newUser(server.port, 1030);
  await registerUser(server.port, 1031);
  let take: (() => void) | null = null;
  const output = new Writable({
    write: (_chunk, _encoding, done) => {
      take = done;
    },
  });
  const tail = beginCall(["tail", at(1031), ...as(1031), "--json", "--since", "0-0"], { output });
  const id = await say(alice, "u:1031", "hello");
  await until("the line to be written", () => take !== null);
  await alice.settled();
  assert.deepEqual(alice.all("DeliveredMes"), []);
  // Everything that is offered from now on is taken.
  await until("the receipt", () => {
    const done = take;
    take = null;
    done?.();
    return alice.all("DeliveredMes").some((data) => data.id === id);
  });
  tail.stop();
});

test("[C-34] whoever reads slowly is waited for: memory is bounded, and in the end every line is there", async () => {
  const alice = await newUser(server.port, 1040);
  await registerUser(server.port, 1041);
  const lines: string[] = [];
  let isOpen = false;
  let held: (() => void) | null = null;
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(chunk.toString());
      if (isOpen) done();
      else held = done;
    },
  });
  const tail = beginCall(["tail", at(1041), ...as(1041), "--json", "--conv", "1040", "--since", "0-0"], {
    output,
  });
  await until("the session", () =>
    server.events.some(({ event, userId }) => event === "session_opened" && userId === 1041),
  );
  const count = 3 * tailQueueMaxMessages;
  for (let n = 0; n < count; n++) alice.say("SmsMes", { conv: "u:1041", content: `n${n}`, mid: `s${n}` });
  await alice.hears("the last answer", (heard) => heard.some(({ data }) => data.mid === `s${count - 1}`));
  assert.ok(lines.length <= 1, "one line is offered, and not taken");
  isOpen = true;
  (held as (() => void) | null)?.();
  await until("all lines", () => lines.length >= count, 20_000);
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as Data).content),
    Array.from({ length: count }, (_, n) => `n${n}`),
  );
  tail.stop();
});

test("[C-35] [C-36] --cursor: each call goes on where the last one stopped; a new file begins now", async () => {
  const alice = await newUser(server.port, 1050);
  await registerUser(server.port, 1051);
  await say(alice, "all", "before");
  await say(alice, "u:1051", "before");
  const path = newCursor();
  const state = scratchFolder();
  const once = async (): Promise<unknown[]> => {
    const args = ["tail", at(1051), ...as(1051), "--json", "--once", "--cursor", path];
    const { code, out, err } = await call(args, { state });
    assert.deepEqual([code, err], [0, ""]);
    return contentsOf(out);
  };
  assert.deepEqual(await once(), []);
  assert.equal(statSync(path).mode & 0o077, 0);
  await say(alice, "all", "a1");
  await say(alice, "u:1051", "p1");
  assert.deepEqual((await once()).sort(), ["a1", "p1"]);
  assert.deepEqual(await once(), []);
  // One who first speaks now, and more than a page.
  const carol = await newUser(server.port, 1052);
  for (let n = 0; n < 250; n++) carol.say("SmsMes", { conv: "u:1051", content: `c${n}`, mid: `c${n}` });
  await carol.hears("the answers", (heard) => heard.some(({ data }) => data.mid === "c249"));
  assert.deepEqual(
    await once(),
    Array.from({ length: 250 }, (_, n) => `c${n}`),
  );
  assert.deepEqual(await once(), []);
  const devices = await redis.client.hkeys("{u:1051}:tokens");
  assert.equal(devices.length, 1, `one device for all calls: ${devices.join()}`);
});

test("[C-35] the file moves only when its line was taken, whole, and never shows a half", async () => {
  const alice = await newUser(server.port, 1060);
  await registerUser(server.port, 1061);
  const path = newCursor();
  const positions = (): Record<string, string> =>
    (JSON.parse(readFileSync(path, "utf8")) as { convs: Record<string, string> }).convs;
  let taken = 0;
  let held: (() => void) | null = null;
  const output = new Writable({
    write: (_chunk, _encoding, done) => {
      held = done;
    },
  });
  const tail = beginCall(
    ["tail", at(1061), ...as(1061), "--json", "--cursor", path, "--since", "0-0", "--conv", "1060"],
    { output },
  );
  await until("the file", () => existsSync(path));
  assert.equal(positions()["u:1060"], "0-0", "a new file says where it begins before the first line");
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) ids.push(await say(alice, "u:1061", `n${n}`));
  for (const id of ids) {
    await until("the line", () => held);
    assert.ok(!Object.values(positions()).includes(id), "not before its line is taken");
    const done = held as (() => void) | null;
    held = null;
    taken++;
    done?.();
  }
  await until("the file", () => positions()["u:1060"] === ids.at(-1));
  assert.equal(taken, ids.length);
  tail.stop();
});

test("[C-35] an end from outside keeps what was written out; the next one goes on without a double", async () => {
  const alice = await newUser(server.port, 1070);
  await registerUser(server.port, 1071);
  const path = newCursor();
  const args = [at(1071), ...as(1071), "--cursor", path];
  const first = await listening(args, alice);
  await say(alice, "all", "one");
  await until("the line", () => behind(first).length === 1);
  first.stop();
  await say(alice, "all", "two");
  const second = await call(["tail", ...args, "--json", "--once"]);
  assert.deepEqual(contentsOf(second.out), ["two"]);
  // A reader that goes away in the middle: what it has taken is kept.
  const third = beginCall(["tail", ...args, "--json"]);
  await say(alice, "all", "three");
  await until("the line", () => contentsOf(third.out()).includes("three"));
  third.deafen();
  assert.equal((await inTime("the end", third.ended)).code, 0);
  await say(alice, "all", "four");
  assert.deepEqual(contentsOf((await call(["tail", ...args, "--json", "--once"])).out), ["four"]);
});

test("[C-35] a file that is damaged, of another account, or in use is refused, and left as it is", async () => {
  await registerUser(server.port, 1080);
  await registerUser(server.port, 1081);
  const path = newCursor();
  const tail = (userId: number): string[] => ["tail", at(userId), ...as(userId), "--cursor", path];
  const state = scratchFolder();
  for (const text of [
    "",
    "{",
    '{"account":1}',
    '{"account":"x","device":"d","startedMs":0,"convs":{"all":"x"}}',
  ]) {
    writeFileSync(path, text);
    const { code, err } = await call([...tail(1080), "--once"], { state });
    assert.equal(code, 1);
    assert.match(err, /^client.ts tail: --cursor [^\n]+: not a whole cursor file\n$/);
    assert.equal(readFileSync(path, "utf8"), text);
  }
  const own = newCursor();
  assert.equal((await call(["tail", at(1080), ...as(1080), "--cursor", own, "--once"], { state })).code, 0);
  const other = await call(["tail", at(1081), ...as(1081), "--cursor", own, "--once"], { state });
  assert.equal(other.code, 1);
  assert.match(other.err, /belongs to another account \(127.0.0.1_\d+_1080\)/);
  const alice = await newUser(server.port, 1082);
  const running = await listening([at(1080), ...as(1080), "--cursor", own], alice, state);
  const second = await call(["tail", at(1080), ...as(1080), "--cursor", own, "--once"], { state });
  assert.equal(second.code, 1);
  assert.match(second.err, /another tail is using it/);
  running.stop();
  const third = await call(["tail", at(1080), ...as(1080), "--cursor", own, "--once"], { state });
  assert.equal(third.code, 0, third.err);
  const nowhere = await call(["tail", at(1080), ...as(1080), "--cursor", "/proc/x/cursor"], { state });
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.err, /--cursor \/proc\/x\/cursor: cannot be written/);
  const folder = scratchFolder();
  const asFolder = await call(["tail", at(1080), ...as(1080), "--cursor", folder, "--once"], { state });
  assert.deepEqual([asFolder.code, existsSync(`${folder}.pid`)], [1, false], "no lock is left behind");
  assert.match(asFolder.err, /cannot be written \(EISDIR\)/);
});

test("[C-35] the file of a tail that was killed is free at once, though its parent has not looked", async () => {
  await registerUser(server.port, 1084);
  const path = newCursor();
  // cat is the parent now, and never looks after its child.
  const parent = spawn("sh", ["-c", "sh -c 'echo $$' & exec cat"], { stdio: ["pipe", "pipe", "ignore"] });
  try {
    const [pid] = (await once(parent.stdout, "data")) as [Buffer];
    process.kill(Number(pid), 0);
    writeFileSync(`${path}.pid`, String(Number(pid)));
    const args = ["tail", at(1084), ...as(1084), "--cursor", path, "--once"];
    const isFree = async (): Promise<boolean> => (await call(args)).code === 0;
    await until("the file", isFree);
    process.kill(Number(pid), 0);
  } finally {
    parent.stdin.end();
  }
  await once(parent, "close");
});

test("[C-30] [C-35] 1: a cursor file that can no longer be written ends tail, one line; what was said comes again", async () => {
  const alice = await newUser(server.port, 1085);
  await registerUser(server.port, 1086);
  const folder = join(scratchFolder(), "cursors");
  mkdirSync(folder);
  const args = [at(1086), ...as(1086), "--cursor", join(folder, "cursor")];
  const tail = await listening(args, alice);
  renameSync(folder, `${folder}.away`);
  writeFileSync(folder, "in the place of its folder");
  const id = await say(alice, "u:1086", "not kept");
  const { code, err } = await inTime("the end", tail.ended);
  assert.equal(code, 1);
  assert.match(err, /^client.ts tail: --cursor [^\n]+: cannot be written \(ENOTDIR\)\n$/);
  assert.ok(!alice.all("DeliveredMes").some((data) => data.id === id), "nor acknowledged");
  rmSync(folder);
  renameSync(`${folder}.away`, folder);
  rmSync(join(folder, "cursor.pid"), { force: true });
  const next = await call(["tail", ...args, "--json", "--once"]);
  assert.deepEqual(contentsOf(next.out), ["not kept"]);
});

test("[C-30] [C-35] 1: output that cannot be written (a full disk) ends tail, one line; the file does not move", async () => {
  const alice = await newUser(server.port, 1087);
  await registerUser(server.port, 1088);
  const path = newCursor();
  const args = ["tail", at(1088), ...as(1088), "--json", "--once", "--conv", "1087", "--cursor", path];
  assert.equal((await call([...args, "--since", "0-0"])).code, 0);
  await say(alice, "u:1088", "nowhere to go");
  const kept = readFileSync(path, "utf8");
  const full = openSync("/dev/full", "w");
  const state = scratchFolder();
  const child = spawnClient(args, state, ["ignore", full, "pipe"]);
  closeSync(full);
  assert.equal(await inTime("the end", child.ended), 1);
  assert.equal(child.output.err, "client.ts tail: cannot write the output (ENOSPC)\n");
  assert.equal(readFileSync(path, "utf8"), kept);
  assert.deepEqual(contentsOf((await call(args)).out), ["nowhere to go"]);
});

test("[C-36] tail --once: everything there is, several pages of it, then 0; where there is nothing, nothing and 0; it does not wait", async () => {
  const alice = await newUser(server.port, 1298);
  await registerUser(server.port, 1299);
  const once = ["tail", at(1299), ...as(1299), "--json", "--conv", "1298", "--once"];
  assert.deepEqual(await call([...once, "--since", "0-0"]), { code: 0, out: "", err: "" });
  for (let n = 0; n < 450; n++) alice.say("SmsMes", { conv: "u:1299", content: `o${n}`, mid: `o${n}` });
  await alice.hears("the answers", (heard) => heard.some(({ data }) => data.mid === "o449"));
  const { code, out, err } = await call([...once, "--since", "0-0"]);
  assert.deepEqual([code, err], [0, ""]);
  assert.deepEqual(
    contentsOf(out),
    Array.from({ length: 450 }, (_, n) => `o${n}`),
  );
  assert.deepEqual(
    await call(once),
    { code: 0, out: "", err: "" },
    "without --since and a cursor: from now on",
  );
});

test("[C-38] a tail beside a person's terminal is another device, and is seen online; once is not", async () => {
  const alice = await newUser(server.port, 1090);
  await registerUser(server.port, 1091);
  const once = await call(["tail", at(1091), ...as(1091), "--once"]);
  assert.equal(once.code, 0);
  const onlineIds = async (): Promise<unknown[]> =>
    ((await alice.ask("UsersMes", {}, "UsersResMes")).users as Data[]).map(({ userId }) => userId);
  assert.ok(!(await onlineIds()).includes(1091), "not seen");
  const tail = await listening([at(1091), ...as(1091)], alice);
  assert.ok((await onlineIds()).includes(1091), "seen");
  const terminal = await WireClient.login(server.port, {
    userId: 1091,
    userPwd: "pw1091",
    device: "terminal-1",
  });
  await say(alice, "all", "both");
  await writes(tail, [
    ...contentsOf(tail.out())
      .filter((content) => content === "listening?")
      .map(String),
    "both",
  ]);
  assert.equal(terminal.isClosed, false);
  tail.stop();
});

test("[C-34] the session is taken by another one of its device: it ends, and says so", async () => {
  const alice = await newUser(server.port, 1095);
  await registerUser(server.port, 1096);
  const path = newCursor();
  const tail = await listening([at(1096), ...as(1096), "--cursor", path], alice);
  const { device } = JSON.parse(readFileSync(path, "utf8")) as { device: string };
  const other = await WireClient.login(server.port, { userId: 1096, userPwd: "pw1096", device });
  const { code, err } = await inTime("the end", tail.ended);
  assert.equal(code, 4);
  assert.match(err, /^client.ts tail: the same device has logged in elsewhere\n$/);
  other.destroy();
});

const style = (json: boolean) => ({ json, texts: scriptTexts.en });

test("[C-34] no content makes a second line or steers a terminal; read as JSON it is what was said", () => {
  const text = fc.string({ unit: "binary", maxLength: 60 }).map((one) => one.toWellFormed());
  const nasty = fc.constantFrom(
    "\u001b[2J",
    "\u009b2J",
    "a\nb",
    "\r",
    "\t",
    "\u2028",
    "\u202e",
    "\u{e0041}",
    "\\n",
    "\u007f",
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(text, nasty)).map((parts) => parts.join("")),
      text,
      (content, userName) => {
        const message: Delivered = { conv: "all", id: "5-1", time: 5, userId: 1, userName, content };
        for (const json of [true, false]) {
          const line = messageLine(message, style(json));
          assert.doesNotMatch(
            line.replaceAll("\t", ""),
            /[\p{Cc}\u2028\u2029\p{Bidi_Control}\u{e0000}-\u{e007f}]/u,
          );
        }
        const read = JSON.parse(messageLine(message, style(true))) as Data;
        assert.deepEqual([read.content, read.userName], [content, userName]);
        assert.equal(
          messageLine(message, style(false)).split("\t").length,
          5,
          "five fields, whatever is in them",
        );
      },
    ),
  );
  assert.equal(plain("a\tb\\n\nc"), "a\\tb\\\\n\\nc");
  assert.equal(jsonLine({ a: "\u{e0041}" }), '{"a":"\\udb40\\udc41"}');
});

test("[C-34] the lines of a message and of a gap, as text, in both languages", () => {
  const message: Delivered = {
    conv: "u:5",
    id: "7-2",
    time: 1_790_000_000_123,
    userId: 5,
    userName: "bob",
    content: "hi",
  };
  assert.equal(messageLine(message, style(false)), "2026-09-21T14:13:20.123Z\tu:5\t5\tbob\thi");
  const gap = { conv: "all", after: "7-1", before: "7-5", count: 3, reason: "trimmed" } as const;
  assert.equal(gapLine(gap, style(false)), "\tall\t\t\t… 3 are no longer kept");
  assert.equal(gapLine(gap, { json: false, texts: scriptTexts.zh }), "\tall\t\t\t…… 3 条已不再保存");
});

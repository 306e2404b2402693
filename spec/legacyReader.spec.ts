/**
 * legacyReader: the reader of the first-generation client, emulated exactly in a process of its own, against a long
 * tail of offline lines, hundreds of people online and notices of who comes. It panics on a frame that comes in two
 * pieces, so all that keeps it alive is how the server writes.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { tied } from "./helpers/scratch.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

const lines = 3_000;
const online = 500;
const comers = 100;
// Of sixteen digits: all of them do not fit one answer.
const crowdId = 9_000_000_000_000_000;

let redis: SpecRedis;
let server: SpecServer;
const crowd: WireClient[] = [];

before(async () => {
  redis = await startRedis();
  server = await startSpecServer({ redis });
});
after(async () => {
  for (const client of crowd) client.destroy();
  await server.close();
  await redis.stop();
});

/** A connection that this process has never read from, for a child to inherit. */
async function unreadSocket(): Promise<Socket> {
  const socket = connect({ port: server.port, host: "127.0.0.1", noDelay: true });
  socket.pause();
  await once(socket, "connect");
  return socket;
}

interface Reader {
  child: ChildProcess;
  output: { lines: string[]; err: string };
}

async function startReader(userId: number): Promise<Reader> {
  const socket = await unreadSocket();
  const script = fileURLToPath(new URL("./helpers/firstGenerationReader.ts", import.meta.url));
  const args = ["--import", import.meta.resolve("tsx"), script, String(userId), `pw${userId}`];
  const child = tied(spawn(process.execPath, args, { stdio: [socket, "pipe", "pipe"] }));
  // The child has it now; here it is only closed, without a word to the server.
  socket.destroy();
  const output = { lines: [] as string[], err: "" };
  let rest = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    output.lines.push(...parts);
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (output.err += text));
  return { child, output };
}

/** Users put in by hand log in, every fifth the first-generation way. */
async function logIn(first: number, count: number): Promise<void> {
  const one = async (userId: number): Promise<void> => {
    const v = userId % 5 === 0 ? undefined : 2;
    crowd.push(await WireClient.login(server.port, { userId, userPwd: "pw", v, replay: "none" }));
  };
  for (let at = 0; at < count; at += 25) {
    const batch = Array.from({ length: Math.min(25, count - at) }, (_, index) => first + at + index);
    await Promise.all(batch.map(one));
  }
}

test("[G-4] [G-9] [G-2] 3,000 offline lines, 500 people online, others coming: in order, and no torn read", async () => {
  await registerUser(server.port, 1);
  const records = Array.from({ length: online + comers }, (_, index) => {
    const userId = crowdId + index;
    return [String(userId), JSON.stringify({ userId, userPwd: "pw", userName: `u${index}` })];
  });
  await redis.client.hset("users", Object.fromEntries(records) as Record<string, string>);
  const speaker = await newUser(server.port, 2, { presence: false });
  // Of very different lengths, some as long as a message may be, some of several frames.
  const text = (line: number): string =>
    `${line} `.padEnd(line % 100 === 0 ? 4000 : (line * 61) % 1200, "海");
  for (let line = 0; line < lines; line++) speaker.say("SmsMes", { content: text(line), mid: `l${line}` });
  await speaker.settled();
  assert.ok(
    speaker.all("SmsResMes").every(({ code }) => code === 200),
    'speaker.all("SmsResMes").every(({ code }) => code === 200)',
  );
  await logIn(crowdId, online);

  const { child, output } = await startReader(1);
  await until("the log-in of the reader", () => output.lines.length > 0 || child.exitCode !== null);
  const coming = logIn(crowdId + online, comers);
  const linesHeard = (): number => output.lines.filter((line) => line.startsWith("SmsMes 2 ")).length;
  const frames = Array.from({ length: lines }, (_, line) => text(line)).reduce(
    (sum, content) => sum + (Buffer.byteLength(content) > 7_900 ? 2 : 1),
    0,
  );
  await until(`${frames} frames`, () => linesHeard() >= frames || child.exitCode !== null, 30_000);
  await coming;
  assert.equal(output.err, "");
  assert.equal(child.exitCode, null);

  const [welcome = "", ...rest] = output.lines;
  const told = Number(/^LoginResMes 200 (\d+)$/.exec(welcome)?.[1]);
  assert.ok(told > 400 && told < online + 1, `${told} of ${online + 1} ids fit`);
  const heard = rest
    .filter((line) => line.startsWith("SmsMes 2 "))
    .map((line) => line.slice("SmsMes 2 ".length));
  assert.equal(heard.length, frames);
  assert.equal(heard.join(""), Array.from({ length: lines }, (_, line) => text(line)).join(""));
  // Notices came among them, not only after them.
  const lastLine = rest.findLastIndex((line) => line.startsWith("SmsMes 2 "));
  assert.ok(
    rest.slice(0, lastLine).some((line) => line.startsWith("NotifyUserStatusMes ")),
    'rest.slice(0, lastLine).some((line) => line.startsWith("NotifyUserStatusMes "))',
  );

  // It goes on as it should: what is said now reaches it, and it reaches others.
  speaker.say("SmsMes", { content: "now", mid: "now" });
  await until("the live line", () => output.lines.includes("SmsMes 2 now"));
  child.kill("SIGKILL");
  speaker.destroy();
});

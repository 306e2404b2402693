/**
 * screenKeys.spec: the keys and the wheel of a person at client.ts on a real pseudo-terminal, against a real server:
 * what Tab puts in, what Up brings back, what readline's keys do, where the wheel goes.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { screenTexts } from "../lib/screenTexts.ts";
import { Pty } from "./helpers/pty.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { WireClient, registerUser } from "./helpers/wireClient.ts";

const say = screenTexts.en;
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

/** One who stands in the chat. */
async function chatting(userId: number): Promise<Pty> {
  const script = fileURLToPath(new URL("../client.ts", import.meta.url));
  const target = `${userId}@127.0.0.1:${server.port}`;
  const command = [process.execPath, "--import", import.meta.resolve("tsx"), script, "--lang", "en", target];
  await registerUser(server.port, userId);
  const pty = new Pty(command, { XDG_STATE_HOME: scratchFolder() });
  await pty.onScreen(say.login.password);
  pty.press(`pw${userId}\r`);
  await pty.onScreen("connected");
  return pty;
}

async function named(userId: number, userName: string): Promise<WireClient> {
  await registerUser(server.port, userId, userName);
  return WireClient.login(server.port, { userId, userPwd: `pw${userId}` });
}

/** The line being typed, with what stands before it. */
const typed = (pty: Pty): string => pty.screen.lines.at(-1) ?? "";

/** Presses keys, and waits until the line is this. */
async function makes(pty: Pty, keys: string, line: string): Promise<void> {
  pty.press(keys);
  const shown = (): string => `${keys}: wanted "${line}", there is "${typed(pty)}"`;
  await until("the line", async () => {
    await pty.screen.settled();
    return typed(pty) === line.trimEnd();
  }).catch(() => assert.fail(shown()));
}

test("[C-25] Tab completes commands, names behind @ and /msg, whoever is away too, and conversations", async () => {
  const [sea, bob] = [await named(2_100, "小海"), await named(2_101, "bob")];
  const pty = await chatting(2_102);
  await pty.onScreen(say.everyoneTitle(3));
  sea.say("SmsMes", { conv: "u:2102", content: "私下说", mid: "1" });
  bob.say("SmsMes", { conv: "all", content: "bye", mid: "1" });
  await pty.onScreen("bob(2101): bye");
  for (const client of [sea, bob]) await client.ask("LogoutMes", {}, "GoAwayMes").catch(() => undefined);
  await pty.onScreen(say.everyoneTitle(1));
  // One thing fits.
  await makes(pty, "/sea\t", "everyone> /search");
  await makes(pty, "\u0015/msg 小\t", "everyone> /msg 2100");
  await makes(pty, "\u0015/msg bo\t", "everyone> /msg 2101");
  await makes(pty, "\u0015hi @b\t", "everyone> hi @bob");
  await makes(pty, "\u0015/set pres\tf\t", "everyone> /set presence fold");
  // Several: each Tab is the next, Shift-Tab the one before, all of them are in sight.
  await makes(pty, "\u0015/\t", "everyone> /msg");
  await pty.onScreen(/\[\/msg\] {2}\/go {2}\/next .* more/);
  await makes(pty, "\t\t", "everyone> /next");
  await makes(pty, "\u001b[Z", "everyone> /go");
  // What was completed is what is done.
  pty.press("小\t\r");
  await pty.onScreen("private with 小海(2100)");
  pty.press("/msg b\tsee you\r");
  await pty.onScreen(/private with bob\(2101\)[\s\S]*me» see you/);
  pty.press("/quit\r");
  assert.equal((await pty.ends()).code, 0);
});

test("[C-25] each conversation has its own input history and its own draft; readline's keys edit the line", async () => {
  const pty = await chatting(2_200);
  await registerUser(server.port, 2_201);
  pty.press("to everyone\r/msg 2201 to one\r");
  await pty.onScreen("me» to one");
  pty.press("in private\r");
  await pty.onScreen("me» in private");
  await makes(pty, "\u001b[A", "2201> in private");
  await makes(pty, "\u001b[A\u001b[B\u001b[B half", "2201>  half");
  pty.press("\u001b1");
  await pty.onScreen(/everyone · \d online/);
  await makes(pty, "\u001b[A\u001b[A", "everyone> to everyone");
  await makes(pty, "\u0015one two three", "everyone> one two three");
  await makes(pty, "\u001bb\u0017", "everyone> one three");
  await makes(pty, "\u0001\u0019 ", "everyone> two  one three");
  await makes(pty, "\u0005\u001b\u007f", "everyone> two  one");
  await makes(pty, "\u001f", "everyone> two  one three");
  await makes(pty, "\u0001\u001bf\u000b", "everyone> two");
  await makes(pty, "\u0014\u0002\u0004", "everyone> to");
  await makes(pty, "\u0001\u001bd!\u0019", "everyone> !to");
  pty.press("\u001b2");
  await pty.onScreen(/2201> {2}half/);
  pty.press("\u0003/quit\r");
  assert.equal((await pty.ends()).code, 0);
});

test("[C-28] the mouse wheel scrolls three rows a turn, into the server's history and back to the newest; /set mouse off leaves it to the terminal", async () => {
  const other = await named(2_300, "scott");
  const pty = await chatting(2_301);
  for (let n = 1; n <= 300; n++) other.say("SmsMes", { conv: "all", content: `line ${n}.`, mid: `w${n}` });
  await pty.onScreen("line 300.");
  assert.equal(pty.screen.modes.mouse, "vt200");
  const top = (): number => Number(/line (\d+)\./.exec(pty.screen.lines[1] ?? "")?.[1] ?? 0);
  const first = top();
  pty.press("\u001b[<64;30;5M");
  await pty.onScreen(say.scrolled);
  assert.equal(top(), first - 3);
  pty.press("\u001b[<64;30;5M".repeat(120));
  await pty.onScreen("line 1.");
  pty.press("\u001b[<65;30;5M".repeat(120));
  await pty.onScreen("line 300.");
  await pty.onScreen(/connected(?!.*End)/);
  assert.equal(top(), first);
  pty.press("/set mouse off\r");
  await pty.onScreen("mouse = off");
  assert.equal(pty.screen.modes.mouse, "none");
  pty.press("/quit\r");
  assert.equal((await pty.ends()).code, 0);
  other.destroy();
});

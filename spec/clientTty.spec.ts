/**
 * clientTty: client.ts on a real pseudo-terminal: the password is never shown, lines come in above the one being typed,
 * and however it ends the terminal is given back as it was.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { texts } from "../lib/lang.ts";
import { Pty } from "./helpers/pty.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { Screen } from "./helpers/screen.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { newUser, registerUser } from "./helpers/wireClient.ts";

const say = texts.en;
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

/** client.ts on a terminal of its own. */
function clientOn(target: string, env: NodeJS.ProcessEnv = {}, size = { columns: 80, rows: 24 }): Pty {
  const script = fileURLToPath(new URL("../client.ts", import.meta.url));
  const command = [
    process.execPath,
    "--import",
    import.meta.resolve("tsx"),
    script,
    "--lang",
    "en",
    "--plain",
    target,
  ];
  return new Pty(command, { XDG_STATE_HOME: scratchFolder(), ...env }, size);
}

/** One who has logged in and stands in the chat. */
async function chatting(userId: number, env: NodeJS.ProcessEnv = {}, columns = 80): Promise<Pty> {
  await registerUser(server.port, userId);
  const pty = clientOn(`${userId}@127.0.0.1:${server.port}`, env, { columns, rows: 24 });
  await pty.shows(say.askPassword);
  pty.press(`pw${userId}\r`);
  await pty.shows(say.loggedIn(`user${userId}`, userId), say.choose(4));
  pty.press("2\r");
  await pty.shows(say.chatPrompt);
  return pty;
}

/** The terminal shows what is typed, line by line, and Ctrl-C is a signal; bracketed paste is off. */
function assertGivenBack(pty: Pty, settings: string[]): void {
  for (const one of ["icanon", "echo", "isig", "icrnl", "opost"]) {
    assert.ok(settings.includes(one), `${one} in ${settings.join(" ")}`);
  }
  assert.ok(pty.out.includes("\u001b[?2004h"), "bracketed paste was on");
  assert.ok(pty.out.lastIndexOf("\u001b[?2004l") > pty.out.lastIndexOf("\u001b[?2004h"), "it is off");
}

test("[C-3] a password is never shown: not at registration, not at log-in, not when it is wrong or thrown away", async () => {
  const pty = clientOn(`127.0.0.1:${server.port}`);
  await pty.shows(say.choose(3));
  pty.press("2\r");
  await pty.shows(say.askUserId);
  pty.press("1000\r");
  await pty.shows(say.askPassword);
  // Key by key, each drawn before the next, with a mistake that is put right.
  const pressEach = async (keys: string[]): Promise<void> => {
    for (const key of keys) {
      pty.press(key);
      await pty.shows(say.askPassword);
    }
    pty.press("\r");
  };
  await pressEach([..."zwqjx", "\u007f", ..."k", "\u001b[D", "\u001b[C"]);
  await pty.shows(say.askUserName);
  pty.press("alice\r");
  await pty.shows(say.registered(1_000), say.choose(3));
  pty.press("1\r");
  await pty.shows(say.askUserId);
  pty.press("1000\r");
  await pty.shows(say.askPassword);
  await pressEach([..."vvqz"]);
  await pty.shows(say.notLoggedIn(say.codes[403] ?? "?"), say.choose(3));
  pty.press("1\r");
  await pty.shows(say.askUserId);
  pty.press("\u001b[A1000\r");
  await pty.shows(say.askPassword);
  await pressEach(["thrown away", "\u0003", ..."zwqjk"]);
  await pty.shows(say.loggedIn("alice", 1_000), say.choose(4));
  pty.press("2\r");
  await pty.shows(say.chatPrompt);
  // Nor does Up bring it back.
  pty.press("\u001b[A\u001b[A/quit\r");
  await pty.shows(say.bye);
  const { code, settings } = await pty.ends();
  assert.equal(code, 0);
  assertGivenBack(pty, settings);
  assert.doesNotMatch(pty.out, /z.{0,9}w.{0,9}q|v.{0,9}v.{0,9}q|jk|jx|thrown/);
});

test("[C-2] incoming lines appear above the one being typed, which stays whole and can be sent", async () => {
  const other = await newUser(server.port, 2_001);
  const columns = 40;
  const pty = await chatting(2_000, {}, columns);
  const typed = "这是一条还没有打完的消息, which is long enough to wrap around the edge of it";
  for (const key of typed) pty.press(key);
  await pty.shows("edge of it");
  const lines = ["one", "another that is longer than the forty columns of this terminal, 也有汉字", "three"];
  for (const [index, content] of lines.entries()) other.say("SmsMes", { content, mid: `${index}` });
  await pty.shows("three");
  await pty.shows("edge of it");
  pty.press("!\r");
  const { data } = await other.next("SmsMes", ({ userId }) => userId === 2_000);
  assert.equal(data.content, `${typed}!`);
  await pty.shows(`] ${say.me}: ${typed}!`, say.chatPrompt);
  pty.press("\u0004");
  await pty.shows(say.bye);
  const { code, settings } = await pty.ends();
  assert.equal(code, 0);
  assertGivenBack(pty, settings);
  // On a screen: every line once and unbroken, nothing of the line that was being typed is left between them.
  const screen = new Screen(columns, 24);
  screen.write(pty.out.slice(pty.out.indexOf("\u001b[?2004h"), pty.out.indexOf("\ncode ")));
  const shown = screen.lines.filter((line) => line.startsWith("["));
  assert.deepEqual(
    shown.map((line) => line.replace(/^\[\d\d:\d\d\] /, "")),
    [...lines.map((line) => `user2001(2001): ${line}`), `${say.me}: ${typed}!`],
  );
  assert.equal(screen.lines.filter((line) => line.includes("edge of it")).length, 1);
  other.destroy();
});

test("[C-2] Ctrl-C on an empty line, in the middle of a menu and of a log-in: a goodbye, exit code 0, the terminal as it was", async () => {
  const other = await newUser(server.port, 3_001);
  const inChat = await chatting(3_000);
  inChat.press("half a line\u0003");
  inChat.press("whole\r");
  await other.next("SmsMes", ({ content }) => content === "whole");
  inChat.press("\u0003");
  const atPassword = clientOn(`3000@127.0.0.1:${server.port}`);
  await atPassword.shows(say.askPassword);
  atPassword.press("abc\u0003\u0003");
  const atMenu = clientOn(`127.0.0.1:${server.port}`);
  await atMenu.shows(say.choose(3));
  atMenu.press("\u0003");
  for (const pty of [inChat, atPassword, atMenu]) {
    await pty.shows(say.bye);
    const { code, settings } = await pty.ends();
    assert.equal(code, 0);
    assertGivenBack(pty, settings);
  }
  other.destroy();
});

test("[C-2] a signal or a crash ends it with the terminal as it was", async () => {
  const crash = join(scratchFolder(), "crash.mjs");
  writeFileSync(crash, 'process.on("SIGUSR2", () => { throw new Error("crashed"); });');
  const env = { NODE_OPTIONS: `--import ${pathToFileURL(crash).href}` };
  const endings: [NodeJS.Signals, number][] = [
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGUSR2", 1],
  ];
  await Promise.all(
    endings.map(async ([signal, wanted], index) => {
      const pty = await chatting(4_000 + index, env);
      pty.press("a half-typed line");
      await pty.shows("a half-typed line");
      process.kill(await pty.pid(), signal);
      const { code, settings } = await pty.ends();
      assert.equal(code, wanted, signal);
      assertGivenBack(pty, settings);
    }),
  );
});

test("[C-4] what others write steers no real terminal", async () => {
  const other = await newUser(server.port, 5_001, {});
  const pty = await chatting(5_000);
  const hostile = "\u001b[2J\u001b]0;owned\u0007\u009b31m\r\u202e\u{e0041}\u2028x";
  other.say("SmsMes", { content: `${hostile}\nfence`, mid: "1" });
  other.say("SmsMes", { conv: "u:5000", content: `${hostile}\nfence two`, mid: "2" });
  await pty.shows(
    "^[[2J^[]0;owned^G<U+009B>31m^M<U+202E><U+E0041><U+2028>x\r",
    "    fence\r",
    "    fence two\r",
  );
  pty.press("/quit\r");
  await pty.shows(say.bye);
  await pty.ends();
  const written = pty.out.slice(pty.out.indexOf("\u001b[?2004h"), pty.out.indexOf("\ncode "));
  // Throws at anything that is not ours.
  new Screen(80, 24).write(written);
  other.destroy();
});

/**
 * screenClient.spec: client.ts on a real pseudo-terminal of 80 x 24, against a real server: it takes the whole screen,
 * a password is typed once and shown nowhere, and however it ends the terminal is as it was.
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { texts } from "../lib/lang.ts";
import { screenTexts } from "../lib/screenTexts.ts";
import { Pty } from "./helpers/pty.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

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

const script = fileURLToPath(new URL("../client.ts", import.meta.url));

/** client.ts on a terminal of its own. */
function clientOn(
  target: string,
  { folder = scratchFolder(), env = {}, size = { columns: 80, rows: 24 }, flags = ["--lang", "en"] } = {},
): Pty {
  const command = [process.execPath, "--import", import.meta.resolve("tsx"), script, ...flags, target];
  return new Pty(command, { XDG_STATE_HOME: folder, ...env }, size);
}

const targetOf = (userId: number): string => `${userId}@127.0.0.1:${server.port}`;

/** One who has logged in and stands in the chat. */
async function chatting(userId: number, options: Parameters<typeof clientOn>[1] = {}): Promise<Pty> {
  await registerUser(server.port, userId);
  const pty = clientOn(targetOf(userId), options);
  await pty.onScreen(say.login.password);
  pty.press(`pw${userId}\r`);
  await pty.onScreen(/connected|online/);
  return pty;
}

/** The terminal shows what is typed, line by line, and Ctrl-C is a signal; nothing of the full screen is on. */
function assertGivenBack(pty: Pty, settings: string[]): void {
  for (const one of ["icanon", "echo", "isig", "icrnl", "opost"]) {
    assert.ok(settings.includes(one), `${one} in ${settings.join(" ")}`);
  }
  assert.ok(pty.out.includes("\u001b[?1049h"), "it was on the alternate screen");
  assert.equal(pty.screen.isAlternate, false, "it left the alternate screen");
  assert.deepEqual(pty.screen.modes, { paste: false, mouse: "none" });
  for (const mode of ["1049", "2004", "1000", "1006"]) {
    const on = pty.out.lastIndexOf(`\u001b[?${mode}h`);
    assert.ok(pty.out.lastIndexOf(`\u001b[?${mode}l`) >= on, `mode ${mode} is off`);
  }
  for (const mode of ["7", "25"]) {
    const off = pty.out.lastIndexOf(`\u001b[?${mode}l`);
    assert.ok(pty.out.lastIndexOf(`\u001b[?${mode}h`) >= off, `mode ${mode} is on`);
  }
}

test("[C-20] [C-3] registration and log-in on the screen: the password is shown nowhere, a mistake gets one sentence", async () => {
  const pty = clientOn(`127.0.0.1:${server.port}`);
  await pty.onScreen(say.login.userId);
  pty.press("nobody\r");
  await pty.onScreen("A user id is a whole number");
  // An id that nobody has was a mistake: it is asked for anew.
  pty.press("9876\r");
  await pty.onScreen(say.login.password);
  pty.press("anything\r");
  await pty.onScreen(new RegExp(`${texts.en.codes[500]}[^]*\n${say.login.userId.trimEnd()}$`, "m"));
  pty.press("\r");
  await pty.onScreen(say.login.newUserId);
  pty.press("1000\r");
  await pty.onScreen(say.login.name);
  pty.press("alice\r");
  await pty.onScreen(say.login.newPassword);
  pty.press("zwqjx\r");
  await pty.onScreen(say.login.again);
  pty.press("zwqjk\r");
  await pty.onScreen(say.login.differ);
  pty.press("zwqjx\u007fk\r");
  await pty.onScreen(/The two passwords differ\.\n.*\nThe password again:/);
  pty.press("zwqjk\r");
  await pty.onScreen(say.everyoneTitle(1));
  // Nor does Up bring it back.
  pty.press("\u001b[A\u001b[A/quit\r");
  const { code, settings } = await pty.ends();
  assert.equal(code, 0);
  assertGivenBack(pty, settings);
  assert.doesNotMatch(pty.out, /z.{0,9}w.{0,9}q|jk|jx/);
});

test("[C-20] after the first log-in no password is asked for; /logout forgets, and a token that is over asks again", async () => {
  const folder = scratchFolder();
  const first = await chatting(1_100, { folder });
  first.press("\u0003");
  await first.ends();
  const second = clientOn(`127.0.0.1:${server.port}`, { folder });
  await second.onScreen(say.everyoneTitle(1));
  assert.ok(!second.out.includes("Password"), "none was asked for");
  second.press("/logout\r");
  await second.onScreen(say.loggedOut);
  await second.onScreen(say.login.userId);
  assert.deepEqual(fs.readdirSync(join(folder, "haiyu", "tokens")), []);
  second.press("1100\r");
  await second.onScreen(say.login.password);
  second.press("wrong\r");
  await second.onScreen(texts.en.notLoggedIn(texts.en.codes[403] ?? ""));
  second.press("pw1100\r");
  await second.onScreen(say.everyoneTitle(1));
  second.press("\u0004");
  await second.ends();
  const [token = ""] = fs
    .readdirSync(join(folder, "haiyu", "tokens"))
    .filter((name) => name.endsWith(".token"));
  const path = join(folder, "haiyu", "tokens", token);
  assert.equal(fs.statSync(path).mode & 0o777, 0o600);
  fs.writeFileSync(path, "of another time\n");
  const third = clientOn(targetOf(1_100), { folder });
  await third.onScreen(say.login.tokenOver);
  third.press("pw1100\r");
  await third.onScreen(say.everyoneTitle(1));
  third.press("\u0003");
  await third.ends();
});

test("[C-21] quit, Ctrl-C, Ctrl-D, in the chat and at a question: exit code 0, the terminal as it was", async () => {
  await registerUser(server.port, 1_200);
  const ends = [
    ["chat", "/quit\r"],
    ["chat", "half a line\u0003\u0003"],
    ["chat", "\u0004"],
    ["question", "abc\u0003\u0003"],
    ["question", "\u0004"],
  ] as const;
  for (const [where, keys] of ends) {
    const pty = clientOn(targetOf(1_200));
    await pty.onScreen(say.login.password);
    if (where === "chat") {
      pty.press("pw1200\r");
      await pty.onScreen("connected");
    }
    pty.press(keys);
    const { code, settings } = await pty.ends();
    assert.equal(code, 0, keys);
    assertGivenBack(pty, settings);
  }
});

test("[C-21] a signal or a crash ends it with the terminal as it was, and a crash tells of itself on the screen that stays", async () => {
  const crash = join(scratchFolder(), "crash.mjs");
  fs.writeFileSync(crash, 'process.on("SIGUSR2", () => { throw new Error("crashed"); });');
  const env = { NODE_OPTIONS: `--import ${pathToFileURL(crash).href}` };
  const endings: [NodeJS.Signals, number][] = [
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGUSR2", 1],
  ];
  await Promise.all(
    endings.map(async ([signal, wanted], index) => {
      const pty = await chatting(1_300 + index, { env });
      pty.press("a half-typed line");
      await pty.onScreen("a half-typed line");
      process.kill(await pty.pid(), signal);
      const { code, settings } = await pty.ends();
      assert.equal(code, wanted, signal);
      assertGivenBack(pty, settings);
      if (signal === "SIGUSR2") {
        assert.ok(pty.screen.lines.join("\n").includes("Error: crashed"), pty.screen.lines.join("\n"));
      }
    }),
  );
});

test("[C-21] Ctrl-Z gives the terminal back to the shell; fg brings the whole screen back, with what was typed", async () => {
  await registerUser(server.port, 1_400);
  const shell = new Pty(["bash", "--norc", "--noprofile", "-i"], {
    XDG_STATE_HOME: scratchFolder(),
    PS1: "sh> ",
  });
  await shell.onScreen("sh>");
  shell.press(
    `${process.execPath} --import ${import.meta.resolve("tsx")} ${script} --lang en ${targetOf(1_400)}\r`,
  );
  await shell.onScreen(say.login.password);
  shell.press("pw1400\r");
  await shell.onScreen("connected");
  shell.press("half a line");
  await shell.onScreen("half a line");
  shell.press("\u001a");
  // The shell turns its paste mode on with its prompt.
  await shell.onScreen(/Stopped[^]*\nsh>/);
  assert.equal(shell.screen.isAlternate, false);
  assert.deepEqual(shell.screen.modes, { paste: true, mouse: "none" }, "the shell's own paste mode");
  shell.press("fg\r");
  await shell.onScreen(/everyone · 1 online[\s\S]*half a line/);
  assert.equal(shell.screen.isAlternate, true);
  shell.press("\u0003\u0003");
  await until("the alternate screen to be left", async () => {
    await shell.screen.settled();
    return !shell.screen.isAlternate;
  });
  shell.press("exit\r");
  const { settings } = await shell.ends();
  assertGivenBack(shell, settings);
});

test("[C-21] Ctrl-Z where no shell could bring it back: the screen stays", async () => {
  const pty = await chatting(1_450);
  pty.press("half a line\u001a");
  await pty.shows("\u001b[?1049l", "\u001b[?1049h");
  await pty.onScreen(/everyone · 1 online[\s\S]*half a line/);
  pty.press("\u0003\u0003");
  const { code, settings } = await pty.ends();
  assert.equal(code, 0);
  assertGivenBack(pty, settings);
});

test("[C-21] --plain, TERM=dumb and a terminal that is too small: line by line, nothing of the full screen", async () => {
  const target = `127.0.0.1:${server.port}`;
  const plain = [
    clientOn(target, { flags: ["--lang", "en", "--plain"] }),
    clientOn(target, { env: { TERM: "dumb" } }),
    clientOn(target, { size: { columns: 39, rows: 24 } }),
    clientOn(target, { size: { columns: 80, rows: 9 } }),
  ];
  for (const pty of plain) {
    await pty.shows(texts.en.firstMenu[0] ?? "", texts.en.choose(3));
    pty.press("3\r");
    assert.equal((await pty.ends()).code, 0);
    assert.ok(!pty.out.includes("\u001b"), "nothing is drawn");
  }
  const smallest = clientOn(target, { size: { columns: 40, rows: 10 } });
  await smallest.onScreen(say.login.userId);
  smallest.press("\u0003");
  assert.equal((await smallest.ends()).code, 0);
});

test("[C-22] lines come in while one is being typed, the size changes, and what is sent is what was typed", async () => {
  const other = await newUser(server.port, 1_501);
  const pty = await chatting(1_500);
  const typed = "这是一条还没有打完的消息 👩‍🚀, which is long enough to wrap around the edge of a narrow one";
  for (const key of typed) pty.press(key);
  await pty.onScreen("narrow one");
  other.say("SmsMes", { content: "in between", mid: "1" });
  await pty.onScreen("in between");
  pty.resize(40, 12);
  await pty.onScreen(/in between[\s\S]*online[\s\S]*这是一条还没有打完的消息[\s\S]*narrow one/);
  pty.resize(120, 40);
  const lines = await pty.onScreen(/everyone> 这是一条还没有打完的消息 👩‍🚀, which .* narrow one/);
  assert.equal(lines.length, 40);
  pty.press("!\r");
  const { data } = await other.next("SmsMes", ({ userId }) => userId === 1_500);
  assert.equal(data.content, `${typed}!`);
  pty.press("\u0004");
  await pty.ends();
  other.destroy();
});

test("[C-4] [C-22] what others write steers no real terminal", async () => {
  const other = await newUser(server.port, 1_601, {});
  const pty = await chatting(1_600);
  const hostile = "\u001b[2J\u001b]0;owned\u0007\u009b31m\r\u202e\u{e0041}\u2028x";
  other.say("SmsMes", { content: `${hostile}\nfence`, mid: "1" });
  await pty.onScreen(/\^\[\[2J\^\[\]0;owned\^G<U\+009B>31m\^M/);
  await pty.onScreen("fence");
  const drawn = pty.out.slice(pty.out.indexOf("[?1049h"));
  assert.doesNotMatch(drawn, /\u009b|\u202e|\u2028|\u{e0041}|\u001b\]0|\r/u);
  pty.press("/quit\r");
  await pty.ends();
  other.destroy();
});

test("[C-26] [C-27] kill -9 of the server: the screen says so, keeps what is typed, and goes on by itself", async () => {
  const closing = await startSpecServer({ redis });
  await registerUser(closing.port, 1_700);
  const pty = clientOn(`1700@127.0.0.1:${closing.port}`);
  await pty.onScreen(say.login.password);
  pty.press("pw1700\r");
  await pty.onScreen("connected");
  await closing.close();
  await pty.onScreen(/offline for \d+ s, next try in \d+ s/);
  pty.press("said while it was away\r");
  await pty.onScreen(/1 unsent[\s\S]*/);
  await pty.onScreen("… me: said while it was away");
  const again = await startSpecServer({ redis, port: closing.port });
  await pty.onScreen("✓ me: said while it was away");
  await pty.onScreen("connected again");
  pty.press("/quit\r");
  assert.equal((await pty.ends()).code, 0);
  const reader = await WireClient.login(server.port, { userId: 1_700, userPwd: "pw1700", device: "other" });
  const page = await reader.ask("HistoryMes", { conv: "all", limit: 1 }, "HistoryResMes");
  assert.equal((page.messages as { content: string }[])[0]?.content, "said while it was away");
  reader.destroy();
  await again.close();
});

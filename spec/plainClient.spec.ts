/**
 * plainClient.spec: client.ts line by line on a real pseudo-terminal, against a real server: what screen readers and logs
 * get. Not a byte of an escape sequence, each message a line of its own whatever is being typed, no password in sight,
 * and however it ends the terminal is as it was.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Lang, texts } from "../lib/lang.ts";
import { ttyLineMaxBytes } from "../lib/limits.ts";
import { screenTexts } from "../lib/screenTexts.ts";
import { Gate } from "./helpers/gate.ts";
import { Pty } from "./helpers/pty.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

const say = texts.en;
const words = screenTexts.en;
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

interface ClientOptions {
  folder?: string;
  env?: NodeJS.ProcessEnv;
  lang?: Lang;
  port?: number;
  /** They are registered already. */
  isKnown?: boolean;
}

function commandOf(target: string, lang: Lang = "en"): string[] {
  const flags = ["--plain", "--lang", lang];
  return [process.execPath, "--import", import.meta.resolve("tsx"), script, ...flags, target];
}

/** client.ts on a terminal of its own. */
function clientOn(
  target: string,
  { folder = scratchFolder(), env = {}, lang = "en" }: ClientOptions = {},
): Pty {
  return new Pty(commandOf(target, lang), { XDG_STATE_HOME: folder, ...env });
}

/** One who has typed the password and stands in the menu. */
async function inMenu(userId: number, options: ClientOptions = {}): Promise<Pty> {
  if (!options.isKnown) await registerUser(server.port, userId);
  const pty = clientOn(`${userId}@127.0.0.1:${options.port ?? server.port}`, options);
  const told = texts[options.lang ?? "en"];
  await pty.shows(told.askPassword);
  pty.press(`pw${userId}\r`);
  await pty.shows(told.loggedIn(`user${userId}`, userId), told.choose(4));
  return pty;
}

/** One who stands in the chat. */
async function chatting(userId: number, options: ClientOptions = {}): Promise<Pty> {
  const pty = await inMenu(userId, options);
  pty.press("2\r");
  await pty.shows(`${screenTexts[options.lang ?? "en"].everyone}> `);
  return pty;
}

/** Leaves by a command, and looks at what is left behind: nothing was ever drawn. */
async function quit(pty: Pty): Promise<void> {
  pty.press("/quit\r");
  await pty.shows(say.bye);
  const { code, settings } = await pty.ends();
  assert.equal(code, 0);
  assertGivenBack(pty, settings);
}

function assertGivenBack(pty: Pty, settings: string[]): void {
  for (const one of ["icanon", "echo", "-echonl", "isig", "icrnl", "opost"]) {
    assert.ok(settings.includes(one), `${one} in ${settings.join(" ")}`);
  }
  assertNothingDrawn(pty);
}

/** No escape sequence, no carriage return but the terminal's own before each line feed, nothing erased. */
function assertNothingDrawn({ out }: Pty): void {
  assert.doesNotMatch(out, /[\u001b\u0080-\u009f\u0008]|\r(?!\r?\n)/);
}

/** A message of somebody else's, as a line. */
const lineOf = (userId: number, content: string): string => `] user${userId}(${userId}): ${content}\r\n`;

test("[C-3] [C-42] a password is never shown: at registration, at log-in, when it is wrong or thrown away", async () => {
  const pty = clientOn(`127.0.0.1:${server.port}`);
  await pty.shows(say.choose(3));
  pty.press("2\r");
  await pty.shows(say.askUserId);
  pty.press("1000\r");
  await pty.shows(say.askPassword);
  // With a mistake that the terminal puts right.
  pty.press("zwqjx\u007fk\r");
  await pty.shows(say.askUserName);
  pty.press("alice\r");
  await pty.shows(say.registered(1_000), say.choose(3));
  pty.press("1\r");
  await pty.shows(say.askUserId);
  pty.press("1000\r");
  await pty.shows(say.askPassword);
  pty.press("vvqz\r");
  await pty.shows(say.notLoggedIn(say.codes[403] ?? "?"), say.choose(3));
  pty.press("1\r");
  await pty.shows(say.askUserId);
  pty.press("1000\r");
  await pty.shows(say.askPassword);
  pty.press("thrown away\u0015zwqjk\r");
  await pty.shows(say.loggedIn("alice", 1_000), say.choose(4));
  pty.press("4\r");
  await pty.shows(say.bye);
  const { code, settings } = await pty.ends();
  assert.equal(code, 0);
  assertGivenBack(pty, settings);
  assert.doesNotMatch(pty.out, /z.{0,9}w.{0,9}q|v.{0,9}v.{0,9}q|jk|jx|thrown/);
});

test("[C-20] [C-42] the password is typed once; /logout forgets, and the first menu is there again", async () => {
  const folder = scratchFolder();
  await quit(await chatting(1_100, { folder }));
  const again = clientOn(`1100@127.0.0.1:${server.port}`, { folder });
  await again.shows(say.loggedIn("user1100", 1_100), say.choose(4));
  again.press("2\r");
  await again.shows("everyone> ");
  again.press("/logout\r");
  await again.shows(words.loggedOut, say.firstMenu[0] ?? "", say.choose(3));
  again.press("1\r");
  await again.shows(say.askUserId);
  again.press("1100\r");
  await again.shows(say.askPassword);
  again.press("\u0003");
  await again.shows(say.bye);
  const { code, settings } = await again.ends();
  assert.equal(code, 0);
  assertGivenBack(again, settings);
});

test("[C-42] [C-21] Ctrl-C and Ctrl-D in the chat, in a menu and at a password: a goodbye, exit code 0, the terminal as it was", async () => {
  for (const key of ["\u0003", "\u0004"]) {
    const inChat = await chatting(key === "\u0003" ? 1_200 : 1_201);
    const atPassword = clientOn(`1200@127.0.0.1:${server.port}`);
    await atPassword.shows(say.askPassword);
    const atMenu = clientOn(`127.0.0.1:${server.port}`);
    await atMenu.shows(say.choose(3));
    for (const pty of [inChat, atPassword, atMenu]) {
      pty.press(key);
      await pty.shows(say.bye);
      const { code, settings } = await pty.ends();
      assert.equal(code, 0);
      assertGivenBack(pty, settings);
    }
  }
});

test("[C-42] [C-21] a signal or a crash, in the chat and at a password, ends it with the terminal as it was", async () => {
  const crash = join(scratchFolder(), "crash.mjs");
  writeFileSync(crash, 'process.on("SIGUSR2", () => { throw new Error("crashed"); });');
  const env = { NODE_OPTIONS: `--import ${pathToFileURL(crash).href}` };
  const endings: [NodeJS.Signals, number][] = [
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGQUIT", 131],
    ["SIGUSR2", 1],
  ];
  await registerUser(server.port, 1_299);
  await Promise.all(
    endings.map(async ([signal, wanted], index) => {
      const atPassword = clientOn(`1299@127.0.0.1:${server.port}`, { env });
      await atPassword.shows(say.askPassword);
      for (const pty of [await chatting(1_300 + index, { env }), atPassword]) {
        process.kill(await pty.pid(), signal);
        const { code, settings } = await pty.ends();
        assert.equal(code, wanted, signal);
        assertGivenBack(pty, settings);
      }
    }),
  );
});

test("[C-42] [C-3] Ctrl-Z at a password: the shell has its echo, fg asks again, and nothing of it is shown", async () => {
  await registerUser(server.port, 1_400);
  const shell = new Pty(["bash", "--norc", "--noprofile", "--noediting", "-i"], {
    XDG_STATE_HOME: scratchFolder(),
    PS1: "sh> ",
  });
  await shell.shows("sh> ");
  shell.press(`${commandOf(`1400@127.0.0.1:${server.port}`).join(" ")}\r`);
  await shell.shows(`\r\n${say.askPassword}`);
  shell.press("secretly\u001a");
  await shell.shows("Stopped", "sh> ");
  shell.press("stty -a\r");
  await shell.shows(" echo ", "sh> ");
  shell.press("fg\r");
  await shell.shows(`\r\n${say.askPassword}`);
  shell.press("pw1400\r");
  await shell.shows(say.loggedIn("user1400", 1_400), say.choose(4));
  // In the menu the terminal is its own: nothing has to be given back.
  shell.press("\u001a");
  await shell.shows("Stopped", "sh> ");
  shell.press("fg\r");
  await shell.shows(say.choose(4));
  shell.press("4\r");
  await shell.shows(say.bye, "sh> ");
  shell.press("exit\r");
  const { settings } = await shell.ends();
  assert.ok(settings.includes("echo"), settings.join(" "));
  assert.doesNotMatch(shell.out, /secretly|pw1400/);
});

test("[C-42] [C-2] lines come in while one is being typed: each is whole, and what is sent is what was typed", async () => {
  const other = await newUser(server.port, 2_001);
  const pty = await chatting(2_000);
  const typed = "这是一条还没有打完的消息, which is long enough to wrap around the edge of it";
  pty.press(typed);
  await pty.shows("edge of it");
  for (const [index, content] of ["one", "另一条", "three"].entries()) {
    other.say("SmsMes", { content, mid: `t${index}` });
    await pty.shows(lineOf(2_001, content));
  }
  pty.press("!\r");
  const { data } = await other.next("SmsMes", ({ userId }) => userId === 2_000);
  assert.equal(data.content, `${typed}!`);
  await pty.shows(`] ✓ me: ${typed}!\r\n`, "everyone> ");
  // A flood is as whole, though it comes in bursts.
  pty.press("typed meanwhile");
  await pty.shows("typed meanwhile");
  for (let line = 0; line < 500; line++) other.say("SmsMes", { content: `flood ${line}.`, mid: `f${line}` });
  for (let line = 0; line < 500; line++) await pty.shows(lineOf(2_001, `flood ${line}.`));
  pty.press("\r");
  await pty.shows("me: typed meanwhile");
  const lines = pty.out.split("\r\n").filter((line) => line.includes("user2001(2001): "));
  for (const line of lines) assert.match(line, /^\[\d\d:\d\d\] user2001\(2001\): /);
  assert.equal(lines.length, 503);
  await quit(pty);
  other.destroy();
});

test("[C-42] a paste is sent only as the person says: line by line, as one, or not; a line typed alone goes at once", async () => {
  const other = await newUser(server.port, 2_101);
  const pty = await chatting(2_100);
  const heard = async (): Promise<unknown> =>
    (await other.next("SmsMes", ({ userId }) => userId === 2_100)).data.content;
  const lines = Array.from({ length: 200 }, (_, index) => `line ${index} 行`);
  const units = lines.join("\n").length;
  pty.press(`${lines.join("\r")}\r`);
  await pty.shows(say.pasteAsk(200, units, true));
  pty.press("s\r");
  for (const line of lines) assert.equal(await heard(), line);
  await pty.shows("everyone> ");
  // The last line of a paste may have no end: then it is part of the answer, and the question comes again.
  pty.press("one\r\rtwo\rthree");
  await pty.shows(say.pasteAsk(2, 8, true));
  pty.press("\r");
  await pty.shows(say.pasteAsk(3, 14, true));
  pty.press("o\r");
  assert.equal(await heard(), "one\n\ntwo\nthree");
  await pty.shows("everyone> ");
  pty.press("/quit\rnobody wants this\r");
  await pty.shows(say.pasteAsk(2, 23, true));
  pty.press("\r");
  await pty.shows(say.pasteDropped(2), "everyone> ");
  pty.press("alone\r");
  assert.equal(await heard(), "alone");
  await quit(pty);
  other.destroy();
});

test("[C-42] a line that the terminal cut, and one with keys that do nothing here, are not taken", async () => {
  const other = await newUser(server.port, 2_201);
  const pty = await chatting(2_200);
  pty.press(`${"字".repeat(1_500)}\r`);
  await pty.shows(say.lineCut(ttyLineMaxBytes), "everyone> ");
  pty.press("arrows\u001b[D\u001b[A\r");
  await pty.shows("arrows^[[D^[[A", say.lineWithKeys, "everyone> ");
  const most = "字".repeat(1_364);
  pty.press(`${most}\r`);
  const { data } = await other.next("SmsMes", ({ userId }) => userId === 2_200);
  assert.equal(data.content, most);
  await quit(pty);
  other.destroy();
});

test("[C-4] [C-42] what others write steers no terminal", async () => {
  const other = await newUser(server.port, 2_301);
  const pty = await chatting(2_300);
  const hostile = "\u001b[2J\u001b]0;owned\u0007\u009b31m\r\u202e\u{e0041}\u2028\u0008x";
  other.say("SmsMes", { content: `${hostile}\n[12:00] user1(1): faked`, mid: "1" });
  await pty.shows(
    "^[[2J^[]0;owned^G<U+009B>31m^M<U+202E><U+E0041><U+2028>^Hx\r\n",
    "    [12:00] user1(1): faked\r\n",
  );
  await quit(pty);
  other.destroy();
});

for (const lang of ["zh", "en"] as const) {
  test(`[C-2] [C-24] [C-39] [C-41] in ${lang}: what was missed is told and counted; conversations are gone to; mentions ring`, async () => {
    const [told, shown] = [texts[lang], screenTexts[lang]];
    const base = lang === "zh" ? 3_000 : 3_100;
    const me = base;
    const other = await newUser(server.port, base + 1);
    const folder = scratchFolder();
    const first = await chatting(me, { folder, lang });
    first.press("/quit\r");
    await first.ends();
    const from = `user${base + 1}(${base + 1})`;
    for (const [index, content] of ["missed", `you @user${me}`].entries()) {
      await other.ask("SmsMes", { content, mid: `a${index}` }, "SmsResMes");
    }
    await other.ask("SmsMes", { conv: `u:${me}`, content: "psst", mid: "p" }, "SmsResMes");

    const pty = clientOn(`${me}@127.0.0.1:${server.port}`, { folder, lang });
    await pty.shows(
      shown.digestTitle,
      shown.digestPrivate(1, shown.digestOne(from, 1)),
      shown.digestEveryone(2, 1),
      told.digestHint,
    );
    await pty.shows(`] ${from}: missed\r\n`, `] @ ${from}: you @user${me}\r\n`);
    await pty.shows(`] ${told.privateMark}${from}: psst\r\n`, told.choose(4));
    pty.press("2\r");
    await pty.shows(told.chatPrompt(shown.everyone, told.unreadCount(1)));
    // Unread where one is not, until one goes there; there it is told once more.
    pty.press("/next\r");
    await pty.shows(
      `---- ${shown.privateWith(from)} · ${told.unreadCount(1)} ----`,
      `] ${told.privateMark}${from}: psst\r\n`,
      told.chatPrompt(from, ""),
    );
    pty.press("answer\r");
    await pty.shows(`] ✓ ${told.me}: ${told.privateTo(from)}answer\r\n`);
    const { data } = await other.next("SmsMes", ({ userId }) => userId === me);
    assert.deepEqual([data.conv, data.content], [`u:${me}`, "answer"]);
    // What the other side has, it is told of.
    other.say("AckMes", { conv: `u:${me}`, id: data.id });
    await pty.shows(`✓✓ ${told.received(from, "answer")}\r\n`);
    other.say("SmsMes", { content: `again, user${me}`, mid: "m" });
    await pty.shows("\u0007", `] @ ${from}: again, user${me}\r\n`);
    pty.press("\r");
    await pty.shows(`* ${shown.state.online} | ${told.unreadCount(1)} | 127.0.0.1:${server.port}`);
    pty.press("/next\r");
    await pty.shows(`again, user${me}`, told.chatPrompt(shown.everyone, ""));
    // A private message from where one is does not lead away from there.
    pty.press(`/msg user${base + 1} aside\r`);
    await pty.shows(`${told.privateTo(from)}aside\r\n`, told.chatPrompt(shown.everyone, ""));
    pty.press("/next\r");
    await pty.shows(shown.commands.nothingUnread);
    pty.press(`/go ${base + 1}\r`);
    await pty.shows(`---- ${shown.privateWith(from)} ----`, told.chatPrompt(from, ""));
    pty.press("/go nobody\r");
    await pty.shows(shown.commands.noSuchConversation("nobody"));
    pty.press("/lang en\r");
    await pty.shows(screenTexts.en.commands.langNow);
    pty.press("/back\r");
    await pty.shows(say.secondMenu[0] ?? "", say.choose(4));
    pty.press("4\r");
    await pty.shows(say.bye);
    assert.equal((await pty.ends()).code, 0);
    assertNothingDrawn(pty);
    other.destroy();
  });
}

test("[C-2] [C-28] [C-40] /history pages back without a seam, /search, /why, /verify and /users say it in lines", async () => {
  const other = await newUser(server.port, 3_301);
  const me = 3_300;
  const folder = scratchFolder();
  await registerUser(server.port, me);
  for (let line = 0; line < 45; line++) {
    await other.ask("SmsMes", { conv: `u:${me}`, content: `line ${line}.`, mid: `l${line}` }, "SmsResMes");
  }
  // Somebody else's disk was full: 2 are gone.
  const log = `{c:dm:${me}:3301}:log`;
  const [gone = ""] = (await redis.client.xrange(log, "-", "+", "COUNT", 11)).slice(10).map(([id]) => id);
  await redis.client.xdel(log, gone);
  const pty = await chatting(me, { folder, isKnown: true });
  pty.press("/go 3301\r");
  await pty.shows("user3301(3301)> ");
  const pages: string[][] = [];
  for (const first of [25, 5, 0]) {
    const from = pty.out.length;
    pty.press("/history\r");
    await pty.shows(`: line ${first}.\r\n`, "> ");
    const told = pty.out.slice(from);
    pages.unshift(
      [...told.matchAll(/: line (\d+)\.\r\n|… (\d+) /g)].map(([, line = "", hole]) => line || `-${hole}`),
    );
  }
  const wanted = Array.from({ length: 45 }, (_, line) => (line === 10 ? "-1" : `${line}`));
  assert.deepEqual(pages.flat(), wanted);
  assert.ok(pty.out.includes(say.gap.trimmed(1)), "the hole is told");
  pty.press("/history\r");
  await pty.shows(": line 25.\r\n", ": line 44.\r\n");
  pty.press("/search LINE 7.\r");
  await pty.shows("line 7.\r\n", ", 1 found");
  pty.press("/verify\r");
  await pty.shows("1 missing between", words.verify.faults(1));
  pty.press("mine\r");
  await pty.shows("me: ", "mine\r\n", "> ");
  pty.press("/why\r");
  await pty.shows(
    words.why.content("mine"),
    "the server received and stored it",
    words.why.storedHow.disk ?? "",
  );
  pty.press("/users\r");
  await pty.shows(words.users.title(2), `  user${me}(${me})`, "  user3301(3301)");
  pty.press("/set presence all\r");
  await pty.shows("presence = all");
  const late = await newUser(server.port, 3_302);
  await pty.shows(`* ${say.cameOnline("user3302(3302)")}`);
  pty.press("/help\r");
  await pty.shows(words.help.sayLine, "/back", "Ctrl-R");
  pty.press("/msg 999999 hello\r");
  await pty.shows(
    `! ${say.refused(say.codes[404] ?? "?", `${say.privateTo("999999")}hello`)}`,
    words.decide.lines,
  );
  pty.press("/unsent\r");
  await pty.shows("999999: hello", words.decide.lines);
  pty.press("/again\r");
  await pty.shows(words.commands.sentAgain(1), "! Not sent");
  pty.press("/drop\r");
  await pty.shows(words.commands.dropped(1), "user3301(3301)> ");
  // Somebody who is not there is no reason not to look on.
  pty.press("/search hello\r");
  await pty.shows("0 found");
  await quit(pty);
  for (const one of [other, late]) one.destroy();
});

test("[C-42] [C-40] Ctrl-C stops what a command tells at length, and only then it leaves", async () => {
  const gate = await Gate.to(server.port);
  const pty = await chatting(3_350, { port: gate.port });
  pty.press("mine\r");
  await pty.shows("me: mine\r\n", "> ");
  gate.stall("down");
  pty.press("/search mine\r");
  await pty.shows("/search mine\r\n");
  pty.press("\u0003");
  gate.flow();
  await pty.shows(words.search.stopped(0, 0), "everyone> ");
  await quit(pty);
});

test("[C-26] [C-27] [C-5] a lost link is told in lines, what is typed meanwhile waits on this disk and goes when it is back", async () => {
  const gate = await Gate.to(server.port);
  const other = await newUser(server.port, 3_401);
  const pty = await chatting(3_400, { port: gate.port });
  gate.refuse();
  gate.cut();
  await pty.shows("* Connection lost (");
  pty.press("while away\r");
  await pty.shows("… me: while away\r\n", `${words.unsent(1)}) everyone> `);
  pty.press("\r");
  await pty.shows("* ", ` | ${words.unsent(1)} | 127.0.0.1:${gate.port}`);
  pty.press("/search word\r");
  await pty.shows(words.search.failed(words.commands.notConnected));
  await gate.accept();
  await pty.shows("* Connected again (after ", "] ✓ me: while away\r\n");
  const { data } = await other.next("SmsMes", ({ userId }) => userId === 3_400);
  assert.equal(data.content, "while away");
  // The same device elsewhere: the log-in is over, and the first menu is there.
  const [device = ""] = await redis.client.hkeys("{u:3400}:tokens");
  const newer = await WireClient.login(server.port, { userId: 3_400, userPwd: "pw3400", device });
  await pty.shows(`* ${say.replaced}`, say.choose(3));
  pty.press("3\r");
  assert.equal((await pty.ends()).code, 0);
  assertNothingDrawn(pty);
  newer.destroy();
  other.destroy();
});

test("[C-42] [C-3] the output in a log: whole lines, a prompt is one too, and a password still is not shown", async () => {
  const other = await newUser(server.port, 3_501);
  await registerUser(server.port, 3_500);
  const log = join(scratchFolder(), "log");
  const quoted = commandOf(`3500@127.0.0.1:${server.port}`).join(" ");
  const pty = new Pty(["sh", "-c", `${quoted} | tee ${log}`], { XDG_STATE_HOME: scratchFolder() });
  await pty.shows(`${say.askPassword}\r\n`);
  pty.press("pw3500\r");
  await pty.shows(say.choose(4));
  pty.press("2\r");
  await pty.shows("everyone> ");
  pty.press("half a line");
  await pty.shows("half a line");
  other.say("SmsMes", { content: "for the log", mid: "1" });
  await pty.shows("for the log");
  pty.press("\r");
  await pty.shows("me: half a line");
  pty.press("/quit\r");
  const { settings } = await pty.ends();
  assertGivenBack(pty, settings);
  assert.doesNotMatch(pty.out, /pw3500/);
  const lines = readFileSync(log, "utf8").split("\n");
  assert.ok(
    lines.some((line) => /^\[\d\d:\d\d\] user3501\(3501\): for the log$/.test(line)),
    lines.join("|"),
  );
  assert.ok(
    lines.some((line) => /^\[\d\d:\d\d\] ✓ me: half a line$/.test(line)),
    lines.join("|"),
  );
  assert.ok(!lines.includes("half a line"), "what is typed is shown by the terminal, not by us");
  await until("the log to be whole", () => lines.includes(say.bye));
  other.destroy();
});

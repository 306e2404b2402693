/**
 * menus: client.ts as a program that is talked to line by line: both menus in both languages, the chat and its
 * commands, every mistake one sentence and the question again, and the end of the input the end of the talk.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { parseClientArgs } from "../lib/clientFlags.ts";
import { commandLines } from "../lib/commands.ts";
import { type Lang, type Texts, langOf, texts } from "../lib/lang.ts";
import { screenTexts } from "../lib/screenTexts.ts";
import { Gate } from "./helpers/gate.ts";
import { PipedClient } from "./helpers/pipedClient.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { type SpecServer, spawnScript, startSpecServer } from "./helpers/server.ts";
import { WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
let server: SpecServer;
let target: string;

before(async () => {
  redis = await startRedis();
  server = await startSpecServer({ redis });
  target = `127.0.0.1:${server.port}`;
});
after(async () => {
  await server.close();
  await redis.stop();
});

const languages: Lang[] = ["zh", "en"];

/** Waits until the first or second menu is shown with its question. */
async function menuShown(client: PipedClient, menu: readonly string[], say: Texts): Promise<void> {
  await client.shows(
    menu.map((entry, index) => `  ${index + 1}. ${entry}\n`).join("") + say.choose(menu.length),
  );
}

/** A client that has logged in a new user, with the second menu shown. */
async function loggedIn(userId: number, lang: Lang, port = server.port): Promise<PipedClient> {
  await registerUser(server.port, userId);
  const client = new PipedClient(["--lang", lang, `${userId}@127.0.0.1:${port}`]);
  await client.shows(texts[lang].askPassword);
  client.say(`pw${userId}`);
  await client.shows(texts[lang].loggedIn(`user${userId}`, userId));
  await menuShown(client, texts[lang].secondMenu, texts[lang]);
  return client;
}

for (const lang of languages) {
  const say = texts[lang];
  const words = screenTexts[lang];
  const prompt = `${words.everyone}> `;
  const base = lang === "zh" ? 1_000 : 2_000;

  test(`[C-1] [C-6] registration and log-in in ${lang}: a mistake gets one sentence and the question again`, async () => {
    const client = new PipedClient(["--lang", lang, target]);
    await client.shows(`---- ${say.welcome} ----\n${say.server(`127.0.0.1:${server.port}`)}\n`);
    await menuShown(client, say.firstMenu, say);
    const asked = async (
      question: string,
      mistakes: string[],
      sentence: (given: string) => string,
    ): Promise<void> => {
      for (const given of mistakes) {
        client.say(given);
        await client.shows(`${sentence(given)}\n${question}\n`);
      }
    };
    const shown = (given: string): string => given.trim().slice(0, 20).replace("\u0007", "^G");
    await asked(say.choose(3), ["4", "0", "-1", "1.5", "x", "", "1\u0007", "9".repeat(5_000)], (given) =>
      say.notAChoice(shown(given), 3),
    );
    client.say("2");
    await client.shows(say.askUserId);
    await asked(
      say.askUserId,
      ["abc", "", "0", "-5", "1e3", "9007199254740992", "1".repeat(5_000)],
      () => say.badUserId,
    );
    client.say(`${base}`);
    await client.shows(say.askPassword);
    await asked(say.askPassword, ["", "x".repeat(257), "é".repeat(129)], () => say.badPassword(256));
    client.say("x".repeat(256));
    await client.shows(say.askUserName);
    await asked(say.askUserName, ["", "  ", "x".repeat(33), "字".repeat(5_000), "a\u0007b", "a\u202eb"], () =>
      say.badUserName(32),
    );
    client.say(" 小海 ");
    await client.shows(say.registered(base));
    await menuShown(client, say.firstMenu, say);
    client.say("2", `${base}`, "pw", "other");
    await client.shows(say.notRegistered(say.codes[505] ?? "?"));
    client.say("1", `${base}`, "x".repeat(256));
    await client.shows(say.loggedIn("小海", base));
    await menuShown(client, say.secondMenu, say);
    await asked(say.choose(4), ["5", "/quit", ""], (given) => say.notAChoice(given, 4));
    client.say("1");
    await client.shows(words.users.title(1), `  小海(${base})\n`);
    client.say("4");
    await client.shows(say.bye);
    assert.equal(await client.exits(), 0);
    assert.equal(client.err, "");
  });

  test(`[C-2] [C-1] the chat in ${lang}: plain text, //, /msg, /users, /history, /help, /back, /quit`, async () => {
    const listenerId = base + 2;
    const userId = base + 1;
    const other = await newUser(server.port, listenerId);
    const client = await loggedIn(userId, lang);
    const heard = async (content: string): Promise<void> => {
      const { data } = await other.next("SmsMes", (one) => one.userId === userId);
      assert.equal(data.content, content);
    };
    client.say("2");
    await client.shows(say.chatHint, prompt);
    client.say("hello everyone");
    await heard("hello everyone");
    await client.shows(`] ${say.me}: hello everyone`);
    client.say("//not a command");
    await heard("/not a command");
    await client.shows(`] ${say.me}: /not a command`);
    client.say(`/msg ${listenerId}   你好  there`);
    await heard("你好  there");
    await client.shows(`] ${say.me}: ${say.privateTo(`user${listenerId}(${listenerId})`)}你好  there`);
    // No line of a script goes to another conversation because a text was empty.
    for (const given of ["/msg", "/msg x hi", `/msg ${listenerId}`, `/msg ${listenerId}  `, "/msg 0 hi"]) {
      client.say(given);
      await client.shows(`${words.commands.usage(words.about.msg[0] ?? "")}\n`);
    }
    client.say("/msg 999999 anybody?");
    await client.shows(`! ${say.refused(say.codes[404] ?? "?", `${say.privateTo("999999")}anybody?`)}`);
    for (const given of ["/foo bar", "/\u0007", "/ users", "/USERS"]) {
      client.say(given);
      await client.shows(`${words.commands.unknown((given.split(" ")[0] ?? "").replace("\u0007", "^G"))}\n`);
    }
    client.say("", "   ", "x".repeat(5_000));
    await client.shows(
      words.commands.emptyMessage,
      words.commands.emptyMessage,
      words.commands.tooLong(5_000, 4_000),
    );
    other.say("SmsMes", { content: "good\nmorning\u001b[2J", mid: "1" });
    await client.shows(`] user${listenerId}(${listenerId}): good\n    morning^[[2J\n`);
    other.say("SmsMes", { conv: `u:${userId}`, content: "psst", mid: "2" });
    await client.shows(`] ${say.privateMark}user${listenerId}(${listenerId}): psst\n`);
    client.say("/users");
    await client.shows(
      words.users.title(2),
      `  user${userId}(${userId})\n`,
      `  user${listenerId}(${listenerId})\n`,
    );
    client.say("/help");
    await client.shows(words.help.sayLine, ...commandLines(words, "lines"), ...words.help.markLines);
    client.say("/history nobody");
    await client.shows(words.commands.usage(words.about.history[0] ?? ""));
    const fence = await newUser(server.port, base + 3);
    await client.shows(`* ${say.cameOnline(`user${base + 3}(${base + 3})`)}`);
    fence.say("LogoutMes", {});
    await client.shows(`* ${say.wentOffline(`user${base + 3}(${base + 3})`)}`);

    // Two pages: the newest 20, then the rest.
    for (let line = 0; line < 25; line++) {
      other.say("SmsMes", { conv: `u:${userId}`, content: `line ${line}.`, mid: `l${line}` });
    }
    await client.shows("line 24.");
    client.say(`/history ${listenerId}`);
    await client.shows("line 5.", "line 24.", prompt);
    assert.ok(!client.unread.includes("line"), "one page");
    // Another command in between: from the newest again.
    client.say("/help", `/history ${listenerId}`);
    await client.shows(words.help.sayLine, "line 5.", "line 24.", prompt);
    client.say(`/history ${listenerId}`);
    await client.shows(say.historyStart, "你好  there", "psst", "line 0.", "line 4.");
    client.say("/users");
    await client.shows(words.users.title(2));
    assert.ok(!client.unread.includes("line"), "the second page ends where the first began");
    client.say("/back");
    await menuShown(client, say.secondMenu, say);

    // The message list of the menu: the same pages.
    client.say("3");
    await client.shows(say.askHistory);
    client.say("x");
    await client.shows(say.badUserId, say.askHistory);
    client.say(`${listenerId}`);
    await client.shows("line 5.", "line 24.", say.askOlder);
    client.say("");
    await client.shows(say.historyStart, "line 4.");
    await menuShown(client, say.secondMenu, say);
    client.say("3", "");
    await client.shows(say.askHistory, `user${listenerId}(${listenerId}): good`);
    client.say("3", "999999");
    await client.shows(say.codes[404] ?? "?");
    await menuShown(client, say.secondMenu, say);
    client.say("2", "/quit");
    await client.shows(say.bye);
    // Something was refused on the way.
    assert.equal(await client.exits(), 4);
    assert.equal(client.err, "");
    other.destroy();
  });
}

test("[C-1] the menus are those of the first generation", () => {
  assert.deepEqual(texts.zh.firstMenu, ["登录聊天室", "注册用户", "退出系统"]);
  assert.deepEqual(texts.zh.secondMenu, ["显示在线用户列表", "发送消息", "信息列表", "退出系统"]);
});

test("[C-1] every text is there in both languages, and of the same kind", () => {
  const kindOf = (value: unknown): unknown => {
    if (typeof value === "function") return `function of ${value.length}`;
    if (Array.isArray(value)) return value.map(kindOf);
    if (typeof value !== "object" || value === null) return typeof value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, kindOf(one)]));
  };
  assert.deepEqual(kindOf(texts.en), kindOf(texts.zh));
  const leaves = (value: unknown): unknown[] =>
    typeof value === "object" && value !== null ? Object.values(value).flatMap(leaves) : [value];
  for (const lang of languages) {
    for (const text of leaves(texts[lang])) {
      if (typeof text === "string") assert.notEqual(text.trim(), "", lang);
    }
  }
  assert.doesNotMatch(JSON.stringify(texts.en), /\p{Script=Han}/u);
});

test("[C-1] the language is the flag's, else that of the locale, else Chinese", () => {
  assert.equal(langOf("en", { LANG: "zh_CN.UTF-8" }), "en");
  assert.equal(langOf("fr", {}), null);
  const locales = {
    "": "zh",
    C: "zh",
    "C.UTF-8": "zh",
    POSIX: "zh",
    "zh_TW.UTF-8": "zh",
    en_US: "en",
    de_DE: "en",
  };
  for (const [locale, lang] of Object.entries(locales))
    assert.equal(langOf(undefined, { LANG: locale }), lang);
  assert.equal(langOf(undefined, { LC_ALL: "en_US", LANG: "zh_CN" }), "en");
  assert.equal(langOf(undefined, { LC_ALL: "", LC_MESSAGES: "zh_CN", LANG: "en_US" }), "zh");
});

test("[C-1] the end of the input is the end, exit code 0, at any point; what was typed before it is stored", async () => {
  const lines = ["1", "3000", "pw3000", "2", "one", "/msg 3001 two", "/back", "2", "three"];
  const counts = [0, 1, 2, 3, 5, 6, 7, 9];
  const inputs = counts.map((count) => lines.slice(0, count));
  await registerUser(server.port, 3_001);
  const results = await Promise.all(
    inputs.map(async (input, index) => {
      const userId = 3_100 + index;
      await registerUser(server.port, userId);
      const own = input.map((line) => line.replace("3000", String(userId)));
      // The last line has no end of its own.
      const client = new PipedClient([target]);
      return { userId, code: await client.ends(own.join("\n")), out: client.out, err: client.err };
    }),
  );
  const looker = await WireClient.login(server.port, { userId: 3_001, userPwd: "pw3001" });
  const page = await looker.ask("HistoryMes", { conv: "all", limit: 200 }, "HistoryResMes");
  for (const [index, { userId, code, out, err }] of results.entries()) {
    assert.deepEqual([code, err], [0, ""], out);
    assert.ok(out.endsWith(`${texts.zh.bye}\n`), out);
    const typed = lines.slice(0, counts[index]);
    const all = (page.messages as { userId: number; content: string }[]).filter(
      (one) => one.userId === userId,
    );
    assert.deepEqual(
      all.map(({ content }) => content),
      typed.filter((line) => line === "one" || line === "three"),
    );
    const conv = { conv: `u:${userId}` };
    const { messages } = await looker.ask("HistoryMes", conv, "HistoryResMes");
    assert.equal((messages as unknown[]).length, typed.includes("/msg 3001 two") ? 1 : 0);
  }
  looker.destroy();
});

test("[C-9] a script's failed log-in is its end: exit code 4, or 3; no line of it becomes another answer", async () => {
  const say = texts.en;
  await registerUser(server.port, 4_000);
  const gate = await Gate.to(server.port);
  gate.refuse();
  const away = `127.0.0.1:${gate.port}`;
  const runs: [string[], string[], number, string][] = [
    [
      [target],
      ["1", "4000", "wrong", "2", "4000", "hello", "name"],
      4,
      say.notLoggedIn(say.codes[403] ?? "?"),
    ],
    [[`4000@${target}`], ["wrong", "2", "3"], 4, say.notLoggedIn(say.codes[403] ?? "?")],
    [[target], ["1", "4999", "pw", "2", "4999", "secret", "name"], 4, say.notLoggedIn(say.codes[500] ?? "?")],
    [[`4000@${away}`], ["pw4000", "2", "4000", "pw"], 3, say.unreachable(away, "ECONNREFUSED")],
    [[away], ["2", "4001", "pw", "name", "3"], 3, say.unreachable(away, "ECONNREFUSED")],
  ];
  await Promise.all(
    runs.map(async ([args, lines, code, sentence]) => {
      const client = new PipedClient(["--lang", "en", ...args]);
      assert.equal(await client.ends(`${lines.join("\n")}\n`), code, client.out);
      assert.ok(client.out.endsWith(`${sentence}\n`), client.out);
    }),
  );
  // An id that is taken may be one's own: the lines after it are still what they were meant for.
  const again = new PipedClient(["--lang", "en", target]);
  const code = await again.ends("2\n4000\npw\nname\n1\n4000\npw4000\n2\nhello\n");
  assert.equal(code, 0, again.out);
  const refused = new PipedClient(["--lang", "en", target]);
  assert.equal(await refused.ends(`1\n4000\npw4000\n2\n${"x".repeat(5000)}\nhello\n`), 4, refused.out);
});

test("[C-5] a lost link is said, what is typed meanwhile is sent when it is back; after 409 it is over", async () => {
  const gate = await Gate.to(server.port);
  const say = texts.en;
  const listener = await newUser(server.port, 5_001);
  const client = await loggedIn(5_000, "en", gate.port);
  client.say("2");
  await client.shows("everyone> ");
  gate.refuse();
  gate.cut();
  await client.shows("* Connection lost (");
  client.say("while away");
  await client.shows("1 unsent) everyone> ");
  client.say("/users");
  await client.shows(screenTexts.en.commands.notConnected);
  await gate.accept();
  await client.shows("* Connected again (after ", `] ${say.me}: while away`);
  const { data } = await listener.next("SmsMes", ({ userId }) => userId === 5_000);
  assert.equal(data.content, "while away");

  const device = client.device;
  const newer = await WireClient.login(server.port, { userId: 5_000, userPwd: "pw5000", device });
  await client.shows(`* ${say.replaced}`);
  const taken = gate.taken;
  assert.equal(await client.exits(), 4);
  assert.equal(gate.taken, taken);
  newer.destroy();
  listener.destroy();
});

test("[C-1] unread messages are told at log-in, then shown; two clients of one person are two devices", async () => {
  const other = await newUser(server.port, 6_001);
  await registerUser(server.port, 6_000);
  for (const mid of ["1", "2"]) {
    await other.ask("SmsMes", { conv: "u:6000", content: `waiting ${mid}`, mid }, "SmsResMes");
  }
  const say = texts.en;
  const state = scratchFolder();
  const args = ["--lang", "en", `6000@${target}`];
  const both = [
    new PipedClient(args, { XDG_STATE_HOME: state }),
    new PipedClient(args, { XDG_STATE_HOME: state }),
  ];
  for (const client of both) client.say("pw6000");
  for (const client of both) {
    await client.shows(`  ${say.unread("user6001(6001)", 2)}`, "waiting 1", "waiting 2");
    client.say("2");
    await client.shows("everyone> ");
  }
  const [one, two] = both;
  one?.say("from one to the other");
  await two?.shows(`] ${say.me}: from one to the other`);
  for (const client of both) assert.equal(await client.ends(), 0);
  const devices = await redis.client.hkeys("{u:6000}:tokens");
  assert.deepEqual(devices.sort(), [both[0]?.device, `${both[0]?.device}.2`]);
  // The next client on this installation is the same device again: nothing is unread.
  const again = new PipedClient(args, { XDG_STATE_HOME: state });
  again.say("pw6000");
  await again.shows(say.loggedIn("user6000", 6_000));
  await menuShown(again, say.secondMenu, say);
  assert.equal(await again.ends(), 0);
  assert.doesNotMatch(again.out, /waiting/);
  other.destroy();
});

test("[C-1] a reader of its output who goes away ends it", async () => {
  const client = await loggedIn(7_000, "en");
  client.deafen();
  client.say("1", "1", "1");
  assert.equal(await client.exits(), 0);
});

test("[X-1] --help is a page and exit code 0; a wrong flag or target is one line and exit code 2", async () => {
  const wrong = [
    ["--lang"],
    ["one:1", "two:2"],
    ["host:0"],
    ["host:65536"],
    ["host:port"],
    ["a b"],
    ["x@host"],
    ["@host"],
    ["0@host"],
    ["1@"],
    [""],
    ["::1"],
    ["[]"],
    ["host:0x10"],
    ["host:"],
    ["--lang", ""],
    ["--lang", "zh", "--lang", "en"],
  ];
  for (const args of wrong) assert.throws(() => parseClientArgs(args, {}), Error, args.join(" "));
  const runs = await Promise.all(
    [["--help"], ["--nonsense"], ["--lang", "fr", target], ["host:0"]].map(async (args) => {
      const spawned = spawnScript("client.ts", args);
      return { args, code: await spawned.ended, ...spawned.output };
    }),
  );
  const [help, ...refused] = runs;
  assert.deepEqual([help?.code, help?.err], [0, ""]);
  assert.match(help?.out ?? "", /USER@\]HOST[\s\S]*--lang/);
  for (const { args, code, out, err } of refused) {
    assert.deepEqual([code, out], [2, ""], args.join(" "));
    assert.match(err, /^client\.ts: [^\n]+ \(see --help\)\n$/, args.join(" "));
  }
});

test("[X-1] a target is [USER@]HOST[:PORT]", () => {
  const targets = {
    "": ["127.0.0.1", 8889, null],
    "example.org": ["example.org", 8889, null],
    "example.org:1": ["example.org", 1, null],
    "200@example.org:65535": ["example.org", 65_535, 200],
    "[::1]": ["::1", 8889, null],
    "200@[fe80::1]:22": ["fe80::1", 22, 200],
  };
  for (const [given, wanted] of Object.entries(targets)) {
    const options = parseClientArgs(given === "" ? [] : [given], {});
    assert.ok(options !== "help", given);
    assert.deepEqual([options.host, options.port, options.userId], wanted, given);
  }
});

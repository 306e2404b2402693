/**
 * readme: the scripts of README.md and README.zh.md, taken out of them and run as they stand against a real server, from
 * a folder of their own; only the port is put behind the address (clauses [C-30] to [C-36]).
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { scratchFolder, tiedPid } from "./helpers/scratch.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { textOf } from "./helpers/sources.ts";
import { inTime, until } from "./helpers/wait.ts";
import { WireClient, registerUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;

before(async () => {
  redis = await startRedis();
});
const readers: Reader[] = [];
after(async () => {
  // A spec that failed half-way must not keep its processes, and so the whole run, alive.
  for (const reader of readers) reader.kill();
  await redis.stop();
});

/** The folder of one reader of a README: client.ts, a jq, and each script in a file of its own. */
class Reader {
  readonly folder = scratchFolder();
  readonly #env: NodeJS.ProcessEnv;
  readonly #open = new Set<ChildProcess>();

  constructor(readme: string, { port }: SpecServer) {
    readers.push(this);
    symlinkSync(fileURLToPath(new URL("../client.ts", import.meta.url)), join(this.folder, "client.ts"));
    const blocks = [...textOf(readme).matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, script = ""]) => script);
    const scripts = blocks.filter((script) => script.includes("./client.ts "));
    assert.equal(scripts.length, 4, "how to begin, and three scripts");
    for (const [index, name] of ["begin", "alert", "bot", "ship"].entries()) {
      const script = (scripts[index] ?? "").replaceAll("@127.0.0.1", `@127.0.0.1:${port}`);
      writeFileSync(join(this.folder, name), script, { mode: 0o755 });
    }
    const path = hasJq() ? process.env.PATH : `${jqLike(this.folder)}:${process.env.PATH}`;
    this.#env = { ...process.env, PATH: path, XDG_STATE_HOME: scratchFolder(), LANG: "en_US.UTF-8" };
  }

  /** Starts a script; with everything it starts it is a group of processes. */
  start(name: string, env: NodeJS.ProcessEnv = {}): ChildProcess {
    const child = spawn("sh", [`./${name}`], {
      ...{
        cwd: this.folder,
        env: { ...this.#env, ...env },
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
      },
    });
    tiedPid(-(child.pid ?? 0));
    this.#open.add(child);
    return child;
  }

  /** A script to its end. */
  async run(name: string, env: NodeJS.ProcessEnv = {}): Promise<{ code: number; out: string; err: string }> {
    const child = this.start(name, env);
    const told = { out: "", err: "" };
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (told.out += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (told.err += text));
    const [code] = (await inTime(`the end of ${name}`, once(child, "close"), 20_000)) as [number];
    this.#open.delete(child);
    return { code, ...told };
  }

  /** Ends what was started, as a crash would. */
  kill(): void {
    for (const { pid } of this.#open) if (pid !== undefined) process.kill(-pid, "SIGKILL");
    this.#open.clear();
  }

  lines(file: string): Record<string, unknown>[] {
    const text = readFileSync(join(this.folder, file), "utf8");
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

function hasJq(): boolean {
  try {
    execFileSync("jq", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Where there is no jq: one that knows README's filter and no other. Its folder. */
function jqLike(folder: string): string {
  const bin = join(folder, "bin");
  execFileSync("mkdir", [bin]);
  writeFileSync(
    join(bin, "jq"),
    `#!${process.execPath}
const filter = /^select\\(\\.content == "(.+)"\\) \\| "\\\\\\(\\.userName\\)(.+)\\\\\\(now \\| todate\\)"$/.exec(process.argv[4]);
if (process.argv[2] !== "--unbuffered" || process.argv[3] !== "-r" || !filter) throw new Error(process.argv.join(" "));
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { content, userName } = JSON.parse(line);
  const now = new Date().toISOString().replace(/\\..*/, "Z");
  if (content === filter[1]) process.stdout.write(userName + filter[2] + now + "\\n");
});
`,
  );
  chmodSync(join(bin, "jq"), 0o755);
  return bin;
}

const readmes = [
  {
    readme: "README.md",
    question: "!time",
    answer: /^alice, it is 20\d\d-\d\d-\d\dT/,
    full: /^the disk is \d+ % full$/,
  },
  {
    readme: "README.zh.md",
    question: "！时间",
    answer: /^alice，现在是 20\d\d-\d\d-\d\dT/,
    full: /^磁盘已用 \d+ %$/,
  },
];

for (const { readme, question, answer, full } of readmes) {
  test(`[C-30] [C-31] [C-32] [C-34] [C-35] the scripts of ${readme} run as they are printed`, async () => {
    await redis.client.flushall();
    const server = await startSpecServer({ redis });
    const reader = new Reader(readme, server);
    await registerUser(server.port, 200, "alice");
    const alice = await WireClient.login(server.port, { userId: 200, userPwd: "pw200", device: "phone" });
    assert.deepEqual(await reader.run("begin"), { code: 0, out: "", err: "" });
    const said = async (client: WireClient, conv: string): Promise<string[]> => {
      const page = await client.ask("HistoryMes", { conv, limit: 200 }, "HistoryResMes");
      return (page.messages as { userId: number; content: string }[])
        .filter(({ userId }) => userId === 300)
        .map(({ content }) => content);
    };

    // The alert: quiet when all is well, one message however often it runs, loud when nobody can be told.
    assert.deepEqual(await reader.run("alert", { LIMIT: "101" }), { code: 0, out: "", err: "" });
    assert.deepEqual(await said(alice, "all"), []);
    for (let n = 0; n < 2; n++) assert.equal((await reader.run("alert", { LIMIT: "0" })).code, 0);
    const [told, ...more] = await said(alice, "all");
    assert.match(told ?? "", full);
    // At the full hour the key is another.
    assert.ok(more.length <= 1, `told once an hour: ${more.join()}`);

    // The bot: in everyone's conversation and in private, and what was asked while it was away.
    reader.start("bot");
    const begun = (): boolean =>
      ["all", "200"].every((to) => existsSync(join(reader.folder, `bot-${to}.cursor`)));
    await until("the bot to stand", begun, 20_000);
    const asks = (conv: string): unknown =>
      alice.say("SmsMes", { conv, content: question, mid: `${++mids}` });
    const answers = async (conv: string, count: number): Promise<void> => {
      const heard = (): string[] =>
        alice
          .all("SmsMes")
          .filter((data) => data.userId === 300 && data.conv === conv && answer.test(String(data.content)))
          .map(({ content }) => String(content));
      await until(`${count} answers in ${conv}`, () => heard().length >= count, 20_000);
      assert.equal(heard().length, count);
    };
    let mids = 0;
    asks("all");
    asks("u:300");
    alice.say("SmsMes", { conv: "all", content: "nothing of yours", mid: "other" });
    await answers("all", 1);
    await answers("u:300", 1);
    // Its cursor has moved when the file says so: what is answered is not answered again.
    const bot = (to: string): string => readFileSync(join(reader.folder, `bot-${to}.cursor`), "utf8");
    const newest = async (conv: string): Promise<string> => {
      const page = await alice.ask("HistoryMes", { conv, limit: 1 }, "HistoryResMes");
      return (page.messages as { id: string }[])[0]?.id ?? "";
    };
    const [inAll, inPrivate] = [await newest("all"), await newest("u:300")];
    await until("the cursors", () => bot("all").includes(inAll) && bot("200").includes(inPrivate));
    reader.kill();
    asks("all");
    asks("u:300");
    await alice.hears("the questions to be stored", () => alice.all("SmsResMes").length === 5);
    reader.start("bot");
    await answers("all", 2);
    await answers("u:300", 2);
    reader.kill();

    // The log: once from the beginning, then what is new; nothing twice, nothing left out.
    assert.deepEqual(await reader.run("ship"), { code: 0, out: "", err: "" });
    const first = reader.lines("room.jsonl");
    asks("all");
    await alice.hears("the question to be stored", () => alice.all("SmsResMes").length === 6);
    assert.equal((await reader.run("ship")).code, 0);
    const all = reader.lines("room.jsonl");
    assert.equal(all.length, first.length + 1);
    assert.equal(all.at(-1)?.content, question);
    const ids = all.filter(({ conv }) => conv === "all").map(({ id }) => String(id).split("-")[1]);
    assert.deepEqual(
      ids,
      ids.map((_, index) => String(index + 1)),
      "the whole log",
    );

    alice.destroy();
    await server.close();
    const silent = await reader.run("alert", { LIMIT: "0" });
    assert.equal(silent.code, 1);
    assert.match(silent.err, /nobody was told \(exit code 3\)|没能告诉任何人（退出码 3）/);
  });
}

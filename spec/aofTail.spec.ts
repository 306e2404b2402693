/**
 * aofTail: an append-only file that ends inside a script, and what a Redis makes of it at the next start and the one
 * after (clauses [R-3], [S-4]).
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { cutOpenTransaction } from "../lib/aofTail.ts";
import { dataFolder, killPrivateRedis } from "./helpers/privateRedis.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { spawnServer } from "./helpers/server.ts";
import { type Data, WireClient, newUser } from "./helpers/wireClient.ts";

const command = (...parts: string[]): string =>
  `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join("")}`;

/** A folder of Redis with these bytes in its newest append-only file. */
function folderWith(bytes: Buffer): { folder: string; path: string } {
  const folder = scratchFolder();
  mkdirSync(join(folder, "appendonlydir"));
  // As Redis 8 writes it; that of 7 is in the spec with a server.
  const manifest = "file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i startoffset 0\n";
  writeFileSync(join(folder, "appendonlydir", "appendonly.aof.manifest"), manifest);
  const path = join(folder, "appendonlydir", "a.1.incr.aof");
  writeFileSync(path, bytes);
  return { folder, path };
}

const plain = fc
  .array(fc.string({ unit: "binary" }), { minLength: 1 })
  .map((parts) => command("SET", ...parts));
const script = fc.array(plain).map((inner) => [command("multi"), ...inner, command("EXEC")].join(""));

test("[R-3] cut anywhere, a file keeps whole commands and whole scripts, and of a command alone what was there", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(plain, script, fc.constant("#TS:1\r\n"))),
      fc.nat(),
      async (all, cut) => {
        const text = Buffer.from(all.join(""));
        const size = cut % (text.length + 1);
        const { folder, path } = folderWith(text.subarray(0, size));
        let end = 0;
        let wanted = size;
        for (const one of all) {
          const start = end;
          end += Buffer.byteLength(one);
          // A script of which at least the MULTI is there, and not all, goes.
          const multiEnd = start + Buffer.byteLength(command("multi"));
          if (one.startsWith(command("multi")) && multiEnd <= size && size < end) wanted = start;
        }
        assert.equal(await cutOpenTransaction(folder), size - wanted);
        assert.deepEqual(readFileSync(path), text.subarray(0, wanted));
      },
    ),
  );
});

test("[R-3] what is no command is left to Redis, and so is a folder without such a file", async () => {
  const bytes = Buffer.from(`${command("MULTI")}${command("SET", "a", "b")}\0\0\0\0${command("EXEC")}`);
  const { folder, path } = folderWith(bytes);
  assert.equal(await cutOpenTransaction(folder), 0);
  assert.deepEqual(readFileSync(path), bytes);
  assert.equal(await cutOpenTransaction(scratchFolder()), 0);
});

test("[R-3] [S-4] a script that was cut off comes back at no later start, and takes nothing with it", async () => {
  const folder = dataFolder();
  const path = join(folder, "appendonlydir", "appendonly.aof.1.incr.aof");
  const server = await spawnServer(["--data", folder]);
  const alice = await newUser(server.port, 1);
  const say = async (from: number, to: number): Promise<Data[]> => {
    const answers: Data[] = [];
    // In one write, so that one script stores them.
    alice.socket.cork();
    for (let n = from; n <= to; n++) alice.say("SmsMes", { content: `m${n}`, mid: `m${n}` });
    alice.socket.uncork();
    for (let n = from; n <= to; n++) answers.push((await alice.next("SmsResMes")).data);
    return answers;
  };
  assert.ok(
    (await say(1, 3)).every(({ code }) => code === 200),
    "stored",
  );
  const firstBytes = statSync(path).size;
  assert.ok(
    (await say(4, 9)).every(({ code }) => code === 200),
    "stored",
  );
  await server.kill("SIGKILL");
  await killPrivateRedis(folder);
  // As a power cut would leave it: the last of the messages is not whole.
  truncateSync(path, statSync(path).size - 200);
  assert.ok(statSync(path).size > firstBytes + 500, "some of the script is there");
  // Where nothing was trimmed nothing says so: as an exact length it would take others for what comes back.
  assert.ok(!readFileSync(path, "latin1").includes("MAXLEN"), "no entry is told to make room");
  for (let start = 1; start <= 2; start++) {
    const again = await spawnServer(["--data", folder]);
    const cut = again.events().filter(({ event }) => event === "redis_tail_cut");
    assert.equal(cut.length, start === 1 ? 1 : 0);
    const reader = await WireClient.login(again.port, { userId: 1, userPwd: "pw1", device: `d${start}` });
    for (const mid of ["m4", "m5"]) {
      assert.equal((await reader.ask("SmsMes", { content: mid, mid }, "SmsResMes")).code, 200);
    }
    const { messages } = await reader.ask("HistoryMes", { conv: "all", limit: 200 }, "HistoryResMes");
    const contents = (messages as Data[]).map(({ content }) => content);
    assert.deepEqual(contents, ["m1", "m2", "m3", "m4", "m5"]);
    await again.kill("SIGKILL");
    await killPrivateRedis(folder);
  }
});

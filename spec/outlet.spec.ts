/**
 * outlet: stderr and stdout that cannot be written cost their lines, never the server (clause ).
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { constants, openSync, readSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createJournal } from "../lib/journal.ts";
import { outletBacklogMaxBytes } from "../lib/limits.ts";
import { outletOf } from "../lib/outlet.ts";
import { freePort } from "./helpers/freePorts.ts";
import { dataFolder, privateRedisPid, runningOn } from "./helpers/privateRedis.ts";
import { Pty } from "./helpers/pty.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { spawnScript, spawnServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { newUser } from "./helpers/wireClient.ts";

async function serves(port: number, userId: number): Promise<void> {
  const client = await newUser(port, userId);
  const { code } = await client.ask("SmsMes", { content: "hi", mid: "m" }, "SmsResMes");
  assert.equal(code, 200);
  client.destroy();
}

describe("outlets of the server", { concurrency: 3 }, () => {
  test("[X-3] nobody reads stdout and stderr any more: it serves on, and goes in order", async () => {
    const folder = dataFolder();
    const server = await spawnServer(["--data", folder]);
    await privateRedisPid(folder);
    server.child.stderr?.destroy();
    server.child.stdout?.destroy();
    await serves(server.port, 1);
    await serves(server.port, 2);
    assert.equal(await server.kill("SIGTERM"), 0);
    assert.deepEqual(runningOn(folder), []);
  });

  test("[X-3] a full disk under stdout and stderr: it starts, serves, and goes in order", async () => {
    const folder = dataFolder();
    const full = openSync("/dev/full", "w");
    // Its port cannot be read from anywhere, so it is given: one that was free a moment ago.
    const port = await freePort();
    const { child, ended } = spawnScript(
      "server.ts",
      ["--port", String(port), "--rate", "0", "--data", folder],
      { stdio: ["ignore", full, full] },
    );
    await until(
      "it to serve",
      () =>
        serves(port, 1).then(
          () => true,
          () => false,
        ),
      20_000,
    );
    await privateRedisPid(folder);
    await serves(port, 2);
    child.kill("SIGTERM");
    assert.equal(await inTime("its end", ended, 15_000), 0);
    assert.deepEqual(runningOn(folder), []);
  });

  test("[X-3] a terminal held by Ctrl-S: it serves on, and the lines come with Ctrl-Q", async () => {
    const folder = dataFolder();
    const terminal = new Pty(
      [process.execPath, "--import", "tsx", "server.ts", "--port", "0", "--rate", "0", "--data", folder],
      {
        REDIS_URL: "",
      },
    );
    await terminal.shows("haiyu 海语 127.0.0.1:");
    const port = Number(await until("the port", () => /海语 127\.0\.0\.1:(\d+)\r/.exec(terminal.out)?.[1]));
    await privateRedisPid(folder);
    await serves(port, 1);
    terminal.press("\x13");
    for (let userId = 2; userId < 40; userId++) await serves(port, userId);
    assert.doesNotMatch(terminal.out, /"user_created","userId":39,/);
    terminal.press("\x11");
    await terminal.shows('"user_created","userId":2,', '"user_created","userId":39,');
    terminal.press("\x03");
    assert.equal((await terminal.ends()).code, 0);
    assert.deepEqual(runningOn(folder), []);
  });
});

test("[X-3] a pipe that nobody reads holds a bounded number of lines; how many were lost is told", async () => {
  const path = join(scratchFolder(), "pipe");
  execFileSync("mkfifo", [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const stream = Object.assign(new Socket({ fd, readable: false }), { fd });
  const outlet = outletOf(stream);
  let taken = 0;
  const journal = createJournal("n", {
    write: (line) => {
      const took = outlet.write(line);
      if (took) taken++;
      return took;
    },
  });
  const written = 20_000;
  for (let n = 0; n < written; n++) journal.write("event", { n, filler: "x".repeat(100) });
  assert.ok(taken < written, "some are lost");
  assert.ok(stream.writableLength < outletBacklogMaxBytes + 1000, `${stream.writableLength} bytes wait`);
  const chunk = Buffer.alloc(1024 * 1024);
  let text = "";
  const read = (): void => {
    try {
      text += chunk.toString("utf8", 0, readSync(fd, chunk));
    } catch {
      // Nothing there yet.
    }
  };
  await until("what waits to be read", () => {
    read();
    return stream.writableLength === 0;
  });
  journal.write("last");
  await until("the last line", () => {
    read();
    return text.includes('"last"');
  });
  const lines = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(lines.at(-2)?.event, "journal_lost");
  assert.equal(lines.at(-2)?.lines, written - (lines.length - 2));
  stream.destroy();
});

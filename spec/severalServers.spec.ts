/**
 * severalServers: client.ts that was given several servers of one chat, as real processes beside real ones of which one
 * is killed or does not answer (clauses [C-5], [C-34], [X-1]).
 */
import assert from "node:assert/strict";
import { type AddressInfo, createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import * as limits from "../lib/limits.ts";
import { parseTarget, shownAddresses } from "../lib/serverAddress.ts";
import { freePort } from "./helpers/freePorts.ts";
import { Gate } from "./helpers/gate.ts";
import { PipedClient } from "./helpers/pipedClient.ts";
import { Pty } from "./helpers/pty.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { passwordFile, spawnClient } from "./helpers/script.ts";
import { type SpawnedServer, spawnServer } from "./helpers/server.ts";
import { inTime, until } from "./helpers/wait.ts";
import { WatchedClient } from "./helpers/watchedClient.ts";
import { WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
/** Stays; the others are killed. */
let haven: SpawnedServer;
const ends: (() => Promise<unknown>)[] = [];

before(async () => {
  redis = await startRedis();
  haven = await spawnServer(["--redis", redis.url]);
});
after(async () => {
  for (const end of ends.reverse()) await end();
  await haven.kill("SIGKILL");
  await redis.stop();
});

/** A server that the spec will kill, and both as a client is told of them. */
async function doomed(userId: number): Promise<{ server: SpawnedServer; target: string; shown: string[] }> {
  const server = await spawnServer(["--redis", redis.url]);
  ends.push(async () => server.child.exitCode ?? server.child.signalCode ?? server.kill("SIGKILL"));
  const shown = [server.port, haven.port].map((port) => `127.0.0.1:${port}`);
  return { server, target: `${userId}@${shown.join()}`, shown };
}

test("[X-1] [C-5] HOST[:PORT],HOST[:PORT]: several servers are read strictly, and shown as they were given", () => {
  const { userId, ...servers } = parseTarget("7@a.example,[::1]:90,10.0.0.7");
  assert.equal(userId, 7);
  assert.deepEqual(servers, {
    host: "a.example",
    port: 8889,
    fallbacks: [
      { host: "::1", port: 90 },
      { host: "10.0.0.7", port: 8889 },
    ],
  });
  assert.equal(shownAddresses(servers), "a.example:8889, [::1]:90, 10.0.0.7:8889");
  const many = Array.from({ length: limits.serverAddressesMax + 1 }, (_, index) => `h${index}`).join();
  for (const wrong of ["a,", ",a", "a,,b", "1@a,2@b", "a,b:0", "a, b", "a,b:65536", many]) {
    assert.throws(() => parseTarget(wrong), /wanted \[USER@\]HOST\[:PORT\]\[,HOST\[:PORT\]…\]/, wrong);
  }
});

test("[C-5] one that takes the connection and says nothing is not waited for as long as if it were the only one", async () => {
  await registerUser(haven.port, 1);
  const gate = await Gate.to(haven.port);
  gate.stall("down");
  const fallbacks = [{ host: "127.0.0.1", port: haven.port }];
  const watched = new WatchedClient({ port: gate.port, userId: 1, fallbacks });
  const asked = new Promise((resolve) => (gate.tap = (direction) => direction === "up" && resolve(null)));
  const login = watched.client.login();
  await inTime("the log-in to be asked for", asked);
  watched.clock.advance(limits.clientAnswerDeadlineMs);
  assert.equal((await inTime("the other one", login)).code, 200);
  assert.equal(watched.client.server.port, haven.port);
  watched.client.close();
  await gate.close();
});

test("[C-5] a registration goes to the next where one was not reached, never where one may have made the account", async () => {
  const file = passwordFile("secret");
  const register = (userId: number, servers: number[], ...more: string[]): Promise<number | string> => {
    const target = `${userId}@${servers.map((port) => `127.0.0.1:${port}`).join()}`;
    const args = ["register", "--password-file", file, "--name", "r", ...more, target];
    return inTime("its end", spawnClient(args, scratchFolder()).ended, 20_000);
  };
  assert.equal(await register(20, [await freePort(), haven.port]), 0);
  // It hears what is said, and hangs up.
  const mute = createServer((socket) => void socket.once("data", () => socket.destroy())).listen(0);
  ends.push(() => new Promise((resolve) => mute.close(resolve)));
  assert.equal(await register(21, [(mute.address() as AddressInfo).port, haven.port]), 3);
  assert.equal(await redis.client.hexists("users", "21"), 0, "nobody else was asked");
});

describe("a server is killed", { concurrency: 3 }, () => {
  test("[C-5] [C-34] scripts given HOST[:PORT],HOST[:PORT] go on with the other one: every line said is stored and comes, once", async () => {
    const { server, target } = await doomed(31);
    await registerUser(haven.port, 31);
    await registerUser(haven.port, 32);
    const flags = (userId: number): string[] => ["--password-file", passwordFile(`pw${userId}`)];
    const tail = spawnClient(["tail", ...flags(31), "--json", target], scratchFolder());
    ends.push(async () => tail.child.exitCode ?? void tail.child.kill("SIGKILL"));
    const said = (): string[] =>
      tail.output.out
        .split("\n")
        .filter((line) => line.includes("line "))
        .map((line) => String((JSON.parse(line) as { content: unknown }).content));
    const send = spawnClient(["send", ...flags(32), target.replace("31@", "32@")], scratchFolder());
    send.child.stdin?.write("line 0\n");
    // The tail may stand only now: what is said first is said again until it is heard.
    await until("the tail to hear", async () => {
      const probe = await newUser(haven.port, 33).catch(() =>
        WireClient.login(haven.port, { userId: 33, userPwd: "pw33" }),
      );
      await probe.ask("SmsMes", { content: "line probe", mid: `p${performance.now()}` }, "SmsResMes");
      probe.destroy();
      return said().includes("line probe");
    });
    send.child.stdin?.write("line 1\nline 2\n");
    await until("the lines", () => said().includes("line 2"));
    const killedMs = performance.now();
    await server.kill("SIGKILL");
    send.child.stdin?.end("line 3\nline 4\n");
    await until("what was said after", () => said().includes("line 4"));
    const awayMs = performance.now() - killedMs;
    assert.ok(awayMs < 5_000, `back after ${awayMs} ms`);
    assert.equal(await inTime("the end of send", send.ended), 0, send.output.err);
    const numbered = said().filter((line) => /\d/.test(line) && line !== "line 0");
    assert.deepEqual(numbered, ["line 1", "line 2", "line 3", "line 4"]);
    for (const [name, ...more] of [["users"], ["history", "--limit", "4"], ["tail", "--once"]]) {
      const asked = spawnClient([name ?? "", ...more, ...flags(31), target], scratchFolder());
      assert.equal(await inTime(name ?? "", asked.ended), 0, `${name}: ${asked.output.err}`);
    }
    tail.child.kill("SIGTERM");
  });

  test("[C-5] [C-26] the full screen, given HOST[:PORT],HOST[:PORT], shows the other one, and what is typed then is stored", async () => {
    const { server, target, shown } = await doomed(41);
    await registerUser(haven.port, 41);
    const loader = import.meta.resolve("tsx");
    const command = [process.execPath, "--import", loader, new URL("../client.ts", import.meta.url).pathname];
    const pty = new Pty(
      [...command, "--lang", "en", target],
      { XDG_STATE_HOME: scratchFolder() },
      {
        columns: 120,
      },
    );
    await pty.onScreen("41 · ");
    pty.press("pw41\r");
    await pty.onScreen(shown[0] ?? "");
    await server.kill("SIGKILL");
    await pty.onScreen(shown[1] ?? "");
    pty.press("said on the other one\r");
    await until("it to be stored", async () => {
      // Others say something at the same time.
      const latest = await redis.client.xrevrange("{c:all}:log", "+", "-", "COUNT", "20");
      return latest.some(([, fields]) => fields.includes("said on the other one"));
    });
    pty.press("/quit\r");
    assert.equal((await pty.ends()).code, 0);
  });

  test("[C-5] line by line: said and come back, and a list of which nobody answers is told as a whole", async () => {
    const { server, target, shown } = await doomed(51);
    await registerUser(haven.port, 51);
    const client = new PipedClient(["--lang", "en", target]);
    await client.shows(`server ${shown.join(", ")}`);
    client.say("pw51");
    await client.shows("Welcome, user51(51)");
    client.say("2");
    await client.shows("Type");
    await server.kill("SIGKILL");
    await client.shows("Connected again");
    client.say("after the end of the first one");
    await until("it to be stored", async () => {
      const entries = await redis.client.xrevrange("{c:all}:log", "+", "-", "COUNT", "20");
      return entries.some(([, fields]) => fields.includes("after the end of the first one"));
    });
    assert.equal(await client.ends(), 0);

    const [one, two] = [await freePort(), await freePort()];
    const lost = new PipedClient(["--lang", "en", `51@127.0.0.1:${one},127.0.0.1:${two}`]);
    lost.say("pw51");
    await lost.shows(`Cannot reach 127.0.0.1:${one}, 127.0.0.1:${two} (ECONNREFUSED)`);
    assert.equal(await lost.exits(), 3);
  });
});

/**
 * outboxClient.spec: the outbox in the hands of client.ts, as real processes (clause [C-7]): what was typed while the
 * server was away survives kill -9 of the client, and is stored once, in order, at the next log-in.
 */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { type SpawnedProcess, spawnScript, startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { registerUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

/** client.ts at a port, with its state in a folder; lines are typed with `type`. */
function startClient(port: number, state: string): SpawnedProcess & { type(...lines: string[]): void } {
  const spawned = spawnScript("client.ts", [`127.0.0.1:${port}`, "--lang", "en"], {
    env: { XDG_STATE_HOME: state },
  });
  return { ...spawned, type: (...lines) => lines.forEach((line) => spawned.child.stdin?.write(`${line}\n`)) };
}

const outboxText = (state: string): string =>
  readdirSync(join(state, "haiyu", "outbox"))
    .filter((name) => name.endsWith(".outbox"))
    .map((name) => readFileSync(join(state, "haiyu", "outbox", name), "utf8"))
    .join("");

const storedContents = async (): Promise<string[]> => {
  const entries = await redis.client.xrange("{c:all}:log", "-", "+");
  return entries.map(([, fields]) => fields[fields.indexOf("content") + 1] ?? "");
};

test("[C-7] typed while the server is away, killed with -9, stored once and in order at the next log-in", async () => {
  const state = scratchFolder();
  const server = await startSpecServer({ redis });
  const { port } = server;
  await registerUser(port, 1);
  const first = startClient(port, state);
  first.type("1", "1", "pw1", "2", "before");
  await until("the first line", () => first.output.out.includes("me: before"));
  await server.close();
  first.type("one 一", "two", "three");
  await until("three lines on disk", () =>
    ["one 一", "two", "three"].every((line) => outboxText(state).includes(line)),
  );
  first.child.kill("SIGKILL");
  await first.ended;
  assert.deepEqual(await storedContents(), ["before"]);

  const again = await startSpecServer({ redis, port });
  const second = startClient(port, state);
  second.type("1", "1", "pw1", "2", "after", "/quit");
  assert.equal(await second.ended, 0);
  assert.deepEqual(await storedContents(), ["before", "one 一", "two", "three", "after"]);
  for (const line of ["one 一", "two", "three", "after"]) {
    assert.ok(second.output.out.includes(`me: ${line}`), `${line} is told as stored`);
  }
  assert.equal(outboxText(state), "");
  await again.close();
});

test("[C-7] a refused message is shown, kept over restarts, and goes when the person says so", async () => {
  const state = scratchFolder();
  const server = await startSpecServer({ redis });
  await registerUser(server.port, 2);
  const first = startClient(server.port, state);
  first.type("1", "2", "pw2", "2", "/msg 99 hello");
  await until("the refusal", () => first.output.out.includes("Not sent (no such user)"));
  first.child.kill("SIGKILL");
  await first.ended;

  const second = startClient(server.port, state);
  second.type("1", "2", "pw2", "2", "/unsent", "/again");
  const listed = /^! .* → 99: hello\n {4}not sent: no such user\n/m;
  await until("the list", () => listed.test(second.output.out));
  await until("the refusal again", () =>
    second.output.out.includes("! Not sent (no such user): (private to 99) hello"),
  );
  second.type("/drop", "/quit");
  assert.equal(await second.ended, 4);
  assert.ok(second.output.out.includes("1 dropped."), "it is gone");
  assert.equal(outboxText(state), "");
  await server.close();
});

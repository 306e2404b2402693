/**
 * renewLine.spec: a link to Redis that is to be made anew, since another Redis is the master, while it is only being made.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { after, test } from "node:test";
import { Redis } from "ioredis";
import { makeClient, renew } from "../lib/redisClient.ts";
import { parseRedisUrl } from "../lib/redisUrl.ts";
import { until } from "./helpers/wait.ts";

const ends: (() => void)[] = [];
after(() => {
  for (const end of ends.reverse()) end();
});

/** A port that neither takes a connection nor refuses it, as one of a machine that has lost its power. */
async function deafPort(): Promise<number> {
  const code = "const s = net.createServer().listen(0, '127.0.0.1', 1, () => console.log(s.address().port))";
  const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  ends.push(() => child.kill("SIGKILL"));
  const [text] = (await once(child.stdout, "data")) as [Buffer];
  const port = Number(String(text));
  child.kill("SIGSTOP");
  // The kernel takes as many as may wait, and one more.
  for (let count = 0; count < 2; count++) {
    const socket = connect(port, "127.0.0.1");
    ends.push(() => socket.destroy());
    await once(socket, "connect");
  }
  return port;
}

test("[R-12] a link that knocks where nobody answers is made anew at once, not when its time is over", async () => {
  const client = makeClient(parseRedisUrl(`redis://127.0.0.1:${await deafPort()}`), "spec");
  ends.push(() => client.disconnect());
  assert.ok(client instanceof Redis, "it is one link");
  const errors: string[] = [];
  client.on("error", ({ message }: Error) => errors.push(message));
  client.connect().catch(() => undefined);
  await until("it to knock", () => client.status === "connecting" && client.stream?.connecting);
  const again = once(client, "reconnecting");
  renew(client);
  await again;
  assert.deepEqual(errors, [], "nothing has run out of time");
});

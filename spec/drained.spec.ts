/**
 * drained.spec: when a connection says that the other side has taken what it was sent, on a real socket whose kernel
 * takes no more.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { test } from "node:test";
import { systemClock } from "../lib/clock.ts";
import { Connection } from "../lib/connection.ts";
import { Meter } from "../lib/meter.ts";
import type { Processor } from "../lib/processor.ts";
import { WakeTime } from "../lib/wakeTime.ts";
import { until } from "./helpers/wait.ts";

test("[D-6] a reader that took the little that waited has drained: what it lacks goes on", async (t) => {
  const listening = createServer().listen({ host: "127.0.0.1", port: 0 });
  await once(listening, "listening");
  const client = connect((listening.address() as AddressInfo).port, "127.0.0.1").pause();
  const [socket] = (await once(listening, "connection")) as [Socket];
  const wakeTime = new WakeTime(systemClock);
  t.after(() => {
    wakeTime.close();
    client.destroy();
    socket.destroy();
    listening.close();
  });
  const connection = new Connection(socket, "127.0.0.1", {
    processor: { leave: () => undefined } as unknown as Processor,
    clock: systemClock,
    wakeTime,
    journal: { write: () => undefined },
    meter: new Meter(),
    online: () => [],
    settled: () => undefined,
    gone: () => undefined,
  });
  while (connection.backlogBytes === 0) connection.write(Buffer.alloc(1024));
  assert.ok(
    connection.backlogBytes < socket.writableHighWaterMark,
    "so little that the stream was never full, and does not tell by itself",
  );
  let drained = false;
  connection.whenDrained(() => (drained = true));
  assert.equal(drained, false);
  client.resume();
  await until("the connection to know that all was taken", () => drained);
});

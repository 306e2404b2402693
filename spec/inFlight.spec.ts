/**
 * inFlight: what is asked while something else is under way: where a device stands while that is being written down or
 * its connection is ending, two log-ins of one user at once.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CursorDao } from "../lib/cursorDao.ts";
import { Doorbell } from "../lib/doorbell.ts";
import type { Journal } from "../lib/journal.ts";
import { Meter } from "../lib/meter.ts";
import { connectRedis } from "../lib/redis.ts";
import { parseRedisUrl } from "../lib/redisUrl.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { WireClient, frameOf, newUser, registerUser } from "./helpers/wireClient.ts";

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

test("[D-2] a cursor that is just being written is read as it was moved", async (t) => {
  const journal: Journal = { write: () => undefined };
  const store = await connectRedis({ address: parseRedisUrl(redis.url), journal, role: "store" });
  t.after(() => store.close());
  const ignored = (): void => undefined;
  const cursors = new CursorDao({
    store,
    clock: new ManualClock(),
    journal,
    received: ignored,
    newestLogin: ignored,
  });
  for (let seq = 1; seq <= 20; seq++) {
    cursors.move(100, "d", "all", { epoch: 1, seq });
    const reading = cursors.read(100, "d", ["all"]);
    const flushed = cursors.flush();
    assert.deepEqual(await reading, [{ epoch: 1, seq }]);
    await flushed;
    assert.deepEqual(await cursors.read(100, "d", ["all"]), [{ epoch: 1, seq }]);
  }
  // What is moved while Redis is asked is not older than the answer.
  const reading = cursors.read(100, "d", ["all", "dm:1:100"]);
  cursors.move(100, "d", "all", { epoch: 1, seq: 30 });
  assert.deepEqual(await reading, [{ epoch: 1, seq: 30 }, null]);
  cursors.move(100, "d", "all", { epoch: 1, seq: 25 });
  assert.deepEqual(await cursors.read(100, "d", ["all"]), [{ epoch: 1, seq: 30 }], "never back");
  await cursors.close();
});

test("[D-2] [K-3] an AckMes right before LogoutMes counts", async () => {
  const speaker = await newUser(server.port, 200);
  await registerUser(server.port, 201);
  const login = { userId: 201, userPwd: "pw201", device: "d" };
  for (let round = 0; round < 5; round++) {
    await speaker.ask("SmsMes", { conv: "u:201", content: `${round}`, mid: `${round}` }, "SmsResMes");
    const reader = await WireClient.login(server.port, login);
    await reader.hears("the message", () => reader.all("SmsMes").length > 0);
    assert.deepEqual(
      reader.all("SmsMes").map(({ content }) => content),
      [`${round}`],
    );
    const ack = frameOf("AckMes", { conv: "u:200", id: reader.all("SmsMes")[0]?.id });
    reader.bytes(Buffer.concat([ack, frameOf("LogoutMes", {})]));
    assert.equal(await reader.closed, "end");
  }
  speaker.destroy();
});

test("[L-7] two log-ins of one user at once: neither goes on before it is listened for, the later one does not overtake", async (t) => {
  const journal: Journal = { write: () => undefined };
  const store = await connectRedis({ address: parseRedisUrl(redis.url), journal, role: "store" });
  t.after(() => store.close());
  const doorbell = new Doorbell({ store, clock: new ManualClock(), meter: new Meter(), node: "n" });
  t.after(() => doorbell.close());
  const ignored = (): void => undefined;
  await doorbell.open({
    rang: ignored,
    replaced: ignored,
    received: ignored,
    presenceChanged: ignored,
    missed: ignored,
  });
  const order: string[] = [];
  const held = ["first", "second"].map((name) => doorbell.hold(300).then(() => order.push(name)));
  await Promise.all(held);
  assert.deepEqual(order, ["first", "second"]);
  doorbell.release(300);
  doorbell.release(300);
});

/**
 * journal: what a trouble says over and over is one line a second, whoever says it; while Redis is away presence asks
 * less and less often.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createJournal } from "../lib/journal.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { startRedis } from "./helpers/redis.ts";
import { startSpecServer } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { newUser } from "./helpers/wireClient.ts";

test("[journal] an outage is one line a second for each event and reason, with how many there were", () => {
  const clock = new ManualClock();
  const lines: Record<string, unknown>[] = [];
  const sink = { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) > 0 };
  const journal = createJournal("n", sink, clock);
  for (let n = 0; n < 1000; n++) {
    journal.write("append_failed", { conv: `dm:1:${n}`, reason: "gone" });
    journal.write("append_failed", { conv: `dm:1:${n}`, reason: "timeout" });
    journal.write("session_opened", { userId: n });
    clock.advance(5);
  }
  const of = (reason: string): unknown[] =>
    lines.filter((line) => line.reason === reason).map(({ times }) => times);
  assert.deepEqual(of("gone"), [undefined, 200, 200, 200, 200]);
  assert.deepEqual(of("timeout"), [undefined, 200, 200, 200, 200]);
  assert.equal(
    lines.filter(({ event }) => event === "session_opened").length,
    1000,
    "events are not troubles",
  );
  for (let n = 0; n < 100_000; n++) journal.write("read_failed", { reason: `reason ${n}` });
  assert.equal(lines.length, 1010 + 100_000, "reasons of all kinds are kept, not remembered");
});

test("[P-7] while Redis is away presence asks less and less often, and at once when it is back", async (t) => {
  const clock = new ManualClock();
  const first = await startRedis();
  const server = await startSpecServer({ redis: first, clock });
  const [leaving, watcher] = [await newUser(server.port, 1), await newUser(server.port, 2)];
  await watcher.hears("who is there", () =>
    JSON.stringify(watcher.all("PresenceMes")).includes('"userId":1,'),
  );
  await first.stop();
  leaving.destroy();
  await until("that it left", () => server.events.some(({ event }) => event === "session_closed"));
  const asked = (): number => server.events.filter(({ event }) => event === "presence_frozen").length;
  for (let step = 0; step < 400; step++) {
    clock.advance(50);
    // The answer of a connection that is not there comes with the next turns.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(asked() >= 5 && asked() <= 20, `${asked()} times in 20 s`);
  const again = await startRedis({ folder: first.folder });
  t.after(() => again.stop());
  await until("that it is told", () => {
    clock.advance(50);
    return watcher.all("PresenceMes").some(({ offline }) => (offline as number[]).includes(1));
  });
  watcher.destroy();
  await server.close();
});

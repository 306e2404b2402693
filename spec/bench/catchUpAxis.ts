/**
 * catchUpAxis: 1,000 readers who slept come back at once, and each gets the 1,000 messages it has missed.
 */
import { type Axis, type Bench, textLength } from "./axis.ts";
import { Meter } from "./cost.ts";
import { Crowd, numbered } from "./crowd.ts";
import { startHaiyu } from "./haiyuSystem.ts";
import { HaiyuWire, firstUserId } from "./haiyuWire.ts";
import { Tally } from "./tally.ts";

const axis = "catchup";
const messages = 1000;
export const catchUpWork = (readers: number): string => `${readers} readers x ${messages} messages`;

export const catchUpAxis: Axis = {
  name: axis,
  about: "sleepers come back, each gets 1,000 messages from the log",
  async run(bench) {
    const readers = bench.quick ? 200 : 1000;
    for (let repetition = 0; repetition < bench.repetitions; repetition++) await catchUp(bench, readers);
  },
};

async function catchUp(bench: Bench, readers: number): Promise<void> {
  const system = await startHaiyu({ users: readers + 1 });
  try {
    const tally = new Tally({ members: readers, most: messages, readersOf: () => readers });
    await fill(system.port, readers, tally);
    const crowd = new Crowd({
      port: system.port,
      wireOf: (index, heard) => new HaiyuWire({ userId: firstUserId + index, heard, replay: "all" }),
    });
    crowd.tally = tally;
    const [startMs, server, all] = [performance.now(), new Meter([system.pid]), new Meter(system.pids)];
    await crowd.grow(readers);
    while (tally.incomplete > 0 && performance.now() - startMs < 60_000) {
      await new Promise((resolve) => void setTimeout(resolve, 2));
    }
    const seconds = (performance.now() - startMs) / 1000;
    const [cpu, serverCpu] = [all.cpu, server.cpu];
    tally.assertExactlyOnce("catch-up");
    const values = {
      "messages per CPU second of the server 1/s": tally.delivered / serverCpu,
      "messages per CPU second of server and Redis 1/s": tally.delivered / cpu,
      "until all have all s": seconds,
    };
    bench.figures.add({ axis, work: catchUpWork(readers), system: system.name }, values);
    bench.say(`catch-up: ${Math.round(tally.delivered / serverCpu).toLocaleString("en")} per CPU second`);
    crowd.leave();
  } finally {
    await system.stop();
  }
}

/** One who is not among the readers says everything. */
async function fill(port: number, userIndex: number, tally: Tally): Promise<void> {
  let stored = 0;
  let done: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (done = resolve));
  const crowd = new Crowd({
    port,
    wireOf: (_index, heard) =>
      new HaiyuWire({
        userId: firstUserId + userIndex,
        heard,
        stored: () => {
          if (++stored === messages) done();
        },
      }),
  });
  await crowd.grow(1);
  const [speaker] = crowd.members;
  for (let count = 0; speaker && count < messages; count++) {
    speaker.socket.write(speaker.wire.say(numbered(tally.send(0, performance.now()), textLength)));
  }
  await all;
  crowd.leave();
}

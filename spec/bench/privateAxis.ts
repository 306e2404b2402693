/**
 * privateAxis: private messages, 2,000 a second over 1,000 users, each to one other; and what an fsync costs meanwhile.
 */
import { type Axis, textLength, valuesOf } from "./axis.ts";
import { Crowd } from "./crowd.ts";
import { keepRate } from "./drive.ts";
import { startFsyncProbe } from "./fsyncProbe.ts";
import { startHaiyu } from "./haiyuSystem.ts";
import { HaiyuWire, firstUserId } from "./haiyuWire.ts";

const axis = "private";
const users = 1000;
export const privateWork = "2,000 messages/s over 1,000 users";

export const privateAxis: Axis = {
  name: axis,
  about: "private messages, 2,000 a second over 1,000 users",
  async run(bench) {
    const system = await startHaiyu({ users });
    try {
      const peerOf = (index: number): number => firstUserId + ((index + users / 2) % users);
      const crowd = new Crowd({
        port: system.port,
        wireOf: (index, heard) =>
          new HaiyuWire({
            userId: firstUserId + index,
            heard,
            conv: () => `u:${peerOf(index)}`,
            replay: "all",
          }),
      });
      await crowd.grow(users);
      const senders = Array.from({ length: users }, (_, index) => index);
      for (let repetition = 0; repetition < bench.repetitions; repetition++) {
        const fsync = await startFsyncProbe(system.folder);
        const driven = await keepRate(crowd, system, {
          ...{ perSecond: 2000, senders, readers: 1, textLength },
          ...{ seconds: bench.seconds, warmSeconds: 1 },
        });
        await fsync.stop();
        const values: Record<string, number> = {
          ...valuesOf(driven),
          "fsync p50 ms": fsync.latencies.percentile(50),
          "fsync p99 ms": fsync.latencies.percentile(99),
        };
        bench.figures.add({ axis, work: privateWork, system: system.name }, values);
        bench.say(`private: p50 ${values["p50 ms"]?.toFixed(2)} ms, p99 ${values["p99 ms"]?.toFixed(2)} ms`);
      }
      crowd.leave();
    } finally {
      await system.stop();
    }
  },
};

/**
 * stalledAxis: 200 members of 1,000 do not read. What the other 800 see of it, and what it costs the server in memory.
 */
import { type Axis, textLength, valuesOf } from "./axis.ts";
import { rssBytes } from "./cost.ts";
import { Crowd } from "./crowd.ts";
import { lastOf, saturate } from "./drive.ts";
import { startHaiyu } from "./haiyuSystem.ts";

const axis = "stalled";
const [live, stalled] = [800, 200];
export const beforeWork = "800 live";
export const besideWork = "800 live beside 200 stalled";

export const stalledAxis: Axis = {
  name: axis,
  about: "200 stalled readers of 1,000",
  async run(bench) {
    for (let repetition = 0; repetition < bench.repetitions; repetition++) {
      const system = await startHaiyu({ users: live + stalled });
      try {
        const crowd = new Crowd(system);
        await crowd.grow(live);
        const drive = {
          inFlight: 256,
          senders: lastOf(live, 64),
          readers: live - 1,
          textLength,
          seconds: bench.seconds,
        };
        // The first window warms both up alike, and makes the memory that any load makes.
        await saturate(crowd, system, drive);
        const before = await saturate(crowd, system, drive);
        const rssBefore = rssBytes(system.pid);
        await crowd.grow(live + stalled);
        for (const member of crowd.members.slice(live)) member.socket.pause();
        // First the kernels' buffers of those who do not read fill up, and they are set aside.
        const beside = await saturate(crowd, system, { ...drive, warmSeconds: bench.quick ? 2 : 12 });
        const besideValues = {
          ...valuesOf(beside),
          "RSS more MB": (rssBytes(system.pid) - rssBefore) / 1e6,
          "deliveries beside / before x": beside.deliveriesPerSecond / before.deliveriesPerSecond,
          "p99 beside / before x":
            beside.tally.latencies.percentile(99) / before.tally.latencies.percentile(99),
        };
        bench.figures.add({ axis, work: beforeWork, system: system.name }, valuesOf(before));
        bench.figures.add({ axis, work: besideWork, system: system.name }, besideValues);
        bench.say(`stalled: throughput x ${besideValues["deliveries beside / before x"].toFixed(2)}`);
        crowd.leave();
      } finally {
        await system.stop();
      }
    }
  },
};

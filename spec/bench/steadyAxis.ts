/**
 * steadyAxis: half load for a long time: whether memory grows, and whether the slowest messages become slower.
 */
import { type Axis, textLength } from "./axis.ts";
import { rssBytes } from "./cost.ts";
import { Crowd } from "./crowd.ts";
import { keepRate, lastOf, saturate } from "./drive.ts";
import { startHaiyu } from "./haiyuSystem.ts";

const axis = "steady";
const members = 1000;
export const steadyWork = (minutes: number): string => `N=1000, half of saturation for ${minutes} minutes`;

export const steadyAxis: Axis = {
  name: axis,
  about: "half load for many minutes (--minutes)",
  onlyByName: true,
  async run(bench) {
    const system = await startHaiyu({ users: members });
    try {
      const crowd = new Crowd(system);
      await crowd.grow(members);
      const senders = lastOf(members, 64);
      const { deliveriesPerSecond } = await saturate(crowd, system, {
        inFlight: 256,
        senders,
        textLength,
        seconds: 5,
      });
      const perSecond = Math.round(deliveriesPerSecond / members / 2);
      // In six parts: the first is the warming up that any load begins with.
      const partSeconds = (bench.minutes * 60) / 6;
      const parts: { atMinute: number; rssMb: number; p999: number }[] = [];
      for (let part = 0; part < 6; part++) {
        let left = partSeconds;
        let p999 = 0;
        while (left > 0) {
          const seconds = Math.min(left, 15);
          const { tally } = await keepRate(crowd, system, { perSecond, senders, textLength, seconds });
          p999 = Math.max(p999, tally.latencies.percentile(99.9));
          left -= seconds;
        }
        parts.push({ atMinute: ((part + 1) * partSeconds) / 60, rssMb: rssBytes(system.pid) / 1e6, p999 });
        const { rssMb } = parts.at(-1) ?? { rssMb: 0 };
        bench.say(
          `steady: part ${part + 1} of 6, RSS ${rssMb.toFixed(0)} MB, worst p99.9 ${p999.toFixed(1)} ms`,
        );
      }
      const [first, last] = [parts[0], parts.at(-1)];
      if (!first || !last) return;
      const warm = parts.slice(1);
      const slope =
        ((warm.at(-1)?.rssMb ?? 0) - (warm[0]?.rssMb ?? 0)) / (last.atMinute - (warm[0]?.atMinute ?? 0));
      const values = {
        "RSS slope MB/min": slope,
        "p99.9 last / first x": last.p999 / first.p999,
        "RSS MB": last.rssMb,
      };
      bench.figures.add({ axis, work: steadyWork(bench.minutes), system: system.name }, values);
      crowd.leave();
    } finally {
      await system.stop();
    }
  },
};

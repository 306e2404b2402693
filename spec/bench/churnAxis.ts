/**
 * churnAxis: a tenth of the room leaves, and as many others come, each second; everybody is told.
 */
import type { Axis } from "./axis.ts";
import { Meter } from "./cost.ts";
import { Crowd } from "./crowd.ts";
import { startHaiyu } from "./haiyuSystem.ts";
import { HaiyuWire, firstUserId } from "./haiyuWire.ts";
import { Latencies } from "./latencies.ts";
import { changesIn, isPresence } from "./presenceCount.ts";

const axis = "churn";
const members = 1000;
export const churnWork = "N=1000, 10 % leave and 10 % come each second";

export const churnAxis: Axis = {
  name: axis,
  about: "presence: a tenth leaves and comes each second",
  async run(bench) {
    const each = members / 10;
    const steps = bench.quick ? 2 : 5;
    for (let repetition = 0; repetition < bench.repetitions; repetition++) {
      const users = members + steps * each;
      const system = await startHaiyu({ users });
      try {
        const latencies = new Latencies();
        /** When somebody came or went, and is not yet told by the witness. */
        const due = new Map<string, number>();
        const witness = members - 1;
        const note = (kind: "on" | "off", userId: number): void => {
          const atMs = due.get(`${kind} ${userId}`);
          if (atMs === undefined) return;
          latencies.add(performance.now() - atMs);
          due.delete(`${kind} ${userId}`);
        };
        const crowd = new Crowd({
          port: system.port,
          wireOf: (index, heard) =>
            new HaiyuWire({
              ...{ userId: firstUserId + index, heard, presence: true },
              other: (payload) => {
                if (index !== witness || !isPresence(payload)) return;
                const { online, offline } = changesIn(payload);
                for (const userId of online) note("on", userId);
                for (const userId of offline) note("off", userId);
              },
            }),
        });
        await crowd.grow(members);
        await new Promise((resolve) => void setTimeout(resolve, 500));
        const [server, all] = [new Meter([system.pid]), new Meter(system.pids)];
        for (let step = 0; step < steps; step++) {
          const startMs = performance.now();
          for (let n = 0; n < each; n++) {
            const index = step * each + n;
            due.set(`off ${firstUserId + index}`, performance.now());
            crowd.members[index]?.leave();
          }
          const first = crowd.members.length;
          for (let n = 0; n < each; n++) due.set(`on ${firstUserId + first + n}`, performance.now());
          await crowd.grow(first + each);
          await new Promise((resolve) => void setTimeout(resolve, 1000 - (performance.now() - startMs)));
        }
        const [share, serverShare] = [all.share, server.share];
        if (due.size > 0) throw new Error(`churn: the witness was not told of ${due.size} changes`);
        const values = {
          "told p50 ms": latencies.percentile(50),
          "told p99 ms": latencies.percentile(99),
          "CPU of server %": serverShare * 100,
          "CPU of server and Redis %": share * 100,
        };
        bench.figures.add({ axis, work: churnWork, system: system.name }, values);
        bench.say(
          `churn: told after ${values["told p50 ms"].toFixed(0)} ms, server ${values["CPU of server %"].toFixed(0)} %`,
        );
        crowd.leave();
      } finally {
        await system.stop();
      }
    }
  },
};

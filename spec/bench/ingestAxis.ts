/**
 * ingestAxis: how many messages a second can be stored, with few readers; and what Redis keeps of each.
 */
import { type Axis, textLength, valuesOf } from "./axis.ts";
import { Crowd } from "./crowd.ts";
import { keepRate, lastOf, saturate } from "./drive.ts";
import { type RunningHaiyu, startHaiyu } from "./haiyuSystem.ts";

const axis = "ingest";
const members = 20;
export const ingestWork = (fsync: string): string => `16 senders, 4 more readers, appendfsync ${fsync}`;

export const ingestAxis: Axis = {
  name: axis,
  about: "messages stored a second, with few readers",
  async run(bench) {
    for (const fsync of ["always", "everysec"] as const) {
      for (let repetition = 0; repetition < bench.repetitions; repetition++) {
        const system = await startHaiyu({ users: members, fsync });
        try {
          const crowd = new Crowd(system);
          await crowd.grow(members);
          const perMessage = await redisBytesPerMessage(system, crowd);
          const driven = await saturate(crowd, system, {
            ...{ inFlight: 2048, senders: lastOf(members, 16), textLength, seconds: bench.seconds },
          });
          const { deliveriesPerSecond, seconds, cpu, serverCpu } = driven;
          const messages = (deliveriesPerSecond * seconds) / (members - 1);
          const values = {
            ...valuesOf(driven),
            "stored 1/s": messages / seconds,
            "CPU of server per message us": (serverCpu * 1e6) / messages,
            "CPU of Redis per message us": ((cpu - serverCpu) * 1e6) / messages,
            "Redis memory per message bytes": perMessage,
          };
          bench.figures.add({ axis, work: ingestWork(fsync), system: system.name }, values);
          bench.say(`ingest ${fsync}: ${Math.round(values["stored 1/s"]).toLocaleString("en")} messages/s`);
          crowd.leave();
        } finally {
          await system.stop();
        }
      }
    }
  },
};

/** What Redis keeps of one message, its mid included: the mean of 5,000, after some first ones. */
async function redisBytesPerMessage(system: RunningHaiyu, crowd: Crowd): Promise<number> {
  const memory = async (): Promise<number> =>
    Number(/used_memory:(\d+)/.exec(await system.redis.info("memory"))?.[1]);
  const senders = lastOf(members, 16);
  const most = { perSecond: 5000, senders, textLength };
  await keepRate(crowd, system, { ...most, seconds: 0.01 });
  const before = await memory();
  const { tally } = await keepRate(crowd, system, { ...most, seconds: 1 });
  return ((await memory()) - before) / tally.sent;
}

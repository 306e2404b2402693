/**
 * rateAxis: a room that is not in a hurry: 20 messages a second to 1,000 members; and one at half of what it can take.
 */
import { type Axis, textLength, valuesOf } from "./axis.ts";
import { keepRate, lastOf, saturate } from "./drive.ts";
import { withRooms } from "./rooms.ts";

const members = 1000;
export const rateWork = "N=1000, 20 messages/s";
export const halfWork = "N=1000, half of saturation";

export const rateAxis: Axis = {
  name: "rate",
  about: "1,000 members at 20 messages a second",
  async run(bench) {
    await withRooms(bench, { members, peers: true }, async (rooms) => {
      for (let repetition = 0; repetition < bench.repetitions; repetition++) {
        for (const { system, crowd } of rooms) {
          const seconds = bench.quick ? 1.5 : 2 * bench.seconds;
          const senders = lastOf(members, 64);
          const driven = await keepRate(crowd, system, {
            perSecond: 20,
            senders,
            textLength,
            seconds,
            warmSeconds: 1,
          });
          bench.figures.add({ axis: "rate", work: rateWork, system: system.name }, valuesOf(driven));
          bench.say(`${rateWork}: ${system.name} p50 ${driven.tally.latencies.percentile(50).toFixed(1)} ms`);
        }
      }
    });
  },
};

export const halfAxis: Axis = {
  name: "half",
  about: "1,000 members at half of what ours takes at saturation",
  async run(bench) {
    await withRooms(bench, { members }, async (rooms) => {
      const senders = lastOf(members, 64);
      const ours = rooms.find(({ system }) => system.name === "haiyu");
      if (!ours) return;
      const { deliveriesPerSecond } = await saturate(ours.crowd, ours.system, {
        ...{ inFlight: 256, senders, textLength, seconds: bench.seconds },
      });
      const perSecond = Math.round(deliveriesPerSecond / members / 2);
      bench.say(`${halfWork}: ${perSecond} messages/s`);
      for (let repetition = 0; repetition < bench.repetitions; repetition++) {
        for (const { system, crowd } of rooms) {
          const driven = await keepRate(crowd, system, {
            perSecond,
            senders,
            textLength,
            seconds: bench.seconds,
            warmSeconds: 0.5,
          });
          bench.figures.add({ axis: "half", work: halfWork, system: system.name }, valuesOf(driven));
          bench.say(`${halfWork}: ${system.name} p50 ${driven.tally.latencies.percentile(50).toFixed(1)} ms`);
        }
      }
    });
  },
};

/**
 * fanoutAxis: one room at saturation. So many messages are always on their way; one is done when its last reader has it.
 */
import { type Axis, textLength, valuesOf } from "./axis.ts";
import { lastOf, saturate } from "./drive.ts";
import { withRooms } from "./rooms.ts";

const axis = "fanout";

/** How a case is called. */
export const fanoutWork = (members: number, inFlight: number): string =>
  `N=${members}, ${inFlight} in flight`;

export const fanoutAxis: Axis = {
  name: axis,
  about: "room fan-out at saturation, 256 and 32 messages in flight",
  async run(bench) {
    for (const members of bench.quick ? [1000] : [100, 1000, 5000, 9000]) {
      await withRooms(bench, { members, peers: members === 1000 }, async (rooms) => {
        for (const inFlight of [256, 32]) {
          const work = fanoutWork(members, inFlight);
          for (let repetition = 0; repetition < bench.repetitions; repetition++) {
            for (const { system, crowd } of rooms) {
              const senders = lastOf(members, 64);
              const driven = await saturate(crowd, system, {
                inFlight,
                senders,
                textLength,
                seconds: bench.seconds,
              });
              bench.figures.add({ axis, work, system: system.name }, valuesOf(driven));
              bench.say(
                `${work}: ${system.name} ${Math.round(driven.deliveriesPerSecond).toLocaleString("en")}/s`,
              );
            }
          }
        }
      });
    }
  },
};

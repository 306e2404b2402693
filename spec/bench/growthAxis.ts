/**
 * growthAxis: the same deliveries a second to rooms of all sizes. Beside it: what idle members cost in CPU.
 */
import { type Axis, textLength, valuesOf } from "./axis.ts";
import { keepRate, lastOf } from "./drive.ts";
import { withRooms } from "./rooms.ts";

const axis = "growth";
const deliveriesPerSecond = 20_000;
export const growthSizes = [100, 1000, 5000, 9000];
export const growthWork = (members: number): string =>
  `N=${members}, ${deliveriesPerSecond / 1000},000 deliveries/s`;

export const growthAxis: Axis = {
  name: axis,
  about: "the same deliveries a second to 100, 1,000, 5,000 and 9,000 members",
  async run(bench) {
    for (const members of bench.quick ? [100, 1000] : growthSizes) {
      await withRooms(bench, { members }, async (rooms) => {
        for (let repetition = 0; repetition < bench.repetitions; repetition++) {
          for (const { system, crowd } of rooms) {
            const driven = await keepRate(crowd, system, {
              perSecond: deliveriesPerSecond / members,
              senders: lastOf(members, 64),
              textLength,
              seconds: bench.quick ? 1 : bench.seconds,
            });
            bench.figures.add({ axis, work: growthWork(members), system: system.name }, valuesOf(driven));
          }
          bench.say(`${growthWork(members)}: repetition ${repetition + 1}`);
        }
      });
    }
  },
};

/** k of cost = c * members^k for one message to all, fitted over the sizes that were measured. */
export function growthExponent(points: readonly { members: number; cpuPerDelivery: number }[]): number {
  const logs = points.map(({ members, cpuPerDelivery }) => [
    Math.log(members),
    Math.log(members * cpuPerDelivery),
  ]);
  const mean = (at: 0 | 1): number => logs.reduce((sum, pair) => sum + (pair[at] ?? 0), 0) / logs.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  let [products, squares] = [0, 0];
  for (const [x = 0, y = 0] of logs) {
    products += (x - meanX) * (y - meanY);
    squares += (x - meanX) ** 2;
  }
  return products / squares;
}

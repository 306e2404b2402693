/**
 * nodeCost: `npx tsx spec/bench/nodeCost.ts [--members 1000] [--rates 0,5,20,50] [--nodes 1,2,4] [--seconds 20]
 * [--rounds 2]`. What nodes cost beside each other: the same members in one room on 1, 2 and 4 nodes, at several rates, in
 * turn. CPU of all nodes together, of Redis, and its commands, as the operating system and Redis count them.
 */
import { parseArgs } from "node:util";
import { encodeClient } from "../../lib/message.ts";
import { Fleet, tokenOf } from "../helpers/fleet.ts";
import { Meter } from "./cost.ts";
import { Crowd, type Heard, numbered } from "./crowd.ts";
import { HaiyuWire } from "./haiyuWire.ts";
import { metronome } from "./metronome.ts";

const { values } = parseArgs({
  options: {
    members: { type: "string", default: "1000" },
    rates: { type: "string", default: "0,5,20,50" },
    nodes: { type: "string", default: "1,2,4" },
    seconds: { type: "string", default: "20" },
    rounds: { type: "string", default: "2" },
  },
});
const [memberCount, seconds, rounds] = [values.members, values.seconds, values.rounds].map(Number) as [
  number,
  number,
  number,
];
const [rates, nodeCounts] = [values.rates, values.nodes].map((list) => list.split(",").map(Number)) as [
  number[],
  number[],
];
const contentChars = 100;
const settleMs = 4000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Logs in as a user of the fleet; else a session as the benchmark has them. */
class FleetWire extends HaiyuWire {
  readonly #hello: Buffer;

  constructor(options: ConstructorParameters<typeof HaiyuWire>[0], token: string) {
    super(options);
    const { userId } = options;
    this.#hello = encodeClient("LoginMes", { userId, v: 2, device: "d", replay: "none", token });
  }

  override hello(): Buffer {
    return this.#hello;
  }
}

async function commandsOf({ redis }: Fleet): Promise<number> {
  const info = await redis.client.info("stats");
  return Number(/^total_commands_processed:(\d+)/m.exec(info)?.[1]);
}

async function measure(nodes: number): Promise<void> {
  const fleet = await Fleet.open(nodes);
  await fleet.addUsers(memberCount);
  let deliveries = 0;
  const crowds = fleet.nodes.map(({ port }, at) => {
    const wireOf = (index: number, heard: Heard): FleetWire => {
      const userId = index * nodes + at + 1;
      const counted = { ...heard, delivered: () => void deliveries++ };
      return new FleetWire({ userId, heard: counted }, tokenOf(userId));
    };
    return new Crowd({ port, wireOf });
  });
  const share = Math.floor(memberCount / nodes);
  await Promise.all(crowds.map((crowd) => crowd.grow(share, 16)));
  await pause(settleMs);
  const pids = fleet.nodes.map(({ child }) => child.pid ?? 0);
  for (const rate of rates) {
    const count = rate * seconds;
    const [cpu, redisCpu] = [new Meter(pids), new Meter([fleet.redis.process.pid ?? 0])];
    const before = await commandsOf(fleet);
    const [startMs, startDeliveries] = [performance.now(), deliveries];
    if (count === 0) await pause(seconds * 1000);
    else {
      const broken = Promise.race(crowds.map((crowd) => crowd.broken));
      const due = (index: number): void => {
        const member = crowds[index % nodes]?.members[index % share];
        member?.socket.write(member.wire.say(numbered(index, contentChars)));
      };
      await metronome({ perSecond: rate, count }, due, broken);
    }
    const lasted = (performance.now() - startMs) / 1000;
    const commands = ((await commandsOf(fleet)) - before) / lasted;
    say(
      [
        `${nodes} nodes, ${String(rate).padStart(2)} messages/s`,
        `nodes ${(cpu.share * 1000).toFixed(1)} ms/s`,
        `Redis ${(redisCpu.share * 1000).toFixed(1)} ms/s`,
        `${commands.toFixed(0)} commands/s`,
        `${((deliveries - startDeliveries) / lasted).toFixed(0)} deliveries/s`,
      ].join(", "),
    );
  }
  for (const crowd of crowds) crowd.leave();
  await fleet.close();
}

for (let round = 0; round < rounds; round++) for (const nodes of nodeCounts) await measure(nodes);
process.exit(0);

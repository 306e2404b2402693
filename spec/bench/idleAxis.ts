/**
 * idleAxis: what sessions cost that do nothing: memory above an empty server, CPU. Once silent, once pinging every 5 s
 * as our client does.
 */
import { encodeClient } from "../../lib/message.ts";
import type { Axis, Bench } from "./axis.ts";
import { Meter, rssBytes } from "./cost.ts";
import { Crowd } from "./crowd.ts";
import { startFloor } from "./floorSystem.ts";
import { startHaiyu } from "./haiyuSystem.ts";
import { HaiyuWire, firstUserId } from "./haiyuWire.ts";
import type { RunningSystem } from "./system.ts";

const axis = "idle";
export const idleWork = (members: number): string => `N=${members}, nobody says anything`;
const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

export const idleAxis: Axis = {
  name: axis,
  about: "idle sessions: memory and CPU",
  async run(bench) {
    const members = bench.quick ? 1000 : 9000;
    for (let repetition = 0; repetition < bench.repetitions; repetition++) {
      for (const start of [startFloor, () => startHaiyu({ users: members })])
        await one(bench, await start(), members);
    }
  },
};

async function one(bench: Bench, system: RunningSystem, members: number): Promise<void> {
  try {
    await pause(1000);
    const empty = rssBytes(system.pid);
    const wireOf: ConstructorParameters<typeof Crowd>[0]["wireOf"] =
      system.name === "haiyu"
        ? (index, heard) => new HaiyuWire({ userId: firstUserId + index, heard, presence: true })
        : (index, heard) => system.wireOf(index, heard);
    const crowd = new Crowd({ port: system.port, wireOf });
    await crowd.grow(members);
    await pause(bench.quick ? 1500 : 4000);
    const idle = new Meter([system.pid]);
    await pause(bench.seconds * 1000);
    const silent = idle.share;
    const values: Record<string, number> = {
      "RSS per session bytes": (rssBytes(system.pid) - empty) / members,
      "CPU of server %": silent * 100,
    };
    if (system.name === "haiyu" && !bench.quick)
      values["CPU of server with pings %"] = (await pinging(crowd, system)) * 100;
    bench.figures.add({ axis, work: idleWork(members), system: system.name }, values);
    bench.say(`idle: ${system.name} ${Math.round(values["RSS per session bytes"] ?? 0)} bytes a session`);
    crowd.leave();
  } finally {
    await system.stop();
  }
}

/** Everybody pings once in 5 s, evenly; part of a core that the server uses. */
async function pinging(crowd: Crowd, system: RunningSystem): Promise<number> {
  const meter = new Meter([system.pid]);
  const ping = encodeClient("PingMes", { n: 1 });
  const startMs = performance.now();
  for (const [index, member] of crowd.members.entries()) {
    member.socket.write(ping);
    const dueMs = startMs + (index * 5000) / crowd.members.length;
    if (dueMs > performance.now() + 1) await pause(dueMs - performance.now());
  }
  return meter.share;
}

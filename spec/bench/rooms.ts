/**
 * rooms: the same room on several systems at once, so that windows of measuring can alternate between them.
 */
import type { Bench } from "./axis.ts";
import { Crowd } from "./crowd.ts";
import { startFloor } from "./floorSystem.ts";
import { startHaiyu } from "./haiyuSystem.ts";
import type { RunningSystem } from "./system.ts";

export interface Room {
  system: RunningSystem;
  crowd: Crowd;
}

/** Opens a room of `members` on the floor, on ours and on what else is given, hands it over, and closes it. */
export async function withRooms(
  bench: Bench,
  { members, peers = false }: { members: number; peers?: boolean },
  work: (rooms: Room[]) => Promise<void>,
): Promise<void> {
  const rooms: Room[] = [];
  try {
    const starts = [startFloor, () => startHaiyu({ users: members })];
    if (peers) starts.push(...bench.peers.map((peer) => () => peer.start()));
    for (const start of starts) {
      const system = await start();
      const crowd = new Crowd(system);
      rooms.push({ system, crowd });
      const startMs = performance.now();
      await crowd.grow(members);
      bench.say(
        `${system.name}: ${members} members in ${((performance.now() - startMs) / 1000).toFixed(1)} s`,
      );
    }
    await work(rooms);
  } finally {
    for (const { crowd, system } of rooms) {
      crowd.leave();
      await system.stop();
    }
  }
}

/**
 * floorSystem: the floor as a process on the server's core.
 */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { FloorWire, firstUserId } from "./haiyuWire.ts";
import { spawnPinned } from "./pin.ts";
import type { RunningSystem } from "./system.ts";

const program = fileURLToPath(new URL("./floor.ts", import.meta.url));

/** Starts it. */
export async function startFloor(): Promise<RunningSystem> {
  const child = spawnPinned(process.execPath, ["--import", import.meta.resolve("tsx"), program], {
    core: "server",
  });
  const [line] = (await once(child.stdout ?? child, "data")) as [Buffer];
  child.stderr?.resume();
  const pid = child.pid ?? 0;
  return {
    name: "floor",
    port: Number(line.toString()),
    pid,
    pids: [pid],
    echoes: true,
    wireOf: (index, heard) => new FloorWire(firstUserId + index, heard),
    async stop() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

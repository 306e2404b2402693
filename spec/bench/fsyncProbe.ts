/**
 * fsyncProbe: what appending a little and syncing it costs on a disk while something else is measured, for a process that
 * has the same disk and the same core as Redis.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Latencies } from "./latencies.ts";
import { spawnPinned } from "./pin.ts";

const program = fileURLToPath(new URL("./fsyncProgram.ts", import.meta.url));

export interface FsyncProbe {
  readonly latencies: Latencies;
  stop(): Promise<void>;
}

/** Begins to measure on the disk of this folder; resolves when the first one was made. */
export async function startFsyncProbe(folder: string): Promise<FsyncProbe> {
  const latencies = new Latencies();
  const args = ["--import", import.meta.resolve("tsx"), program, folder];
  const child = spawnPinned(process.execPath, args, { core: "load" });
  if (!child.stdout) throw new Error("fsyncProbe: no stdout");
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => latencies.add(Number(line)));
  await once(lines, "line");
  return {
    latencies,
    async stop() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

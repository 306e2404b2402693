/**
 * nodesAxis: 1, 2 and 4 nodes: nodes.ts as a program of its own, since its nodes and its clients are many processes
 * that are not pinned. Its lines stand in the results as they are.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Axis } from "./axis.ts";
import { spawnPinned } from "./pin.ts";

const program = fileURLToPath(new URL("./nodes.ts", import.meta.url));

export const nodesAxis: Axis = {
  name: "nodes",
  about: "1, 2 and 4 nodes: latency between nodes, commands of Redis a message",
  async run(bench) {
    // Its processes alone take longer than a quick run may.
    if (bench.quick) return;
    const size = ["--clients", "200", "--seconds", "4", "--rounds", "1"];
    const loader = ["--import", import.meta.resolve("tsx")];
    const child = spawnPinned(process.execPath, [...loader, program, ...size], {
      core: "any",
    });
    child.stderr?.resume();
    const ended = once(child, "exit");
    if (child.stdout) {
      for await (const line of createInterface({ input: child.stdout })) {
        // The helpers' own test runner says this.
        if (line.startsWith("TAP")) continue;
        bench.say(line);
        bench.notes.push(line);
      }
    }
    const [code] = (await ended) as [number | null];
    if (code !== 0) throw new Error(`nodes.ts ended with ${code}`);
  },
};

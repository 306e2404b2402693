/**
 * peerProcess: a peer's server on the server's core.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { until } from "../helpers/wait.ts";
import type { Heard, Wire } from "./crowd.ts";
import { spawnPinned } from "./pin.ts";
import type { RunningSystem } from "./system.ts";

export interface PeerProcess {
  name: string;
  command: string;
  args: string[];
  port: number;
  echoes: boolean;
  cwd: string;
  wireOf: (index: number, heard: Heard) => Wire;
}

/** Starts it, and waits until it takes connections. */
export async function startPeer({ command, args, cwd, ...system }: PeerProcess): Promise<RunningSystem> {
  const child = spawnPinned(command, args, { core: "server", cwd });
  let said = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-2000)));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-2000)));
  await until(
    `${system.name} to listen`,
    async () => {
      if (child.exitCode !== null) throw new Error(`${command} ended: ${said}`);
      return isListening(system.port);
    },
    10_000,
  );
  const pid = child.pid ?? 0;
  return {
    ...system,
    pid,
    pids: [pid],
    async stop() {
      if (child.exitCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

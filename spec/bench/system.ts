/**
 * system: something that is measured: a server that runs, its processes, and how members of its room are made.
 */
import type { Heard, Wire } from "./crowd.ts";

export interface RunningSystem {
  readonly name: string;
  readonly port: number;
  /** Pid of the server. */
  readonly pid: number;
  /** Pids whose CPU counts as the system's: the server's, and what it keeps its data in. */
  readonly pids: readonly number[];
  /** Whether whoever says something gets it too. */
  readonly echoes: boolean;
  wireOf(index: number, heard: Heard): Wire;
  stop(): Promise<void>;
}

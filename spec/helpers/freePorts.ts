/**
 * freePorts: ports for processes that cannot tell their own. Spec files run beside each other, and the kernel gives what
 * lies in its range for outgoing connections to anybody at any moment: so each process takes from a place of its own
 * below that range, and none of its ports twice.
 */
import { once } from "node:events";
import { createServer } from "node:net";

const firstPort = 11_000;
const portsCount = 5_000;
/** Processes that start one behind the other begin this far apart. */
const processStep = 101;

let next = (process.pid * processStep) % portsCount;

/** A port that nobody listens on now. */
export async function freePort(): Promise<number> {
  return (await freePorts(1))[0] as number;
}

/** Ports that nobody listens on now, and none `beside` them either (a Cluster's bus). */
export async function freePorts(count: number, beside = 0): Promise<number[]> {
  const found: number[] = [];
  while (found.length < count) {
    const port = firstPort + next;
    next = (next + 1) % portsCount;
    if ((await isFree(port)) && (beside === 0 || (await isFree(port + beside)))) found.push(port);
  }
  return found;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  await new Promise((resolve) => server.close(resolve));
  return true;
}

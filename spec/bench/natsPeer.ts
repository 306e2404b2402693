/**
 * natsPeer: nats-server, one subject as the room; what one says does not come back to oneself. It keeps nothing.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { scratchFolder } from "../helpers/scratch.ts";
import type { Peer } from "./axis.ts";
import { MarkedWire } from "./markedWire.ts";
import { freePort } from "../helpers/freePorts.ts";
import { startPeer } from "./peerProcess.ts";
import { isInstalled, versionOf } from "./programs.ts";

const configuration = `max_connections: 20000
max_pending: 268435456
write_deadline: "60s"
ping_interval: "10m"
logtime: false
`;

export const natsPeer: Peer = {
  name: "nats-server",
  configuration,
  missing: () => (isInstalled("nats-server") ? null : "nats-server: apt-get install nats-server"),
  version: () => versionOf("nats-server", ["--version"]),
  async start() {
    const cwd = scratchFolder();
    const port = await freePort();
    writeFileSync(join(cwd, "nats.conf"), configuration);
    const options =
      '{"verbose":false,"pedantic":false,"echo":false,"headers":false,"lang":"bench","version":"0"}';
    return startPeer({
      ...{ name: "nats-server", command: "nats-server", cwd, port, echoes: false },
      args: ["-c", "nats.conf", "-a", "127.0.0.1", "-p", String(port)],
      wireOf: (_index, heard) =>
        new MarkedWire(
          {
            hello: Buffer.from(`CONNECT ${options}\r\nSUB room 1\r\nPING\r\n`),
            say: (text) => Buffer.from(`PUB room ${text.length}\r\n${text}\r\n`),
            joining: (soFar) => ({ isIn: soFar.includes("PONG\r\n") }),
          },
          heard,
        ),
    });
  },
};

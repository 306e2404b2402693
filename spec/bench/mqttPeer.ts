/**
 * mqttPeer: mosquitto, one topic as the room, MQTT 5, QoS 0, what one says does not come back. It keeps nothing.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { scratchFolder } from "../helpers/scratch.ts";
import type { Peer } from "./axis.ts";
import { MarkedWire } from "./markedWire.ts";
import { freePort } from "../helpers/freePorts.ts";
import { startPeer } from "./peerProcess.ts";
import { isInstalled, versionOf } from "./programs.ts";

const configuration = (port: number): string => `listener ${port} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_queued_messages 0
log_type error
user root
`;

/** Fixed header with its length, then the parts. */
function packet(head: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7];
  return Buffer.concat([Buffer.from([head, ...length]), body]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

const [connectHead, publishHead, subscribeHead] = [0x10, 0x30, 0x82];
const noLocal = 4;

export const mqttPeer: Peer = {
  name: "mosquitto",
  configuration: configuration(1883),
  missing: () => (isInstalled("mosquitto") ? null : "mosquitto: apt-get install mosquitto"),
  version: () => versionOf("mosquitto", ["-h"]),
  async start() {
    const cwd = scratchFolder();
    const port = await freePort();
    writeFileSync(join(cwd, "mosquitto.conf"), configuration(port));
    return startPeer({
      ...{ name: "mosquitto", command: "mosquitto", cwd, port, echoes: false },
      args: ["-c", "mosquitto.conf"],
      wireOf: (index, heard) =>
        new MarkedWire(
          {
            hello: Buffer.concat([
              // Version 5, clean start, no keep-alive, no properties.
              packet(connectHead, text("MQTT"), Buffer.from([5, 2, 0, 0, 0]), text(`m${index}`)),
              packet(subscribeHead, Buffer.from([0, 1, 0]), text("room"), Buffer.from([noLocal])),
            ]),
            say: (words) => packet(publishHead, text("room"), Buffer.from([0]), Buffer.from(words)),
            // CONNACK 0x20, then SUBACK 0x90.
            joining: (soFar) => ({ isIn: soFar.startsWith("\x20") && soFar.includes("\x90") }),
          },
          heard,
        ),
    });
  },
};

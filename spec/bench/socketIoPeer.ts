/**
 * socketIoPeer: Socket.IO on Node, everybody in one room, WebSocket only. It keeps nothing. It is no package of this
 * project: who wants to be compared with it installs it beside.
 */
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { scratchFolder } from "../helpers/scratch.ts";
import type { Peer } from "./axis.ts";
import { MarkedWire } from "./markedWire.ts";
import { freePort } from "../helpers/freePorts.ts";
import { startPeer } from "./peerProcess.ts";

/** Where it is looked for, besides this project. */
const folders = [fileURLToPath(new URL("../../", import.meta.url)), process.env.SOCKET_IO_FOLDER ?? ""];
const program = fileURLToPath(new URL("./socketIoServer.ts", import.meta.url));

function installed(): { folder: string; version: string } | null {
  for (const folder of folders.filter((one) => one !== "")) {
    try {
      const { version } = createRequire(`${folder}/`)("socket.io/package.json") as { version: string };
      return { folder, version };
    } catch {
      // Not there.
    }
  }
  return null;
}

/** One masked text frame of at most 65,535 bytes. */
function frame(text: string): Buffer {
  const payload = Buffer.from(text);
  const mask = randomBytes(4);
  const head =
    payload.length < 126
      ? [0x81, 0x80 | payload.length]
      : [0x81, 0xfe, payload.length >> 8, payload.length & 255];
  for (let index = 0; index < payload.length; index++)
    payload[index] = (payload[index] ?? 0) ^ (mask[index & 3] ?? 0);
  return Buffer.concat([Buffer.from(head), mask, payload]);
}

export const socketIoPeer: Peer = {
  name: "Socket.IO",
  configuration:
    'transports: websocket, perMessageDeflate: false, pingInterval: 600 s; socket.broadcast.emit("said", text)',
  missing: () =>
    installed()
      ? null
      : "Socket.IO: npm install --no-save socket.io, or SOCKET_IO_FOLDER=<where it is installed>",
  version: () => `socket.io ${installed()?.version}`,
  async start() {
    const cwd = scratchFolder();
    const port = await freePort();
    const loader = import.meta.resolve("tsx");
    return startPeer({
      ...{ name: "Socket.IO", command: process.execPath, cwd, port, echoes: false },
      args: ["--import", loader, program, String(port), installed()?.folder ?? ""],
      wireOf: (_index, heard) => {
        let state: "new" | "joining" = "new";
        return new MarkedWire(
          {
            hello: Buffer.from(
              "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n" +
                `Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
            ),
            say: (text) => frame(`42["say","${text}"]`),
            joining: (soFar) => {
              if (state === "new" && soFar.includes('"pingTimeout"')) {
                state = "joining";
                return { answer: frame("40"), isIn: false };
              }
              return { isIn: state === "joining" && soFar.includes('40{"sid"') };
            },
          },
          heard,
        );
      },
    });
  },
};

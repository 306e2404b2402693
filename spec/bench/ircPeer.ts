/**
 * ircPeer: inspircd, one channel as the room, its brakes for strangers off. It keeps nothing.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { scratchFolder } from "../helpers/scratch.ts";
import type { Peer } from "./axis.ts";
import { MarkedWire } from "./markedWire.ts";
import { freePort } from "../helpers/freePorts.ts";
import { startPeer } from "./peerProcess.ts";
import { isInstalled, versionOf } from "./programs.ts";

const configuration = (
  port: number,
  folder: string,
): string => `<server name="bench.local" description="bench" id="1BB" network="bench">
<bind address="127.0.0.1" port="${port}" type="clients">
<connect allow="*" timeout="60" pingfreq="10m" hardsendq="268435456" softsendq="268435456" recvq="65536"
  threshold="1000000" commandrate="1000000000" fakelag="no" localmax="20000" globalmax="20000" resolvehostnames="no" useident="no" limit="20000">
<performance netbuffersize="65535" somaxconn="4096" softlimit="20000" quietbursts="yes">
<options prefixquit="" cyclehosts="no">
<dns server="127.0.0.1" timeout="1">
<pid file="${folder}/inspircd.pid">
<path configdir="${folder}" datadir="${folder}" logdir="${folder}" runtimedir="${folder}">
`;

export const ircPeer: Peer = {
  name: "inspircd",
  configuration: configuration(6667, "."),
  missing: () => (isInstalled("inspircd") ? null : "inspircd: apt-get install inspircd"),
  version: () => versionOf("inspircd", ["--version"]),
  async start() {
    const cwd = scratchFolder();
    const port = await freePort();
    writeFileSync(join(cwd, "inspircd.conf"), configuration(port, cwd));
    return startPeer({
      ...{ name: "inspircd", command: "inspircd", cwd, port, echoes: false },
      args: ["--config", join(cwd, "inspircd.conf"), "--nofork", "--runasroot", "--nopid"],
      wireOf: (index, heard) => {
        let state: "new" | "joining" = "new";
        return new MarkedWire(
          {
            hello: Buffer.from(`NICK m${index}\r\nUSER m${index} 0 * :m\r\n`),
            say: (text) => Buffer.from(`PRIVMSG #room :${text}\r\n`),
            joining: (soFar) => {
              if (state === "new" && soFar.includes(" 001 ")) {
                state = "joining";
                return { answer: Buffer.from("JOIN #room\r\n"), isIn: false };
              }
              return { isIn: soFar.includes(" 366 ") };
            },
          },
          heard,
        );
      },
    });
  },
};

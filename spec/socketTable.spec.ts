/**
 * socketTable: the kernel's table of sockets, read from tables written here by hand as the kernel prints them, and from
 * the kernel itself.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { socketTableReadBytes } from "../lib/limits.ts";
import { type Ends, SocketTable, nameInTable } from "../lib/socketTable.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { until } from "./helpers/wait.ts";

const head4 =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n";
const head6 =
  "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

/** A line of the table; the kernel pads those of IPv4. */
function row(name: string, { bytes = 0, tries = 0, probes = 0, uid = 0, number = 0 } = {}): string {
  const hex = (value: number, digits = 8): string => value.toString(16).toUpperCase().padStart(digits, "0");
  const { length } = name;
  const line =
    `${String(number).padStart(4)}: ${name} 01 ${hex(bytes)}:0000002A 01:00000014 ${hex(tries)} ` +
    `${String(uid).padStart(5)} ${String(probes).padStart(8)} 7338036 2 00000000d2fc2da4 20 4 30 10 -1`;
  return `${length < 40 ? line.padEnd(149) : line}\n`;
}

function tableOf(tcp: string, tcp6 = head6): SocketTable {
  const folder = scratchFolder();
  writeFileSync(join(folder, "tcp"), tcp);
  writeFileSync(join(folder, "tcp6"), tcp6);
  return new SocketTable(folder);
}

const ends = (localAddress: string, remoteAddress: string): Ends => ({
  localAddress,
  localPort: 8889,
  remoteAddress,
  remotePort: 54321,
});

/** As a processor prints them that keeps the low byte first, which those are that Node runs on. */
const names: [Ends, string][] = [
  [ends("127.0.0.1", "203.0.113.9"), "0100007F:22B9 097100CB:D431"],
  [
    ends("::ffff:127.0.0.1", "::ffff:203.0.113.9"),
    "0000000000000000FFFF00000100007F:22B9 0000000000000000FFFF0000097100CB:D431",
  ],
  [
    ends("::1", "2001:db8:0:1::a0:9"),
    "00000000000000000000000001000000:22B9 B80D012001000000000000000900A000:D431",
  ],
  [
    ends("fe80::1%eth0", "fe80::a:b:c:d%eth0"),
    "000080FE000000000000000001000000:22B9 000080FE000000000B000A000D000C00:D431",
  ],
  [
    ends("::", "1:2:3:4:5:6:7:8"),
    "00000000000000000000000000000000:22B9 02000100040003000600050008000700:D431",
  ],
];

test("[K-5] a socket is called in the kernel's table by both its ends", () => {
  for (const [socket, name] of names) assert.equal(nameInTable(socket), name);
  assert.equal(nameInTable({ localPort: 1, remotePort: 2 }), null, "one that has ended");
});

test("[K-5] [G-9] what the table says of those that are asked for is found, wherever a read ends, and of no others", async () => {
  const [[, v4], [, mapped], [, v6]] = names as [[Ends, string], [Ends, string], [Ends, string]];
  const turned = v4.split(" ").reverse().join(" ");
  const other = v4.replace("D431", "D432");
  const crowd = Array.from({ length: 3_000 }, (_, number) => row(other, { number, bytes: 1 })).join("");
  // A line of a few bytes more each time, until every part of it was at the end of a read.
  for (let pad = 0; pad < 200; pad += 7) {
    const before = crowd.slice(0, socketTableReadBytes - head4.length - pad - 20).replace(/[^\n]*$/, "");
    const table = tableOf(
      head4 +
        before +
        row(turned, { bytes: 7, uid: 4_000_000_000, number: 99_999 }) +
        row(v4, { bytes: 0xabc, tries: 0x1f, probes: 2, uid: 4_000_000_000, number: 123_456 }) +
        row(other, { bytes: 9 }),
      head6 + row(mapped, { bytes: 5 }) + row(v6, { probes: 12 }),
    );
    const { found, bytes } = await table.read([v4, mapped, v6, "0100007F:0001 0100007F:0002"]);
    assert.deepEqual(
      found,
      new Map([
        [v4, { bytes: 0xabc, tries: 0x1f + 2 }],
        [mapped, { bytes: 5, tries: 0 }],
        [v6, { bytes: 0, tries: 12 }],
      ]),
    );
    assert.ok(bytes > before.length, "what was read is told");
  }
});

test("[K-5] a system without such a table, or with one that knows nothing of ours, has none", async () => {
  const [[socket, name]] = names as [[Ends, string]];
  assert.equal(await tableOf(head4 + row(name)).has(socket), true);
  assert.equal(await tableOf(head4).has(socket), false);
  assert.equal(await tableOf("").has(socket), false);
  assert.equal(await tableOf("x".repeat(200_000)).has(socket), false);
  assert.equal(await new SocketTable(join(scratchFolder(), "nowhere")).has(socket), false);
  assert.equal(await new SocketTable().has({}), false);
});

// A server on all addresses is one of IPv6 where there is IPv6, and its clients of IPv4 stand in that table too.
for (const [where, host] of [
  ["127.0.0.1", "127.0.0.1"],
  ["all addresses", undefined],
] as const) {
  test(`[K-5] [G-9] the kernel itself: a server on ${where}, a client by 127.0.0.1`, async () => {
    const accepted: Socket[] = [];
    const server = createServer((socket) => void accepted.push(socket)).listen(0, host);
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const client = connect(port, "127.0.0.1").pause();
    const theirs = await until("the connection", () => accepted[0]);
    const name = nameInTable(theirs) ?? "";
    const table = new SocketTable();
    assert.deepEqual((await table.read([name])).found, new Map([[name, { bytes: 0, tries: 0 }]]));
    // More than the client's kernel takes for one who reads nothing.
    theirs.write(Buffer.alloc(300_000));
    await until("what it has not taken", async () => {
      const { bytes = 0 } = (await table.read([name])).found.get(name) ?? {};
      return bytes > 0 && bytes < 300_000;
    });
    client.resume();
    await until("all of it", async () => (await table.read([name])).found.get(name)?.bytes === 0);
    client.destroy();
    theirs.destroy();
    await until("its end", async () => !(await table.read([name])).found.has(name));
    server.close();
  });
}

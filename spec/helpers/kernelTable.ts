/**
 * kernelTable: what the kernel says of the server's end of a client's connection, and peers that vanish without a word.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { type Ends, SocketTable, type Unacknowledged, nameInTable } from "../../lib/socketTable.ts";
import { until } from "./wait.ts";
import type { WireClient } from "./wireClient.ts";

/** The connection as the server sees it. */
export function serverEnds({ socket }: WireClient): Ends {
  return {
    localAddress: socket.remoteAddress,
    localPort: socket.remotePort,
    remoteAddress: socket.localAddress,
    remotePort: socket.localPort,
  };
}

/** What the server's kernel has for this client and is not acknowledged. Throws when there is no such connection. */
export async function unacknowledged(client: WireClient): Promise<Unacknowledged> {
  const name = nameInTable(serverEnds(client)) ?? "";
  const row = (await new SocketTable().read([name])).found.get(name);
  assert.ok(row, `${name} is in the kernel's table`);
  return row;
}

/** Resolves when a server in this process has read what it began to read of the kernel's table, and told of it. */
export async function looked(): Promise<void> {
  // Of Node's names for what is under way, those of calls on files and of their closing.
  const isReading = (): boolean =>
    process.getActiveResourcesInfo().some((name) => name.startsWith("FSReq") || name === "CloseReq");
  await until("the look to be over", () => !isReading());
}

/**
 * From now on the client's kernel drops in silence whatever comes for it: no ACK, no reset, nothing is heard of it, as
 * when its cable was pulled. Any user may ask for that: packets whose TTL is less than 255 (loopback's is 64) count as
 * forged. Not to be set through Node, so a child of ours sets it on the socket that both have.
 */
export function vanish(client: WireClient): void {
  setTtlMin(client, 255);
}

/** The cable is back. */
export function reappear(client: WireClient): void {
  setTtlMin(client, 0);
}

function setTtlMin({ socket }: WireClient, ttl: number): void {
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  const ipMinTtl = 21;
  const script = `setsockopt(STDIN, 0, ${ipMinTtl}, pack("i", ${ttl})) or die "IP_MINTTL: $!\\n"`;
  const { error, status, stderr } = spawnSync("perl", ["-e", script], {
    stdio: [fd, "ignore", "pipe"],
    encoding: "utf8",
  });
  assert.ifError(error);
  assert.equal(status, 0, stderr);
}

/**
 * socketTable: what Linux tells of each TCP socket of its network in /proc/self/net/tcp and tcp6, and Node does not:
 * the bytes that the other side has not acknowledged. Reading costs some 3 us a socket of the whole machine, nearly all
 * of it outside of our thread; a line is looked at only as far as its name unless it is asked for.
 */
import { open } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { endianness } from "node:os";
import { socketTableReadBytes } from "./limits.ts";

/** The two ends of a connection, as a net.Socket has them. */
export interface Ends {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

export interface Unacknowledged {
  /** Bytes that our kernel has taken and the other side's has not acknowledged. */
  bytes: number;
  /** How often our kernel has tried in vain since it last heard of the other side, be it only that it has no room. */
  tries: number;
}

export interface Told {
  /** By name. */
  found: Map<string, Unacknowledged>;
  /** That were read. */
  bytes: number;
}

/** What a socket is called in the table: both ends in hex. Null: it has gone, or is none of TCP. */
export function nameInTable({ localAddress, localPort, remoteAddress, remotePort }: Ends): string | null {
  if (localAddress === undefined || remoteAddress === undefined) return null;
  return `${hexOf(localAddress)}:${hexPort(localPort)} ${hexOf(remoteAddress)}:${hexPort(remotePort)}`;
}

function hexPort(port = 0): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}

/** The kernel prints addresses as words of four bytes, in the order that its processor keeps numbers in. */
function hexOf(address: string): string {
  const bytes = isIPv6(address) ? bytesOfIPv6(address) : Buffer.from(address.split(".").map(Number));
  return (endianness() === "LE" ? bytes.swap32() : bytes).toString("hex").toUpperCase();
}

function bytesOfIPv6(address: string): Buffer {
  // fe80::1%eth0 names an interface too, which the table leaves out.
  const [plain = ""] = address.split("%");
  const [before = "", after] = plain.split("::").map(hexOfGroups);
  const zeros = after === undefined ? "" : "0".repeat(32 - before.length - after.length);
  return Buffer.from(before + zeros + (after ?? ""), "hex");
}

/** Groups of an IPv6 address in full; the last may be an IPv4 one. */
function hexOfGroups(groups: string): string {
  if (groups === "") return "";
  const hex = (group: string): string =>
    group.includes(".") ? Buffer.from(group.split(".").map(Number)).toString("hex") : group.padStart(4, "0");
  return groups.split(":").map(hex).join("");
}

/** Length of `nameInTable` in each of the tables. */
const ipv4NameChars = "0100007F:0016 0100007F:0016".length;
const ipv6NameChars = ipv4NameChars + 2 * 24;

/** The tables of this process' network. */
export class SocketTable {
  readonly #folder: string;

  constructor(folder = "/proc/self/net") {
    this.#folder = folder;
  }

  /** Whether this system has such a table, with a socket in it that is known to be there. */
  async has(socket: Ends): Promise<boolean> {
    const name = nameInTable(socket);
    if (name === null) return false;
    try {
      return (await this.read([name])).found.has(name);
    } catch {
      return false;
    }
  }

  /** What is told of those that are asked for and still there. Throws when it cannot be read. */
  async read(names: Iterable<string>): Promise<Told> {
    const wanted = new Set(names);
    const told: Told = { found: new Map(), bytes: 0 };
    const lengths = new Set([...wanted].map((name) => name.length));
    if (lengths.has(ipv4NameChars)) await this.#readFile("tcp", ipv4NameChars, { wanted, told });
    if (lengths.has(ipv6NameChars)) await this.#readFile("tcp6", ipv6NameChars, { wanted, told });
    return told;
  }

  async #readFile(file: string, nameChars: number, into: Reading): Promise<void> {
    const handle = await open(`${this.#folder}/${file}`);
    try {
      // The kernel gives a page at a time, however much there is room for.
      const buffer = Buffer.allocUnsafe(socketTableReadBytes);
      let held = 0;
      for (;;) {
        const { bytesRead } = await handle.read(buffer, held, buffer.length - held, null);
        if (bytesRead === 0) return;
        into.told.bytes += bytesRead;
        held += bytesRead;
        const whole = buffer.subarray(0, held).lastIndexOf(newline) + 1;
        takeLines(buffer.subarray(0, whole), nameChars, into);
        buffer.copy(buffer, 0, whole, held);
        held -= whole;
      }
    } finally {
      await handle.close();
    }
  }
}

interface Reading {
  wanted: ReadonlySet<string>;
  told: Told;
}

const newline = 0x0a;
const colon = 0x3a;

/**
 * A line: `  17: 0100007F:22B9 0100007F:D431 01 00000064:00000000 01:0000000A 00000002 1000        0 73680 2 …`, that is
 * number, name, state, bytes to be acknowledged and to be read, timer, tries of what was sent, user, tries of a probe
 * for room.
 */
function takeLines(lines: Buffer, nameChars: number, { wanted, told }: Reading): void {
  for (let at = 0, end = 0; at < lines.length; at = end + 1) {
    end = lines.indexOf(newline, at);
    const start = lines.indexOf(colon, at) + 2;
    // The first line is the head of the table, and has no number.
    if (start > end) continue;
    const name = lines.toString("latin1", start, start + nameChars);
    if (!wanted.has(name)) continue;
    const fields = lines
      .toString("latin1", start + nameChars, end)
      .trim()
      .split(/ +/);
    const [, queues = "", , tries = "", , probes = ""] = fields;
    told.found.set(name, {
      bytes: Number.parseInt(queues, 16),
      tries: Number.parseInt(tries, 16) + Number(probes),
    });
  }
}

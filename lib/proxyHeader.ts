/**
 * proxyHeader: what a proxy says of a connection before its client says anything: the PROXY protocol, version 1 (a line)
 * and version 2 (binary), clause. No I/O: bytes in, the client's address out. Read strictly, nothing is guessed.
 */
import { SocketAddress, isIPv4, isIPv6 } from "node:net";
import { proxyHeaderMaxBytes, proxyLineMaxBytes } from "./limits.ts";

export interface ProxyHeader {
  /** Bytes that it takes. */
  length: number;
  /** The client's; null: the proxy speaks for itself, as in a health check, or does not know. */
  address: string | null;
}

/** The bytes are no PROXY header. */
export class ProxyHeaderError extends Error {}

const lineStart = Buffer.from("PROXY ");
const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const fixedBytes = 16;

/** The header at the beginning of the bytes; null: it is not whole yet. Throws ProxyHeaderError as soon as it is none. */
export function readProxyHeader(bytes: Buffer): ProxyHeader | null {
  if (bytes.length === 0) return null;
  if (begins(bytes, lineStart)) return readLine(bytes);
  if (begins(bytes, signature)) return readBinary(bytes);
  throw new ProxyHeaderError("no PROXY header");
}

/** Whether the bytes, as far as they are there, are those of `start`. */
function begins(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.subarray(0, length).equals(start.subarray(0, length));
}

function readLine(bytes: Buffer): ProxyHeader | null {
  const end = bytes.subarray(0, proxyLineMaxBytes).indexOf("\r\n");
  if (end < 0) {
    if (bytes.length >= proxyLineMaxBytes) throw new ProxyHeaderError("the PROXY line does not end");
    return null;
  }
  const length = end + 2;
  const words = bytes.toString("latin1", lineStart.length, end).split(" ");
  if (words[0] === "UNKNOWN") return { length, address: null };
  const [family, source = "", target = "", sourcePort = "", targetPort = ""] = words;
  const isAddress = family === "TCP4" ? isIPv4 : family === "TCP6" ? isIPv6 : () => false;
  const fits = words.length === 5 && isAddress(source) && isAddress(target);
  if (!fits || !isPort(sourcePort) || !isPort(targetPort)) throw new ProxyHeaderError("a broken PROXY line");
  return { length, address: plainAddress(source) };
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function readBinary(bytes: Buffer): ProxyHeader | null {
  if (bytes.length < fixedBytes) return null;
  const [versionAndCommand = 0, familyAndKind = 0] = bytes.subarray(12, 14);
  const length = fixedBytes + bytes.readUInt16BE(14);
  if (versionAndCommand >> 4 !== 2) throw new ProxyHeaderError("a PROXY header of another version");
  // Before anything of it is waited for.
  if (length > proxyHeaderMaxBytes) throw new ProxyHeaderError(`a PROXY header of ${length} bytes`);
  const command = versionAndCommand & 0xf;
  if (command > 1) throw new ProxyHeaderError(`a PROXY command ${command}`);
  const address = command === 0 ? null : sourceOf(familyAndKind);
  if (address && length < fixedBytes + address.bytes)
    throw new ProxyHeaderError("a PROXY header without address");
  if (bytes.length < length) return null;
  // What follows the addresses are additions of the proxy; nothing here needs them.
  return { length, address: address && address.read(bytes.subarray(fixedBytes)) };
}

/** How the source is read, and what both addresses and ports take; null: the proxy does not know it, or it has none. */
function sourceOf(familyAndKind: number): { bytes: number; read: (bytes: Buffer) => string } | null {
  switch (familyAndKind) {
    case 0x00:
    case 0x31:
      return null;
    case 0x11:
      return { bytes: 12, read: (bytes) => bytes.subarray(0, 4).join(".") };
    case 0x21:
      return { bytes: 36, read: (bytes) => plainAddress(groupsOf(bytes).join(":")) };
    default:
      throw new ProxyHeaderError(`a PROXY family ${familyAndKind}`);
  }
}

function groupsOf(bytes: Buffer): string[] {
  return Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
}

/** One address in one way: an IPv4 one inside IPv6 is itself, IPv6 in its shortest form. */
function plainAddress(address: string): string {
  if (isIPv4(address)) return address;
  const shortest = new SocketAddress({ address, family: "ipv6" }).address;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(shortest)?.[1] ?? shortest;
}

/**
 * proxied: a connection from a proxy that is trusted, before it is one of a client: it begins with a PROXY header, or it
 * is none (clause ). What is no header costs this connection, and a proxy that only looks whether somebody is
 * there costs nothing.
 */
import { BlockList, type Socket, isIP, isIPv6 } from "node:net";
import type { Clock } from "./clock.ts";
import { type Journal, reasonOf } from "./journal.ts";
import { proxyHeaderDeadlineMs } from "./limits.ts";
import { readProxyHeader } from "./proxyHeader.ts";

/** What is wrong with an address or subnet of a trusted proxy, as 10.0.0.7 or fd00::/8; null: nothing. */
export function proxyFault(entry: string): string | null {
  const [address = "", bits, ...more] = entry.split("/");
  const most = isIPv6(address) ? 128 : 32;
  const fits = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most);
  return isIP(address) !== 0 && fits && more.length === 0
    ? null
    : "wanted addresses or subnets, as 10.0.0.7,fd00::/8";
}

/** Addresses whose word on whom they speak for is taken. */
export class TrustedProxies {
  readonly #list = new BlockList();

  /** Addresses and subnets in which `proxyFault` finds nothing. */
  constructor(entries: readonly string[]) {
    for (const entry of entries) {
      const [address = "", bits] = entry.split("/");
      const family = isIPv6(address) ? "ipv6" : "ipv4";
      this.#list.addSubnet(address, Number(bits ?? (family === "ipv6" ? 128 : 32)), family);
    }
  }

  has(address: string): boolean {
    return isIP(address) !== 0 && this.#list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
  }
}

export interface ProxiedOptions {
  clock: Clock;
  journal: Journal;
  /** The header is there: the socket is the client's from now on, with what it has said; `address` is the client's. */
  introduced: (socket: Socket, address: string) => void;
  /** It was none, or the connection has ended before. */
  gone: () => void;
}

/** One such connection. */
export class Proxied {
  readonly #socket: Socket;
  readonly #proxy: string;
  readonly #options: ProxiedOptions;
  readonly #openedMs: number;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, options: ProxiedOptions) {
    this.#socket = socket;
    this.#proxy = socket.remoteAddress ?? "";
    this.#options = options;
    this.#openedMs = options.clock.monotonicMs();
    socket
      .on("data", this.#onData)
      .on("end", this.#onEnd)
      .on("error", this.#onEnd)
      .on("close", this.#onClose);
  }

  /** `nowMs` is monotonic. */
  check(nowMs: number): void {
    if (nowMs - this.#openedMs >= proxyHeaderDeadlineMs) this.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    try {
      const header = readProxyHeader(this.#bytes);
      if (header) this.#introduce(header.address ?? this.#proxy, this.#bytes.subarray(header.length));
    } catch (error) {
      this.#options.journal.write("proxy_header_broken", { address: this.#proxy, reason: reasonOf(error) });
      this.destroy();
    }
  };

  readonly #onEnd = (): void => this.destroy();

  readonly #onClose = (): void => this.#options.gone();

  #introduce(address: string, rest: Buffer): void {
    const socket = this.#socket;
    socket
      .off("data", this.#onData)
      .off("end", this.#onEnd)
      .off("error", this.#onEnd)
      .off("close", this.#onClose);
    this.#options.gone();
    // Whoever listens next hears what came behind the header first.
    if (rest.length > 0) socket.unshift(rest);
    this.#options.introduced(socket, address);
  }
}

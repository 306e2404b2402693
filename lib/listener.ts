/**
 * listener: the listening socket and its connections. It refuses what the open-file limit cannot hold, looks at all
 * deadlines once a second, and drains: no more connections, a goodbye to everybody, then the end (clause [K-4]).
 */
import { type AddressInfo, type Server, type Socket, createServer } from "node:net";
import { readFileSync } from "node:fs";
import { Acknowledged } from "./acknowledged.ts";
import type { Timer } from "./clock.ts";
import { codes } from "./codes.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { reasonOf } from "./journal.ts";
import * as limits from "./limits.ts";
import { encodeServer } from "./message.ts";
import { Proxied, type TrustedProxies } from "./proxied.ts";
import type { Session } from "./session.ts";
import { SocketTable } from "./socketTable.ts";
import { WakeTime } from "./wakeTime.ts";

export interface ListenerOptions extends Omit<ConnectionOptions, "wakeTime" | "gone"> {
  /** Whose connections begin with a PROXY header. */
  proxies: TrustedProxies;
}

/** The port and every connection that came in by it. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #ofConnections: ConnectionOptions;
  readonly #wakeTime: WakeTime;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #proxied = new Set<Proxied>();
  #check: Timer | null = null;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#wakeTime = new WakeTime(options.clock);
    this.#ofConnections = {
      ...options,
      wakeTime: this.#wakeTime,
      gone: (connection) => this.#connections.delete(connection),
    };
    // allowHalfOpen: a client that ends its side still gets the answers to what it asked.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      options.meter.connectionsOpened++;
      const address = socket.remoteAddress ?? "";
      if (options.proxies.has(address)) this.#expectHeader(socket);
      else this.#connect(socket, address);
    });
    this.#server.maxConnections = connectionsMax();
    this.#server.on("drop", () => {
      options.meter.connectionsRefused++;
      options.journal.write("connection_refused", { reason: "too many open files" });
    });
  }

  /** Connections that are open. */
  get count(): number {
    return this.#connections.size + this.#proxied.size;
  }

  /** Connections that can be open. */
  get countMax(): number {
    return this.#server.maxConnections;
  }

  /** Listens; the port. Throws an Error of one line when it cannot. */
  async listen(host: string, port: number): Promise<number> {
    await listening(this.#server, host, port);
    this.#server.on("error", (error) =>
      this.#options.journal.write("accept_failed", { reason: reasonOf(error) }),
    );
    const { address, port: own, family } = this.#server.address() as AddressInfo;
    const remoteAddress = family === "IPv6" ? "::" : "0.0.0.0";
    const ends = { localAddress: address, localPort: own, remoteAddress, remotePort: 0 };
    const table = new SocketTable();
    const acknowledged = new Acknowledged({
      ...this.#options,
      table: (await table.has(ends)) ? table : null,
    });
    this.#check = this.#options.clock.every(limits.connectionCheckMs, () => {
      const nowMs = this.#options.clock.monotonicMs();
      // As they are held: a list of 9,000 made each second is garbage that outlives most collections.
      for (const one of this.#proxied) one.check(nowMs);
      for (const one of this.#connections) one.check(nowMs);
      acknowledged.look(this.#connections);
    });
    return own;
  }

  #connect(socket: Socket, address: string): void {
    this.#connections.add(new Connection(socket, address, this.#ofConnections));
  }

  #expectHeader(socket: Socket): void {
    const { clock, journal } = this.#options;
    const proxied = new Proxied(socket, {
      clock,
      journal,
      introduced: (introduced, address) => this.#connect(introduced, address),
      gone: () => this.#proxied.delete(proxied),
    });
    this.#proxied.add(proxied);
  }

  /** No more connections; each session is told and ended after its bytes; resolves when all have gone, or are late. */
  async drain(sessions: Iterable<Session>): Promise<void> {
    const { clock } = this.#options;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const proxied of this.#proxied) proxied.destroy();
    const leaving = [...sessions];
    for (const session of leaving) {
      const retryMs = Math.round(limits.restartRetryMs + spreadMs(leaving.length) * Math.random());
      const frame = encodeServer("GoAwayMes", { code: codes.tryAgain, reason: "restart", retryMs });
      session.sayGoodbye(frame, "restart");
    }
    for (const connection of this.#connections) if (!connection.session) connection.close("restart");
    let deadline: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      deadline = clock.after(limits.drainDeadlineMs, resolve);
    });
    await Promise.race([closed, late]);
    deadline?.cancel();
    this.#check?.cancel();
    this.#wakeTime.close();
    for (const connection of this.#connections) connection.destroy();
  }
}

/** So many do not come back in one moment: a thousand a second is what one server takes in easily. */
function spreadMs(sessions: number): number {
  const wantedMs = sessions * limits.restartSpreadPerSessionMs;
  return Math.min(Math.max(wantedMs, limits.restartSpreadMinMs), limits.restartSpreadMaxMs);
}

/**
 * Whether one could listen there, before anything else is begun: a start that fails for it leaves no other trace. Throws
 * an Error of one line when not.
 */
export async function tryAddress(host: string, port: number): Promise<void> {
  const server = createServer();
  await listening(server, host, port);
  await new Promise((resolve) => server.close(resolve));
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const advice = listenAdvice[error.code ?? ""] ?? `${reasonOf(error)}; see --host, --port`;
      reject(new Error(`cannot listen on ${host}:${port}: ${advice}`, { cause: error }));
    });
    server.listen({ host, port, backlog: limits.listenBacklogConnections }, resolve);
  });
}

const listenAdvice: Record<string, string> = {
  EADDRINUSE: "it is taken; give another --port",
  EACCES: "this user may not listen there; give a --port from 1024 on",
  EADDRNOTAVAIL: "that is no address of this machine; give another --host",
  ENOTFOUND: "that name is not known; give another --host",
  EAI_AGAIN: "that name cannot be looked up now; give an address as --host",
};

/** How many connections the limit of open files leaves. Throws an Error of one line when they are too few. */
function connectionsMax(): number {
  const openFiles = openFilesMax();
  const wanted = limits.reservedFileDescriptors + limits.connectionsMin;
  if (openFiles < wanted) {
    throw new Error(
      `at most ${openFiles} open files are allowed, wanted ${wanted} or more; type: ulimit -n 65536`,
    );
  }
  return openFiles - limits.reservedFileDescriptors;
}

/** The soft limit of open files; Node raises it to the hard one at its start. */
export function openFilesMax(): number {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    if (line) return Number(line[1]);
  } catch {
    // No /proc: not Linux.
  }
  return 1024;
}

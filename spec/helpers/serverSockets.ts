/**
 * serverSockets: the server's ends of the connections of this process, seen without touching them: what they have
 * read, what they were given to write and when. For specs whose server runs in their own process.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { until } from "./wait.ts";
import type { WireClient } from "./wireClient.ts";

const channel = "net.server.socket";

export class ServerSockets {
  readonly #byPort = new Map<number, Socket>();
  readonly #take = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    if (socket.remotePort !== undefined) this.#byPort.set(socket.remotePort, socket);
  };

  /** Sees the connections that are accepted from now on. */
  constructor() {
    subscribe(channel, this.#take);
  }

  stop(): void {
    unsubscribe(channel, this.#take);
  }

  /** The server's end of a client's connection. */
  async of(client: WireClient): Promise<Socket> {
    return until("the server's end of a connection", () => this.#byPort.get(client.socket.localPort ?? -1));
  }

  /** Resolves when the server has read `bytes` from this client since it connected. */
  async hasRead(client: WireClient, bytes: number): Promise<void> {
    const socket = await this.of(client);
    await until(`${bytes} bytes read by the server`, () => socket.bytesRead >= bytes);
  }
}

export interface Written {
  /** Of `performance.now()`. */
  atMs: number;
  bytes: Buffer;
}

/** Notes every write of a socket from now on; the writes themselves are done as ever. */
export function watchWrites(socket: Socket): Written[] {
  const written: Written[] = [];
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  socket.write = (...args: unknown[]) => {
    written.push({ atMs: performance.now(), bytes: args[0] as Buffer });
    return write(...args);
  };
  return written;
}

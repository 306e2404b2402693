/**
 * sentinelWatch: hears from the sentinels that another Redis is the master now. Without it a master that hangs would be
 * waited for until its silence is long enough.
 */
import { Redis } from "ioredis";
import { slotsLookMs, storeDeadlineMs, storeSilenceMs } from "./limits.ts";
import { type RedisAddress, readTls } from "./redisUrl.ts";

const channel = "+switch-master";

/** One connection to each sentinel. */
export class SentinelWatch {
  readonly #sentinels: Redis[];
  readonly #name: string;
  readonly #switched: () => void;
  /** The master that was told of last: every sentinel tells of it. */
  #master = "";

  constructor(address: RedisAddress & { kind: "sentinel" }, switched: () => void) {
    this.#name = address.name;
    this.#switched = switched;
    const tls = readTls(address);
    this.#sentinels = address.sentinels.map((endpoint) => {
      const sentinel = new Redis({
        ...endpoint,
        ...address.sentinelLogin,
        ...(tls && { tls }),
        protocol: 2,
        connectionName: `haiyu:${process.pid}:watch`,
        disableClientInfo: true,
        enableReadyCheck: false,
        enableOfflineQueue: false,
        autoResubscribe: false,
        maxRetriesPerRequest: 0,
        connectTimeout: storeDeadlineMs,
        socketTimeout: storeSilenceMs,
        retryStrategy: () => slotsLookMs,
      });
      sentinel.on("error", () => undefined); // Who asks for the master tells that they cannot be reached.
      sentinel.on("ready", () => void sentinel.subscribe(channel).catch(() => undefined));
      sentinel.on("message", (_channel: string, text: string) => this.#heard(text));
      return sentinel;
    });
  }

  close(): void {
    for (const sentinel of this.#sentinels) sentinel.disconnect();
  }

  /** `text` is the name of a group, the old host and port, the new host and port. */
  #heard(text: string): void {
    const [name, , , host, port] = text.split(" ");
    const master = `${host}:${port}`;
    if (name !== this.#name || master === this.#master) return;
    this.#master = master;
    this.#switched();
  }
}

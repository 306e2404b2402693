/**
 * bellLines: the connections on which this node hears what is published. One Redis needs one; in a Cluster a channel
 * belongs to a slot (sharded pub/sub), so there is one to each master that has channels of ours. What is listened to is
 * kept as it should be, whatever breaks: a lost link, a failover, a slot that moves. Then hints were missed, which is
 * said once everything is heard again.
 */
import { Cluster, type Redis } from "ioredis";
import type { Clock, Timer } from "./clock.ts";
import { type Journal, reasonOf } from "./journal.ts";
import { bellPingMs, readRetryMs, subscribeSliceChannels } from "./limits.ts";
import { NodeLines } from "./nodeLines.ts";
import { type RedisClient, nodeKeyOf, refreshSlots } from "./redisClient.ts";

export interface BellListener {
  heard(channel: string, text: string): void;
  /** Hints may have been missed: look everywhere. */
  missed(): void;
}

export interface BellLinesOptions {
  client: RedisClient;
  listener: BellListener;
  clock: Clock;
  journal: Journal;
}

/** Channels, and the connections they are heard on. */
export class BellLines {
  readonly #client: RedisClient;
  readonly #lines: NodeLines;
  readonly #listener: BellListener;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #wanted = new Set<string>();
  /** The line that each channel is heard on. */
  readonly #heardOn = new Map<string, Redis>();
  #ping: Timer | null = null;
  #healing = false;
  #closed = false;
  /** Ends the pause before the next try; null when there is none. */
  #wake: (() => void) | null = null;

  /** `client` knows the nodes. */
  constructor({ client, listener, clock, journal }: BellLinesOptions) {
    this.#client = client;
    this.#lines = new NodeLines(client, "bell", (line) => this.#watch(line));
    this.#listener = listener;
    this.#clock = clock;
    this.#journal = journal;
  }

  /** Listens to the first channels. Throws when that cannot be done. */
  async open(channels: string[]): Promise<void> {
    for (const channel of channels) this.#wanted.add(channel);
    await this.#subscribe(channels);
    // An idle subscriber has nothing pending, so only a ping of our own finds a half-open link.
    this.#ping = this.#clock.every(bellPingMs, () => {
      for (const line of this.#lines.ready()) line.ping().catch(() => undefined);
    });
  }

  /** Listens to one more channel; resolves when it is heard, or will be as soon as there is a link. Never throws. */
  async listen(channel: string): Promise<void> {
    this.#wanted.add(channel);
    try {
      await this.#subscribe([channel]);
    } catch (error) {
      // Until it is healed the sweep finds what is missed.
      this.#sayDeaf(error);
      void this.#heal();
    }
  }

  leave(channel: string): void {
    this.#wanted.delete(channel);
    const line = this.#heardOn.get(channel);
    this.#heardOn.delete(channel);
    if (line?.status !== "ready") return;
    const left = this.#isSharded ? line.sunsubscribe(channel) : line.unsubscribe(channel);
    left.catch(() => undefined);
  }

  /** Whether all that is wanted is heard. */
  get hears(): boolean {
    return this.#ping !== null && !this.#healing;
  }

  /** Another Redis is the master now. */
  renew(): void {
    this.#lines.renew();
  }

  close(): void {
    this.#closed = true;
    this.#ping?.cancel();
    this.#wake?.();
    this.#lines.close();
  }

  get #isSharded(): boolean {
    return this.#client instanceof Cluster;
  }

  /** Throws when one of the channels is not heard. */
  async #subscribe(channels: string[]): Promise<void> {
    const byNode = new Map<string, string[]>();
    for (const channel of channels) {
      const nodeKey = nodeKeyOf(this.#client, channel) ?? "";
      const group = byNode.get(nodeKey);
      if (group) group.push(channel);
      else byNode.set(nodeKey, [channel]);
    }
    await Promise.all([...byNode].map(([nodeKey, group]) => this.#subscribeOn(nodeKey, group)));
  }

  async #subscribeOn(nodeKey: string, channels: string[]): Promise<void> {
    const line = await this.#lines.to(nodeKey);
    const confirm = (channel: string): void => {
      this.#heardOn.set(channel, line);
      if (!this.#wanted.has(channel)) this.leave(channel);
    };
    // Channels of one command have to be of one slot, where there are slots.
    const subscribed = this.#isSharded
      ? channels.map((channel) => line.ssubscribe(channel).then(() => confirm(channel)))
      : [line.subscribe(...channels).then(() => channels.forEach(confirm))];
    await Promise.all(subscribed);
  }

  #watch(line: Redis): void {
    for (const event of ["message", "smessage"]) {
      line.on(event, (channel: string, text: string) => this.#heard(channel, text));
    }
    const lost = (): void => {
      for (const [channel, one] of this.#heardOn) if (one === line) this.#heardOn.delete(channel);
      void this.#heal();
    };
    line.on("close", lost);
    // A slot went elsewhere, with its channels.
    line.on("moved", () => {
      refreshSlots(this.#client);
      lost();
    });
    line.on("ready", () => {
      this.#wake?.();
    });
  }

  #heard(channel: string, text: string): void {
    try {
      this.#listener.heard(channel, text);
    } catch (error) {
      // Anybody can publish: what is not understood must not end the process ([K-6]).
      this.#journal.write("bell_not_understood", { channel, reason: reasonOf(error) });
    }
  }

  /** Listens to what is wanted and not heard, until all of it is. */
  async #heal(): Promise<void> {
    // Before `open` is through its caller sees what fails.
    if (this.#healing || this.#closed || !this.#ping) return;
    this.#healing = true;
    for (let isFirst = true; !this.#closed; isFirst = false) {
      const error = await this.#tryDeaf();
      if (error === null) break;
      if (isFirst) this.#sayDeaf(error);
      refreshSlots(this.#client);
      await this.#pause();
    }
    this.#healing = false;
    if (!this.#closed) this.#listener.missed();
  }

  /** Tries once; what still keeps it from hearing everything, or null. */
  async #tryDeaf(): Promise<unknown> {
    const isDeaf = (channel: string): boolean => !this.#heardOn.has(channel);
    const deaf = [...this.#wanted].filter(isDeaf);
    for (let at = 0; at < deaf.length; at += subscribeSliceChannels) {
      const slice = deaf
        .slice(at, at + subscribeSliceChannels)
        .filter((channel) => this.#wanted.has(channel));
      try {
        if (slice.length > 0) await this.#subscribe(slice);
      } catch (error) {
        return error;
      }
    }
    return [...this.#wanted].some(isDeaf) ? new Error("a link was lost meanwhile") : null;
  }

  async #pause(): Promise<void> {
    let timer: Timer | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = this.#clock.after(readRetryMs, resolve);
    });
    timer?.cancel();
    this.#wake = null;
  }

  #sayDeaf(error: unknown): void {
    this.#journal.write("doorbell_deaf", { channels: this.#wanted.size, reason: reasonOf(error) });
  }
}

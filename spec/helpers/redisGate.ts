/**
 * redisGate: a gate between servers and their Redis that knows a server's two connections apart: "store" for commands
 * and "bell" for what is published. Servers are given `url`.
 */
import { Gate } from "./gate.ts";
import type { SpecRedis } from "./redis.ts";

export type Role = "store" | "bell";

export class RedisGate {
  readonly #gate: Gate;
  readonly #roles = new Map<number, Role>();
  readonly #refused = new Set<Role>();
  #lost: { what: RegExp; times: number } | null = null;
  readonly #dead = new Set<number>();
  readonly #silenced = new Set<number>();
  /** Replies that `loseReply` has taken away so far. */
  repliesLost = 0;
  #intercepted: RegExp | null = null;
  /** Commands that `loseCommand` has taken away so far. */
  commandsLost = 0;

  private constructor(gate: Gate) {
    this.#gate = gate;
    gate.affects = (connection) => this.#dead.has(connection);
    gate.drop();
    gate.tap = (direction, chunk, connection) => {
      if (direction === "up") this.#up(chunk.toString("latin1"), connection);
      else if (this.#silenced.has(connection)) this.#loseNow(connection);
    };
  }

  static async before({ socketPath }: SpecRedis): Promise<RedisGate> {
    return new RedisGate(await Gate.to(socketPath));
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#gate.port}`;
  }

  /** Connections taken so far; a role's alone, or all. */
  taken(role?: Role): number {
    return role ? [...this.#roles.values()].filter((one) => one === role).length : this.#gate.taken;
  }

  /** The links of a role (absent: both) that stand now are dead: nothing passes any more, nobody is told. New ones flow. */
  halfOpen(role?: Role): void {
    for (let connection = 1; connection <= this.#gate.taken; connection++) {
      if (this.#is(connection, role)) this.#dead.add(connection);
    }
  }

  /** The dead links end for Redis too, as its own keepalive would see to. */
  bury(): void {
    this.#gate.cut((connection) => this.#dead.has(connection));
  }

  /** Ends the links of a role (absent: both). */
  cut(role?: Role): void {
    this.#gate.cut((connection) => this.#is(connection, role));
  }

  /** New links of a role are ended as soon as they say who they are, until `admit`. */
  refuse(role: Role): void {
    this.#refused.add(role);
  }

  admit(role: Role): void {
    this.#refused.delete(role);
  }

  /** The next `times` commands that look so are done by Redis; their reply is lost, and the link with it. */
  loseReply(what: RegExp, times = 1): void {
    this.#lost = { what, times };
  }

  /** The next command that looks so never reaches Redis: the link ends before it. */
  loseCommand(what: RegExp): void {
    this.#intercepted = what;
  }

  close(): void {
    this.#gate.close();
  }

  #is(connection: number, role?: Role): boolean {
    return role === undefined || this.#roles.get(connection) === role;
  }

  #up(text: string, connection: number): void {
    const [, role] = /haiyu:\d+:(store|bell)/.exec(text) ?? [];
    if (role) this.#roles.set(connection, role as Role);
    if (role && this.#refused.has(role as Role)) this.#gate.cut((one) => one === connection);
    if (this.#intercepted?.test(text)) {
      this.#intercepted = null;
      this.commandsLost++;
      this.#gate.cut((one) => one === connection);
    }
    if (!this.#lost?.what.test(text)) return;
    this.#silenced.add(connection);
    if (--this.#lost.times === 0) this.#lost = null;
  }

  /** The first that comes back is the reply: Redis has done it. */
  #loseNow(connection: number): void {
    this.#silenced.delete(connection);
    this.repliesLost++;
    this.#gate.cut((one) => one === connection);
  }
}

/**
 * gate: a proxy that stands between two of the run, in front of a port or a unix socket, and does to each link by itself
 * what networks do: cut it anywhere in a frame, hold it, slow it, tear it into crumbs, or let it die without a word.
 */
import { type AddressInfo, type NetConnectOpts, type Socket, connect, createServer } from "node:net";
import { once } from "node:events";

export type Direction = "up" | "down";

const heldBytesMax = 256 * 1024;
const tornBytes = 200;

/** One direction of a link. */
class Flow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #cut: () => void;
  #waiting: { chunk: Buffer | null; dueMs: number }[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  held = false;
  drops = false;
  torn = false;
  delayMs = 0;
  /** Bytes that still pass before the link is cut. */
  left = Infinity;

  constructor(from: Socket, to: Socket, cut: () => void) {
    this.#from = from;
    this.#to = to;
    this.#cut = cut;
    from.on("data", (chunk: Buffer) => this.#take(chunk));
    from.on("end", () => this.#take(null));
    to.on("drain", () => this.#resume());
  }

  /** Everything flows again, what was held first. */
  release(): void {
    this.held = false;
    this.torn = false;
    this.delayMs = 0;
    this.#pump();
  }

  #take(chunk: Buffer | null): void {
    if (this.drops) return;
    if (!this.held && !this.torn && this.delayMs === 0 && this.#waiting.length === 0)
      return this.#pass(chunk);
    for (const piece of this.torn && chunk ? crumbsOf(chunk) : [chunk]) {
      this.#waiting.push({ chunk: piece, dueMs: performance.now() + this.delayMs });
      this.#waitingBytes += piece?.length ?? 0;
    }
    if (this.#waitingBytes > heldBytesMax) this.#from.pause();
    this.#pump();
  }

  #pump(): void {
    if (this.held || this.#timer) return;
    const first = this.#waiting[0];
    if (!first) return this.#resume();
    const waitMs = first.dueMs - performance.now();
    if (waitMs > 0 && this.delayMs > 0) {
      this.#timer = setTimeout(() => this.#next(), waitMs);
    } else if (this.torn) this.#timer = setTimeout(() => this.#next(), 0);
    else {
      for (const { chunk } of this.#waiting.splice(0)) this.#pass(chunk);
      this.#waitingBytes = 0;
      this.#resume();
    }
  }

  #next(): void {
    this.#timer = null;
    const now = performance.now();
    do {
      const first = this.#waiting[0];
      if (!first || this.held || (this.delayMs > 0 && first.dueMs > now)) break;
      this.#waiting.shift();
      this.#waitingBytes -= first.chunk?.length ?? 0;
      this.#pass(first.chunk);
    } while (!this.torn);
    this.#pump();
  }

  #pass(chunk: Buffer | null): void {
    if (this.drops || this.#to.destroyed) return;
    if (chunk === null) return void this.#to.end();
    if (chunk.length >= this.left) {
      const last = chunk.subarray(0, this.left);
      this.drops = true;
      this.#to.write(last, () => this.#cut());
      return;
    }
    this.left -= chunk.length;
    if (!this.#to.write(chunk)) this.#from.pause();
  }

  #resume(): void {
    if (!this.held && this.#waitingBytes <= heldBytesMax && !this.#to.writableNeedDrain) this.#from.resume();
  }
}

/** The first bytes one to seven at a time, the rest in one. */
function crumbsOf(chunk: Buffer): Buffer[] {
  const crumbs: Buffer[] = [];
  let at = 0;
  for (let size = 1; at < Math.min(chunk.length, tornBytes); size = (size % 7) + 1) {
    crumbs.push(chunk.subarray(at, at + size));
    at += size;
  }
  if (at < chunk.length) crumbs.push(chunk.subarray(at));
  return crumbs;
}

/** One connection through a gate. */
export class Link {
  readonly #near: Socket;
  readonly #far: Socket;
  readonly up: Flow;
  readonly down: Flow;
  #isDead = false;

  constructor(near: Socket, far: Socket, gone: () => void) {
    this.#near = near;
    this.#far = far;
    this.up = new Flow(near, far, () => this.cut(true));
    this.down = new Flow(far, near, () => this.cut(true));
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => undefined);
      one.on("close", (hadError: boolean) => {
        gone();
        // Of a link that died nobody is told.
        if (this.#isDead || other.destroyed) return;
        if (hadError) reset(other);
        else if (!one.readableEnded) other.destroy();
      });
    }
  }

  /** Whether something is done to it now. */
  get isTroubled(): boolean {
    return [this.up, this.down].some(
      ({ held, drops, torn, delayMs }) => held || drops || torn || delayMs > 0,
    );
  }

  /** Ends it; `isCrash`: the way a crash does, not the way a program does. */
  cut(isCrash: boolean): void {
    for (const socket of [this.#near, this.#far]) {
      if (isCrash) reset(socket);
      else socket.destroy();
    }
  }

  /** From now on it carries nothing, and no end either. */
  die(): void {
    this.#isDead = true;
    this.up.drops = this.down.drops = true;
  }

  each(change: (flow: Flow) => void): void {
    change(this.up);
    change(this.down);
  }
}

/** Ends a socket as a crash does. A unix socket, and one that is not connected yet, know no reset. */
function reset(socket: Socket): void {
  // Node's own resetAndDestroy ends the socket in good order first: the other side would see a clean end before the
  // reset. This is what it sets before it destroys.
  const isTcp = socket.remoteAddress !== undefined;
  if (isTcp) Object.assign(socket, { resetAndClosing: true });
  socket.destroy();
}

/** A listening port of this machine, and the links through it. */
export class Gate {
  readonly #server = createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: true });
  readonly #links = new Map<number, Link>();
  #target: NetConnectOpts;
  port = 0;
  /** New links are ended at once. */
  refuses = false;

  private constructor(target: NetConnectOpts) {
    this.#target = target;
    this.#server.on("connection", (near) => this.#join(near));
  }

  static async to(target: NetConnectOpts): Promise<Gate> {
    const gate = new Gate(target);
    gate.#server.listen(0, "127.0.0.1");
    await once(gate.#server, "listening");
    gate.port = (gate.#server.address() as AddressInfo).port;
    return gate;
  }

  /** Connections from now on go there. */
  retarget(target: NetConnectOpts): void {
    this.#target = target;
  }

  get links(): Link[] {
    return [...this.#links.values()];
  }

  /** The link of the connection that left from this local port. */
  linkFrom(port: number): Link | null {
    return this.#links.get(port) ?? null;
  }

  close(): void {
    this.#server.close();
    for (const link of this.links) link.cut(false);
  }

  #join(near: Socket): void {
    if (this.refuses) return void near.destroy();
    const port = near.remotePort ?? 0;
    const far = connect({ ...this.#target, noDelay: true, allowHalfOpen: true } as NetConnectOpts);
    const link = new Link(near, far, () => {
      if (near.destroyed && far.destroyed && this.#links.get(port) === link) this.#links.delete(port);
    });
    this.#links.set(port, link);
    near.resume();
  }
}

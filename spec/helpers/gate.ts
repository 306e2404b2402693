/**
 * gate: a TCP proxy between one side and the other that can misbehave: refuse, cut (now, or after so many bytes),
 * stall, drop and delay, each direction by itself. "up" is towards the target, "down" is back from it.
 */
import { type AddressInfo, type NetConnectOpts, type Socket, connect, createServer } from "node:net";
import { after } from "node:test";

export type Direction = "up" | "down";
const directions: Direction[] = ["up", "down"];

interface Link {
  connection: number;
  near: Socket;
  far: Socket;
}

/** How one direction of all links flows. */
interface Flow {
  /** Chunks that wait, in order, each with what hands it on; null: nothing is held. */
  held: (() => void)[] | null;
  drops: boolean;
  delayMs: number;
  /** Bytes until the link they are on is cut; null: never. */
  left: number | null;
  passed: number;
}

// A spec that failed half-way must not keep its process, and so the whole run, alive.
const open = new Set<Gate>();
after(() => {
  for (const gate of open) gate.close();
});

export class Gate {
  /** Where the near side connects to, on 127.0.0.1; stays the same for the gate's life. */
  port = 0;
  /** Connections taken so far. */
  taken = 0;
  /** Cuts made so far by `cutAfter`. */
  cuts = 0;
  /** Sees every chunk on its way, before anything is done to it; connections are numbered from 1. */
  tap: (direction: Direction, chunk: Buffer, connection: number) => void = () => undefined;
  /** Which connections are stalled, dropped or delayed when some are; the others flow. */
  affects: (connection: number) => boolean = () => true;
  #target: NetConnectOpts;
  readonly #links = new Set<Link>();
  readonly #flows: Record<Direction, Flow> = { up: newFlow(), down: newFlow() };
  #server = createServer();

  private constructor(target: NetConnectOpts) {
    this.#target = target;
    open.add(this);
  }

  /** A gate before a port of this machine, or a unix socket. */
  static async to(target: number | string): Promise<Gate> {
    const gate = new Gate(targetOf(target));
    await gate.accept();
    return gate;
  }

  /** Connections from now on go there. */
  retarget(target: number | string): void {
    this.#target = targetOf(target);
  }

  /** Links that stand. */
  get links(): number {
    return this.#links.size;
  }

  /** Bytes handed on so far. */
  passed(direction: Direction): number {
    return this.#flows[direction].passed;
  }

  /** New connections are refused from now on; links that stand stay. */
  refuse(): void {
    this.#server.close();
  }

  /** New connections are taken (again). */
  async accept(): Promise<void> {
    this.#server = createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: true }, (near) =>
      this.#join(near),
    );
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.port, "127.0.0.1", resolve);
    });
    this.port = (this.#server.address() as AddressInfo).port;
  }

  /** Ends links (all, or those of some connections) at once, both sides. What they held is lost. */
  cut(which: (connection: number) => boolean = () => true): void {
    for (const link of [...this.#links]) if (which(link.connection)) this.#end(link);
  }

  /** Cuts the link on which `bytes` more have passed; exactly those arrive. */
  cutAfter(direction: Direction, bytes: number): void {
    this.#flows[direction].left = bytes;
  }

  /** Holds what comes, until `flow`. */
  stall(...which: Direction[]): void {
    for (const direction of which.length > 0 ? which : directions) this.#flows[direction].held ??= [];
  }

  /** What comes is lost, until `flow`. */
  drop(...which: Direction[]): void {
    for (const direction of which.length > 0 ? which : directions) this.#flows[direction].drops = true;
  }

  /** Each chunk is handed on so much later. */
  delay(delayMs: number, ...which: Direction[]): void {
    for (const direction of which.length > 0 ? which : directions) this.#flows[direction].delayMs = delayMs;
  }

  /** Everything flows again; what was held first. */
  flow(): void {
    for (const direction of directions) {
      const flow = this.#flows[direction];
      const held = flow.held ?? [];
      Object.assign(flow, { held: null, drops: false, delayMs: 0 });
      for (const handOn of held) handOn();
    }
  }

  close(): void {
    this.refuse();
    this.cut();
    open.delete(this);
  }

  #join(near: Socket): void {
    const far = connect({ ...this.#target, allowHalfOpen: true });
    const link = { connection: ++this.taken, near, far };
    this.#links.add(link);
    this.#pump(link, "up", near, far);
    this.#pump(link, "down", far, near);
    near.resume();
  }

  #pump(link: Link, direction: Direction, from: Socket, to: Socket): void {
    from.on("data", (chunk: Buffer) => {
      this.tap(direction, chunk, link.connection);
      this.#hand(link, direction, () => this.#pass(link, direction, to, chunk));
    });
    from.on("end", () => this.#hand(link, direction, () => void to.end()));
    from.on("error", () => this.#end(link));
    from.on("close", () => {
      if (link.near.destroyed && link.far.destroyed) this.#links.delete(link);
    });
  }

  #hand({ connection }: Link, direction: Direction, handOn: () => void): void {
    const flow = this.#flows[direction];
    if (!this.affects(connection)) return handOn();
    if (flow.drops) return;
    if (flow.held) flow.held.push(handOn);
    else if (flow.delayMs > 0) setTimeout(handOn, flow.delayMs);
    else handOn();
  }

  #pass(link: Link, direction: Direction, to: Socket, chunk: Buffer): void {
    if (!this.#links.has(link)) return;
    const flow = this.#flows[direction];
    if (flow.left === null || chunk.length < flow.left) {
      if (flow.left !== null) flow.left -= chunk.length;
      flow.passed += chunk.length;
      to.write(chunk);
      return;
    }
    const last = chunk.subarray(0, flow.left);
    flow.passed += last.length;
    flow.left = null;
    this.cuts++;
    this.#links.delete(link);
    // Those bytes arrive; on the other side it is over at once.
    to.end(last, () => to.destroy());
    (to === link.near ? link.far : link.near).destroy();
  }

  #end(link: Link): void {
    this.#links.delete(link);
    link.near.destroy();
    link.far.destroy();
  }
}

function newFlow(): Flow {
  return { held: null, drops: false, delayMs: 0, left: null, passed: 0 };
}

function targetOf(target: number | string): NetConnectOpts {
  return typeof target === "string" ? { path: target } : { port: target, host: "127.0.0.1", noDelay: true };
}

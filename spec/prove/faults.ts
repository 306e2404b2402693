/**
 * faults: does what the plan says to the stage and to the links of the talkers, counts what was really done, and heals
 * everything when asked to.
 */
import type { Gate, Link } from "./gate.ts";
import { type Fault, type FaultKind, faultKinds, isProcessFault } from "./plan.ts";
import { Random } from "./random.ts";
import type { RedisActor } from "./redisActor.ts";
import { type SlotMove, moveSlot } from "./slotMove.ts";
import type { NodeActor, Stage } from "./stage.ts";
import { type Shard, type Store, slotOf } from "./store.ts";
import type { Talker } from "./talker.ts";

export interface FaultsOptions {
  /** Null: the servers are somebody else's. */
  stage: Stage | null;
  talkers: readonly Talker[];
  seed: number;
  /** Something was done: what is sent from now on belongs to it. */
  done: (kind: FaultKind) => void;
  failed: (error: unknown) => void;
}

/** Another Redis took over. */
export interface Failover {
  kind: FaultKind;
  /** When the old one was hurt; monotonic. */
  startMs: number;
  /** Whether a key was of the part that changed its master. */
  has(key: string): boolean;
}

const failoverDeadlineMs = 12_000;
const takenOverMs = 4_000;

/** A server that was asked to end has to have done so by then; what Redis' absence adds is its own deadlines. */
const drainDeadlineMs = 15_000;

/** The hand that breaks things. */
export class Faults {
  readonly counts: Record<FaultKind, number>;
  readonly #options: FaultsOptions;
  readonly #random: Random;
  readonly #heals = new Set<{ timer: NodeJS.Timeout; heal: () => void }>();
  readonly #starts = new Set<Promise<void>>();
  /** Every time that another Redis took over. */
  readonly failovers: Failover[] = [];
  /** Every slot that was given to another master. */
  readonly slotMoves: SlotMove[] = [];
  #groupIsHurt = false;

  constructor(options: FaultsOptions) {
    this.#options = options;
    this.#random = new Random(options.seed, "faults");
    this.counts = Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as Record<FaultKind, number>;
  }

  get total(): number {
    return faultKinds.reduce((sum, kind) => sum + this.counts[kind], 0);
  }

  /** Kills and stops of processes. */
  get processTotal(): number {
    return faultKinds.filter(isProcessFault).reduce((sum, kind) => sum + this.counts[kind], 0);
  }

  /** Does it, if there is something to do it to. */
  async apply(fault: Fault): Promise<void> {
    const { stage, done } = this.#options;
    const isDone =
      stage && !isLinkOfTalkers(fault.kind) ? await this.#hurt(stage, fault) : this.#trouble(fault);
    if (!isDone) return;
    this.counts[fault.kind]++;
    done(fault.kind);
  }

  /** Everything runs and flows again; resolves when all processes serve. */
  async heal(): Promise<void> {
    // A heal may be the beginning of a start, and a kill may still be under way.
    while (this.#heals.size > 0 || this.#starts.size > 0) {
      for (const one of [...this.#heals]) this.#healNow(one);
      await Promise.race([...this.#starts, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
    for (const talker of this.#options.talkers) {
      talker.stall(false);
      talker.link?.each((flow) => flow.release());
    }
  }

  async #hurt(stage: Stage, { kind, node: index, forMs, dice }: Fault): Promise<boolean> {
    const { store, nodes } = stage;
    const redis = store.members[0] as RedisActor;
    // The other one, where the one meant is down already.
    const node = [nodes[index], ...nodes].find((one) => one?.state === "up");
    switch (kind) {
      case "node killed":
        if (!node) return false;
        this.#killFor(node, forMs);
        return true;
      case "node stopped":
        if (!node) return false;
        node.stop();
        this.#later(forMs, () => node.proceed());
        this.#giveUpOn(node, forMs);
        return true;
      case "node drained":
        if (!node) return false;
        this.#restart(node, () => this.#drain(node), forMs);
        return true;
      case "Redis killed":
        if (redis.state !== "up") return false;
        this.#killFor(redis, forMs);
        return true;
      case "Redis stopped":
        if (redis.state !== "up") return false;
        redis.stop();
        this.#later(forMs, () => redis.proceed());
        return true;
      case "Redis links cut":
        return this.#links(node, (links) => links.forEach((link) => link.cut(dice < 0.5)));
      case "Redis unreachable":
        return this.#cutOff(node?.back ?? null, forMs, dice < 0.5);
      case "Redis link half-open":
        return this.#links(node, (links) => {
          for (const link of links) link.die();
          this.#later(forMs + 5000, () => links.forEach((link) => link.cut(true)));
        });
      case "Redis link slow":
        return this.#links(node, (links) => {
          for (const link of links) link.each((flow) => (flow.delayMs = 5 + 200 * dice));
          this.#later(forMs, () => links.forEach((link) => link.each((flow) => flow.release())));
        });
      case "reply dropped":
        return this.#links(node, (links) => {
          // Redis does what it is told, and nobody hears of it; a part of the reply may still come.
          for (const link of links) {
            if (dice < 0.5) link.down.drops = true;
            else link.down.left = Math.ceil(200 * (dice - 0.5) ** 2);
          }
          this.#later(forMs, () => links.forEach((link) => link.cut(true)));
        });
      case "scripts flushed":
        return this.#everywhere(store.members, "SCRIPT", "FLUSH");
      case "subscribers cut":
        return this.#everywhere(store.members, "CLIENT", "KILL", "TYPE", "PUBSUB");
      case "master killed":
      case "master stopped":
      case "master relieved":
      case "tail lost":
      case "replica killed":
        return this.#hurtGroup(store, { kind, forMs, dice });
      case "slot moved":
        return this.#moveSlot(store, forMs, dice);
      default:
        return false;
    }
  }

  #trouble({ kind, forMs, share, dice }: Fault): boolean {
    const chosen = this.#options.talkers.filter((talker) => talker.link && this.#random.chance(share));
    // One trouble at a time for a link: what a first-generation reader is promised ends where bytes that the server's
    // kernel has taken are on their way for seconds.
    const pairs = chosen
      .map((talker) => ({ talker, link: talker.link as Link }))
      .filter(({ link }) => !link.isTroubled || kind === "links cut" || kind === "links half-open");
    switch (kind) {
      case "links cut":
        for (const { link } of pairs) {
          const flow = this.#random.chance(0.5) ? link.up : link.down;
          if (this.#random.chance(0.3)) link.cut(true);
          else
            flow.left = Math.min(flow.left, 1 + this.#random.below(this.#random.chance(0.5) ? 300 : 20_000));
        }
        return pairs.length > 0;
      case "links slow":
        for (const { link } of pairs) {
          link.each((flow) => (flow.delayMs = 10 + this.#random.below(300)));
          this.#later(forMs, () => link.each((flow) => flow.release()));
        }
        return pairs.length > 0;
      case "links half-open": {
        const modern = pairs.filter(({ talker }) => !talker.options.legacy);
        for (const { talker, link } of modern) {
          link.die();
          this.#later(forMs * this.#random.next(), () => {
            if (talker.link === link) talker.giveUp();
          });
          // The server is not told for long.
          this.#later(forMs + 12_000 * dice, () => link.cut(this.#random.chance(0.5)));
        }
        return modern.length > 0;
      }
      case "frames torn":
        for (const { link } of pairs) {
          link.each((flow) => (flow.torn = true));
          this.#later(forMs, () => link.each((flow) => flow.release()));
        }
        return pairs.length > 0;
      case "readers stalled": {
        const readers = chosen.filter(
          ({ options: { legacy, sender }, stalled }) => !legacy && sender < 0 && !stalled,
        );
        for (const reader of readers) {
          reader.stall(true);
          this.#later(forMs * this.#random.between(0.3, 1), () => reader.stall(false));
        }
        return readers.length > 0;
      }
      default:
        return false;
    }
  }

  /** Some of those who talk to a stopped node lose their patience, and go to the other one. */
  #giveUpOn(node: NodeActor, forMs: number): void {
    for (const talker of this.#options.talkers) {
      if (talker.door !== node || talker.options.legacy || this.#random.chance(0.5)) continue;
      this.#later(forMs * this.#random.next(), () => {
        if (talker.door === node) talker.giveUp();
      });
    }
  }

  #links(node: NodeActor | undefined, work: (links: Link[]) => void): boolean {
    const links = node?.back?.links ?? [];
    if (links.length > 0) work(links);
    return links.length > 0;
  }

  #cutOff(back: Gate | null, forMs: number, isCrash: boolean): boolean {
    if (!back || back.refuses) return false;
    back.refuses = true;
    for (const link of back.links) link.cut(isCrash);
    this.#later(forMs, () => (back.refuses = false));
    return true;
  }

  async #everywhere(members: RedisActor[], name: string, ...args: string[]): Promise<boolean> {
    const up = members.filter(({ state }) => state === "up");
    const answers = await Promise.all(up.map((member) => member.ask(name, ...args)));
    return answers.some((answer) => answer !== null);
  }

  /** The shards of a group that has settled and is from now on hurt; null: not now. One trouble at a time. */
  async #takeGroup(store: Store): Promise<Shard[] | null> {
    if (this.#groupIsHurt) return null;
    this.#groupIsHurt = true;
    const shards = await store.settled().catch(() => null);
    if (!shards) this.#groupIsHurt = false;
    return shards;
  }

  /** One that keeps its masters meanwhile: which of two has a slot that is being moved no replica of theirs knows. */
  async #moveSlot(store: Store, halfMs: number, dice: number): Promise<boolean> {
    const shards = await this.#takeGroup(store);
    if (!shards) return false;
    const key = this.#busyKey();
    const from = shards.findIndex(({ has }) => has(key));
    const to = (from + 1 + Math.floor(dice * (shards.length - 1))) % shards.length;
    const [fromMaster, toMaster] = [shards[from]?.master, shards[to]?.master] as [RedisActor, RedisActor];
    const place = { from: fromMaster, to: toMaster, members: store.members, slot: slotOf(key) };
    const move = moveSlot(place, halfMs)
      .then((moved) => void this.slotMoves.push(moved))
      .catch((error: unknown) => this.#options.failed(error))
      .finally(() => (this.#groupIsHurt = false));
    this.#starts.add(move);
    void move.finally(() => this.#starts.delete(move));
    return true;
  }

  /** A key of the room, of a private conversation or a user who talks, or of what all need. */
  #busyKey(): string {
    const random = this.#random;
    const { userId, peers } = random.pick(
      this.#options.talkers.filter(({ options }) => options.peers.length > 0),
    ).options;
    const [low, high] = [userId, random.pick(peers)].sort((one, other) => one - other);
    const [room, pair] = ["{c:all}", `{c:dm:${low}:${high}}`];
    return random.pick([room, room, room, pair, pair, pair, `{u:${userId}}`, "{online}", "users"]);
  }

  /** Only where somebody can take over. */
  async #hurtGroup(
    store: Store,
    { kind, forMs, dice }: Pick<Fault, "kind" | "forMs" | "dice">,
  ): Promise<boolean> {
    const shards = await this.#takeGroup(store);
    const shard = shards?.[Math.floor(dice * shards.length)];
    if (!shard) return false;
    const startMs = performance.now();
    const { master, replicas } = shard;
    if (kind === "replica killed")
      this.#killFor(replicas[Math.floor(dice * replicas.length)] ?? master, forMs);
    else if (kind === "master killed") this.#killFor(master, forMs);
    else if (kind === "master stopped") {
      master.stop();
      this.#later(forMs, () => master.proceed());
    } else if (kind === "tail lost") {
      // A replica that stands still does not link up anew, and hears nothing of what is written meanwhile.
      for (const replica of replicas) replica.stop();
      await master.ask("CLIENT", "KILL", "TYPE", "replica");
      this.#later(forMs, () => {
        // Not back before another one has taken over: with its files nothing would be lost.
        this.#killFor(master, takenOverMs);
        for (const replica of replicas) replica.proceed();
      });
    } else await store.relieve(shard);
    if (kind === "replica killed") this.#groupIsHurt = false;
    else void this.#watchFailover(store, shard, { kind, startMs });
    return true;
  }

  /** Whether and when another one took over. Where the same one came back first there was none. */
  async #watchFailover(
    store: Store,
    shard: Shard,
    { kind, startMs }: Pick<Failover, "kind" | "startMs">,
  ): Promise<void> {
    const endMs = startMs + failoverDeadlineMs;
    while (performance.now() < endMs) {
      if (await store.hasSwitched(shard).catch(() => false)) {
        this.failovers.push({ kind, startMs, has: shard.has });
        break;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    this.#groupIsHurt = false;
  }

  #killFor(actor: { kill(): Promise<void>; start(): Promise<void> }, forMs: number): void {
    this.#restart(actor, () => actor.kill(), forMs);
  }

  async #drain(node: NodeActor): Promise<void> {
    const code = await node.drain(drainDeadlineMs);
    if (code !== 0) throw new Error(`a server that was asked to end ended with ${String(code)}`);
  }

  #restart(actor: { start(): Promise<void> }, end: () => Promise<void>, forMs: number): void {
    const start = end()
      .then(() => new Promise<void>((resolve) => this.#later(forMs, resolve)))
      .then(() => actor.start());
    const settled = start.catch((error: unknown) => this.#options.failed(error));
    this.#starts.add(settled);
    void settled.finally(() => this.#starts.delete(settled));
  }

  #later(forMs: number, heal: () => void): void {
    const one = { heal, timer: setTimeout(() => this.#healNow(one), forMs) };
    this.#heals.add(one);
  }

  #healNow(one: { timer: NodeJS.Timeout; heal: () => void }): void {
    if (!this.#heals.delete(one)) return;
    clearTimeout(one.timer);
    one.heal();
  }
}

function isLinkOfTalkers(kind: FaultKind): boolean {
  return ["links cut", "links slow", "links half-open", "frames torn", "readers stalled"].includes(kind);
}

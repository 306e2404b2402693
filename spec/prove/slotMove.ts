/**
 * slotMove: moves a slot of a Cluster to another master as an operator's tool does, key after key, while people talk: some
 * are sent on (ASK), some have to wait (TRYAGAIN), some come to the old one afterwards (MOVED).
 */

/** A redis-server of a Cluster. */
export interface SlotOwner {
  /** host:port */
  readonly address: string;
  /** A command; null when it is not answered. */
  ask(name: string, ...args: (string | number)[]): Promise<unknown>;
}

export interface SlotPlace {
  from: SlotOwner;
  to: SlotOwner;
  /** Everybody who has to know it in the end. */
  members: readonly SlotOwner[];
  slot: number;
}

/** What a Redis says instead of doing it, when a slot is not, or not wholly, there. */
export const refusals = ["ASK", "MOVED", "TRYAGAIN"] as const;
export type Refusals = Record<(typeof refusals)[number], number>;

export interface SlotMove {
  slot: number;
  tookMs: number;
  /** How often the two masters have refused meanwhile. */
  met: Refusals;
}

const moveDeadlineMs = 30_000;
const strayDeadlineMs = 500;

/** Moves it, and leaves it half moved for about `halfMs`. Throws when it does not come to its end. */
export async function moveSlot({ from, to, members, slot }: SlotPlace, halfMs: number): Promise<SlotMove> {
  const startMs = performance.now();
  const before = await refusalsOf([from, to]);
  const [fromId, toId] = (await Promise.all([from, to].map((one) => one.ask("CLUSTER", "MYID")))) as string[];
  await setSlot(to, slot, ["IMPORTING", String(fromId)]);
  await setSlot(from, slot, ["MIGRATING", String(toId)]);
  const [host = "", port = ""] = to.address.split(":");
  const keyCount = Number(await from.ask("CLUSTER", "COUNTKEYSINSLOT", slot));
  await until(`the keys of slot ${slot} to move`, async () => {
    const keys = (await from.ask("CLUSTER", "GETKEYSINSLOT", slot, 1)) as string[] | null;
    if (keys?.length === 0) return true;
    await pause(halfMs / (keyCount + 1));
    if (keys) await from.ask("MIGRATE", host, port, "", 0, 5000, "KEYS", ...keys);
    return false;
  });
  // An operator who loses the new master now would lose all of it: what was moved nobody has waited for.
  await until("its replica to have it", () => isReplicated(to, members));
  // The new one first: it is not to be without a master, nor to be sent back to the old one.
  for (const member of [to, from]) await setSlot(member, slot, ["NODE", String(toId)]);
  await until("all to know it", async () => {
    const owners = await Promise.all(members.map((member) => ownerOf(member, slot)));
    return owners.every((owner) => owner === to.address);
  });
  // Somebody comes to the old one still.
  const metSince = async (): Promise<Refusals> => difference(await refusalsOf([from, to]), before);
  const strayMs = performance.now() + strayDeadlineMs;
  let met = await metSince();
  while (met.MOVED === 0 && performance.now() < strayMs) {
    await pause(20);
    met = await metSince();
  }
  return { slot, tookMs: performance.now() - startMs, met };
}

/** What was met in all of them, in words; "" where none was moved. */
export function slotMovesText(moves: readonly SlotMove[]): string {
  if (moves.length === 0) return "";
  const sorted = moves.map(({ tookMs }) => tookMs).sort((left, right) => left - right);
  const [median, worst] = [sorted[Math.floor(sorted.length / 2)] ?? 0, sorted.at(-1) ?? 0];
  const met = refusals.map((name) => `${name} ${moves.reduce((sum, move) => sum + move.met[name], 0)}`);
  return (
    `${moves.length} slots moved, in ${Math.round(median)} ms (median), ${Math.round(worst)} ms (worst); ` +
    `met meanwhile: ${met.join(", ")}`
  );
}

async function setSlot(owner: SlotOwner, slot: number, words: string[]): Promise<void> {
  const answer = await owner.ask("CLUSTER", "SETSLOT", slot, ...words);
  if (answer !== "OK") throw new Error(`${owner.address} did not set slot ${slot} ${words.join(" ")}`);
}

/** How often each was answered so far. */
async function refusalsOf(owners: readonly SlotOwner[]): Promise<Refusals> {
  const sums: Refusals = { ASK: 0, MOVED: 0, TRYAGAIN: 0 };
  for (const owner of owners) {
    const stats = String((await owner.ask("INFO", "errorstats")) ?? "");
    for (const name of refusals) {
      sums[name] += Number(new RegExp(`^errorstat_${name}:count=(\\d+)`, "m").exec(stats)?.[1] ?? 0);
    }
  }
  return sums;
}

function difference(now: Refusals, before: Refusals): Refusals {
  const { ASK, MOVED, TRYAGAIN } = before;
  return { ASK: now.ASK - ASK, MOVED: now.MOVED - MOVED, TRYAGAIN: now.TRYAGAIN - TRYAGAIN };
}

/** Whether the replicas of a master have what it had when this was asked. */
async function isReplicated(master: SlotOwner, members: readonly SlotOwner[]): Promise<boolean> {
  const number = async (member: SlotOwner, field: string): Promise<number> => {
    const info = String((await member.ask("INFO", "replication")) ?? "");
    return Number(new RegExp(`^${field}:(\\d+)`, "m").exec(info)?.[1] ?? NaN);
  };
  const port = Number(master.address.split(":")[1]);
  const offset = await number(master, "master_repl_offset");
  const offsets = members.map(async (member) =>
    (await number(member, "master_port")) === port ? number(member, "slave_repl_offset") : offset,
  );
  return (await Promise.all(offsets)).every((one) => one >= offset);
}

/** Who has the slot, as a member sees it; "" when it does not say. */
async function ownerOf(member: SlotOwner, slot: number): Promise<string> {
  const ranges = (await member.ask("CLUSTER", "SLOTS")) as [number, number, [string, number]][] | null;
  const range = ranges?.find(([first, last]) => first <= slot && slot <= last);
  return range ? range[2].slice(0, 2).join(":") : "";
}

function pause(forMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forMs));
}

async function until(what: string, isDone: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + moveDeadlineMs;
  while (!(await isDone())) {
    if (performance.now() > endMs) throw new Error(`waited ${moveDeadlineMs} ms for ${what}`);
    await pause(5);
  }
}

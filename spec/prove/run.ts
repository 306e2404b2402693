/**
 * run: one fault run from its start to its verdict: everybody logs in, the plan is played while they talk, then
 * everything is healed, waited for and judged.
 */
import { RoomArchive, readPrivate } from "./archive.ts";
import { type Cast, castOf } from "./cast.ts";
import { judge } from "./checker.ts";
import { Faults } from "./faults.ts";
import { Gate } from "./gate.ts";
import { type FaultKind, faultKinds, planOf } from "./plan.ts";
import { judgeLoss } from "./lossChecker.ts";
import { Recorder } from "./recorder.ts";
import { type Silence, silencesOf } from "./silence.ts";
import type { SlotMove } from "./slotMove.ts";
import { Stage } from "./stage.ts";
import type { StoreKind } from "./store.ts";
import type { Door } from "./talker.ts";
import type { Verdict } from "./tally.ts";
import { Wire } from "./wire.ts";

export interface RunOptions {
  runMs: number;
  seed: number;
  /** How many servers of one's own. */
  nodes: number;
  redis: StoreKind;
  /** `--durability` of one's own servers; null: none is asked for. */
  durability: string | null;
  /** Somebody's server; null: one's own, which can be killed. */
  target: { host: string; port: number } | null;
  /** Leaves the folder of one's own servers. */
  keep: boolean;
}

export interface RunResult {
  verdict: Verdict;
  faults: Record<FaultKind, number>;
  processFaults: number;
  /** Time in which faults were made and messages sent. */
  playedMs: number;
  /** From the heal until everything was there, or the wait was over. */
  healedMs: number;
  refusals: unknown[];
  failovers: Silence[];
  slotMoves: readonly SlotMove[];
}

export const rowNames = ["none yet", ...faultKinds];

const tickMs = 5;
const thinkMs = 5;
const loginDeadlineMs = 60_000;
const answersDeadlineMs = 30_000;
const headDeadlineMs = 60_000;

/** A run that can be watched. */
export class Run {
  readonly recorder = new Recorder(rowNames);
  readonly #options: RunOptions;
  #faults: Faults | null = null;
  #stage: Stage | null = null;
  #gate: Gate | null = null;
  #ticker: NodeJS.Timeout | null = null;
  #phase = "starting";

  constructor(options: RunOptions) {
    this.#options = options;
  }

  get line(): string {
    const { sentCount, storedCount, deliveredCount } = this.recorder;
    const faults = this.#faults?.total ?? 0;
    return `${this.#phase}: sent ${sentCount}, stored ${storedCount}, delivered ${deliveredCount}, faults ${faults}`;
  }

  /** A group whose replicas nobody waits for: what it loses has to be told. */
  get #mayLose(): boolean {
    const { redis, durability, target } = this.#options;
    return target === null && redis !== "one" && durability === null;
  }

  /** Where the servers' journals and Redis' files are. */
  get folder(): string | null {
    return this.#stage?.folder ?? null;
  }

  async play(): Promise<RunResult> {
    try {
      const { cast, doors } = await this.#open();
      return await this.#play(cast, doors);
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    if (this.#ticker) clearInterval(this.#ticker);
    this.#gate?.close();
    await this.#stage?.close();
  }

  async #open(): Promise<{ cast: Cast; doors: Door[] }> {
    const { target, seed, keep, nodes, redis, durability } = this.#options;
    const common = { recorder: this.recorder, seed, thinkMs };
    if (target) {
      const gate = (this.#gate = await Gate.to(target));
      const door: Door = {
        host: "127.0.0.1",
        port: gate.port,
        isStopped: () => false,
        linkFrom: (port) => gate.linkFrom(port),
      };
      const firstUserId = 1e9 + Math.floor(Math.random() * 1e12);
      const cast = castOf({ ...common, doors: [door], firstUserId });
      for (const user of cast.users) await register(target, user);
      return { cast, doors: [door] };
    }
    const stage = (this.#stage = await Stage.open({
      ...{ nodes, keep, redis },
      // Whoever may take over has to have it: that is all of them.
      flags:
        durability === null
          ? []
          : ["--durability", durability, "--replicas", redis === "sentinel" ? "2" : "1"],
    }));
    const cast = castOf({ ...common, doors: stage.nodes, firstUserId: 1001 });
    await stage.addUsers(cast.users);
    return { cast, doors: stage.nodes };
  }

  async #play({ talkers, archivist }: Cast, doors: Door[]): Promise<RunResult> {
    const { runMs, seed, target, redis } = this.#options;
    const all = [...talkers, archivist];
    this.#phase = "logging in";
    const ticking = [...talkers];
    let lastMs = performance.now();
    this.#ticker = setInterval(() => {
      const nowMs = performance.now();
      for (const talker of ticking) talker.tick(nowMs, nowMs - lastMs);
      lastMs = nowMs;
    }, tickMs);
    await within("everybody to log in", () => talkers.every(({ isLoggedIn }) => isLoggedIn), loginDeadlineMs);
    // The last one: at what it is told of the room everybody was there.
    ticking.push(archivist);
    await within("the archivist to log in", () => archivist.isLoggedIn, loginDeadlineMs);
    const { epoch, seq } = archivist.toldHead;
    this.recorder.conv("all").begin = seq;
    const after = `${epoch}-${seq}`;
    const room = new RoomArchive(this.recorder, archivist, { after, how: "archived" });
    const left = new RoomArchive(this.recorder, archivist, { after, how: "kept" });

    this.#phase = "running";
    let failure: unknown = null;
    const faults = (this.#faults = new Faults({
      stage: this.#stage,
      talkers,
      seed,
      done: (kind) => (this.recorder.row = rowNames.indexOf(kind)),
      failed: (error) => (failure ??= error),
    }));
    const plan = planOf({ seed, runMs, nodes: doors.length, outside: target !== null, redis });
    const startMs = performance.now();
    for (const talker of talkers) talker.sends = true;
    const reading = this.#readRoom(room);
    for (const fault of plan) {
      await until(startMs + fault.atMs);
      if (failure !== null) throw failure;
      void faults.apply(fault);
    }
    await until(startMs + runMs);
    const playedMs = performance.now() - startMs;

    this.#phase = "healing";
    for (const talker of talkers) talker.sends = false;
    const healMs = performance.now();
    await faults.heal();
    if (failure !== null) throw failure;
    // A loss is told before the next message of its conversation, which a group that has not settled would lose too.
    if (this.#mayLose) await this.#stage?.store.settle();
    if (this.#mayLose) for (const talker of talkers) talker.sayLast();
    const answered = (): boolean => talkers.every(({ waiting }) => waiting === 0);
    await within("answers", answered, answersDeadlineMs).catch(() => {
      for (const talker of talkers) this.recorder.unanswered.push(...talker.waitingCodes());
    });
    this.#phase = "reading history";
    await reading.stop();
    const deadlineMs = performance.now() + headDeadlineMs;
    await readPrivate(this.recorder, talkers, deadlineMs);
    for (const archive of this.#mayLose ? [room, left] : [room]) {
      while (!(await archive.readOn()) && performance.now() < deadlineMs)
        await until(performance.now() + 100);
    }
    this.#phase = "waiting for readers";
    const judgeNow = (): Verdict => (this.#mayLose ? judgeLoss(this.recorder) : judge(this.recorder));
    let verdict = judgeNow();
    while (verdict.total.lost > 0 && performance.now() < deadlineMs) {
      await until(performance.now() + 500);
      verdict = judgeNow();
    }
    const healedMs = performance.now() - healMs;
    // Whatever is still to come and must not: a repeat, a message out of its order.
    await until(performance.now() + 500);
    verdict = judgeNow();
    this.#phase = "done";
    for (const talker of all) talker.end();
    return {
      verdict,
      faults: faults.counts,
      processFaults: faults.processTotal,
      playedMs,
      healedMs,
      refusals: all.flatMap(({ refusals }) => refusals),
      failovers: silencesOf(this.recorder, faults.failovers),
      slotMoves: faults.slotMoves,
    };
  }

  /** History of the room is read while it grows: its log keeps only the newest. */
  #readRoom(room: RoomArchive): { stop(): Promise<void> } {
    let isOver = false;
    const readOn = async (): Promise<void> => {
      while (!isOver) {
        await until(performance.now() + 500);
        if (!isOver) await room.readOn();
      }
    };
    const reading = readOn();
    return {
      stop: () => {
        isOver = true;
        return reading;
      },
    };
  }
}

async function register(
  target: { host: string; port: number },
  user: { userId: number; userPwd: string; userName: string },
): Promise<void> {
  const code = await new Promise<unknown>((resolve, reject) => {
    const wire = new Wire(target, {
      heard: (_type, fields) => {
        resolve(fields.code);
        wire.drop();
      },
      closed: () => reject(new Error(`${target.host}:${target.port} cannot be reached, or hangs up`)),
    });
    wire.say("RegisterMes", { user });
  });
  if (code !== 200)
    throw new Error(`${target.host}:${target.port} refused to register a user: ${String(code)}`);
}

async function until(atMs: number): Promise<void> {
  const waitMs = atMs - performance.now();
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
}

async function within(what: string, isThere: () => boolean, deadlineMs: number): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!isThere()) {
    if (performance.now() > endMs) throw new Error(`waited ${deadlineMs} ms for ${what}`);
    await until(performance.now() + 20);
  }
}

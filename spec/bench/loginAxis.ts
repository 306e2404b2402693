/**
 * loginAxis: everybody logs in at once, by token, and is told of everybody else; some log in by password, beside what
 * argon2id alone takes on the server's core.
 */
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { hash } from "@node-rs/argon2";
import { usersKey } from "../../lib/keys.ts";
import { argonMemoryKiB, argonPasses } from "../../lib/limits.ts";
import type { Axis, Bench } from "./axis.ts";
import { Meter } from "./cost.ts";
import { Crowd } from "./crowd.ts";
import { startHaiyu } from "./haiyuSystem.ts";
import { HaiyuWire, firstUserId, nameOf } from "./haiyuWire.ts";
import { spawnPinned } from "./pin.ts";
import { changesIn, isPresence, peopleIn } from "./presenceCount.ts";

const axis = "login";
export const tokenWork = (users: number): string => `${users} by token, each told of each`;
export const passwordWork = "by password, 16 at once";

export const loginAxis: Axis = {
  name: axis,
  about: "log-in storm by token, log-ins by password",
  async run(bench) {
    for (let repetition = 0; repetition < bench.repetitions; repetition++) {
      await byToken(bench, bench.quick ? 1000 : 5000);
      await byPassword(bench, bench.quick ? 60 : 500);
    }
  },
};

export async function byToken(bench: Bench, users: number): Promise<void> {
  const system = await startHaiyu({ users });
  try {
    const told = new Uint32Array(users);
    let complete = 0;
    let done: () => void = () => undefined;
    const quiet = new Promise<void>((resolve) => (done = resolve));
    // Some are looked at whole: each of the others once.
    const looked = new Map(
      Array.from({ length: 10 }, (_, n) => [Math.floor((n * users) / 10), new Set<number>()]),
    );
    const heard = (index: number, payload: Buffer): void => {
      if (!isPresence(payload)) return;
      const people = peopleIn(payload);
      const known = looked.get(index);
      for (const userId of known ? changesIn(payload).online : []) {
        if (known?.has(userId)) throw new Error(`login: member ${index} was told of ${userId} twice`);
        known?.add(userId);
      }
      told[index] = (told[index] ?? 0) + people;
      if (told[index] === users && ++complete === users) done();
    };
    const crowd = new Crowd({
      port: system.port,
      wireOf: (index, events) =>
        new HaiyuWire({
          ...{ userId: firstUserId + index, heard: events, replay: "all", presence: true },
          other: (payload) => heard(index, payload),
        }),
    });
    const [startMs, server, load] = [performance.now(), new Meter([system.pid]), new Meter([process.pid])];
    await crowd.grow(users, users);
    const inSeconds = (performance.now() - startMs) / 1000;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, 60_000)));
    await Promise.race([quiet, late, crowd.broken]);
    clearTimeout(timer);
    const seconds = (performance.now() - startMs) / 1000;
    const wrong = told.findIndex((count) => count !== users);
    if (wrong >= 0) throw new Error(`login: member ${wrong} was told of ${told[wrong]} people, not ${users}`);
    for (const known of looked.values())
      if (known.size !== users) throw new Error(`login: ${known.size} known`);
    const values = {
      "all are in s": inSeconds,
      "quiet after s": seconds,
      "CPU of server s": server.cpu,
      "load generator's CPU %": load.share * 100,
    };
    bench.figures.add({ axis, work: tokenWork(users), system: system.name }, values);
    bench.say(`login: ${users} in after ${inSeconds.toFixed(2)} s, quiet after ${seconds.toFixed(2)} s`);
    crowd.leave();
  } finally {
    await system.stop();
  }
}

const alone = fileURLToPath(new URL("./argonAlone.ts", import.meta.url));

/** As many log in first without being counted: what a fresh server compiles is not argon2's, which is compiled already. */
async function byPassword(bench: Bench, count: number): Promise<void> {
  const users = 2 * count;
  const system = await startHaiyu({ users });
  try {
    const pwd = await hash("password", { memoryCost: argonMemoryKiB, timeCost: argonPasses, parallelism: 1 });
    for (let userId = firstUserId; userId < firstUserId + users; userId++) {
      const record = { userId, userName: nameOf(userId), sex: "", pwd, since: "0-0" };
      await system.redis.hset(usersKey, userId, JSON.stringify(record));
    }
    const crowd = new Crowd({
      port: system.port,
      wireOf: (index, heard) => new HaiyuWire({ userId: firstUserId + index, heard, password: "password" }),
    });
    await crowd.grow(count, 16);
    const [startMs, server] = [performance.now(), new Meter([system.pid])];
    await crowd.grow(users, 16);
    const cpuMs = (server.cpu * 1000) / count;
    const perSecond = (count * 1000) / (performance.now() - startMs);
    crowd.leave();
    const loader = ["--import", import.meta.resolve("tsx")];
    const child = spawnPinned(process.execPath, [...loader, alone, pwd, String(count)], { core: "server" });
    const [line] = (await once(child.stdout ?? child, "data")) as [Buffer];
    const argon = JSON.parse(line.toString()) as { perSecond: number; cpuMs: number };
    const values = {
      "log-ins 1/s": perSecond,
      "argon2id alone 1/s": argon.perSecond,
      "CPU of server per log-in ms": cpuMs,
      "CPU of argon2id alone ms": argon.cpuMs,
      "part of argon2id alone x": perSecond / argon.perSecond,
      // What could be reached where the hashes have one core together with all else that the server does.
      "part of its CPU that is argon2id's x": argon.cpuMs / cpuMs,
    };
    bench.figures.add({ axis, work: passwordWork, system: system.name }, values);
    bench.say(`login by password: ${perSecond.toFixed(1)}/s, argon2id alone ${argon.perSecond.toFixed(1)}/s`);
  } finally {
    await system.stop();
  }
}

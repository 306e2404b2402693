/**
 * argonAlone: `argonAlone.ts PHC COUNT`, a program: how many passwords a second are checked by argon2id and nothing
 * else, as many at once as there are cores for this process, and what CPU each takes. Prints JSON: `perSecond`, `cpuMs`.
 */
import { availableParallelism } from "node:os";
import { verify } from "@node-rs/argon2";

const [, , phc = "", count = "1"] = process.argv;
let left = Number(count);
await verify(phc, "password");
const [startMs, before] = [performance.now(), process.cpuUsage()];
const one = async (): Promise<void> => {
  while (left-- > 0) await verify(phc, "password");
};
await Promise.all(Array.from({ length: availableParallelism() }, one));
const perSecond = (Number(count) * 1000) / (performance.now() - startMs);
const { user, system } = process.cpuUsage(before);
process.stdout.write(`${JSON.stringify({ perSecond, cpuMs: (user + system) / 1000 / Number(count) })}\n`);

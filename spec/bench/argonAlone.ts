/**
 * argonAlone: `argonAlone.ts PHC COUNT`, a program: how many passwords a second are checked by argon2id and nothing
 * else, as many at once as there are cores for this process.
 */
import { availableParallelism } from "node:os";
import { verify } from "@node-rs/argon2";

const [, , phc = "", count = "1"] = process.argv;
let left = Number(count);
await verify(phc, "password");
const startMs = performance.now();
const one = async (): Promise<void> => {
  while (left-- > 0) await verify(phc, "password");
};
await Promise.all(Array.from({ length: availableParallelism() }, one));
process.stdout.write(`${(Number(count) * 1000) / (performance.now() - startMs)}\n`);

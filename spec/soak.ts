/**
 * soak: `npm run soak -- --minutes N [--seed S]` lets model.spec talk at random for that long; what fails prints its seed
 * and the smallest talk that still fails. Beside it scripts are killed 200 times.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "10" }, seed: { type: "string" } },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  process.stderr.write(`soak: --minutes ${values.minutes}: wanted a number above 0\n`);
  process.exit(2);
}
const env = {
  ...process.env,
  HAIYU_MODEL_RUNS: "1000000000",
  HAIYU_MODEL_MS: String(minutes * 60_000),
  HAIYU_SOAK: "yes",
  ...(values.seed !== undefined && { HAIYU_SEED: values.seed }),
};
const cwd = fileURLToPath(new URL("..", import.meta.url));
const child = spawn(
  process.execPath,
  ["--import", "tsx", "--test", "spec/model.spec.ts", "spec/scriptKills.spec.ts"],
  {
    cwd,
    env,
    stdio: "inherit",
  },
);
child.on("close", (code) => process.exit(code ?? 1));

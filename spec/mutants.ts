/**
 * mutants: `npm run mutants` puts each seeded bug of fixtures/mutants into a copy of the project, runs the specs that
 * should catch it, and fails if one survives. `npm run mutants -- NAME…` runs those whose name begins so.
 *
 * A mutant is a text file: `# what it is`, `specs: a.spec.ts b.spec.ts`, then for each file `file: lib/x.ts` with the
 * lines to find (`-`, exactly once) and what to put there (`+`).
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

interface Change {
  file: string;
  find: string;
  replace: string;
}

interface Mutant {
  name: string;
  about: string;
  specs: string[];
  changes: Change[];
}

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "fixtures", "mutants");

/** Reads a mutant's file. Throws an Error that names what is wrong with it. */
export function parseMutant(name: string, text: string): Mutant {
  const mutant: Mutant = { name, about: "", specs: [], changes: [] };
  let change: Change | undefined;
  const lines: { find: string[]; replace: string[] } = { find: [], replace: [] };
  const finish = (): void => {
    if (!change) return;
    mutant.changes.push({ ...change, find: lines.find.join("\n"), replace: lines.replace.join("\n") });
    lines.find = [];
    lines.replace = [];
  };
  for (const line of text.split("\n")) {
    if (line.startsWith("# ")) mutant.about = line.slice(2);
    else if (line.startsWith("specs: ")) mutant.specs = line.slice(7).trim().split(/ +/);
    else if (line.startsWith("file: ")) {
      finish();
      change = { file: line.slice(6).trim(), find: "", replace: "" };
    } else if (line.startsWith("-")) lines.find.push(line.slice(1));
    else if (line.startsWith("+")) lines.replace.push(line.slice(1));
    else if (line.trim() !== "") throw new Error(`${name}: what is "${line}"?`);
  }
  finish();
  if (mutant.changes.length === 0 || mutant.specs.length === 0)
    throw new Error(`${name}: no change, or no specs`);
  return mutant;
}

function applied(text: string, { file, find, replace }: Change, name: string): string {
  const parts = text.split(find);
  if (parts.length !== 2)
    throw new Error(`${name}: found ${parts.length - 1} times in ${file}, wanted once:\n${find}`);
  return parts.join(replace);
}

/** Runs specs in a copy of the project with the mutant in it; whether they failed, and in what time. */
async function tryMutant({
  name,
  specs,
  changes,
}: Mutant): Promise<{ caught: boolean; seconds: number; output: string }> {
  const copy = mkdtempSync(join(tmpdir(), "haiyu-mutant-"));
  try {
    for (const part of [
      "lib",
      "spec",
      "fixtures",
      "server.ts",
      "client.ts",
      "package.json",
      "tsconfig.json",
    ]) {
      cpSync(join(root, part), join(copy, part), { recursive: true });
    }
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    for (const change of changes) {
      const path = join(copy, change.file);
      writeFileSync(path, applied(readFileSync(path, "utf8"), change, name));
    }
    const startMs = performance.now();
    const args = [
      "--import",
      "tsx",
      "--test",
      "--test-timeout=300000",
      "--test-force-exit",
      ...specs.map((spec) => `spec/${spec}`),
    ];
    const child = spawn(process.execPath, args, {
      cwd: copy,
      env: { HAIYU_MODEL_RUNS: "100", ...process.env, HAIYU_SHRINK: "no" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    return { caught: code !== 0, seconds: (performance.now() - startMs) / 1000, output };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const prefixes = process.argv.slice(2);
  const mutants = readdirSync(folder)
    .sort()
    .filter((file) => prefixes.length === 0 || prefixes.some((prefix) => file.startsWith(prefix)))
    .map((file) => parseMutant(file.replace(/\.txt$/, ""), readFileSync(join(folder, file), "utf8")));
  // Specs that fail without any mutant would catch everything.
  const specs = [...new Set(mutants.flatMap((mutant) => mutant.specs))];
  const healthy = await tryMutant({ name: "none", about: "", specs, changes: [] });
  process.stdout.write(
    `without a mutant: ${healthy.caught ? "FAILS" : "passes"} (${healthy.seconds.toFixed(1)} s)\n`,
  );
  if (healthy.caught) {
    for (const [line] of healthy.output.matchAll(/^not ok .*$/gm)) process.stdout.write(`${line}\n`);
    process.exit(1);
  }
  let survivors = 0;
  const waiting = [...mutants];
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      const { caught, seconds, output } = await tryMutant(mutant);
      if (!caught) survivors++;
      const by = /^not ok \d+ - (.*)$/m.exec(output)?.[1] ?? "";
      const line = `${caught ? "caught  " : "SURVIVED"} ${mutant.name} (${seconds.toFixed(1)} s): ${mutant.about}`;
      process.stdout.write(`${line}${caught ? `\n           by ${by}` : ""}\n`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  process.stdout.write(`${mutants.length} mutants, ${survivors} survived\n`);
  process.exit(survivors === 0 ? 0 : 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();

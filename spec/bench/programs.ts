/**
 * programs: which programs are installed here, and in which version.
 */
import { execFileSync, spawnSync } from "node:child_process";

/** First line of what a program says of its version, whatever its exit code is. */
export function versionOf(program: string, args: string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return (
    `${stdout}\n${stderr}`
      .split("\n")
      .find((line) => line.trim() !== "")
      ?.trim() ?? program
  );
}

/** Whether a program is there to be started. */
export function isInstalled(program: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

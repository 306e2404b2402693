/**
 * terminal: `node --import tsx spec/bench/terminal.ts [--seconds 10] [--rate 2000] [--lag 200]`: what the full-screen
 * client costs, and how it feels: client.ts on a pseudo-terminal of 80 x 24, its server and its Redis as processes.
 * `--lag`: a line of so many ms there and back between the person and the client.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { screenTexts } from "../../lib/screenTexts.ts";
import { Pty } from "../helpers/pty.ts";
import { startRedis } from "../helpers/redis.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { spawnServer } from "../helpers/server.ts";
import { until } from "../helpers/wait.ts";
import { WireClient, registerUser } from "../helpers/wireClient.ts";
import { percentile } from "./percentile.ts";

const say = screenTexts.en;
const script = fileURLToPath(new URL("../../client.ts", import.meta.url));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const print = (line: string): void => void process.stdout.write(`${line}\n`);

function clientOn(target: string): Pty {
  const command = [process.execPath, "--import", import.meta.resolve("tsx"), script, "--lang", "en", target];
  return new Pty(command, { XDG_STATE_HOME: scratchFolder(), COLORTERM: "truecolor" });
}

/** CPU time of a process so far, and what it holds in memory. */
function costOf(pid: number): { cpuMs: number; rssMiB: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
  return { cpuMs: (Number(fields[11]) + Number(fields[12])) * 10, rssMiB: (pages * 4096) / 2 ** 20 };
}

/** What `seconds` of something cost: CPU in per cent, memory, bytes and frames a second. */
async function measured(pty: Pty, pid: number, work: () => Promise<void>): Promise<string> {
  const [before, startMs, from] = [costOf(pid), performance.now(), pty.out.length];
  await work();
  const seconds = (performance.now() - startMs) / 1000;
  const after = costOf(pid);
  const out = pty.out.slice(from);
  const frames = out.split("\u001b[?2026h").length - 1;
  const bytes = Buffer.byteLength(out);
  return (
    `${((after.cpuMs - before.cpuMs) / seconds / 10).toFixed(1)} % CPU, ${after.rssMiB.toFixed(0)} MiB, ` +
    `${(frames / seconds).toFixed(1)} frames/s, ${(bytes / seconds / 1024).toFixed(1)} KiB/s, ` +
    `${frames === 0 ? 0 : Math.round(bytes / frames)} bytes a frame`
  );
}

/** Types keys one by one; how long until each was in sight, over a line of so many ms there and back. */
async function keyTimes(pty: Pty, { count, lagMs }: { count: number; lagMs: number }): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    const key = String.fromCharCode(0x4e00 + n);
    const startMs = performance.now();
    await pause(lagMs / 2);
    const from = pty.out.length;
    pty.press(key);
    await until("the key", () => pty.out.includes(key, from));
    await pause(lagMs / 2);
    times.push(performance.now() - startMs);
    await pause(37);
  }
  return times.sort((one, other) => one - other);
}

const timesText = (times: number[]): string =>
  `p50 ${percentile(times, 50).toFixed(1)} ms, p99 ${percentile(times, 99).toFixed(1)} ms, worst ${(times.at(-1) ?? 0).toFixed(1)} ms`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "10" },
      rate: { type: "string", default: "2000" },
      lag: { type: "string", default: "200" },
    },
  });
  const [seconds, rate, lagMs] = [values.seconds, values.rate, values.lag].map(Number) as [
    number,
    number,
    number,
  ];
  const redis = await startRedis();
  const server = await spawnServer(["--redis", redis.url]);
  await registerUser(server.port, 200);
  await registerUser(server.port, 100);
  const starts: number[] = [];
  for (let n = 0; n < 5; n++) {
    const startMs = performance.now();
    const pty = clientOn(`127.0.0.1:${server.port}`);
    await until("the first question", () => pty.out.includes(say.login.userId.trim()));
    starts.push(performance.now() - startMs);
    pty.press("\u0003");
    await pty.ends();
  }
  print(`start to the first question: ${starts.map((ms) => ms.toFixed(0)).join(", ")} ms`);

  const pty = clientOn(`200@127.0.0.1:${server.port}`);
  await pty.onScreen(say.login.password);
  pty.press("pw200\r");
  await pty.onScreen("connected");
  const pid = await pty.pid();
  await pause(2_000);
  print(`idle: ${await measured(pty, pid, () => pause(seconds * 1_000))}`);
  print(`keys, idle: ${timesText(await keyTimes(pty, { count: 100, lagMs: 0 }))}`);
  print(`keys, idle, over a line of ${lagMs} ms: ${timesText(await keyTimes(pty, { count: 20, lagMs }))}`);
  pty.press("\u0003");

  const speaker = await WireClient.login(server.port, { userId: 100, userPwd: "pw100" });
  let said = 0;
  const startMs = performance.now();
  let endMs = startMs + seconds * 1_000;
  const flood = async (): Promise<void> => {
    while (performance.now() < endMs) {
      for (const due = ((performance.now() - startMs) / 1_000) * rate; said < due;) {
        speaker.say("SmsMes", { conv: "all", content: `line ${++said} of a flood`, mid: `f${said}` });
      }
      await pause(20);
    }
  };
  print(`at ${rate} messages/s: ${await measured(pty, pid, flood)}`);
  endMs = performance.now() + 3_600_000;
  const flooding = flood();
  print(`keys, at ${rate} messages/s: ${timesText(await keyTimes(pty, { count: 100, lagMs: 0 }))}`);
  print(`the same over a line of ${lagMs} ms: ${timesText(await keyTimes(pty, { count: 20, lagMs }))}`);
  endMs = 0;
  await flooding;
  print(`${said} messages were said`);

  // Back through what was said, a page a press, as fast as the screen shows the next one.
  pty.press("\u0003\u001b[1;5F");
  await pty.onScreen(`line ${said} of a flood`);
  const backMs = performance.now();
  let [presses, top] = [0, said];
  while (top > said - 1_000) {
    pty.press("\u001b[5~");
    presses++;
    const wanted = top;
    top = await until("the page before", async () => {
      await pty.screen.settled();
      const first = /line (\d+) of a flood/.exec(pty.screen.lines.join("\n"))?.[1];
      return first !== undefined && Number(first) < wanted ? Number(first) : null;
    });
  }
  print(`back 1,000 messages: ${presses} presses, ${(performance.now() - backMs).toFixed(0)} ms`);
  pty.press("\u0004");
  await pty.ends();
  speaker.destroy();
  await server.kill("SIGTERM");
  await redis.stop();
  process.exit(0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();

/**
 * top: the live state of all nodes in a terminal, one line a node (clause [R-8]). It reads what each node says of
 * itself with every beat, so that it costs the nodes nothing; where stdout is no terminal it prints one picture after
 * the other, or one only.
 */
import { type Clock, delay } from "./clock.ts";
import { type NodeFigures, readFigures } from "./figures.ts";
import { shownNames } from "./nodeName.ts";
import { reasonOf } from "./journal.ts";
import { topPeriodMs } from "./limits.ts";
import type { NodesDao } from "./nodesDao.ts";

/** What of process.stdout is of use here. */
export interface Terminal {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

interface Column {
  title: string;
  width: number;
  cell: (figures: NodeFigures, nowMs: number) => string;
  /** What stands below all nodes, where adding up means something. */
  sum?: (all: NodeFigures[]) => string;
}

const total = (all: NodeFigures[], field: (figures: NodeFigures) => number): number =>
  all.reduce((sum, figures) => sum + field(figures), 0);

const stateColumn: Column = { title: "STATE", width: 8, cell: ({ state }) => state };

/** The most telling first: a narrow terminal cuts the end off. */
const columns: Column[] = [
  stateColumn,
  counted("SESS", 7, ({ sessions }) => sessions),
  counted("STORED/s", 8, ({ storedPerSecond }) => storedPerSecond),
  counted("DELIV/s", 7, ({ deliveredPerSecond }) => deliveredPerSecond),
  counted(
    "CPU%",
    4,
    ({ cpuCores }) => cpuCores * 100,
    (value) => value.toFixed(0),
  ),
  { title: "LOOP%", width: 5, cell: ({ loopBusy }) => (loopBusy * 100).toFixed(0) },
  { title: "REDIS", width: 7, cell: ({ redisMs }) => `${redisMs.toFixed(1)}ms` },
  counted("LAG", 5, ({ readersLagging }) => readersLagging),
  counted("WAIT", 5, ({ messagesWaiting }) => messagesWaiting),
  counted("MEM", 5, ({ residentBytes }) => residentBytes, bytes),
  counted("OUT/s", 6, ({ sentBytesPerSecond }) => sentBytesPerSecond, bytes),
  counted("CONN", 7, ({ connections }) => connections),
  { title: "UP", width: 4, cell: ({ startedMs }, nowMs) => duration(nowMs - startedMs) },
  { title: "PORT", width: 5, cell: ({ port }) => `${port}` },
  { title: "PID", width: 8, cell: ({ pid }) => `${pid}` },
];

function counted(
  title: string,
  width: number,
  field: (figures: NodeFigures) => number,
  show: (value: number) => string = count,
): Column {
  return { title, width, cell: (figures) => show(field(figures)), sum: (all) => show(total(all, field)) };
}

/** The first columns, as many as there is room for. */
function fitting(width: number): Column[] {
  let left = width;
  const cut = columns.findIndex((column) => (left -= column.width + 1) < 0);
  return cut < 0 ? columns : columns.slice(0, cut);
}

/** All nodes at one moment, as lines without escapes, with as many columns as fit; `nowMs` is wall time. */
async function topLines(
  nodesDao: NodesDao,
  { nowMs, width }: { nowMs: number; width: number },
): Promise<string[]> {
  const all = await nodesDao.all();
  const names = shownNames(all.map(({ node }) => node));
  const nodes = all.map(({ figures, isSilent }, at) => ({
    name: names[at] ?? "",
    figures: readFigures(figures),
    isSilent,
  }));
  const told = nodes.flatMap(({ figures, isSilent }) => (figures && !isSilent ? [figures] : []));
  const people = Math.max(0, ...told.map(({ usersOnline }) => usersOnline));
  const nameColumns = Math.max(4, ...nodes.map(({ name }) => name.length));
  const shown = fitting(width - nameColumns);
  const line = (name: string, cell: (column: Column) => string): string =>
    [name.padEnd(nameColumns), ...shown.map((column) => cell(column).padStart(column.width))].join(" ");
  const time = new Date(nowMs).toISOString().slice(0, 19);
  return [
    `haiyu  ${nodes.length} ${nodes.length === 1 ? "node" : "nodes"}  ${people} online  ${time}Z`,
    line("NODE", ({ title }) => title),
    ...nodes.map(({ name, figures, isSilent }) =>
      figures
        ? // What it said last is no news: that it says nothing more is.
          line(name, (column) =>
            isSilent && column === stateColumn ? "silent" : column.cell(figures, nowMs),
          )
        : `${name.padEnd(nameColumns)} says nothing: just started, stopped, or just killed`,
    ),
    ...(told.length > 1 ? [line("all", ({ sum }) => sum?.(told) ?? "")] : []),
  ];
}

/** Shows them again and again, or once. */
export class TopScreen {
  readonly #nodesDao: NodesDao;
  readonly #once: boolean;
  readonly #terminal: Terminal;

  constructor(nodesDao: NodesDao, { once, terminal }: { once: boolean; terminal: Terminal }) {
    this.#nodesDao = nodesDao;
    this.#once = once;
    this.#terminal = terminal;
  }

  /** Ends after one picture where that was asked for, or when what it writes is not taken any more. */
  async run(write: (text: string) => boolean, clock: Clock): Promise<void> {
    while (write(this.#picture(await this.#lines(clock))) && !this.#once) await delay(clock, topPeriodMs);
  }

  async #lines(clock: Clock): Promise<string[]> {
    try {
      const { isTTY, columns: width = 80 } = this.#terminal;
      const isCut = isTTY === true && !this.#once;
      return await topLines(this.#nodesDao, { nowMs: clock.wallMs(), width: isCut ? width : Infinity });
    } catch (error) {
      if (this.#once) throw error;
      return [`haiyu  Redis does not answer (${reasonOf(error)})`];
    }
  }

  #picture(lines: string[]): string {
    const { isTTY, columns: width = 80, rows = 24 } = this.#terminal;
    if (!isTTY || this.#once)
      return lines.map((line) => `${line.trimEnd()}\n`).join("") + (this.#once ? "" : "\n");
    // What does not fit is cut; the cursor goes home instead of clearing, so that nothing flickers.
    const shown = lines.slice(0, Math.max(1, rows - 1)).map((line) => line.slice(0, width));
    return `\x1b[H${shown.map((line) => `${line}\x1b[K\r\n`).join("")}\x1b[J`;
  }
}

function count(value: number): string {
  if (value < 10 && !Number.isInteger(value)) return value.toFixed(1);
  if (value < 100_000) return value.toFixed(0);
  return value < 1e7 ? `${(value / 1e3).toFixed(0)}k` : `${(value / 1e6).toFixed(0)}M`;
}

function bytes(value: number): string {
  const units = ["B", "K", "M", "G", "T"];
  let at = 0;
  for (; value >= 1000 && at < units.length - 1; at++) value /= 1024;
  return `${at > 0 && value < 10 ? value.toFixed(1) : value.toFixed(0)}${units[at] ?? ""}`;
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 100) return `${seconds}s`;
  if (seconds < 6000) return `${Math.floor(seconds / 60)}m`;
  return seconds < 360_000 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

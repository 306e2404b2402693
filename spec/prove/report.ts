/**
 * report: a run in words: the live line, and the table at its end.
 */
import { type Counts, type Verdict, badColumns } from "./tally.ts";

const columns: [keyof Counts | "faults", string][] = [
  ["faults", "faults"],
  ["sent", "sent"],
  ["stored", "stored"],
  ["delivered", "delivered"],
  ["told", "lost, told"],
  ["lost", "lost"],
  ["doubled", "doubled"],
  ["reordered", "reordered"],
  ["silentGaps", "silent gaps"],
  ["unanswered", "unanswered"],
];

export type TableRow = Counts & { faults: number };

/** Whether nothing bad was found. */
export function isClean({ total }: Verdict): boolean {
  return badColumns.every((column) => total[column] === 0);
}

/** The table: a line for each kind of fault that was the latest when something was sent, and one for all. */
export function tableText(rows: [name: string, row: TableRow][]): string {
  const cells = rows.map(([name, row]) => [name, ...columns.map(([key]) => group(row[key]))]);
  const header = ["latest fault when sent", ...columns.map(([, title]) => title)];
  const widths = header.map((title, index) =>
    Math.max(title.length, ...cells.map((line) => line[index]?.length ?? 0)),
  );
  const line = (values: string[]): string =>
    values
      .map((value, index) =>
        index === 0 ? value.padEnd(widths[index] as number) : value.padStart(widths[index] as number),
      )
      .join("  ");
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  const body = cells.map(line);
  return [line(header), rule, ...body.slice(0, -1), rule, ...body.slice(-1)].join("\n");
}

/** 1234567 as 1,234,567. */
export function group(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Shows how far it is: one line that is written over on a terminal, a line every ten seconds elsewhere. */
export class Progress {
  readonly #out: NodeJS.WriteStream;
  readonly #timer: NodeJS.Timeout;
  readonly #text: () => string;

  constructor(out: NodeJS.WriteStream, text: () => string) {
    this.#out = out;
    this.#text = text;
    this.#timer = setInterval(() => this.show(), out.isTTY ? 1000 : 10_000);
  }

  show(): void {
    this.#out.write(this.#out.isTTY ? `\r\u001b[2K${this.#text()}` : `${this.#text()}\n`);
  }

  end(): void {
    clearInterval(this.#timer);
    this.show();
    if (this.#out.isTTY) this.#out.write("\n");
  }
}

/**
 * tally: what a judge has found: counts by the fault that was the latest when a message was sent, and the first findings
 * of each bad column in words.
 */
import type { Recorder } from "./recorder.ts";

export const badColumns = ["lost", "doubled", "reordered", "silentGaps", "unanswered"] as const;
export type BadColumn = (typeof badColumns)[number];

export interface Counts extends Record<BadColumn, number> {
  sent: number;
  stored: number;
  delivered: number;
  /** Answered, lost by Redis, and announced to everybody who had not heard it: bad only where it was promised to stay. */
  told: number;
}

export interface Verdict {
  /** By row of the recorder. */
  rows: Counts[];
  total: Counts;
  /** In words, the first ones of each bad column. */
  findings: string[];
}

const findingsPerColumn = 8;

/** The counts of one verdict. */
export class Tally {
  readonly #recorder: Recorder;
  readonly #rows: Counts[];
  readonly #findings: string[] = [];
  readonly #found: Partial<Record<BadColumn, number>> = {};

  /** Counts what was sent, stored and delivered, and what is bad whoever judges. */
  constructor(recorder: Recorder) {
    this.#recorder = recorder;
    this.#rows = recorder.rows.map(() => ({
      ...{ sent: 0, stored: 0, delivered: 0, told: 0 },
      ...{ lost: 0, doubled: 0, reordered: 0, silentGaps: 0, unanswered: 0 },
    }));
    for (const { rows, convs, seqs } of recorder.senders) {
      for (let n = 1; n < convs.length; n++) {
        const row = this.#rows[rows.get(n)] as Counts;
        row.sent++;
        if (seqs.get(n) > 0) row.stored++;
      }
    }
    recorder.deliveries.forEach((count, row) => ((this.#rows[row] as Counts).delivered += count));
    for (const code of recorder.unanswered) this.bad("unanswered", code, "no answer within 5 s");
    for (const code of recorder.answeredBlankly) this.bad("lost", code, "was answered with 200 and no id");
    for (const code of recorder.ownBack)
      this.bad("doubled", code, "came back to the device that had sent it");
  }

  bad(column: BadColumn, code: number, what: string): void {
    (this.#rows[this.#recorder.rowOf(code)] as Counts)[column]++;
    const count = (this.#found[column] ?? 0) + 1;
    this.#found[column] = count;
    if (count <= findingsPerColumn) this.#findings.push(`${column}: message ${code} ${what}`);
  }

  told(code: number): void {
    (this.#rows[this.#recorder.rowOf(code)] as Counts).told++;
  }

  verdict(): Verdict {
    const total = { ...(this.#rows[0] as Counts) };
    for (const row of this.#rows.slice(1)) {
      for (const column of Object.keys(total) as (keyof Counts)[]) total[column] += row[column];
    }
    return { rows: this.#rows, total, findings: this.#findings };
  }
}

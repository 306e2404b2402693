/**
 * journal: one JSON line an event on stderr. No message text, no password, no token ever goes in here; what a
 * stranger wrote is cut at 256 characters and loses its control and bidi characters, so that a log viewer is safe.
 */

export type JournalFields = Record<string, string | number | boolean | null | undefined>;

export interface Journal {
  /** Something happened: `event` is a fixed snake_case word, `fields` its facts. */
  write(event: string, fields?: JournalFields): void;
}

const valueMaxChars = 256;
// JSON.stringify leaves C1, line separators and bidi controls as they are; a terminal does not.
const unsafe = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

export interface LineSink {
  /** Takes a line with its newline; false when it is lost. */
  write(line: string): boolean;
}

/** A journal of lines in `sink`; `node` stands in every line. How many were lost is told by the next that is not. */
export function createJournal(node: string, sink: LineSink): Journal {
  let lostLines = 0;
  return {
    write(event, fields = {}) {
      const record: JournalFields = { time: new Date().toISOString(), node, event };
      for (const [name, value] of Object.entries(fields)) {
        record[name] = typeof value === "string" ? value.slice(0, valueMaxChars) : value;
      }
      const line = JSON.stringify(record).replace(
        unsafe,
        (char) => "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0"),
      );
      if (lostLines > 0 && sink.write(lostLine(node, lostLines))) lostLines = 0;
      if (!sink.write(line + "\n")) lostLines++;
    },
  };
}

function lostLine(node: string, lines: number): string {
  return `${JSON.stringify({ time: new Date().toISOString(), node, event: "journal_lost", lines })}\n`;
}

/** What an unknown thrown value says of itself, for a journal field. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

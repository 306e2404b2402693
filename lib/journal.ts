/**
 * journal: one JSON line an event on stderr. No message text, no password, no token ever goes in here; what a
 * stranger wrote is cut at 256 characters and loses its control and bidi characters, so that a log viewer is safe.
 */

import { type Clock, systemClock } from "./clock.ts";
import { CodedError } from "./codes.ts";
import * as limits from "./limits.ts";

export type JournalFields = Record<string, string | number | boolean | null | undefined>;

export interface Journal {
  /** Something happened: `event` is a fixed snake_case word, `fields` its facts. */
  write(event: string, fields?: JournalFields): void;
}

/** What a trouble says over and over, in thousands of lines a second where many wait for Redis. */
const repetitive = new Set([
  ...["append_failed", "read_failed", "replay_waits", "enter_failed", "cursors_kept_back"],
  ...["presence_frozen", "presence_unread", "redis_call_failed", "doorbell_deaf", "throttle_not_counted"],
  ...["connection_refused", "accept_failed"],
]);
/** Kinds of lines that are counted at a time; a reason may be anything. */
const kindsMax = 100;
const valueMaxChars = 256;
// JSON.stringify leaves C1, line separators and bidi controls as they are; a terminal does not.
const unsafe = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

export interface LineSink {
  /** Takes a line with its newline; false when it is lost. */
  write(line: string): boolean;
}

/**
 * A journal of lines in `sink`; `node` stands in every line. Of what is repetitive one line a second is written for each
 * event and reason; `times` says how many there were since the one before. How many lines were lost is told by the next
 * that is not.
 */
export function createJournal(node: string, sink: LineSink, clock: Clock = systemClock): Journal {
  let lostLines = 0;
  const kinds = new Map<string, { times: number; saidMs: number }>();

  /** How often it was to be said since it was said, this time included; null: it was said just now. */
  const timesOf = (event: string, { reason, call }: JournalFields): number | null => {
    const kind = `${event} ${String(call)} ${String(reason)}`;
    const { times, saidMs } = kinds.get(kind) ?? { times: 0, saidMs: -Infinity };
    const nowMs = clock.monotonicMs();
    const isDue = nowMs - saidMs >= limits.journalRepeatMs;
    if (kinds.size >= kindsMax) kinds.clear();
    kinds.set(kind, isDue ? { times: 0, saidMs: nowMs } : { times: times + 1, saidMs });
    return isDue ? times + 1 : null;
  };

  const line = (event: string, fields: JournalFields): string => {
    const time = new Date(clock.wallMs()).toISOString();
    const record: JournalFields = { time, node, event };
    for (const [name, value] of Object.entries(fields)) {
      record[name] = typeof value === "string" ? value.slice(0, valueMaxChars) : value;
    }
    const json = JSON.stringify(record).replace(
      unsafe,
      (char) => "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0"),
    );
    return `${json}\n`;
  };

  return {
    write(event, fields = {}) {
      const times = repetitive.has(event) ? timesOf(event, fields) : 1;
      if (times === null) return;
      if (lostLines > 0 && sink.write(line("journal_lost", { lines: lostLines }))) lostLines = 0;
      if (!sink.write(line(event, times > 1 ? { ...fields, times } : fields))) lostLines++;
    },
  };
}

/** What an unknown thrown value says of itself, for a journal field. */
export function reasonOf(error: unknown): string {
  // "Try again" is for those who asked: operators are told what was behind it.
  if (error instanceof CodedError && error.cause !== undefined) return reasonOf(error.cause);
  return error instanceof Error ? error.message || error.name : String(error);
}

/**
 * silence: how long nobody was answered "stored" when another Redis took over, in the conversations that it concerns.
 */
import type { Failover } from "./faults.ts";
import type { FaultKind } from "./plan.ts";
import type { Recorder } from "./recorder.ts";

export interface Silence {
  kind: FaultKind;
  /** The longest time without an answer, from when the old one was hurt on. */
  silentMs: number;
}

const lookMs = 15_000;

/** The silence of each failover. */
export function silencesOf(recorder: Recorder, failovers: readonly Failover[]): Silence[] {
  return failovers.map(({ kind, startMs, has }) => {
    const times: number[] = [];
    for (const conv of recorder.convs.values()) {
      const key = conv.name === "all" ? "{c:all}" : `{c:dm:${conv.name}}`;
      if (!has(key)) continue;
      for (let index = 0; index < conv.answeredMs.length; index++) {
        const atMs = conv.answeredMs.get(index);
        if (atMs >= startMs && atMs <= startMs + lookMs) times.push(atMs);
      }
    }
    times.sort((left, right) => left - right);
    let beforeMs = startMs;
    let silentMs = 0;
    for (const atMs of times) {
      silentMs = Math.max(silentMs, atMs - beforeMs);
      beforeMs = atMs;
    }
    return { kind, silentMs };
  });
}

/** Median and worst, in words; "" where there were none. */
export function silenceText(silences: readonly Silence[]): string {
  const kinds = [...new Set(silences.map(({ kind }) => kind))];
  return kinds
    .map((kind) => {
      const sorted = silences.filter((one) => one.kind === kind).map(({ silentMs }) => silentMs);
      sorted.sort((left, right) => left - right);
      const [median, worst] = [sorted[Math.floor(sorted.length / 2)] ?? 0, sorted.at(-1) ?? 0];
      return `${sorted.length} failovers, ${kind}: no answer for ${Math.round(median)} ms (median), ${Math.round(worst)} ms (worst)`;
    })
    .join("\n");
}

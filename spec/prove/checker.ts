/**
 * checker: judges the record of a run. Pure: it knows nothing of servers, only what senders were answered, what readers
 * heard, and what history showed at the end. Five numbers have to be 0, for all and so for each kind of fault.
 */
import {
  type ConvBook,
  type DeviceBook,
  type Gap,
  type HeardBook,
  type Recorder,
  altered,
  codeOf,
  countOf,
  isOf,
  senderOf,
} from "./recorder.ts";
import { Seqs } from "./seqs.ts";
import { Tally, type Verdict } from "./tally.ts";

/** Judges. May be called while the run goes on: then what is still under way counts as lost. */
export function judge(recorder: Recorder): Verdict {
  return new Judge(recorder).verdict();
}

class Judge {
  readonly #recorder: Recorder;
  readonly #tally: Tally;
  /** Where each message stands in its conversation, by sender and count; 0: nobody has seen it. */
  readonly #places: number[][];

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
    this.#tally = new Tally(recorder);
    this.#places = recorder.senders.map(() => []);
  }

  verdict(): Verdict {
    const { conflicts, answeredTwice, convs, devices } = this.#recorder;
    for (const { code } of answeredTwice) this.#tally.bad("doubled", code, "answered with two ids");
    for (const { conv, seq, code, other, answered } of conflicts) {
      const what =
        code === altered
          ? "came altered"
          : `stands where ${other} stands, or under another epoch (${conv} ${seq})`;
      this.#tally.bad(answered ? "lost" : "reordered", code === altered ? 0 : code, what);
    }
    for (const conv of convs.values()) this.#judgeLog(conv);
    this.#judgeSenders();
    for (const conv of convs.values()) this.#judgeArchive(conv);
    for (const device of devices) {
      for (const conv of convs.values()) {
        if (!isOf(conv.name, device.userId)) continue;
        if (device.legacy) this.#judgeLegacy(device, conv);
        else this.#judgeModern(device, conv);
      }
    }
    return this.#tally.verdict();
  }

  /** One place a message, and epochs that never go down. */
  #judgeLog(conv: ConvBook): void {
    let epoch = 0;
    for (let seq = conv.base; seq <= conv.head; seq++) {
      if (!conv.knows(seq)) continue;
      const code = conv.codeAt(seq);
      if (conv.epochAt(seq) < epoch)
        this.#tally.bad("reordered", code, `has an epoch before its time (${conv.name} ${seq})`);
      epoch = Math.max(epoch, conv.epochAt(seq));
      const places = this.#places[senderOf(code)];
      if (!places) continue;
      const before = places[countOf(code)];
      if (before !== undefined)
        this.#tally.bad("doubled", code, `is stored twice (${conv.name} ${before} and ${seq})`);
      else places[countOf(code)] = seq;
    }
  }

  /** What a sender sent one after the other stands one after the other. */
  #judgeSenders(): void {
    this.#recorder.senders.forEach(({ convs, groups }, sender) => {
      const latest = new Map<string, number>();
      for (let n = 1; n < convs.length; n++) {
        const seq = this.#places[sender]?.[n];
        const group = groups.get(n);
        if (seq === undefined || group === 0) continue;
        const stream = `${group} ${convs[n]}`;
        const before = latest.get(stream) ?? 0;
        if (seq < before)
          this.#tally.bad("reordered", codeOf(sender, n), `stands before an earlier one of its sender`);
        latest.set(stream, Math.max(seq, before));
      }
    });
  }

  /** History shows everything from its first message on, in order. */
  #judgeArchive(conv: ConvBook): void {
    const { archive, name } = conv;
    const shown = new Seqs();
    for (let index = 0; index < archive.length; index += 2) {
      const [from, to] = [archive[index] as number, archive[index + 1] as number];
      if (from <= shown.highest) {
        const column = shown.has(from) ? "doubled" : "reordered";
        this.#tally.bad(column, conv.codeAt(from), `comes late in history (${name} ${from})`);
      }
      shown.add(from, to);
    }
    const first = Math.max(conv.begin + 1, Math.min(shown.lowest, conv.head + 1));
    for (const seq of archive.length > 0 ? shown.missing(first, conv.head) : []) {
      if (this.#isAnswered(conv, seq)) this.#lost(conv, seq, "is not in history");
    }
    // A log that shows nothing has lost everything.
    if (archive.length === 0) {
      for (let seq = conv.begin + 1; seq <= conv.head; seq++) {
        if (this.#isAnswered(conv, seq)) this.#lost(conv, seq, "is not in history");
      }
    }
  }

  #judgeModern(device: DeviceBook, conv: ConvBook): void {
    const covered = new Seqs();
    for (const session of device.sessions) {
      const heard = session.heard.get(conv.name);
      if (heard) this.#judgeSession(device, conv, heard, covered);
    }
    this.#judgeCovered(device, conv, covered);
  }

  /** Ascending, each once, and every hole is announced or made of the device's own lines. */
  #judgeSession(
    device: DeviceBook,
    conv: ConvBook,
    { acked, settled, parts }: HeardBook,
    covered: Seqs,
  ): void {
    const where = (seq: number): string => `(${conv.name} ${seq}, ${device.name})`;
    const here = new Seqs();
    // At most this was safe before: what follows has to come.
    let position = Math.max(acked.seq, conv.begin);
    let isFirst = true;
    for (const part of parts) {
      const start = "to" in part ? part.from : part.after.seq + 1;
      if (isFirst && start <= settled) {
        this.#tally.bad(
          "doubled",
          conv.codeAt(start),
          `came again long after it was acknowledged ${where(start)}`,
        );
      }
      if (isFirst && start <= position) position = start - 1;
      isFirst = false;
      this.#judgeHole(device, conv, position, start);
      if ("to" in part) {
        if (part.from <= position && here.highest >= part.from) {
          const column = here.has(part.from) ? "doubled" : "reordered";
          this.#tally.bad(
            column,
            conv.codeAt(part.from),
            `came again or late in one session ${where(part.from)}`,
          );
        } else if (part.from <= position) {
          this.#tally.bad(
            "reordered",
            conv.codeAt(part.from),
            `came after it was said not to ${where(part.from)}`,
          );
        }
        here.add(part.from, part.to);
        covered.add(part.from, part.to);
        position = Math.max(position, part.to);
      } else {
        this.#judgeGap(device, conv, part, position);
        if (part.reason !== "lost") covered.add(part.after.seq + 1, part.before.seq - 1);
        position = Math.max(position, part.before.seq - 1);
      }
    }
  }

  /** Nothing but own lines between what came and what came next. */
  #judgeHole(device: DeviceBook, conv: ConvBook, position: number, start: number): void {
    for (let seq = position + 1; seq < start; seq++) {
      if (this.#isOwn(device, conv, seq)) continue;
      this.#tally.bad(
        "silentGaps",
        conv.codeAt(seq),
        `was passed over in silence (${conv.name} ${seq}, ${device.name})`,
      );
      return;
    }
  }

  #judgeGap(
    device: DeviceBook,
    conv: ConvBook,
    { after, before, count, reason }: Gap,
    position: number,
  ): void {
    const isExact = before.seq - after.seq - 1 === count;
    if (isExact && count > 0 && after.seq >= position) return;
    const told = `${reason} ${count} between ${after.seq} and ${before.seq}, read up to ${position}`;
    this.#tally.bad(
      "silentGaps",
      conv.codeAt(after.seq + 1),
      `is in a gap told wrongly: ${told} (${device.name})`,
    );
  }

  /** First generation: in order and without holes in a session; from session to session nothing is passed over. */
  #judgeLegacy(device: DeviceBook, conv: ConvBook): void {
    const covered = new Seqs();
    for (const { codes } of device.sessions) {
      let position = Math.max(covered.highest, conv.begin);
      const here = new Seqs();
      for (let index = 0; index < codes.length; index++) {
        const code = codes.get(index);
        const sender = senderOf(code);
        if (this.#recorder.senders[sender]?.convs[countOf(code)] !== conv.name) continue;
        const seq = this.#places[sender]?.[countOf(code)];
        // Nobody else has seen it: it was in no history.
        if (seq === undefined) {
          this.#tally.bad("reordered", code, `came and is in no history (${conv.name}, ${device.name})`);
          continue;
        }
        if (here.highest >= seq) {
          const column = here.has(seq) ? "doubled" : "reordered";
          this.#tally.bad(
            column,
            code,
            `came again or late in one session (${conv.name} ${seq}, ${device.name})`,
          );
        } else {
          this.#judgeHole(device, conv, position, seq);
          position = seq;
        }
        here.add(seq, seq);
        covered.add(seq, seq);
      }
    }
    this.#judgeCovered(device, conv, covered);
  }

  /** Everything that was answered has come to this device at least once. */
  #judgeCovered(device: DeviceBook, conv: ConvBook, covered: Seqs): void {
    for (const seq of covered.missing(conv.begin + 1, conv.head)) {
      if (this.#isAnswered(conv, seq) && !this.#isOwn(device, conv, seq)) {
        this.#lost(conv, seq, `never came to ${device.name}`);
      }
    }
  }

  #lost(conv: ConvBook, seq: number, what: string): void {
    this.#tally.bad("lost", conv.codeAt(seq), `${what} (${conv.name} ${seq})`);
  }

  #isOwn({ sender }: DeviceBook, conv: ConvBook, seq: number): boolean {
    return sender >= 0 && senderOf(conv.codeAt(seq)) === sender;
  }

  #isAnswered(conv: ConvBook, seq: number): boolean {
    const code = conv.codeAt(seq);
    return this.#recorder.senders[senderOf(code)]?.seqs.get(countOf(code)) === seq;
  }
}

/**
 * lossChecker: judges the record of a run in which Redis may lose what was answered, since nobody waited for replicas. What
 * is lost has to be told: every reader that had not heard it was told of a gap, no id was given to two messages, and
 * what is left is whole, in order, once, and with everybody. History at the end says what is left. What is left may have
 * been stored while another Redis went on too: who had read there is told of it as of what is lost.
 */
import {
  type ConvBook,
  type DeviceBook,
  type Gap,
  type HeardBook,
  type Id,
  type Range,
  type Recorder,
  type SenderBook,
  altered,
  codeOf,
  compareIds,
  countOf,
  isOf,
  senderOf,
} from "./recorder.ts";
import { Seqs } from "./seqs.ts";
import { Tally, type Verdict } from "./tally.ts";

const zero: Id = { epoch: 0, seq: 0 };

/** Judges. Has to be called when history was read for the last time. */
export function judgeLoss(recorder: Recorder): Verdict {
  return new LossJudge(recorder).verdict();
}

/** Ids, by epoch. */
class Ids {
  readonly #epochs = new Map<number, Seqs>();

  add({ epoch, from, to }: Range): void {
    let seqs = this.#epochs.get(epoch);
    if (!seqs) this.#epochs.set(epoch, (seqs = new Seqs()));
    seqs.add(from, to);
  }

  has({ epoch, seq }: Id): boolean {
    return this.#epochs.get(epoch)?.has(seq) ?? false;
  }
}

/** A message under one of its ids. */
interface Place {
  code: number;
  id: Id;
}

/** What one conversation has come to. */
interface Remains {
  readonly conv: ConvBook;
  readonly kept: Ids;
  /** The same messages by seq: a seq is there once at most. */
  readonly codes: Map<number, number>;
  /** Answered and not there any more, ascending. */
  readonly lost: Place[];
  /** Answered or only seen, and not there any more. */
  readonly gone: Place[];
  /** The first seq of each epoch of which something is gone. */
  readonly goneFrom: Map<number, number>;
  /** Answered and there. */
  readonly left: Place[];
  /** Gaps that anybody was told where another Redis went on, which is lost itself: what it lacked may be there. */
  readonly gapsElsewhere: Gap[];
}

class LossJudge {
  readonly #recorder: Recorder;
  readonly #tally: Tally;
  readonly #remains: Remains[];
  /** Where each message stands at the end, by sender and count. */
  readonly #places: (Id | undefined)[][];
  /** Messages that were answered, or only seen, under an id that is lost. */
  readonly #wereLost = new Set<number>();

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
    this.#tally = new Tally(recorder);
    this.#places = recorder.senders.map(() => []);
    this.#remains = [...recorder.convs.values()].map((conv) => {
      const [kept, codes, epochs] = [new Ids(), new Map<number, number>(), new Map<number, number>()];
      for (const range of conv.kept) {
        kept.add(range);
        for (let seq = range.from; seq <= range.to; seq++) {
          codes.set(seq, conv.codeOf({ epoch: range.epoch, seq }));
          epochs.set(seq, range.epoch);
        }
      }
      const places = [...codes].map(([seq, code]) => ({
        code,
        id: { epoch: epochs.get(seq) as number, seq },
      }));
      const left = places.filter(({ code, id }) => id.seq > conv.begin && this.#isAnswered(code));
      return { conv, kept, codes, lost: [], gone: [], goneFrom: new Map(), left, gapsElsewhere: [] };
    });
  }

  verdict(): Verdict {
    for (const { conv, seq, code, other, answered, sameId } of this.#recorder.conflicts) {
      if (code === altered) this.#tally.bad("lost", 0, "came altered");
      else if (sameId) {
        const what = `has the id of ${other} (${conv} ${seq})`;
        this.#tally.bad(answered ? "lost" : "reordered", code, what);
      }
    }
    for (const { conv } of this.#remains) this.#judgeKept(conv);
    this.#findLost();
    this.#judgeSenders();
    for (const remains of this.#remains) this.#findGapsElsewhere(remains);
    const silent = new Set<number>();
    for (const device of this.#recorder.devices) {
      for (const remains of this.#remains) {
        if (!isOf(remains.conv.name, device.userId)) continue;
        if (device.legacy) this.#judgeLegacy(device, remains);
        else for (const code of this.#judgeModern(device, remains)) silent.add(code);
      }
    }
    const lost = new Set(this.#remains.flatMap((remains) => remains.lost.map(({ code }) => code)));
    for (const code of lost) if (!silent.has(code)) this.#tally.told(code);
    return this.#tally.verdict();
  }

  /** Each message once, by ascending ids. */
  #judgeKept(conv: ConvBook): void {
    let last = zero;
    for (const { epoch, from, to } of conv.kept) {
      if (epoch < last.epoch || from <= last.seq) {
        const what = `comes late in history (${conv.name} ${from})`;
        this.#tally.bad("reordered", conv.codeOf({ epoch, seq: from }), what);
      }
      last = { epoch, seq: to };
      for (let seq = from; seq <= to; seq++) {
        const code = conv.codeOf({ epoch, seq });
        const places = this.#places[senderOf(code)];
        if (!places) continue;
        const before = places[countOf(code)];
        if (before) {
          this.#tally.bad("doubled", code, `is stored twice (${conv.name} ${before.seq} and ${seq})`);
        }
        places[countOf(code)] ??= { epoch, seq };
      }
    }
  }

  /** Whatever was answered with an id that is not there. What was trimmed is older than all that is there. */
  #findLost(): void {
    const answered = [...this.#answered()];
    for (const { conv, kept, lost, gone, goneFrom } of this.#remains) {
      for (const { code, id } of conv.seen()) if (!kept.has(id)) gone.push({ code, id });
      const first = conv.kept[0];
      const oldest = first ? { epoch: first.epoch, seq: first.from } : zero;
      const isTrimmed = oldest.seq > conv.begin + 1;
      for (const { code, id, name } of answered) {
        if (name !== conv.name || kept.has(id)) continue;
        gone.push({ code, id });
        if (!isTrimmed || compareIds(id, oldest) > 0) lost.push({ code, id });
      }
      lost.sort(byId);
      for (const { code, id } of gone) {
        this.#wereLost.add(code);
        goneFrom.set(id.epoch, Math.min(id.seq, goneFrom.get(id.epoch) ?? Infinity));
      }
    }
  }

  #findGapsElsewhere({ conv, kept, gapsElsewhere }: Remains): void {
    for (const { sessions } of this.#recorder.devices) {
      const parts = sessions.flatMap(({ heard }) => heard.get(conv.name)?.parts ?? []);
      for (const part of parts) {
        if (!("to" in part) && part.reason === "lost" && !kept.has(part.before)) gapsElsewhere.push(part);
      }
    }
  }

  *#answered(): Iterable<Place & { name: string }> {
    const { senders, answeredTwice } = this.#recorder;
    for (const [sender, { convs, seqs, epochs }] of senders.entries()) {
      for (let n = 1; n < convs.length; n++) {
        const id = { epoch: epochs.get(n), seq: seqs.get(n) };
        if (id.seq > 0) yield { code: codeOf(sender, n), id, name: convs[n] as string };
      }
    }
    for (const { code, id } of answeredTwice) {
      const { convs, seqs, epochs } = senders[senderOf(code)] as SenderBook;
      const before = { epoch: epochs.get(countOf(code)), seq: seqs.get(countOf(code)) };
      const name = convs[countOf(code)] as string;
      const remains = this.#remains.find(({ conv }) => conv.name === name);
      // Said again it was stored anew: right where what it had been is lost.
      if (remains?.kept.has(before)) this.#tally.bad("doubled", code, "answered with two ids");
      yield { code, id, name };
    }
  }

  /** What a sender sent one after the other, and was not lost meanwhile, stands one after the other. */
  #judgeSenders(): void {
    this.#recorder.senders.forEach(({ convs, groups }, sender) => {
      const latest = new Map<string, number>();
      for (let n = 1; n < convs.length; n++) {
        const code = codeOf(sender, n);
        const seq = this.#places[sender]?.[n]?.seq;
        if (seq === undefined || groups.get(n) === 0 || this.#wereLost.has(code)) continue;
        const stream = `${groups.get(n)} ${convs[n]}`;
        const before = latest.get(stream) ?? 0;
        if (seq < before) this.#tally.bad("reordered", code, "stands before an earlier one of its sender");
        latest.set(stream, Math.max(seq, before));
      }
    });
  }

  /** Gives the messages that were lost without a word to this device. */
  #judgeModern(device: DeviceBook, remains: Remains): number[] {
    const { conv, kept, lost } = remains;
    const [heard, passed] = [new Ids(), new Seqs()];
    const gaps = new Map<string, Gap>();
    let newest = zero;
    for (const session of device.sessions) {
      const book = session.heard.get(conv.name);
      if (!book) continue;
      this.#judgeSession(device, remains, book);
      for (const part of book.parts) {
        if ("to" in part) {
          heard.add(part);
          newest = later(newest, { epoch: part.epoch, seq: part.to });
        } else if (part.reason === "lost") gaps.set(JSON.stringify([part.after, part.before]), part);
        else passed.add(part.after.seq + 1, part.before.seq - 1);
      }
    }
    const isUnheard = ({ code, id }: Place): boolean =>
      !heard.has(id) && !passed.has(id.seq) && !isOwn(device, code);
    // Of what is lost it is told before the next message that comes: where none has come there is no such place yet.
    const unheard = lost.filter((place) => isUnheard(place) && compareIds(place.id, newest) < 0);
    const left = remains.left.filter(isUnheard);
    // It has read on elsewhere, and nothing has come since.
    const isPending = ({ id }: Place): boolean => !kept.has(newest) && isBeside(id, newest.epoch, remains);
    const toTell = [...unheard, ...left.filter((place) => !isPending(place))];
    const silent = untold(toTell.sort(byId), [...gaps.values()], remains);
    for (const { code, id } of silent) {
      const where = `(${conv.name} ${id.epoch}-${id.seq})`;
      if (kept.has(id)) this.#tally.bad("lost", code, `never came to ${device.name} ${where}`);
      else this.#tally.bad("lost", code, `was lost, and ${device.name} was not told ${where}`);
    }
    return silent.filter(({ id }) => !kept.has(id)).map(({ code }) => code);
  }

  /** Ascending, each id once; what lies between two neighbours is one's own, or told as a gap. */
  #judgeSession(device: DeviceBook, remains: Remains, { acked, settled, parts }: HeardBook): void {
    const { conv, kept } = remains;
    const where = (seq: number): string => `(${conv.name} ${seq}, ${device.name})`;
    const first = parts[0];
    const start = first && ("to" in first ? { epoch: first.epoch, seq: first.from } : first.after);
    if (!first || !start) return;
    // A cursor that a lost tail has left behind counts as none, and one that moved a moment ago may be lost itself.
    const isFree = !kept.has(acked) || compareIds(start, acked) <= 0;
    let position = isFree ? { ...start, seq: start.seq - ("to" in first ? 1 : 0) } : acked;
    if (kept.has(acked) && "to" in first && start.seq <= settled) {
      const what = `came again long after it was acknowledged ${where(start.seq)}`;
      this.#tally.bad("doubled", conv.codeOf(start), what);
    }
    const here = new Ids();
    for (const part of parts) {
      const next = "to" in part ? { epoch: part.epoch, seq: part.from } : part.after;
      const code = conv.codeOf(next);
      if ("to" in part && compareIds(next, position) <= 0) {
        const column = here.has(next) ? "doubled" : "reordered";
        this.#tally.bad(column, code, `came again or late in one session ${where(next.seq)}`);
      }
      const isBridged = next.seq === position.seq + ("to" in part ? 1 : 0);
      if (!isBridged && position.seq >= conv.begin && !areOwn(device, remains, [position, next])) {
        const what = `follows on ${position.epoch}-${position.seq}, which is not before it`;
        const how = "to" in part ? "" : `, a gap ${part.reason} ${part.count}`;
        this.#tally.bad("silentGaps", code, `${what} ${where(next.seq)} ${next.epoch}${how}`);
      }
      if ("to" in part) {
        here.add(part);
        position = { epoch: part.epoch, seq: part.to };
        continue;
      }
      const { after, before, count, reason } = part;
      if (count !== countBetween(after, before) || count < 1) {
        const told = `${reason} ${count} between ${after.seq} and ${before.seq}`;
        this.#tally.bad("silentGaps", code, `is in a gap told wrongly: ${told} (${device.name})`);
      }
      position = { epoch: before.epoch, seq: before.seq - 1 };
    }
  }

  /**
   * It is told of nothing: what is left comes to it in order and without holes, but for what stands below the place that
   * it had read up to, or spoken at, elsewhere.
   */
  #judgeLegacy(device: DeviceBook, remains: Remains): void {
    const { conv, left, gone } = remains;
    const got = new Set(device.sessions.flatMap(({ codes }) => [...codes.values()]));
    const hadCome = gone.filter(({ code }) => got.has(code) || isOwn(device, code));
    const elsewhere = [...new Set(hadCome.map(({ id }) => id.epoch))];
    const passed = remains.left.filter(
      ({ id }) =>
        elsewhere.some((epoch) => isBeside(id, epoch, remains)) ||
        remains.gapsElsewhere.some((gap) => isIn(gap, id)),
    );
    const passedCodes = new Set(passed.map(({ code }) => code));
    const covered = new Seqs();
    let highest = 0;
    for (const { codes } of device.sessions) {
      let position = Math.max(highest, conv.begin);
      const here = new Seqs();
      for (let index = 0; index < codes.length; index++) {
        const code = codes.get(index);
        if (this.#recorder.senders[senderOf(code)]?.convs[countOf(code)] !== conv.name) continue;
        const seq = this.#places[senderOf(code)]?.[countOf(code)]?.seq;
        if (seq === undefined) continue;
        covered.add(seq, seq);
        // It may have come as what it was before it was lost, seen by nobody else: that has no place here.
        if (this.#wereLost.has(code) || this.#recorder.saidAgain.has(code)) continue;
        if (here.highest < seq) {
          this.#judgePassed(device, remains, { from: position, to: seq, passedCodes });
          position = seq;
          highest = Math.max(highest, seq);
        } else {
          const what = `came again or late in one session (${conv.name} ${seq}, ${device.name})`;
          this.#tally.bad(here.has(seq) ? "doubled" : "reordered", code, what);
        }
        here.add(seq, seq);
      }
    }
    for (const { code, id } of left) {
      const { seq } = id;
      if (covered.has(seq) || isOwn(device, code) || passedCodes.has(code)) continue;
      this.#tally.bad("lost", code, `never came to ${device.name} (${conv.name} ${seq})`);
    }
  }

  #judgePassed(
    device: DeviceBook,
    { conv, codes }: Remains,
    { from, to, passedCodes }: { from: number; to: number; passedCodes: Set<number> },
  ): void {
    for (let missed = from + 1; missed < to; missed++) {
      const code = codes.get(missed);
      if (code === undefined || isOwn(device, code)) continue;
      if (this.#wereLost.has(code) || this.#recorder.saidAgain.has(code) || passedCodes.has(code)) continue;
      const what = `was passed over in silence (${conv.name} ${missed}, ${device.name})`;
      return this.#tally.bad("silentGaps", code, what);
    }
  }

  #isAnswered(code: number): boolean {
    return (this.#recorder.senders[senderOf(code)]?.seqs.get(countOf(code)) ?? 0) > 0;
  }
}

function byId(one: Place, other: Place): number {
  return compareIds(one.id, other.id);
}

function later(one: Id, other: Id): Id {
  return compareIds(one, other) < 0 ? other : one;
}

function isIn({ after, before }: Gap, id: Id): boolean {
  return after.seq < id.seq && id.seq < before.seq && compareIds(after, id) < 0 && compareIds(id, before) < 0;
}

/** How many messages a gap between two ids tells of: where seqs went back, those that were there before. */
function countBetween(after: Id, before: Id): number {
  return before.seq > after.seq ? before.seq - after.seq - 1 : after.seq - before.seq + 1;
}

/**
 * The lost ones that no gap tells of. A gap tells of the seqs in it. What others have stored over has no seq of its own
 * any more, and what is there but stands below what was heard elsewhere comes no more: for each such message a later gap
 * is one longer.
 */
function untold(lost: Place[], gaps: readonly Gap[], { lost: all, kept }: Remains): Place[] {
  const spare = gaps
    .filter(({ after, before }) => after.seq < before.seq)
    .map((gap) => ({ gap, count: gap.count - all.filter(({ id }) => isIn(gap, id)).length }));
  // What is there, and follows on what was heard, has to come.
  const mayTell = ({ after, before }: Gap, id: Id): boolean =>
    id.epoch < before.epoch && (!kept.has(id) || compareIds(id, after) < 0);
  // Where another Redis goes on, what it has not got of what is there counts as lost.
  const isTold = (id: Id): boolean =>
    gaps.some((gap) => isIn(gap, id) && !(kept.has(id) && kept.has(gap.before)));
  const storedOver = lost.filter(({ id }) => !isTold(id));
  return storedOver.reverse().filter(({ id }) => {
    const one = spare.find(({ gap, count }) => count > 0 && mayTell(gap, id));
    if (one) one.count--;
    return !one;
  });
}

/**
 * Whether it was stored while another Redis, or one that went on from that one, gave out ids of that later epoch: who had
 * read those was led past it.
 */
function isBeside({ epoch, seq }: Id, later: number, { goneFrom }: Remains): boolean {
  return [...goneFrom].some(([gone, from]) => epoch < gone && gone <= later && from <= seq);
}

/** Whether all that is, or was, between two ids was said by this device itself. */
function areOwn(device: DeviceBook, { conv, codes }: Remains, [position, next]: [Id, Id]): boolean {
  if (next.seq <= position.seq) return false;
  for (let seq = position.seq + 1; seq < next.seq; seq++) {
    // Others may have got its place since.
    const then = position.epoch === next.epoch ? conv.codeOf({ epoch: next.epoch, seq }) : 0;
    if (!isOwn(device, then || (codes.get(seq) ?? conv.codeAt(seq)))) return false;
  }
  return true;
}

function isOwn({ sender }: DeviceBook, code: number): boolean {
  return sender >= 0 && senderOf(code) === sender;
}

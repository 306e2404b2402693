/**
 * appender: what one conversation got in one turn of the event loop goes to Redis as one script (design 4, 5). One
 * append a conversation is under way at a time, so a busy one batches by itself. A failed append is repeated while
 * the answer is not yet due: every message has a mid, so a repeat stores nothing twice.
 */
import { type Clock, type Timer, delay } from "./clock.ts";
import { CodedError, codes } from "./codes.ts";
import type { StoredConv } from "./conv.ts";
import { type Journal, reasonOf } from "./journal.ts";
import { answerLookMs, appendBatchMaxMessages, appendQueueMaxMessages, repeatPauseMs } from "./limits.ts";
import type { Meter } from "./meter.ts";
import type { Appended, NewMessage, SmsDao } from "./smsDao.ts";

interface Waiting {
  message: NewMessage;
  /** Monotonic ms at which the sender has to have an answer. */
  dueMs: number;
  /** Null when it was answered, whatever becomes of its append. */
  answer: { resolve: (appended: Appended) => void; reject: (error: unknown) => void } | null;
}

interface Queue {
  conv: StoredConv;
  waiting: Waiting[];
  /** Those of the append that is under way. */
  appending: Waiting[];
  busy: boolean;
}

export interface AppenderOptions {
  smsDao: SmsDao;
  clock: Clock;
  journal: Journal;
  meter: Meter;
  /** Called after the senders have their answers: the conversation has grown. */
  grown: (conv: StoredConv) => void;
}

/** Appends for this node: one script a turn, one at a time a conversation. */
export class Appender {
  readonly #smsDao: SmsDao;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #meter: Meter;
  readonly #grown: (conv: StoredConv) => void;
  readonly #queues = new Map<StoredConv, Queue>();
  #waitingCount = 0;
  #scheduled = false;
  #dueTimer: Timer | null = null;

  constructor({ smsDao, clock, journal, meter, grown }: AppenderOptions) {
    this.#smsDao = smsDao;
    this.#clock = clock;
    this.#journal = journal;
    this.#meter = meter;
    this.#grown = grown;
  }

  /**
   * Stores a message; resolves when it is stored. Throws CodedError 503 when that is not known by `dueMs` (monotonic),
   * or when too many wait.
   */
  append(conv: StoredConv, message: NewMessage, dueMs: number): Promise<Appended> {
    if (this.#waitingCount >= appendQueueMaxMessages) {
      throw new CodedError(codes.tryAgain, { detail: "too many messages wait", retryMs: 1000 });
    }
    if (dueMs <= this.#clock.monotonicMs()) throw new CodedError(codes.tryAgain, { retryMs: 1000 });
    let queue = this.#queues.get(conv);
    if (!queue) this.#queues.set(conv, (queue = { conv, waiting: [], appending: [], busy: false }));
    this.#waitingCount++;
    const { waiting } = queue;
    return new Promise((resolve, reject) => {
      waiting.push({ message, dueMs, answer: { resolve, reject } });
      this.#schedule();
      this.#watchDue();
    });
  }

  /** Messages that wait for their append, or for its answer. */
  get waitingCount(): number {
    return this.#waitingCount;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // After the sockets of this turn were read, and once for all of them.
    setImmediate(() => {
      this.#scheduled = false;
      for (const queue of this.#queues.values()) if (!queue.busy) void this.#work(queue);
    });
  }

  async #work(queue: Queue): Promise<void> {
    queue.busy = true;
    while (queue.waiting.length > 0) {
      queue.appending = queue.waiting.splice(0, appendBatchMaxMessages).filter(({ answer }) => answer);
      if (queue.appending.length === 0) continue;
      const left = await this.#attempt(queue.conv, queue.appending);
      queue.appending = [];
      if (left.length > 0) {
        queue.waiting.unshift(...left);
        await delay(this.#clock, repeatPauseMs);
      }
    }
    queue.busy = false;
    this.#queues.delete(queue.conv);
  }

  /** Whoever is due is answered, also while an append is under way that nobody knows the end of ([S-7]). */
  #watchDue(): void {
    if (this.#dueTimer || this.#waitingCount === 0) return;
    this.#dueTimer = this.#clock.after(answerLookMs, () => {
      this.#dueTimer = null;
      const nowMs = this.#clock.monotonicMs();
      for (const { waiting, appending } of this.#queues.values()) {
        for (const one of [...appending, ...waiting]) if (one.dueMs <= nowMs) this.#refuse(one);
      }
      this.#watchDue();
    });
  }

  /** One attempt for a batch; what is to be tried again. */
  async #attempt(conv: StoredConv, batch: Waiting[]): Promise<Waiting[]> {
    const { timings } = this.#meter;
    const beganMs = timings ? this.#clock.monotonicMs() : 0;
    try {
      const appended = await this.#smsDao.append(
        conv,
        batch.map(({ message }) => message),
      );
      timings?.append.observe((this.#clock.monotonicMs() - beganMs) / 1000);
      batch.forEach((one, index) => {
        const stored = appended[index];
        if (!stored) return;
        if (stored.fresh) this.#meter.messagesStored++;
        else this.#meter.messagesRepeated++;
        this.#take(one)?.resolve(stored);
      });
      // The answers are written in the microtasks of this turn, the readers are served in the next.
      setImmediate(() => this.#grown(conv));
      return [];
    } catch (error) {
      this.#journal.write("append_failed", { conv, messages: batch.length, reason: reasonOf(error) });
      const again = error instanceof CodedError ? batch.filter((one) => this.#hasTime(one)) : [];
      for (const one of batch) if (!again.includes(one)) this.#refuse(one);
      return again;
    }
  }

  /** Whether it is not due before one more attempt begins. */
  #hasTime({ dueMs }: Waiting): boolean {
    return this.#clock.monotonicMs() + repeatPauseMs < dueMs;
  }

  #refuse(one: Waiting): void {
    const answer = this.#take(one);
    if (!answer) return;
    this.#meter.messagesRefused++;
    answer.reject(new CodedError(codes.tryAgain, { retryMs: 1000 }));
  }

  /** Who is to be answered now; null when that was done already. */
  #take(one: Waiting): Waiting["answer"] {
    const { answer } = one;
    if (answer) this.#waitingCount--;
    one.answer = null;
    return answer;
  }
}

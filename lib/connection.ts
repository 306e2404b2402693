/**
 * connection: one socket. Bytes in become frames, frames become answers, answers go out in the order of their
 * requests ([M-5]); what is pending is bounded, in count and bytes, by not reading on. One that fails ends alone
 * ([K-6]). Deadlines, and what has arrived, are looked at by its owner, not by a timer each.
 */
import type { Socket } from "node:net";
import type { Sender } from "./acknowledged.ts";
import { Arrival } from "./arrival.ts";
import { codes } from "./codes.ts";
import type { Clock } from "./clock.ts";
import type { StoredConv } from "./conv.ts";
import { Deadlines, takesNoGoodbye } from "./deadlines.ts";
import { FrameDecoder, FrameError } from "./frame.ts";
import { type Journal, reasonOf } from "./journal.ts";
import { LegacyPacer } from "./legacy.ts";
import * as limits from "./limits.ts";
import { encodeServer } from "./message.ts";
import type { Meter } from "./meter.ts";
import type { MessageId } from "./messageId.ts";
import type { Answer, Begun, Peer, Processor } from "./processor.ts";
import type { LegacyOutput, Session } from "./session.ts";
import type { Ends, Unacknowledged } from "./socketTable.ts";
import type { WakeTime } from "./wakeTime.ts";

export interface ConnectionOptions {
  processor: Processor;
  clock: Clock;
  wakeTime: WakeTime;
  journal: Journal;
  meter: Meter;
  /** Everybody online, for legacy log-ins. */
  online: () => Iterable<number>;
  /** A legacy reader has a message safely. */
  settled: (userId: number, conv: StoredConv, id: MessageId) => void;
  /** Its socket has gone; for its owner. */
  gone: (connection: Connection) => void;
}

/** A request that was begun; its answer waits for those before it. */
interface Pending {
  bytes: number;
  alone: boolean;
  arrivedMs: number;
  begunMs: number;
  /** Begins it; null when it was. */
  later: Begun["later"] | null;
  answer: Answer | null;
}

const nothing = Buffer.alloc(0);

const uncork = (socket: Socket): void => socket.uncork();

/** Where a socket keeps its connection. */
const owner = Symbol("connection");
interface OwnedSocket extends Socket {
  [owner]: Connection;
}

/** One socket, from its accept to its end. */
export class Connection implements Peer, Sender {
  readonly address: string;
  session: Session | null = null;
  pings = false;
  arrivedMs: number;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #decoder = new FrameDecoder(limits.framePreLoginMaxBytes);
  #pending: Pending[] = [];
  #pendingBytes = 0;
  #alone = false;
  /** Null where nothing waits: idle sessions have none. */
  #arrival: Arrival | null = null;
  /** The other side does not take its answers: what it asks meanwhile waits for it, not for us. */
  #behind = false;
  #state: "open" | "ending" | "closed" = "open";
  /** The other side will send no more. */
  #heardAll = false;
  #closeReason = "";
  #pacer: LegacyPacer | null = null;
  #drainCallbacks: (() => void)[] | null = null;
  readonly #deadlines: Deadlines;

  /** What every socket calls; `this` is the socket. */
  static readonly #listeners = {
    data(this: OwnedSocket, chunk: Buffer): void {
      const connection = this[owner];
      connection.#guard(() => connection.#onData(chunk));
    },
    end(this: OwnedSocket): void {
      const connection = this[owner];
      connection.#guard(() => connection.#onEnd());
    },
    drain(this: OwnedSocket): void {
      const connection = this[owner];
      connection.#guard(() => connection.#onDrain());
    },
    error(this: OwnedSocket, error: Error): void {
      this[owner].#closeReason ||= reasonOf(error);
    },
    close(this: OwnedSocket): void {
      this[owner].#onClose();
    },
  };

  /** `address` is the client's, wherever the socket itself comes from. */
  constructor(socket: Socket, address: string, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.address = address;
    this.arrivedMs = options.clock.monotonicMs();
    this.#deadlines = new Deadlines(this.arrivedMs);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, limits.keepAliveDelayMs);
    // The same listeners on every socket, which finds its connection: closures of its own are half a KB of a session.
    (socket as OwnedSocket)[owner] = this;
    for (const [event, listener] of Object.entries(Connection.#listeners)) socket.on(event, listener);
  }

  get gone(): boolean {
    return this.#state !== "open";
  }

  /** Also known while nothing is read: a socket of Node that is paused still says that the other side has ended. */
  get heardAll(): boolean {
    return this.#heardAll;
  }

  get backlogBytes(): number {
    return this.#socket.writableLength;
  }

  get ends(): Ends {
    return this.#socket;
  }

  get takenBytes(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  write(bytes: Buffer, written?: () => void): void {
    if (this.#state !== "open") return;
    this.#options.meter.bytesSent += bytes.length;
    if (written) {
      this.#socket.write(bytes, (error) => {
        if (!error) written();
      });
    } else this.#socket.write(bytes);
  }

  whenDrained(callback: () => void): void {
    if (this.#state === "closed" || this.#socket.writableLength === 0) return callback();
    (this.#drainCallbacks ??= []).push(callback);
    // A stream tells that it drained only where it was full; a write of nothing is done behind what little waits. After
    // our end nothing can be written any more, and the socket's close says it.
    const isTold = this.#socket.writableNeedDrain || this.#state === "ending";
    if (!isTold) this.#socket.write(nothing, () => this.#callDrained());
  }

  close(reason: string): void {
    if (this.#state !== "open") return;
    this.#state = "ending";
    this.#deadlines.endingMs = this.#options.clock.monotonicMs();
    this.#closeReason ||= reason;
    this.#leave();
    this.#socket.end();
    // What still comes is not read by us, but has to be taken: unread bytes would turn our end into a reset.
    this.#socket.resume();
  }

  /** Ends at once, with whatever was not taken yet. */
  destroy(): void {
    this.#socket.destroy();
  }

  legacyOutput(userId: number): LegacyOutput {
    const settled = (conv: StoredConv, id: MessageId): void => this.#options.settled(userId, conv, id);
    this.#pacer = new LegacyPacer({ ...this.#options, userId, output: this, settled });
    return this.#pacer;
  }

  /** Deadlines ([F-7], [K-2], [D-6], [K-5]); `nowMs` is monotonic. */
  check(nowMs: number): void {
    this.#guard(() => {
      if (this.#arrival?.isOver(nowMs)) this.#arrival = null;
      const overdue = this.#deadlines.overdue(nowMs, {
        hasSession: this.session !== null,
        waitsForUs: this.#alone,
        pings: this.pings,
        isPaused: this.#socket.isPaused(),
        takenBytes: this.takenBytes,
        backlogBytes: this.backlogBytes,
      });
      if (!overdue) return;
      this.#closeReason ||= overdue;
      if (takesNoGoodbye(overdue)) this.#socket.destroy();
      else this.close(overdue);
    });
  }

  asksWhatArrived(nowMs: number): boolean {
    if (this.#state !== "open") return false;
    return this.#pacer?.asksWhatArrived || this.#deadlines.asksWhatArrived(nowMs, this);
  }

  arrived(bytes: number, unacknowledged: Unacknowledged): void {
    this.#guard(() => {
      if (this.#state !== "open") return;
      const atMostBytes = this.#socket.bytesWritten - unacknowledged.bytes;
      const nowMs = this.#options.clock.monotonicMs();
      this.#deadlines.arrived(nowMs, { bytes, atMostBytes, tries: unacknowledged.tries });
      this.#pacer?.arrived(bytes);
    });
  }

  /** The one place where a fault of ours meets the connection it costs. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const { journal, meter } = this.#options;
    meter.connectionsFailed++;
    journal.write("connection_failed", { address: this.address, reason: reasonOf(error) });
    this.#closeReason = "fault";
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    if (this.#state !== "open") return;
    const nowMs = this.#options.clock.monotonicMs();
    this.#options.meter.bytesReceived += chunk.length;
    this.#deadlines.heardMs = nowMs;
    const isCut = chunk.length >= limits.socketReadBytes;
    if (isCut) this.#arrival ??= new Arrival(nowMs);
    this.arrivedMs = this.#arrival?.read(chunk.length, nowMs) ?? nowMs;
    this.#decoder.push(chunk);
    this.#work();
  }

  /** Takes frames as long as there is room for what they ask. */
  #work(): void {
    while (this.#state === "open" && this.#hasRoom()) {
      let payload: Buffer | null;
      try {
        payload = this.#decoder.next();
        if (payload) this.#begin(payload);
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
        return this.#broken(error);
      }
      if (!payload) break;
    }
    if (this.#state !== "open") return;
    const hasRoom = this.#hasRoom();
    if (!hasRoom) this.#noteWhy();
    if (hasRoom === this.#socket.isPaused() && !this.#heardAll) {
      if (hasRoom) {
        this.#socket.resume();
        this.#arrival?.resumed(this.#options.clock.monotonicMs());
      } else this.#socket.pause();
    }
    const started = hasRoom && this.#decoder.heldBytes > 0;
    const startedMs = this.#deadlines.frameStartedMs ?? this.#options.clock.monotonicMs();
    this.#deadlines.frameStartedMs = started ? startedMs : null;
    this.#finishIfHeardAll();
  }

  #hasRoom(): boolean {
    return (
      !this.#alone &&
      this.#pending.length < limits.requestsInFlightMax &&
      this.#pendingBytes < limits.requestBytesInFlightMax &&
      !this.#isBacklogged()
    );
  }

  #isBacklogged(): boolean {
    return this.backlogBytes > limits.outputBacklogMaxBytes;
  }

  /** Nothing more is read for now: what that means for when the bytes that come meanwhile are due ([S-7]). */
  #noteWhy(): void {
    if (this.#isBacklogged()) this.#behind = true;
    (this.#arrival ??= new Arrival(this.#deadlines.heardMs)).paused(this.#options.clock.monotonicMs());
  }

  /** What waited did not wait for us: its time begins now. */
  #arrivesNow(): void {
    this.arrivedMs = this.#options.clock.monotonicMs();
    this.#arrival?.forget();
  }

  #begin(payload: Buffer): void {
    this.#deadlines.heardFrame = true;
    this.#deadlines.frameStartedMs = null;
    const begun = this.#options.processor.process(this, payload);
    const { alone } = begun;
    const isNext = this.#pending.length === 0;
    const answer = begun.later ? (isNext ? begun.later(this.arrivedMs) : null) : begun.answer;
    if (isNext && answer && !(answer instanceof Promise)) return this.#finish(answer);
    const later = answer ? null : begun.later;
    const { arrivedMs } = this;
    const begunMs = this.#options.clock.monotonicMs();
    const pending: Pending = { bytes: payload.length, alone, arrivedMs, begunMs, later, answer: null };
    this.#pending.push(pending);
    this.#pendingBytes += pending.bytes;
    this.#alone = alone;
    if (answer) this.#await(pending, answer);
  }

  #await(pending: Pending, answer: Promise<Answer> | Answer): void {
    if (!(answer instanceof Promise)) return this.#answered(pending, answer);
    const settle = (value: Answer): void =>
      this.#guard(() => {
        this.#answered(pending, value);
        this.#flush();
      });
    answer.then(settle, (error: unknown) => this.#fail(error));
  }

  #answered(pending: Pending, answer: Answer): void {
    pending.answer = answer;
    // An answer that waits for its turn takes memory like a request.
    for (const frame of answer.frames) {
      pending.bytes += frame.length;
      this.#pendingBytes += frame.length;
    }
    // After an answer that ends the connection nothing more is begun.
    if (!pending.alone || answer.close !== undefined) return;
    this.#alone = false;
    if (!this.session) this.#deadlines.loginWorkMs += this.#options.clock.monotonicMs() - pending.begunMs;
    this.#arrivesNow();
  }

  /** Answers go out from the front, as far as they are there; what has waited to be the first is begun. */
  #flush(): void {
    this.#gather();
    const before = this.#pending.length;
    for (let first = this.#pending[0]; first && this.#state === "open"; first = this.#pending[0]) {
      if (first.later && this.#isBacklogged()) this.#behind = true;
      else if (first.later) {
        const { later, arrivedMs } = first;
        first.later = null;
        this.#await(first, later(arrivedMs));
      }
      if (!first.answer) break;
      this.#pending.shift();
      this.#pendingBytes -= first.bytes;
      this.#finish(first.answer);
      // So much is not gathered: what is left when the kernel has got it is the backlog.
      if (this.#isBacklogged()) this.#socket.uncork();
    }
    // Not the same list emptied: it would keep the room of its longest time, 150 bytes at least.
    if (this.#pending.length === 0) this.#pending = [];
    if (this.#pending.length < before) this.#work();
  }

  /**
   * What is written from now on goes out in one piece, when the promises that are settled now have been heard: one append
   * answers many messages of one sender, and a write each was 17 % of what the server does for a message.
   */
  #gather(): void {
    // A legacy session gets no answers to what it says, and its bursts have a time of their own ([G-4]).
    // Where one answer is all there is, there is nothing to gather.
    if (this.#pacer || this.#pending.length < 2 || this.#socket.writableCorked > 0) return;
    this.#socket.cork();
    process.nextTick(uncork, this.#socket);
  }

  #finish({ frames, after, close }: Answer): void {
    for (const frame of frames) this.write(frame);
    if (this.session) this.#decoder.maxBytes = limits.frameMaxBytes;
    after?.();
    if (close !== undefined) this.close(close);
  }

  /** The stream cannot be understood any more ([F-5]): nothing more is begun, and after earlier answers it ends. */
  #broken({ message: error }: FrameError): void {
    this.#options.meter.framesBroken++;
    this.#options.journal.write("broken_frame", { address: this.address, reason: error });
    const told = encodeServer("ErrorMes", { code: codes.malformed, error, of: "frame" });
    const frames = this.session?.legacy ? [] : [told];
    this.#alone = true;
    this.#deadlines.frameStartedMs = null;
    this.#socket.pause();
    const answer = { frames, close: "broken frame" };
    this.#pending.push({ bytes: 0, alone: true, arrivedMs: this.arrivedMs, begunMs: 0, later: null, answer });
    this.#flush();
  }

  #onEnd(): void {
    this.#heardAll = true;
    // Where our end came first, theirs is a clean one all the same ([G-9]): they have read up to it.
    if (this.#state === "ending") this.#pacer?.ended(true);
    this.#work();
  }

  /** After the other side's end: what it asked is answered, then we end too. */
  #finishIfHeardAll(): void {
    if (!this.#heardAll || this.#pending.length > 0 || this.#state !== "open") return;
    // Whole frames may wait for a reader to take the answers of those before.
    if (!this.#hasRoom()) return;
    try {
      this.#decoder.end();
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      return this.#broken(error);
    }
    // A reset that comes right behind data is told as an end too; a write of nothing finds out what it was, and the
    // socket's own close says the rest.
    const pacer = this.#pacer;
    if (pacer) this.write(nothing, () => pacer.ended(true));
    this.close("end");
  }

  #onDrain(): void {
    if (this.#behind) {
      this.#arrivesNow();
      for (const pending of this.#pending) pending.arrivedMs = this.arrivedMs;
    }
    this.#behind = false;
    this.#callDrained();
    this.#flush();
    this.#work();
  }

  #callDrained(): void {
    const callbacks = this.#drainCallbacks;
    this.#drainCallbacks = null;
    for (const callback of callbacks ?? []) callback();
  }

  #onClose(): void {
    this.#state = "closed";
    this.#guard(() => this.#leave());
    this.#pacer?.ended(false);
    this.#callDrained();
    this.#options.gone(this);
  }

  #leave(): void {
    this.#options.processor.leave(this, this.#closeReason || "closed");
  }
}

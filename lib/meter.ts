/**
 * meter: what happened on this node, counted. Counters are plain fields: who counts pays one addition, and they are
 * read only when somebody asks. Durations are told to `timings`, which is null, and so costs nothing, unless metrics
 * are asked for (clause ).
 */

/** How long something took; seconds, since that is what is exposed. */
export interface Timing {
  observe(seconds: number): void;
}

/** The durations that are worth a histogram. */
export interface Timings {
  /** From a message's arrival to its answer "stored". */
  answer: Timing;
  /** One append script there and back. */
  append: Timing;
  /** Any call of Redis there and back. */
  redis: Timing;
  /** From a message's storing to its being written to all live readers of this node. */
  delivery: Timing;
}

/** Counters of this node since its start. They only grow. */
export class Counters {
  connectionsOpened = 0;
  connectionsRefused = 0;
  connectionsFailed = 0;
  framesBroken = 0;
  sessionsOpened = 0;
  loginsFailed = 0;
  messagesStored = 0;
  messagesRepeated = 0;
  messagesRefused = 0;
  messagesDelivered = 0;
  bytesReceived = 0;
  bytesSent = 0;
  readersSetAside = 0;
  redisCalls = 0;
  redisErrors = 0;
  doorbellsHeard = 0;
  doorbellsHealed = 0;
}

export type CounterName = keyof Counters;

/** What is so now, asked of the parts themselves at the moment of reading. */
export interface Gauges {
  connections: () => number;
  connectionsMax: () => number;
  sessions: () => number;
  usersOnline: () => number;
  readersLagging: () => number;
  messagesWaiting: () => number;
  redisCallsWaiting: () => number;
  redisReady: () => number;
  draining: () => number;
  workers: () => number;
}

export type GaugeName = keyof Gauges;

/** Passed to whoever has something to count. */
export class Meter extends Counters {
  timings: Timings | null = null;
  /** Readers that are being brought up from the log just now; the one gauge that no part knows as a whole. */
  readersLagging = 0;
}

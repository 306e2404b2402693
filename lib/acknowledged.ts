/**
 * acknowledged: how much of what was sent the other side's TCP has for certain, for the connections that have to know
 * ([G-9], [K-5]): what our own kernel has taken may lie there for a peer that has vanished. Where the system does not
 * tell (it is no Linux), what our kernel has taken counts.
 */
import type { Clock } from "./clock.ts";
import { type Journal, reasonOf } from "./journal.ts";
import { lookSendersMax, socketTableBytesPerSecondMax } from "./limits.ts";
import { type Ends, type SocketTable, type Unacknowledged, nameInTable } from "./socketTable.ts";

/** A connection as it is looked after here. */
export interface Sender {
  readonly ends: Ends;
  /** Bytes that our kernel has taken since it was opened. */
  readonly takenBytes: number;
  /** Whether it has to know now; `nowMs` is monotonic. */
  asksWhatArrived(nowMs: number): boolean;
  /** The other side's TCP has `bytes` or more. */
  arrived(bytes: number, unacknowledged: Unacknowledged): void;
}

export interface AcknowledgedOptions {
  /** Null where there is none. */
  table: SocketTable | null;
  clock: Clock;
  journal: Journal;
}

/** Looks for all connections together, so that a look costs the same for one and for all. */
export class Acknowledged {
  readonly #options: AcknowledgedOptions;
  #state: "waiting" | "looking" = "waiting";
  #nextMs = 0;
  /** Of those that ask, whose turn it is. */
  #first = 0;
  #failed = false;

  constructor(options: AcknowledgedOptions) {
    this.#options = options;
  }

  /** Call once a second: tells those that ask, or soon does. A long table is read less often. */
  look(senders: Iterable<Sender>): void {
    const { table, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#state === "looking" || nowMs < this.#nextMs) return;
    const asking: Sender[] = [];
    for (const sender of senders) if (sender.asksWhatArrived(nowMs)) asking.push(sender);
    if (asking.length === 0) return;
    if (table) void this.#read(table, this.#someOf(asking));
    else for (const sender of asking) sender.arrived(sender.takenBytes, { bytes: 0, tries: 0 });
  }

  /** Not so many that others wait for it; those that are left out come first at the next look. */
  #someOf(asking: Sender[]): Sender[] {
    const first = asking.length > lookSendersMax ? this.#first % asking.length : 0;
    this.#first = first + lookSendersMax;
    return [...asking.slice(first), ...asking.slice(0, first)].slice(0, lookSendersMax);
  }

  async #read(table: SocketTable, asking: Sender[]): Promise<void> {
    const { clock, journal } = this.#options;
    this.#state = "looking";
    try {
      // Before anything is read: what is sent meanwhile is in the table and not in these numbers, never the other way.
      const sent = asking.map((sender) => ({
        sender,
        name: nameInTable(sender.ends) ?? "",
        bytes: sender.takenBytes,
      }));
      const { found, bytes: readBytes } = await table.read(sent.map(({ name }) => name));
      for (const { sender, name, bytes } of sent) {
        const row = found.get(name);
        // One that is not there any more has ended, and will hear so: nothing is known of what it got.
        if (row) sender.arrived(bytes - row.bytes, row);
      }
      this.#nextMs = clock.monotonicMs() + (readBytes / socketTableBytesPerSecondMax) * 1000;
      this.#failed = false;
    } catch (error) {
      if (!this.#failed) journal.write("sockets_unread", { reason: reasonOf(error) });
      this.#failed = true;
    }
    this.#state = "waiting";
  }
}

/**
 * acknowledged: who is told when what has arrived, with a table written here by hand and a clock moved by hand.
 */
import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Acknowledged, type Sender } from "../lib/acknowledged.ts";
import { lookSendersMax, socketTableBytesPerSecondMax } from "../lib/limits.ts";
import { type Ends, SocketTable, type Unacknowledged, nameInTable } from "../lib/socketTable.ts";
import { looked } from "./helpers/kernelTable.ts";
import { ManualClock } from "./helpers/manualClock.ts";
import { scratchFolder } from "./helpers/scratch.ts";

class Reader implements Sender {
  readonly ends: Ends;
  takenBytes = 1_000;
  asks = true;
  readonly told: [number, number][] = [];

  constructor(remotePort: number) {
    this.ends = { localAddress: "127.0.0.1", localPort: 8889, remoteAddress: "127.0.0.9", remotePort };
  }

  asksWhatArrived(): boolean {
    return this.asks;
  }

  arrived(bytes: number, { tries }: Unacknowledged): void {
    this.told.push([bytes, tries]);
  }
}

class Bench {
  readonly clock = new ManualClock();
  readonly events: string[] = [];
  readonly folder = scratchFolder();
  readonly readers: Reader[];
  readonly acknowledged: Acknowledged;

  constructor({ readers, withTable = true }: { readers: number; withTable?: boolean }) {
    this.readers = Array.from({ length: readers }, (_, index) => new Reader(index + 1));
    const journal = { write: (event: string) => void this.events.push(event) };
    const table = withTable ? new SocketTable(this.folder) : null;
    this.acknowledged = new Acknowledged({ table, clock: this.clock, journal });
    this.clock.advance(1_000);
  }

  /** Writes the kernel's table: so many bytes are not acknowledged by anybody who is in it. */
  table(bytes: number, { of = this.readers, more = "" } = {}): void {
    const hex = bytes.toString(16).padStart(8, "0");
    const rows = of.map(
      ({ ends }, index) => `${index}: ${nameInTable(ends)} 01 ${hex}:0 00:0 00000003 0 4 1\n`,
    );
    writeFileSync(join(this.folder, "tcp"), `  sl\n${rows.join("")}${more}`);
  }

  async look(): Promise<void> {
    this.acknowledged.look(this.readers);
    await looked();
    this.clock.advance(1_000);
  }
}

test("[G-9] [K-5] who asks is told what was sent before the look less what is not acknowledged, and nobody else anything", async () => {
  const bench = new Bench({ readers: 3 });
  const [one, silent, gone] = bench.readers as [Reader, Reader, Reader];
  silent.asks = false;
  bench.table(100, { of: [one, silent] });
  bench.acknowledged.look(bench.readers);
  // What is sent while the kernel is asked may be in its table or not.
  one.takenBytes += 500;
  await looked();
  assert.deepEqual(one.told, [[900, 7]]);
  assert.deepEqual([...silent.told, ...gone.told], [], "of one that is not there nothing is known");
});

test("[G-9] of thousands that ask each has its turn", async () => {
  const bench = new Bench({ readers: lookSendersMax * 2 + 500 });
  bench.table(1);
  for (let look = 0; look < 3; look++) await bench.look();
  const toldMost = Math.max(...bench.readers.map(({ told }) => told.length));
  assert.ok(
    bench.readers.every(({ told }) => told.length > 0),
    "everybody was told",
  );
  assert.equal(toldMost, 2, "500 of them a second time");
});

test("[G-9] a long table is read less often", async () => {
  const bench = new Bench({ readers: 1 });
  bench.table(1, { more: `0: \n`.repeat((2.5 * socketTableBytesPerSecondMax) / 4) });
  for (let second = 0; second < 9; second++) await bench.look();
  assert.equal(bench.readers[0]?.told.length, 3);
});

test("[G-9] a table that cannot be read for a while: nobody is told anything, the journal once", async () => {
  const bench = new Bench({ readers: 1 });
  const [reader] = bench.readers as [Reader];
  for (let look = 0; look < 3; look++) await bench.look();
  assert.deepEqual([reader.told, bench.events], [[], ["sockets_unread"]]);
  bench.table(0);
  await bench.look();
  assert.deepEqual(reader.told, [[1_000, 7]]);
  renameSync(join(bench.folder, "tcp"), join(bench.folder, "away"));
  await bench.look();
  assert.deepEqual(bench.events, ["sockets_unread", "sockets_unread"]);
});

test("[G-9] [K-5] on a system without a table what our kernel has taken counts", async () => {
  const bench = new Bench({ readers: 1, withTable: false });
  await bench.look();
  assert.deepEqual(bench.readers[0]?.told, [[1_000, 0]]);
});

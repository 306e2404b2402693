/**
 * prove: the fault run is a program that is itself tested. Its checker passes good histories and catches each kind of
 * bad one; its plan and its proxy do what they say; and one short real run leaves nothing behind.
 */
import assert from "node:assert/strict";
import { type NetConnectOpts, type Server, type Socket, connect, createServer } from "node:net";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { runningOn } from "./helpers/privateRedis.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { spawnScript } from "./helpers/server.ts";
import { until } from "./helpers/wait.ts";
import { judge } from "./prove/checker.ts";
import { Gate } from "./prove/gate.ts";
import { parseProveArgs } from "./prove/main.ts";
import { faultKinds, isProcessFault, planOf } from "./prove/plan.ts";
import {
  type DeviceBook,
  type Gap,
  type RecordedConv,
  Recorder,
  type SessionBook,
  altered,
} from "./prove/recorder.ts";
import { tableText } from "./prove/report.ts";
import { Seqs } from "./prove/seqs.ts";
import { type BadColumn, badColumns } from "./prove/tally.ts";

/** A history made by hand: users 1 and 2 send, 1 also from a second device, 3 is of the first generation. */
class Tale {
  readonly recorder = new Recorder(["none yet", "some fault"]);
  readonly alice = this.recorder.addSender(1);
  readonly bob = this.recorder.addSender(2);
  readonly phone = this.#device("phone", 1, this.alice);
  readonly tablet = this.#device("tablet", 1, -1);
  readonly desk = this.#device("desk", 2, this.bob);
  readonly old = this.recorder.addDevice({ name: "old", userId: 3, legacy: true, sender: -1 });
  /** Messages by seq, each conversation from 1. */
  readonly log = new Map<string, number[]>();
  /** The epoch of each message, by conversation and seq. */
  readonly epochs = new Map<string, number>();
  epoch = 7;
  /** Devices whose tale of a conversation is told: `finish` leaves them alone. */
  readonly told = new Set<string>();

  idOf(conv: string, seq: number): Gap["after"] {
    return { epoch: this.epochs.get(`${conv} ${seq}`) ?? this.epoch, seq };
  }

  #device(name: string, userId: number, sender: number): DeviceBook {
    return this.recorder.addDevice({ name, userId, legacy: false, sender });
  }

  /** Sends, and stores as the next of its conversation; answered with 200 unless `unheard`. */
  send(sender: number, conv: RecordedConv = "all", { unheard = false, group = sender + 1 } = {}): number {
    const code = this.recorder.sent(sender, conv, group);
    const log = this.log.get(conv) ?? [];
    this.log.set(conv, log);
    log.push(code);
    this.epochs.set(`${conv} ${log.length}`, this.epoch);
    if (!unheard) this.recorder.stored(code, this.idOf(conv, log.length));
    return code;
  }

  hear(device: DeviceBook, session: SessionBook, seqs: number[], conv: RecordedConv = "all"): void {
    for (const seq of seqs) {
      const code = this.log.get(conv)?.[seq - 1] ?? 0;
      if (device.legacy) this.recorder.gotLegacy(device, session, code);
      else this.recorder.got(device, session, conv, this.idOf(conv, seq), code);
    }
  }

  /** A session that hears these; own lines are left to the caller. */
  session(device: DeviceBook, seqs: number[], conv: RecordedConv = "all"): SessionBook {
    this.told.add(`${device.name} ${conv}`);
    const session = this.recorder.login(device);
    this.hear(device, session, seqs, conv);
    return session;
  }

  gap(device: DeviceBook, session: SessionBook, after: number, before: number, gap: Partial<Gap> = {}): void {
    const id = (seq: number): Gap["after"] => ({ epoch: this.epoch, seq });
    const count = before - after - 1;
    const told = { after: id(after), before: id(before), count, reason: "skipped", ...gap };
    this.recorder.gap(device, session, "all", told);
  }

  archive(seqs: number[], conv: RecordedConv = "all"): void {
    for (const seq of seqs) {
      this.recorder.archived(conv, this.idOf(conv, seq), this.log.get(conv)?.[seq - 1] ?? 0);
    }
  }

  /** Whoever has not been told about yet heard everything there is to hear. */
  finish(): void {
    for (const [conv, log] of this.log) {
      const seqs = log.map((_, index) => index + 1);
      const book = this.recorder.conv(conv);
      if (book.archive.length === 0) this.archive(seqs, conv as RecordedConv);
      for (const device of this.recorder.devices) {
        if (this.told.has(`${device.name} ${conv}`)) continue;
        if (conv !== "all" && !conv.split(":").includes(String(device.userId))) continue;
        const others = seqs.filter((seq) => !this.isOwn(device, log[seq - 1] ?? 0));
        this.session(device, others, conv as RecordedConv);
      }
    }
  }

  isOwn({ sender }: DeviceBook, code: number): boolean {
    return sender >= 0 && Math.floor(code / 1e7) - 1 === sender;
  }
}

/** Alice sends 1, 3, 5, bob 2, 4, 6, all to everybody. */
function talk(): Tale {
  const tale = new Tale();
  for (let round = 0; round < 3; round++) for (const sender of [tale.alice, tale.bob]) tale.send(sender);
  return tale;
}

const good: Record<string, (tale: Tale) => void> = {
  "everybody heard everything": () => undefined,
  "a session goes on where the one before was acknowledged": (tale) => {
    tale.session(tale.tablet, [1, 2, 3]);
    tale.recorder.acked(tale.tablet, "all", tale.idOf("all", 3));
    tale.session(tale.tablet, [4, 5, 6]);
  },
  "what was not acknowledged comes again": (tale) => {
    tale.session(tale.tablet, [1, 2, 3, 4]);
    tale.recorder.acked(tale.tablet, "all", tale.idOf("all", 2));
    tale.session(tale.tablet, [3, 4, 5, 6]);
    tale.session(tale.desk, [1, 3, 5]);
    tale.session(tale.desk, [1, 3]);
  },
  "what was acknowledged a moment ago may come again": (tale) => {
    tale.session(tale.tablet, [1, 2, 3, 4, 5, 6]);
    tale.recorder.acked(tale.tablet, "all", tale.idOf("all", 3), 1000);
    tale.recorder.acked(tale.tablet, "all", tale.idOf("all", 6), 20_000);
    tale.hear(tale.tablet, tale.recorder.login(tale.tablet, 40_000), [4, 5, 6]);
  },
  "an announced gap that is in history": (tale) => {
    const session = tale.session(tale.tablet, [1]);
    tale.gap(tale.tablet, session, 1, 5);
    tale.hear(tale.tablet, session, [5, 6]);
  },
  "a gap at the start, whose end is an own line": (tale) => {
    const session = tale.session(tale.phone, []);
    tale.gap(tale.phone, session, 0, 3);
    tale.hear(tale.phone, session, [4, 6]);
  },
  "a first-generation session repeats the tail of the one before": (tale) => {
    tale.session(tale.old, [1, 2, 3, 4]);
    tale.session(tale.old, [2, 3, 4, 5, 6]);
  },
  "one that was never answered may be there": (tale) => {
    tale.send(tale.alice, "all", { unheard: true });
  },
  "one that was never answered and is nowhere": (tale) => {
    tale.recorder.sent(tale.alice, "all");
  },
  "a repeat that got the same answer": (tale) => {
    tale.recorder.stored(tale.log.get("all")?.[0] ?? 0, { epoch: 7, seq: 1 });
  },
  "the epoch goes up": (tale) => {
    tale.epoch = 8;
    tale.send(tale.alice, "1:2");
  },
  "private messages are for two": (tale) => {
    for (const sender of [tale.alice, tale.bob, tale.alice]) tale.send(sender, "1:2");
  },
  "history begins where the log was trimmed": (tale) => tale.archive([3, 4, 5, 6]),
};

for (const [name, tell] of Object.entries(good)) {
  test(`[prove] the checker passes: ${name}`, () => {
    const tale = talk();
    tell(tale);
    tale.finish();
    const { total, findings } = judge(tale.recorder);
    assert.deepEqual(findings, []);
    for (const column of badColumns) assert.equal(total[column], 0, column);
    assert.ok(total.stored >= 6 && total.sent >= total.stored, "what was sent and stored is counted");
    assert.ok(total.delivered >= 15, "deliveries are counted");
  });
}

/** Seeded bugs of a server, as their history would look: the column that has to tell, and how often. */
const bad: Record<string, [BadColumn, number, (tale: Tale) => void]> = {
  "an answered message never comes to one device": [
    "lost",
    1,
    (tale) => void tale.session(tale.tablet, [1, 2, 3, 4, 5]),
  ],
  "a device hears nothing at all": ["lost", 6, (tale) => void tale.session(tale.tablet, [])],
  "a device is not served at all": ["lost", 6, (tale) => void tale.told.add("tablet all")],
  "the sender's other device is forgotten": ["lost", 3, (tale) => void tale.session(tale.tablet, [2, 4, 6])],
  "the first generation misses the last one": [
    "lost",
    1,
    (tale) => void tale.session(tale.old, [1, 2, 3, 4, 5]),
  ],
  "history lacks one": ["lost", 1, (tale) => tale.archive([1, 2, 3, 4, 6])],
  "history lacks the newest": ["lost", 2, (tale) => tale.archive([1, 2, 3, 4])],
  "Redis lost it, and says so": [
    "lost",
    2,
    (tale) => {
      const session = tale.session(tale.tablet, [1, 2]);
      tale.gap(tale.tablet, session, 2, 5, { reason: "lost" });
      tale.hear(tale.tablet, session, [5, 6]);
    },
  ],
  "an id that was answered is given to another message": [
    "lost",
    1,
    (tale) => {
      const code = tale.recorder.sent(tale.bob, "all");
      tale.recorder.stored(code, { epoch: 7, seq: 6 });
    },
  ],
  "200 without an id": ["lost", 1, (tale) => tale.recorder.stored(tale.send(tale.bob), { epoch: 0, seq: 0 })],
  "a message comes altered": [
    "lost",
    1,
    (tale) => tale.recorder.gotLegacy(tale.old, tale.recorder.login(tale.old), altered),
  ],
  "the same mid is stored twice": [
    "doubled",
    // In the log, and for the first-generation reader, who knows no ids.
    2,
    (tale) => {
      const log = tale.log.get("all") ?? [];
      log.push(log[2] ?? 0);
    },
  ],
  "a repeat is answered with another id": [
    "doubled",
    2,
    (tale) => tale.recorder.stored(tale.log.get("all")?.[0] ?? 0, { epoch: 7, seq: 9 }),
  ],
  "a session hears one twice": [
    "doubled",
    1,
    (tale) => void tale.session(tale.tablet, [1, 2, 3, 3, 4, 5, 6]),
  ],
  "a session hears a tail twice": [
    "doubled",
    1,
    (tale) => void tale.session(tale.tablet, [1, 2, 3, 4, 2, 3, 4, 5, 6]),
  ],
  "a first-generation session hears one twice": [
    "doubled",
    1,
    (tale) => void tale.session(tale.old, [1, 2, 3, 2, 4, 5, 6]),
  ],
  "a private message is in the room too": [
    "doubled",
    1,
    (tale) => {
      tale.send(tale.alice, "1:2");
      tale.log.get("all")?.push(tale.log.get("1:2")?.[0] ?? 0);
    },
  ],
  "a device hears its own line": ["doubled", 1, (tale) => void tale.session(tale.phone, [1, 2, 4, 6])],
  "what was acknowledged long ago comes again": [
    "doubled",
    1,
    (tale) => {
      tale.session(tale.tablet, [1, 2, 3, 4, 5, 6]);
      tale.recorder.acked(tale.tablet, "all", tale.idOf("all", 3), 1000);
      tale.recorder.acked(tale.tablet, "all", tale.idOf("all", 6), 20_000);
      const session = tale.recorder.login(tale.tablet, 40_000);
      tale.hear(tale.tablet, session, [3, 4, 5, 6]);
    },
  ],
  "history shows one twice": ["doubled", 1, (tale) => tale.archive([1, 2, 3, 3, 4, 5, 6])],
  "a session hears two in the wrong order": [
    "reordered",
    1,
    (tale) => void tale.session(tale.tablet, [1, 3, 2, 4, 5, 6]),
  ],
  "a first-generation session hears two in the wrong order": [
    "reordered",
    1,
    (tale) => void tale.session(tale.old, [1, 2, 3, 5, 4, 6]),
  ],
  "two of one sender overtake each other": [
    "reordered",
    1,
    (tale) => {
      const first = tale.recorder.sent(tale.alice, "1:2", 1);
      const second = tale.recorder.sent(tale.alice, "1:2", 1);
      tale.log.set("1:2", [second, first]);
      tale.recorder.stored(first, { epoch: 7, seq: 2 });
      tale.recorder.stored(second, { epoch: 7, seq: 1 });
    },
  ],
  "the epoch goes down": [
    "reordered",
    1,
    (tale) => {
      tale.recorder.stored(tale.recorder.sent(tale.bob, "1:2"), { epoch: 9, seq: 1 });
      tale.recorder.stored(tale.recorder.sent(tale.bob, "1:2"), { epoch: 8, seq: 2 });
    },
  ],
  "two readers see different messages in one place": [
    "reordered",
    1,
    (tale) => {
      const [one, other] = [tale.recorder.sent(tale.alice, "1:2"), tale.recorder.sent(tale.alice, "1:2")];
      for (const [device, code] of [
        [tale.tablet, one],
        [tale.desk, other],
      ] as const) {
        tale.recorder.got(device, tale.recorder.login(device), "1:2", { epoch: 7, seq: 1 }, code);
      }
    },
  ],
  "a hole in a session": ["silentGaps", 1, (tale) => void tale.session(tale.tablet, [1, 2, 5, 6])],
  "a hole in a session that a later one fills": [
    "silentGaps",
    1,
    (tale) => {
      tale.session(tale.tablet, [1, 2, 5, 6]);
      tale.recorder.acked(tale.tablet, "all", tale.idOf("all", 2));
      tale.session(tale.tablet, [3, 4, 5, 6]);
    },
  ],
  "a session begins beyond what was acknowledged": [
    "silentGaps",
    1,
    (tale) => {
      tale.session(tale.tablet, [1, 2, 3, 4]);
      tale.recorder.acked(tale.tablet, "all", tale.idOf("all", 2));
      tale.session(tale.tablet, [5, 6]);
    },
  ],
  "a hole beside an own line": ["silentGaps", 1, (tale) => void tale.session(tale.phone, [2, 6])],
  "a gap with a wrong count": [
    "silentGaps",
    1,
    (tale) => {
      const session = tale.session(tale.tablet, [1]);
      tale.gap(tale.tablet, session, 1, 5, { count: 2 });
      tale.hear(tale.tablet, session, [5, 6]);
    },
  ],
  "a gap that begins too late": [
    "silentGaps",
    1,
    (tale) => {
      const session = tale.session(tale.tablet, [1]);
      tale.gap(tale.tablet, session, 2, 5);
      tale.hear(tale.tablet, session, [5, 6]);
    },
  ],
  "a gap that ends too early": [
    "silentGaps",
    1,
    (tale) => {
      const session = tale.session(tale.tablet, [1]);
      tale.gap(tale.tablet, session, 1, 4);
      tale.hear(tale.tablet, session, [5, 6]);
    },
  ],
  "a gap of messages that had come": [
    "silentGaps",
    1,
    (tale) => {
      const session = tale.session(tale.tablet, [1, 2, 3]);
      tale.gap(tale.tablet, session, 1, 4);
      tale.hear(tale.tablet, session, [4, 5, 6]);
    },
  ],
  "a first-generation session passes one over": [
    "silentGaps",
    1,
    (tale) => {
      tale.session(tale.old, [1, 2, 4, 5]);
      tale.session(tale.old, [1, 2, 3, 4, 5, 6]);
    },
  ],
  "a first-generation session begins too late": [
    "silentGaps",
    1,
    (tale) => {
      tale.session(tale.old, [1, 2]);
      tale.session(tale.old, [5, 6]);
      tale.session(tale.old, [1, 2, 3, 4]);
    },
  ],
  "no answer": [
    "unanswered",
    1,
    (tale) => void tale.recorder.unanswered.push(tale.recorder.sent(tale.bob, "all")),
  ],
};

for (const [name, [column, count, tell]] of Object.entries(bad)) {
  test(`[prove] the checker catches as ${column}: ${name}`, () => {
    const tale = talk();
    tell(tale);
    tale.finish();
    const { total, findings } = judge(tale.recorder);
    assert.equal(total[column], count, findings.join("\n"));
    assert.ok(
      findings.some((line) => line.startsWith(`${column}: message `)),
      "and says which message",
    );
  });
}

test("[prove] what is bad is counted in the row of the fault that was the latest when it was sent", () => {
  const tale = talk();
  tale.recorder.row = 1;
  tale.send(tale.bob);
  tale.session(tale.tablet, [1, 2, 3, 4, 5, 6]);
  tale.finish();
  const { rows, total } = judge(tale.recorder);
  assert.deepEqual(
    rows.map(({ sent, stored, lost }) => [sent, stored, lost]),
    [
      [6, 6, 0],
      [1, 1, 1],
    ],
  );
  assert.equal(total.lost, 1);
});

test("[prove] any hole, repeat or swap in any session is caught", () => {
  const damage = fc.record({
    at: fc.integer({ min: 0, max: 18 }),
    kind: fc.constantFrom("hole", "repeat", "swap"),
    ackEvery: fc.integer({ min: 1, max: 7 }),
    length: fc.integer({ min: 2, max: 6 }),
  });
  fc.assert(
    fc.property(damage, ({ at, kind, ackEvery, length }) => {
      const tale = new Tale();
      for (let count = 0; count < 20; count++) tale.send(tale.bob);
      const heard = Array.from({ length: 20 }, (_, index) => index + 1);
      if (kind === "hole") heard.splice(at, 1);
      else if (kind === "repeat") heard.splice(at + 1, 0, heard[at] ?? 0);
      else heard.splice(at, 2, heard[at + 1] ?? 0, heard[at] ?? 0);
      // Cut into sessions of any length; what is bad lies inside one of them, or between two after an ack.
      let session = tale.session(tale.tablet, []);
      heard.forEach((seq, index) => {
        if (index % (length * 4) === 0 && Math.abs(index - at) > 2)
          session = tale.recorder.login(tale.tablet);
        tale.hear(tale.tablet, session, [seq]);
        if (seq % ackEvery === 0 && kind === "hole")
          tale.recorder.acked(tale.tablet, "all", tale.idOf("all", seq));
      });
      tale.finish();
      const { total } = judge(tale.recorder);
      assert.ok(total.lost + total.silentGaps + total.doubled + total.reordered > 0, "it is caught");
    }),
    { numRuns: 300 },
  );
});

test("[prove] Seqs holds what a plain set holds", () => {
  const range = fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: -1, max: 8 }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 30 }), (ranges) => {
      const seqs = new Seqs();
      const plain = new Set<number>();
      for (const [from, length] of ranges) {
        seqs.add(from, from + length);
        for (let seq = from; seq <= from + length; seq++) plain.add(seq);
        const everything = Array.from({ length: 75 }, (_, index) => index);
        assert.deepEqual(
          everything.filter((seq) => seqs.has(seq)),
          everything.filter((seq) => plain.has(seq)),
        );
        assert.deepEqual(
          [...seqs.missing(3, 70)],
          everything.filter((seq) => seq >= 3 && seq <= 70 && !plain.has(seq)),
        );
        assert.equal(seqs.highest, Math.max(...plain));
      }
    }),
    { numRuns: 200 },
  );
});

test("[prove] a plan comes from its seed, and every kind of fault is in it", () => {
  const of = (seed: number, outside = false, redis: "one" | "sentinel" | "cluster" = "one") =>
    planOf({ seed, runMs: 600_000, nodes: 3, outside, redis });
  assert.deepEqual(of(1), of(1));
  assert.notDeepEqual(of(1), of(2));
  for (const seed of [1, 2, 3]) {
    const plan = of(seed);
    const both = [...plan, ...of(seed, false, "cluster")];
    assert.deepEqual(new Set(both.map(({ kind }) => kind)), new Set(faultKinds));
    assert.ok(
      of(seed, false, "sentinel").every(({ kind }) => kind !== "slot moved"),
      "slots are a Cluster's",
    );
    assert.ok(
      plan.filter(({ kind }) => isProcessFault(kind)).length >= 15 * 10,
      "15 kills and stops a minute",
    );
    assert.ok(
      plan.every(({ atMs }, index) => atMs >= (plan[index - 1]?.atMs ?? 0) && atMs < 600_000),
      "in order, inside the run",
    );
    assert.deepEqual(new Set(plan.map(({ node }) => node)), new Set([0, 1, 2]));
    assert.deepEqual(
      of(seed, true).filter(({ kind }) => /node|Redis|reply|scripts|subscribers/.test(kind)),
      [],
    );
  }
});

test("[prove] flags", () => {
  const wrong = [
    "--minutes 0",
    "--minutes x",
    "--seed -1",
    "--seed 1.5",
    "--port 0",
    "--port 70000",
    "--nodes 0",
    "--nodes many",
    "--sentinel --cluster",
    "--durability memory",
    "--nonsense",
  ];
  for (const flags of [...wrong, "more", "--json"]) {
    assert.throws(() => parseProveArgs(flags.split(" ")), Error, flags);
  }
  assert.equal(parseProveArgs(["--help"]), "help");
  const plain = parseProveArgs([]);
  assert.ok(plain !== "help" && plain.target === null && plain.runMs === 120_000, "two minutes, own servers");
  assert.equal(plain.nodes, 3);
  const given = parseProveArgs(
    "--minutes 0.5 --seed 7 --nodes 2 --host example.net --port 9 --json out.json".split(" "),
  );
  assert.deepEqual(given, {
    runMs: 30_000,
    seed: 7,
    nodes: 2,
    redis: "one",
    durability: null,
    target: { host: "example.net", port: 9 },
    keep: false,
    json: "out.json",
  });
});

test("[prove] the table has a line for each row and one for all", () => {
  const row = { sent: 1234, stored: 1200, delivered: 1234567, told: 0, faults: 3 };
  const clean = { lost: 0, doubled: 0, reordered: 0, silentGaps: 0, unanswered: 0 };
  const lines = tableText([
    ["links cut", { ...row, ...clean }],
    ["all", { ...row, ...clean, lost: 2 }],
  ]).split("\n");
  assert.equal(lines.length, 5);
  assert.deepEqual(lines[2]?.split(/ {2,}/), [
    "links cut",
    "3",
    "1,234",
    "1,200",
    "1,234,567",
    "0",
    "0",
    "0",
    "0",
    "0",
    "0",
  ]);
  assert.ok(new Set(lines.map(({ length }) => length)).size === 1, "all lines are of one length");
});

interface Echo {
  server: Server;
  target: NetConnectOpts;
  taken: Socket[];
}

const open: (() => void)[] = [];
after(() => {
  for (const close of open) close();
});

/** A server that keeps what comes and says it back. */
async function echo(): Promise<Echo> {
  const taken: Socket[] = [];
  const server = createServer((socket) => {
    taken.push(socket);
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => socket.write(chunk));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(() => {
    server.close();
    for (const socket of taken) socket.destroy();
  });
  const { port } = server.address() as { port: number };
  return { server, target: { host: "127.0.0.1", port }, taken };
}

/** A connection through a new gate to an echo, and what it heard. */
async function through(): Promise<{
  gate: Gate;
  socket: Socket;
  heard: () => string;
  far: Socket;
  ended: () => boolean;
}> {
  const { target, taken } = await echo();
  const gate = await Gate.to(target);
  const socket = connect({ host: "127.0.0.1", port: gate.port, noDelay: true });
  open.push(() => {
    gate.close();
    socket.destroy();
  });
  let text = "";
  let isEnded = false;
  socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  socket.on("error", () => undefined);
  socket.on("close", () => (isEnded = true));
  socket.write("hello");
  await until("the echo", () => text === "hello");
  const [far] = taken;
  assert.ok(far, "the far side has it");
  text = "";
  return { gate, socket, heard: () => text, far, ended: () => isEnded };
}

test("[prove] the gate hands everything on, however it is torn and slowed", async () => {
  const { gate, socket, heard } = await through();
  const link = gate.linkFrom(socket.localPort ?? 0);
  assert.ok(link && gate.links.length === 1, "the link is found by its near port");
  const text = Array.from({ length: 500 }, (_, index) => `${index},`).join("");
  for (const trouble of [{ torn: true }, { delayMs: 5 }, { torn: true, delayMs: 3 }, { held: true }]) {
    link.each((flow) => Object.assign(flow, trouble));
    assert.equal(link.isTroubled, true);
    socket.write(text);
    // Released in the middle of it: the order stays.
    link.each((flow) => flow.release());
    socket.write("end");
    const before = heard().length;
    await until("all of it", () => heard().length >= before + text.length + 3 || heard().endsWith("end"));
    assert.ok(heard().endsWith(`${text}end`), "in order and whole");
    assert.equal(link.isTroubled, false);
  }
});

test("[prove] the gate cuts after so many bytes, or lets a link die without a word", async () => {
  const cut = await through();
  const link = cut.gate.linkFrom(cut.socket.localPort ?? 0);
  assert.ok(link, "a link");
  let arrived = "";
  let isCleanEnd = false;
  for (const socket of [cut.far, cut.socket]) socket.on("end", () => (isCleanEnd = true));
  cut.far.setEncoding("utf8").on("data", (chunk: string) => (arrived += chunk));
  link.up.left = 3;
  cut.socket.write("abcdef");
  await until("the cut", () => cut.ended() && cut.far.destroyed);
  assert.ok("abc".startsWith(arrived), `at most 3 bytes arrived: ${arrived}`);
  assert.equal(isCleanEnd, false, "it looks like a crash to both sides");
  await until("the link to be forgotten", () => cut.gate.links.length === 0);

  const dead = await through();
  const [half] = dead.gate.links;
  half?.die();
  dead.socket.write("into the void");
  dead.socket.destroy();
  const other = connect({ host: "127.0.0.1", port: dead.gate.port });
  other.write("x");
  await new Promise((resolve) => other.once("data", resolve));
  other.destroy();
  assert.equal(dead.far.destroyed, false, "the far side is not told");
  assert.equal(dead.far.bytesRead, 5);
  half?.cut(true);
  await until("the far side's end", () => dead.far.destroyed);
});

test("[prove] a short real run keeps the promise, and leaves nothing behind", async () => {
  const folder = scratchFolder();
  const json = join(scratchFolder(), "numbers.json");
  const run = spawnScript("spec/prove/main.ts", ["--minutes", "0.1", "--seed", "5", "--json", json], {
    env: { TMPDIR: folder },
  });
  assert.equal(await run.ended, 0, run.output.out + run.output.err);
  const numbers = JSON.parse(readFileSync(json, "utf8")) as Record<string, Record<string, unknown>>;
  assert.equal(numbers.ok, true);
  for (const column of badColumns) assert.equal(numbers.total?.[column], 0, column);
  for (const column of ["sent", "stored", "delivered", "faults"]) {
    assert.ok(Number(numbers.total?.[column]) > 0, `${column} is counted`);
  }
  assert.match(run.output.out, /kept \(seed 5\)/);
  // The loader of TypeScript keeps its cache there.
  const left = readdirSync(folder).filter((name) => !name.startsWith("tsx-"));
  assert.deepEqual(left, []);
  assert.deepEqual(runningOn(folder), []);
});

test("[prove] wrong flags are one line and exit code 2", async () => {
  const run = spawnScript("spec/prove/main.ts", ["--minutes", "never"]);
  assert.equal(await run.ended, 2);
  assert.match(run.output.err, /^prove: --minutes never: wanted [^\n]*\n$/);
});

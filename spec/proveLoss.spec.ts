/**
 * proveLoss: the judge of runs in which Redis may lose what was answered. It passes histories in which every loss is told,
 * counts what was lost in them, and catches each kind of history in which something went in silence.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeLoss } from "./prove/lossChecker.ts";
import { type DeviceBook, Recorder, type SessionBook, idOf } from "./prove/recorder.ts";
import { type BadColumn, badColumns } from "./prove/tally.ts";

/** A history made by hand: alice and bob talk to all, carol reads, and one of the first generation. Ids are "7-1". */
class Tale {
  readonly recorder = new Recorder(["none yet"]);
  readonly alice = this.recorder.addSender(1);
  readonly bob = this.recorder.addSender(2);
  readonly carol = this.#device("tablet", 3);
  readonly old = this.#device("old", 4, true);
  readonly #codes = new Map<string, number>();

  #device(name: string, userId: number, legacy = false): DeviceBook {
    return this.recorder.addDevice({ name, userId, legacy, sender: -1 });
  }

  /** Said, stored under this id, and answered. */
  say(sender: number, ...ids: string[]): void {
    for (const id of ids) this.sayAgain(this.recorder.sent(sender, "all", sender + 1), id);
  }

  /** The same once more: stored anew. */
  sayAgain(code: number, id: string): void {
    this.#codes.set(id, code);
    this.recorder.stored(code, idOf(id));
  }

  code(id: string): number {
    return this.#codes.get(id) ?? 0;
  }

  /** A session that hears these: ids, or gaps as "7-3 2 8-6". */
  session(device: DeviceBook, ...heard: string[]): SessionBook {
    const session = this.recorder.login(device);
    this.go(session, device, ...heard);
    return session;
  }

  /** A session goes on. */
  go(session: SessionBook, device: DeviceBook, ...heard: string[]): void {
    for (const what of heard) {
      const [after, count, before] = what.split(" ");
      if (before !== undefined) {
        const ends = { after: idOf(after), before: idOf(before) };
        this.recorder.gap(device, session, "all", { ...ends, count: Number(count), reason: "lost" });
      } else if (device.legacy) this.recorder.gotLegacy(device, session, this.code(what));
      else this.recorder.got(device, session, "all", idOf(what), this.code(what));
    }
  }

  /** What history shows when all is over. */
  left(...ids: string[]): void {
    for (const id of ids) this.recorder.kept("all", idOf(id), this.code(id));
  }
}

/** Five were said; the last two are lost, and their seqs are given to nothing else. */
function lostTail(tale: Tale): void {
  tale.say(tale.alice, "7-1", "7-2");
  tale.say(tale.bob, "7-3", "7-4");
  tale.say(tale.alice, "7-5", "8-6");
  tale.left("7-1", "7-2", "7-3", "8-6");
}

/** The fourth and fifth are lost, and a server that had not seen them has stored over the fourth. */
function storedOver(tale: Tale): void {
  tale.say(tale.alice, "7-1", "7-2", "7-3", "7-4", "7-5");
  tale.say(tale.bob, "8-4", "9-7");
  tale.left("7-1", "7-2", "7-3", "8-4", "9-7");
}

/** Two were stored here while another Redis stored one, which is lost. */
function asideOf(tale: Tale): void {
  tale.say(tale.alice, "7-1", "7-2", "7-3");
  tale.say(tale.bob, "8-2", "9-5");
  tale.left("7-1", "7-2", "7-3", "9-5");
}

const good: Record<string, [told: number, (tale: Tale) => void]> = {
  "nothing is lost": [
    0,
    (tale) => {
      tale.say(tale.alice, "7-1", "7-2");
      for (const device of [tale.carol, tale.old]) tale.session(device, "7-1", "7-2");
      tale.left("7-1", "7-2");
    },
  ],
  "a lost tail is told with its count": [
    2,
    (tale) => {
      lostTail(tale);
      tale.session(tale.carol, "7-1", "7-2", "7-3", "7-3 2 8-6", "8-6");
      tale.session(tale.old, "7-1", "7-2", "7-3", "8-6");
    },
  ],
  "who had heard it is told of nothing": [
    2,
    (tale) => {
      lostTail(tale);
      for (const device of [tale.carol, tale.old]) {
        tale.session(device, "7-1", "7-2", "7-3", "7-4", "7-5", "8-6");
      }
    },
  ],
  "who comes later is told too": [
    2,
    (tale) => {
      lostTail(tale);
      tale.session(tale.carol, "7-1", "7-2");
      tale.recorder.acked(tale.carol, "all", idOf("7-2"));
      tale.session(tale.carol, "7-3", "7-3 2 8-6", "8-6");
      tale.session(tale.old, "7-1", "7-2", "7-3", "8-6");
    },
  ],
  "who was just reading up to there is told where the tail would have ended": [
    2,
    (tale) => {
      lostTail(tale);
      tale.session(tale.carol, "7-1", "7-2", "7-3", "7-3 2 7-6", "8-6");
      tale.session(tale.old, "7-1", "7-2", "7-3", "8-6");
    },
  ],
  "a tail that was stored over is made up for later": [
    2,
    (tale) => {
      storedOver(tale);
      tale.session(tale.carol, "7-1", "7-2", "7-3", "8-4", "8-4 2 9-7", "9-7");
      tale.session(tale.old, "7-1", "7-2", "7-3", "8-4", "9-7");
    },
  ],
  "who had heard what was stored over is told of that": [
    2,
    (tale) => {
      storedOver(tale);
      const [early, late] = [
        ["7-1", "7-2", "7-3", "7-4", "7-5"],
        ["8-4", "9-7"],
      ];
      tale.session(tale.carol, ...early, "7-5 2 8-4", "8-4", "8-4 2 9-7", "9-7");
      tale.session(tale.old, ...early, ...late);
    },
  ],
  "what was stored while another Redis went on is told of as lost to who had read there": [
    1,
    (tale) => {
      asideOf(tale);
      tale.session(tale.carol, "7-1", "8-2", "8-2 2 9-5", "9-5");
      tale.session(tale.old, "7-1", "8-2", "9-5");
    },
  ],
  "and to who had read here, of the other": [
    1,
    (tale) => {
      asideOf(tale);
      tale.session(tale.carol, "7-1", "7-2", "7-3", "7-3 1 9-5", "9-5");
      tale.session(tale.old, "7-1", "7-2", "7-3", "9-5");
    },
  ],
  "nothing has come since where it might be told": [
    1,
    (tale) => {
      tale.say(tale.alice, "7-1", "7-2");
      tale.say(tale.bob, "8-2");
      tale.session(tale.carol, "7-1", "8-2");
      tale.session(tale.old, "7-1", "8-2");
      tale.left("7-1", "7-2");
    },
  ],
  "one's own that is lost stood at a place that another got": [
    2,
    (tale) => {
      tale.say(tale.alice, "7-1");
      tale.say(tale.bob, "7-2");
      tale.say(tale.alice, "7-3", "8-2", "9-5");
      tale.left("7-1", "8-2", "9-5");
      const desk = tale.recorder.addDevice({ name: "desk", userId: 2, legacy: false, sender: tale.bob });
      tale.session(desk, "7-1", "7-3", "7-3 2 8-2", "8-2", "8-2 2 9-5", "9-5");
      tale.session(tale.old, "7-1", "8-2", "9-5");
      tale.session(tale.carol, "7-1", "8-2", "8-2 2 9-5", "9-5");
    },
  ],
  "what another Redis lacked was told as lost by it, and is there": [
    1,
    (tale) => {
      tale.say(tale.alice, "7-1", "7-2");
      tale.say(tale.bob, "8-3", "9-4");
      tale.session(tale.carol, "7-1", "7-1 1 8-3", "8-3", "9-4");
      tale.session(tale.old, "7-1", "8-3", "9-4");
      tale.left("7-1", "7-2", "9-4");
    },
  ],
  "said again, and heard before where nobody saw its id": [
    0,
    (tale) => {
      tale.say(tale.alice, "7-1");
      const [first, second] = [tale.recorder.sent(tale.bob, "all"), tale.recorder.sent(tale.bob, "all")];
      for (const code of [first, second, second, first]) tale.recorder.said(code);
      tale.sayAgain(second, "8-2");
      tale.sayAgain(first, "8-3");
      tale.say(tale.alice, "8-4");
      tale.session(tale.carol, "7-1", "8-2", "8-3", "8-4");
      tale.session(tale.old, "7-1", "8-3", "8-2", "8-2", "8-3", "8-4");
      tale.left("7-1", "8-2", "8-3", "8-4");
    },
  ],
  "one that is lost and said again has two ids": [
    1,
    (tale) => {
      tale.say(tale.alice, "7-1", "7-2");
      tale.sayAgain(tale.code("7-2"), "8-3");
      for (const device of [tale.carol, tale.old]) tale.session(device, "7-1", "7-2", "8-3");
      tale.left("7-1", "8-3");
    },
  ],
  "one that was heard before it was answered, lost, and said again": [
    0,
    (tale) => {
      tale.say(tale.alice, "7-1");
      tale.say(tale.bob, "8-3", "8-4");
      const early = (device: DeviceBook): SessionBook => {
        const session = tale.session(device, "7-1");
        if (device.legacy) tale.recorder.gotLegacy(device, session, tale.code("8-4"));
        else tale.recorder.got(device, session, "all", idOf("7-2"), tale.code("8-4"));
        return session;
      };
      tale.go(early(tale.carol), tale.carol, "8-3", "8-4");
      tale.go(early(tale.old), tale.old, "8-3", "8-4");
      tale.left("7-1", "8-3", "8-4");
    },
  ],
  "a cursor that a lost tail left behind counts as none": [
    2,
    (tale) => {
      lostTail(tale);
      tale.session(tale.carol, "7-1", "7-2", "7-3", "7-4", "7-5");
      tale.recorder.acked(tale.carol, "all", idOf("7-5"));
      tale.session(tale.carol, "7-1", "7-2", "7-3", "7-3 2 8-6", "8-6");
      tale.session(tale.old, "7-1", "7-2", "7-3", "8-6");
    },
  ],
  "of a loss behind which nothing came nobody could be told yet": [
    1,
    (tale) => {
      tale.say(tale.alice, "7-1", "7-2");
      for (const device of [tale.carol, tale.old]) tale.session(device, "7-1");
      tale.left("7-1");
    },
  ],
};

for (const [name, [told, tell]] of Object.entries(good)) {
  test(`[prove] the judge of losses passes: ${name}`, () => {
    const tale = new Tale();
    tell(tale);
    const { total, findings } = judgeLoss(tale.recorder);
    assert.deepEqual(findings, []);
    for (const column of badColumns) assert.equal(total[column], 0, column);
    assert.equal(total.told, told);
  });
}

const bad: Record<string, [BadColumn, number, (tale: Tale) => void]> = {
  "what was stored while another Redis went on is not told of": [
    "lost",
    1,
    (tale) => {
      tale.say(tale.alice, "7-1", "7-2", "7-3");
      tale.say(tale.bob, "8-2", "9-4");
      tale.left("7-1", "7-2", "7-3", "9-4");
      tale.session(tale.carol, "7-1", "8-2", "8-2 1 9-4", "9-4");
      tale.session(tale.old, "7-1", "8-2", "9-4");
    },
  ],
  "one that stood there before another Redis went on never came to the first generation": [
    "lost",
    1,
    (tale) => {
      tale.say(tale.alice, "7-1", "7-2", "7-3");
      tale.say(tale.bob, "8-3", "9-5");
      tale.left("7-1", "7-2", "7-3", "9-5");
      tale.session(tale.carol, "7-1", "7-2", "7-3", "7-3 1 9-5", "9-5");
      tale.session(tale.old, "7-1", "8-3", "9-5");
    },
  ],
  "a lost tail of which a reader is not told": [
    "lost",
    2,
    (tale) => {
      lostTail(tale);
      tale.session(tale.carol, "7-1", "7-2", "7-3", "8-6");
      tale.session(tale.old, "7-1", "7-2", "7-3", "8-6");
    },
  ],
  "a hole that nobody tells of": [
    "silentGaps",
    1,
    (tale) => {
      lostTail(tale);
      tale.session(tale.carol, "7-1", "7-2", "7-3", "8-6");
      tale.session(tale.old, "7-1", "7-2", "7-3", "8-6");
    },
  ],
  "a tail that was stored over, as if it had never been": [
    "lost",
    2,
    (tale) => {
      tale.say(tale.alice, "7-1", "7-2", "7-3");
      tale.say(tale.bob, "8-2", "8-3");
      tale.left("7-1", "8-2", "8-3");
      for (const device of [tale.carol, tale.old]) tale.session(device, "7-1", "8-2", "8-3");
    },
  ],
  "a tail that was stored over, made up for by too little": [
    "lost",
    1,
    (tale) => {
      storedOver(tale);
      tale.session(tale.carol, "7-1", "7-2", "7-3", "8-4", "8-4 1 9-6", "9-7");
      tale.session(tale.old, "7-1", "7-2", "7-3", "8-4", "9-7");
    },
  ],
  "a loss that is told to one device and not to the other": [
    "lost",
    2,
    (tale) => {
      lostTail(tale);
      tale.session(tale.carol, "7-1", "7-2", "7-3", "7-3 2 8-6", "8-6");
      tale.session(tale.old, "7-1", "7-2", "7-3", "8-6");
      const desk = tale.recorder.addDevice({ name: "desk", userId: 5, legacy: false, sender: -1 });
      tale.session(desk, "7-1", "7-2", "7-3", "8-6");
    },
  ],
  "an id that is given to two messages": [
    "lost",
    1,
    (tale) => {
      tale.say(tale.alice, "7-1", "7-2");
      tale.recorder.stored(tale.recorder.sent(tale.bob, "all"), idOf("7-2"));
      for (const device of [tale.carol, tale.old]) tale.session(device, "7-1", "7-2");
      tale.left("7-1", "7-2");
    },
  ],
  "what is there never comes to a reader": [
    "lost",
    1,
    (tale) => {
      lostTail(tale);
      tale.session(tale.carol, "7-1", "7-2", "7-2 3 8-6", "8-6");
      tale.session(tale.old, "7-1", "7-2", "7-3", "8-6");
    },
  ],
  "what is there never comes to the first generation": [
    "silentGaps",
    1,
    (tale) => {
      lostTail(tale);
      tale.session(tale.carol, "7-1", "7-2", "7-3", "7-3 2 8-6", "8-6");
      tale.session(tale.old, "7-1", "7-2", "8-6");
    },
  ],
  "a gap with a wrong count": [
    "silentGaps",
    1,
    (tale) => {
      lostTail(tale);
      tale.session(tale.carol, "7-1", "7-2", "7-3", "7-3 1 8-6", "8-6");
      tale.session(tale.old, "7-1", "7-2", "7-3", "8-6");
    },
  ],
  "one comes twice to a session": [
    "doubled",
    2,
    (tale) => {
      tale.say(tale.alice, "7-1", "7-2");
      for (const device of [tale.carol, tale.old]) tale.session(device, "7-1", "7-2", "7-2");
      tale.left("7-1", "7-2");
    },
  ],
  "one is stored twice, and both are there": [
    "doubled",
    2,
    (tale) => {
      tale.say(tale.alice, "7-1", "7-2");
      tale.sayAgain(tale.code("7-2"), "8-3");
      tale.session(tale.carol, "7-1", "7-2", "8-3");
      tale.session(tale.old, "7-1", "7-2");
      tale.left("7-1", "7-2", "8-3");
    },
  ],
  "two of one sender overtake each other": [
    "reordered",
    1,
    (tale) => {
      tale.say(tale.alice, "7-2", "7-1");
      for (const device of [tale.carol, tale.old]) tale.session(device, "7-1", "7-2");
      tale.left("7-1", "7-2");
    },
  ],
  "the epoch goes down": [
    "reordered",
    1,
    (tale) => {
      tale.say(tale.alice, "8-1");
      tale.say(tale.bob, "7-2");
      tale.session(tale.old, "8-1", "7-2");
      tale.left("8-1", "7-2");
    },
  ],
};

for (const [name, [column, count, tell]] of Object.entries(bad)) {
  test(`[prove] the judge of losses catches as ${column}: ${name}`, () => {
    const tale = new Tale();
    tell(tale);
    const { total, findings } = judgeLoss(tale.recorder);
    assert.equal(total[column], count, findings.join("\n"));
    assert.ok(
      findings.some((line) => line.startsWith(`${column}: message `)),
      "and says which message",
    );
  });
}

/**
 * onlineList: who logs in is told everybody who is online, from whatever was encoded before and has changed since.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { presenceFanoutMaxUsers } from "../lib/limits.ts";
import { OnlineList } from "../lib/onlineList.ts";

interface Told {
  people: Set<number>;
  total: number;
  more: boolean;
}

/** What somebody who logs in now is told by all frames together. */
function told(list: OnlineList): Told {
  const people = new Set<number>();
  let [total, more] = [0, true];
  for (const bytes of list.snapshot()) {
    for (let start = 0; start < bytes.length;) {
      const end = start + 4 + bytes.readUInt32BE(start);
      const { data } = JSON.parse(bytes.toString("utf8", start + 4, end)) as { data: string };
      const fields = JSON.parse(data) as { online: { userId: number }[]; offline: number[] } & Told;
      for (const { userId } of fields.online) people.add(userId);
      for (const userId of fields.offline) people.delete(userId);
      ({ total, more } = fields);
      start = end;
    }
  }
  return { people, total, more };
}

test("[P-1] [P-6] who comes after so many left that people are told again, not only totals, is told all of them", () => {
  const list = new OnlineList();
  const most = presenceFanoutMaxUsers;
  const add = (from: number, to: number): void => {
    for (let userId = from; userId < to; userId++) list.add(userId, `n${userId}`);
  };
  add(0, most - 50);
  assert.equal(told(list).people.size, most - 50);
  // Twice, since what was encoded before must be gone as well as what was encoded meanwhile.
  for (let round = 1; round <= 2; round++) {
    add(most - 50, most + 50);
    assert.deepEqual(told(list), { people: new Set(), total: most + 50, more: true });
    list.forget(list.end);
    for (let userId = most - 50; userId < most + 50; userId++) list.remove(userId);
    const { people, total, more } = told(list);
    assert.deepEqual([people.size, total, more], [most - 50, most - 50, false]);
    list.forget(list.end);
  }
});

/**
 * history.spec: looking back (clauses [H-1] to [H-3], [F-8]).
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

interface Page {
  code: number;
  conv: string;
  messages: Data[];
  more: boolean;
}

let redis: SpecRedis;
let server: SpecServer;
let alice: WireClient;
const ids: string[] = [];

before(async () => {
  redis = await startRedis();
  server = await startSpecServer({ redis });
  alice = await newUser(server.port, 1);
  await registerUser(server.port, 2);
  for (let n = 1; n <= 120; n++) alice.say("SmsMes", { conv: "u:2", content: `${n}`, mid: `m${n}` });
  for (let n = 1; n <= 120; n++) ids.push(String((await alice.next("SmsResMes")).data.id));
});
after(async () => {
  alice.destroy();
  await server.close();
  await redis.stop();
});

const page = async (fields: Data, client = alice): Promise<Page> =>
  (await client.ask("HistoryMes", fields, "HistoryResMes")) as unknown as Page;
const contents = ({ messages }: Page): number[] => messages.map(({ content }) => Number(content));
const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

test("[H-1] without before and after the newest 50 come, oldest first, with the fields of a delivered SmsMes", async () => {
  const newest = await page({ conv: "u:2" });
  assert.deepEqual(contents(newest), range(71, 120));
  const { time, ...message } = newest.messages[0] as Data;
  assert.deepEqual(message, {
    content: "71",
    userId: 1,
    userPwd: "",
    userName: "user1",
    userStatus: "\u0000",
    sex: "",
    conv: "u:2",
    id: ids[70],
    mid: "m71",
  });
  assert.equal(typeof time, "number");
});

test("[H-1] [H-2] before and after page both ways, exclusive, and more says whether there is more", async () => {
  const back: number[] = [];
  for (let before: unknown; ;) {
    const one = await page({ conv: "u:2", limit: 37, ...(before === undefined ? {} : { before }) });
    back.unshift(...contents(one));
    assert.equal(one.more, back.length < 120);
    if (!one.more) break;
    before = one.messages[0]?.id;
  }
  assert.deepEqual(back, range(1, 120));
  const forth: number[] = [];
  for (let after: unknown = "0-0"; ;) {
    const one = await page({ conv: "u:2", limit: 40, after });
    forth.push(...contents(one));
    assert.equal(one.more, forth.length < 120);
    if (!one.more) break;
    after = one.messages.at(-1)?.id;
  }
  assert.deepEqual(forth, range(1, 120));
  assert.deepEqual(await page({ conv: "u:2", after: ids[119] }).then(contents), []);
});

test("[H-1] before the first of all ids and after the last there is an empty page, and no more", async () => {
  const nothing = { code: 200, error: "", conv: "u:2", messages: [], more: false };
  const most = Number.MAX_SAFE_INTEGER;
  for (const before of ["0-0", "0-1", `0-${most}`, "1-0"]) {
    assert.deepEqual(await page({ conv: "u:2", before }), nothing, before);
  }
  for (const after of [`${most}-${most}`, `${most}-0`, ids.at(-1)]) {
    assert.deepEqual(await page({ conv: "u:2", after }), nothing, String(after));
  }
  for (const fields of [{ after: "0-0" }, { before: `${most}-${most}` }]) {
    assert.deepEqual(contents(await page({ conv: "u:2", limit: 200, ...fields })), range(1, 120));
  }
});

test("[H-1] limit is 1 to 200, both directions at once are 400", async () => {
  assert.deepEqual(contents(await page({ conv: "u:2", limit: 1 })), [120]);
  assert.deepEqual(contents(await page({ conv: "u:2", limit: 200 })), range(1, 120));
  for (const fields of [{ limit: 0 }, { limit: 201 }, { before: "x" }, { before: ids[5], after: ids[1] }]) {
    const { code, of } = await alice.ask("HistoryMes", { conv: "u:2", ...fields }, "ErrorMes");
    assert.deepEqual({ code, of }, { code: 400, of: "HistoryMes" });
  }
});

test("[H-2] [F-8] a page of long messages is cut to one frame of at most 65,536 bytes, and says more", async () => {
  await registerUser(server.port, 3);
  // A control character takes seven bytes on the wire: the longest that content can get.
  for (const [n, unit] of ["\u0001", "汉", '"', "😀"].entries()) {
    for (let m = 0; m < 30; m++) {
      const content = unit.repeat(4000 / unit.length);
      alice.say("SmsMes", { conv: "u:3", content, mid: `big${n}.${m}` });
    }
  }
  for (let n = 0; n < 120; n++) assert.equal((await alice.next("SmsResMes")).data.code, 200);
  const seen: unknown[] = [];
  for (let after: unknown = "0-0"; ;) {
    alice.say("HistoryMes", { conv: "u:3", limit: 200, after });
    const { data, bytes } = await alice.next("HistoryResMes");
    const { messages, more } = data as unknown as Page;
    assert.ok(bytes <= 65_536, `${bytes} bytes`);
    assert.ok(messages.length > 0, "messages.length > 0");
    seen.push(...messages.map(({ mid }) => mid));
    if (!more) break;
    after = messages.at(-1)?.id;
  }
  assert.equal(new Set(seen).size, 120);
  assert.equal(seen.length, 120);
});

test("[H-3] only one's own conversations can be read; an unknown user is 404", async () => {
  const carol = await newUser(server.port, 4);
  assert.deepEqual(contents(await page({ conv: "u:2" }, carol)), []);
  assert.deepEqual(contents(await page({ conv: "u:1" }, carol)), []);
  for (const conv of ["u:99", "dm:1:2", "u:1:2", "r:x"]) {
    const { code, of } = await carol.ask("HistoryMes", { conv }, "ErrorMes");
    assert.deepEqual({ code, of }, { code: 404, of: "HistoryMes" }, conv);
  }
  const bob = await WireClient.login(server.port, { userId: 2, userPwd: "pw2", replay: "none" });
  assert.equal((await page({ conv: "u:1" }, bob)).messages.length, 50);
  carol.destroy();
  bob.destroy();
});

/**
 * loginLoad: log-ins of people who have much to read ([L-3]): they are answered, exactly, and hold nobody up. The logs are
 * put into Redis by hand, as append.lua writes them (`own` and `others`), or as they were before it counted.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { type SpecServer, startSpecServer } from "./helpers/server.ts";
import { ServerSockets } from "./helpers/serverSockets.ts";
import { type Data, WireClient, newUser, registerUser } from "./helpers/wireClient.ts";

let redis: SpecRedis;
let server: SpecServer;
let sockets: ServerSockets;

before(async () => {
  sockets = new ServerSockets();
  redis = await startRedis({ settings: { appendfsync: "everysec" } });
  server = await startSpecServer({ redis });
});
after(async () => {
  sockets.stop();
  await server.close();
  await redis.stop();
});

const putLog = `
for n = 1, tonumber(ARGV[2]) do
  local fields = { 'sender', ARGV[1], 'device', 'd', 'mid', 'm' .. n, 'time', '1790000000000', 'name', 'n', 'content',
    n .. ' ' .. string.rep('x', tonumber(ARGV[3])) }
  if ARGV[4] == '1' then
    for _, field in ipairs({ 'own', tostring(n), 'others', '0' }) do fields[#fields + 1] = field end
  end
  redis.call('XADD', KEYS[1], '1790000000-' .. n, unpack(fields))
end`;

/** `count` unread messages from each of `peers` people, whose ids follow the user's. */
async function putUnread(
  userId: number,
  { peers, count, bytes, counted }: { peers: number; count: number; bytes: number; counted: boolean },
): Promise<void> {
  for (let peer = userId + 1; peer <= userId + peers; peer++) {
    await redis.client.hset("users", peer, JSON.stringify({ userId: peer, userName: "p", userPwd: "p" }));
    await redis.client.zadd(`{u:${userId}}:convs`, peer, peer);
    const key = `{c:dm:${userId}:${peer}}:log`;
    await redis.client.eval(putLog, 1, key, peer, count, bytes, counted ? 1 : 0);
  }
}

/** Sends one after the other until told to stop; every answer with how long it took. */
class Chatter {
  readonly answers: { code: unknown; ms: number }[] = [];
  #going = true;
  readonly #ended: Promise<void>;

  constructor(client: WireClient) {
    this.#ended = (async () => {
      for (let n = 0; this.#going; n++) {
        const startMs = performance.now();
        const { code } = await client.ask("SmsMes", { content: "hi", mid: `c${n}` }, "SmsResMes");
        this.answers.push({ code, ms: performance.now() - startMs });
      }
    })();
  }

  async stop(): Promise<void> {
    this.#going = false;
    await this.#ended;
  }
}

for (const counted of [true, false]) {
  const how = counted ? "counted as they were stored" : "stored before they were counted";
  test(`[L-3] [S-7] 200 conversations with 1,000 unread each, ${how}: told exactly, and others' sends go on`, async () => {
    const userId = counted ? 10_000 : 20_000;
    await registerUser(server.port, userId);
    await putUnread(userId, { peers: 199, count: 1000, bytes: 100, counted });
    const chatter = new Chatter(await newUser(server.port, userId + 5000));
    const logins = await Promise.all(
      ["a", "b", "c"].map((device) =>
        WireClient.login(server.port, { userId, userPwd: `pw${userId}`, device, replay: "none" }),
      ),
    );
    await chatter.stop();
    for (const client of logins) {
      const convs = client.heard[0]?.data.convs as Data[];
      assert.deepEqual(
        convs.slice(1).map(({ unread }) => unread),
        Array.from({ length: 199 }, () => 1000),
      );
      client.destroy();
    }
    assert.ok(chatter.answers.length > 0, "somebody talked meanwhile");
    assert.deepEqual(
      chatter.answers.filter(({ code, ms }) => code !== 200 || ms > 2000),
      [],
      "each is answered 200, and soon",
    );
  });
}

test("[L-3] 2,000 conversations, one unread in each: 200 are told, more says that there are others", async () => {
  await registerUser(server.port, 30_000);
  await putUnread(30_000, { peers: 2000, count: 1, bytes: 10, counted: true });
  const chatter = new Chatter(await newUser(server.port, 39_999));
  const reader = await WireClient.login(server.port, { userId: 30_000, userPwd: "pw30000" });
  await chatter.stop();
  const { convs, more } = reader.heard[0]?.data as { convs: Data[]; more: boolean };
  assert.deepEqual([convs.length, more], [200, true]);
  assert.deepEqual(
    chatter.answers.filter(({ code }) => code !== 200),
    [],
  );
  // All of them are delivered, told or not.
  await reader.hears("all that is unread", () => reader.all("SmsMes").length >= 2000);
  reader.destroy();
});

test("[D-6] [D-1] far behind in many conversations at once: read a little at a time, all of it, in order", async () => {
  await registerUser(server.port, 40_000);
  await putUnread(40_000, { peers: 60, count: 60, bytes: 3900, counted: true });
  const reader = await WireClient.connect(server.port);
  const theirs = await sockets.of(reader);
  reader.say("LoginMes", { userId: 40_000, userPwd: "pw40000", v: 2 });
  await reader.next("PresenceMes");
  reader.socket.pause();
  const chatter = new Chatter(await newUser(server.port, 49_999));
  let mostBytes = 0;
  // As long as somebody else talks, the reader stalls.
  while (chatter.answers.length < 200) {
    await new Promise((resolve) => setImmediate(resolve));
    mostBytes = Math.max(mostBytes, theirs.writableLength);
  }
  await chatter.stop();
  assert.ok(mostBytes < 1024 * 1024, `${mostBytes} bytes wait for a reader that does not read`);
  reader.socket.resume();
  const privately = (): Data[] => reader.all("SmsMes").filter(({ conv }) => conv !== "all");
  await reader.hears("all that is unread", () => privately().length >= 3600);
  for (let peer = 40_001; peer <= 40_060; peer++) {
    assert.deepEqual(
      privately()
        .filter(({ conv }) => conv === `u:${peer}`)
        .map(({ id }) => id),
      Array.from({ length: 60 }, (_, index) => `1790000000-${index + 1}`),
    );
  }
  reader.destroy();
});

test("[L-3] unread is what counting one by one gives, whoever said what and wherever the cursor is", async () => {
  const one = await newUser(server.port, 50_001);
  const two = await newUser(server.port, 50_002);
  const key = "{c:dm:50001:50002}:log";
  let mid = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ byOne: fc.boolean(), old: fc.boolean() }), { minLength: 1, maxLength: 30 }),
      fc.nat({ max: 1000 }),
      async (said, at) => {
        await redis.client.del(key, "{c:dm:50001:50002}:meta");
        let seq = 0;
        for (const { byOne, old } of said) {
          seq++;
          // Some are of a time when entries had no counts: only the oldest can be.
          if (old && seq <= said.findIndex((one) => !one.old) + 1) {
            await redis.client.xadd(key, `1-${seq}`, "sender", byOne ? "50001" : "50002", "content", "old");
          } else {
            const conv = byOne ? "u:50002" : "u:50001";
            await (byOne ? one : two).ask("SmsMes", { conv, content: "x", mid: `p${mid++}` }, "SmsResMes");
          }
        }
        const log = await redis.client.xrange(key, "-", "+");
        const cursorAt = at % (log.length + 1);
        const cursor = log[cursorAt - 1]?.[0] ?? "0-0";
        await redis.client.hset("{u:50001}:cursors", "fresh|dm:50001:50002", cursor);
        const login = { userId: 50_001, userPwd: "pw50001", device: "fresh", replay: "none" };
        const reader = await WireClient.login(server.port, login);
        reader.destroy();
        const convs = reader.heard[0]?.data.convs as Data[];
        const expected = log
          .slice(cursorAt)
          .filter(([, fields]) => fields[fields.indexOf("sender") + 1] !== "50001");
        assert.equal(convs.find(({ conv }) => conv === "u:50002")?.unread ?? 0, expected.length);
      },
    ),
    { numRuns: 60 },
  );
  one.destroy();
  two.destroy();
});

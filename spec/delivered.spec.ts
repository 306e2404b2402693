/**
 * delivered: what is stored is what is delivered, letter for letter, although neither the reading nor the frames are
 * written the plain way: the log comes as one JSON text, and frames are put together by hand.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { deliveredFields, deliveredPayload } from "../lib/delivered.ts";
import { encodeFrame, encodeFrames } from "../lib/frame.ts";
import { payloadOf } from "../lib/message.ts";
import { zeroId } from "../lib/messageId.ts";
import { connectRedis } from "../lib/redis.ts";
import { parseRedisUrl } from "../lib/redisUrl.ts";
import { type NewMessage, SmsDao } from "../lib/smsDao.ts";
import { anyText, serverArbitraries } from "./helpers/arbitraries.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";

let redis: SpecRedis;
before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

const anyMessage: fc.Arbitrary<NewMessage> = serverArbitraries.SmsMes.map(
  ({ content, userId, userName, sex = "", mid = "" }) => ({
    ...{ sender: userId, device: "desk", mid: mid || "m", name: userName, sex, content: content || "x" },
  }),
);

test("[S-5] a delivered frame, put together by hand, is the one that JSON.stringify writes", () => {
  fc.assert(
    fc.property(anyMessage, fc.nat(), fc.constantFrom("all", "u:100"), (message, seq, conv) => {
      const entry = { ...message, id: { epoch: 1_790_000_000, seq }, time: 1_790_000_123_456 };
      assert.equal(deliveredPayload(entry, conv), payloadOf("SmsMes", deliveredFields(entry, conv)));
    }),
  );
  // Strings with lone surrogates are not stored; were one there, it would not break the frame.
  const torn = {
    sender: 1,
    device: "d",
    mid: '"\\',
    name: "\ud800",
    sex: "\u2028",
    content: "\udc00\u0000/\u007f",
  };
  const entry = { ...torn, id: zeroId, time: 0 };
  assert.equal(deliveredPayload(entry, "all"), payloadOf("SmsMes", deliveredFields(entry, "all")));
});

test("[F-1] many frames written in one piece are the frames written one by one", () => {
  fc.assert(
    fc.property(fc.array(anyText(80, 1)), (payloads) => {
      const { bytes, ends } = encodeFrames(payloads);
      const frames = payloads.map((payload) => encodeFrame(payload));
      assert.deepEqual(bytes, Buffer.concat(frames));
      let end = 0;
      assert.deepEqual(
        ends,
        frames.map((frame) => (end += frame.length)),
      );
    }),
  );
});

test("[S-3] what is read from a log is what was appended to it, whatever characters it has", async () => {
  const journal = { write: () => undefined };
  const store = await connectRedis({ address: parseRedisUrl(redis.url), journal, role: "spec" });
  const smsDao = new SmsDao(store);
  let conv = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(anyMessage, { minLength: 1, maxLength: 5 }), async (messages) => {
      const name = `dm:1:${++conv}`;
      const distinct = messages.map((message, index) => ({ ...message, mid: `${index}` }));
      const appended = await smsDao.append(name, distinct);
      const read = await smsDao.readAfter(name, zeroId, 10);
      assert.deepEqual(
        read,
        distinct.map((message, index) => ({
          ...message,
          ...{ id: appended[index]?.id, time: appended[index]?.time },
        })),
      );
      assert.deepEqual(await smsDao.readBefore(name, null, 10), read.toReversed());
    }),
    { numRuns: 30 },
  );
  assert.deepEqual(await smsDao.readAfter("dm:9:9", zeroId, 10), [], "a log that is not there");
  await store.close();
});

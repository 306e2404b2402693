/**
 * storedFrames: good and bad streams of frames, made by hand (fixtures/frames.json), and the bytes and talks printed
 * in PROTOCOL.md: each is read whole, byte by byte and at random cuts, and comes out the same.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { FrameDecoder, FrameError } from "../lib/frame.ts";
import { frameMaxBytes } from "../lib/limits.ts";
import { type ClientFields, decodeClient, decodeServer, encodeClient, encodeServer } from "../lib/message.ts";
import { piecesOf, sizesArbitrary } from "./helpers/cuts.ts";
import { payloadOf } from "./helpers/payloads.ts";

type Read = { type: string; fields: unknown } | { refused: string; code: number; mid?: string };

interface Stream {
  name: string;
  hex: string;
  messages: Read[];
  end: "clean" | "broken";
}

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");
const { streams } = JSON.parse(read("../fixtures/frames.json")) as { streams: Stream[] };
const protocol = read("./PROTOCOL.md");

/** What a receiver makes of the bytes in these pieces, up to their end. */
function readStream(bytes: Buffer, sizes: number[]): Omit<Stream, "name" | "hex"> {
  const messages: Read[] = [];
  const decoder = new FrameDecoder(frameMaxBytes);
  try {
    for (const piece of piecesOf(bytes, sizes)) {
      decoder.push(piece);
      for (let payload = decoder.next(); payload; payload = decoder.next()) {
        const message = decodeClient(payload);
        if (message.type !== null) messages.push(message);
        else {
          const { of, mid, error } = message;
          messages.push({ refused: of, code: error.code, ...(mid !== undefined && { mid }) });
        }
      }
    }
    decoder.end();
    return { messages, end: "clean" };
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
    return { messages, end: "broken" };
  }
}

for (const { name, hex, messages, end } of streams) {
  test(`[F-3] [F-5] [M-1] stored stream, at any cuts: ${name}`, () => {
    const bytes = Buffer.from(hex, "hex");
    const wanted = { messages, end };
    assert.deepEqual(readStream(bytes, [Math.max(bytes.length, 1)]), wanted);
    assert.deepEqual(readStream(bytes, [1]), wanted);
    const cuts = fc.property(sizesArbitrary, (sizes) => assert.deepEqual(readStream(bytes, sizes), wanted));
    fc.assert(cuts, { numRuns: 20 });
  });
}

/** The frames printed as bytes in PROTOCOL.md: a line with the length, then lines of up to 16 bytes and their text. */
function printedFrames(): Buffer[] {
  const frames: Buffer[] = [];
  for (const [, block = ""] of protocol.matchAll(/```text\n((?:00 )[^`]*)```/g)) {
    const lines = block.trimEnd().split("\n");
    const bytes = lines.map((line) => Buffer.from(line.slice(0, 48).replaceAll(" ", ""), "hex"));
    for (const [index, line] of lines.entries()) {
      const shown = line.slice(50);
      if (index === 0) assert.equal(shown, `length ${bytes[0]?.readUInt32BE()}`);
      else assert.equal(shown, bytes[index]?.toString(), "the text beside the bytes");
    }
    frames.push(Buffer.concat(bytes));
  }
  return frames;
}

test("[F-1] [F-4] the two frames printed in PROTOCOL.md are what is read and written", () => {
  const [asked, answered, ...others] = printedFrames();
  assert.ok(asked && answered && others.length === 0, "two of them");
  const user = { userId: 200, userPwd: "pw200", userName: "alice", userStatus: "", sex: "" };
  assert.deepEqual(encodeClient("RegisterMes", { user } as ClientFields<"RegisterMes">), asked);
  const { userStatus, ...known } = user;
  assert.equal(userStatus, "", "a field of the first generation that nobody reads");
  assert.deepEqual(decodeClient(asked.subarray(4)), { type: "RegisterMes", fields: { user: known } });
  assert.deepEqual(encodeServer("RegisterResMes", { code: 200, error: "" }), answered);
  assert.deepEqual(decodeServer(answered.subarray(4)), {
    type: "RegisterResMes",
    fields: { code: 200, error: "" },
  });
});

test("[F-4] [M-3] every line of the example talk in PROTOCOL.md is understood as it stands there", () => {
  const lines = [...protocol.matchAll(/^([<>]) (\w+) (\{.*\})$/gm)];
  assert.equal(lines.length, 13);
  for (const [line, side, type = "", shown = ""] of lines) {
    const data = shown.replace("{…}", "{}");
    const message = side === ">" ? decodeClient(payloadOf(type, data)) : decodeServer(payloadOf(type, data));
    assert.deepEqual(
      JSON.parse(JSON.stringify(message)),
      { type, fields: JSON.parse(data) as unknown },
      line,
    );
  }
});

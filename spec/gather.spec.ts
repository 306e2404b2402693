/**
 * gather: commands of one step go out together, and none of them waits for another step.
 */
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { describe, test } from "node:test";
import type { Redis } from "ioredis";
import { Gather } from "../lib/gather.ts";

/** A line whose stream notes what goes out in one write. */
function noting(): { line: Redis; written: string[] } {
  const written: string[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      written.push(chunk.toString());
      done();
    },
    writev: (chunks: { chunk: Buffer }[], done) => {
      written.push(Buffer.concat(chunks.map(({ chunk }) => chunk)).toString());
      done();
    },
  });
  return { line: { stream } as unknown as Redis, written };
}

describe("gather", () => {
  test("[gather] what one step asks, and the promises that it settles, is one write; the next step's is another", async () => {
    const { line, written } = noting();
    const gather = new Gather(() => [line]);
    const ask = (text: string): void => {
      gather.open();
      line.stream.write(text);
    };
    const step = async (...texts: string[]): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      for (const text of texts) await Promise.resolve().then(() => ask(text));
    };
    await step("a", "b", "c");
    await step("d");
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(written, ["abc", "d"]);
  });

  test("[gather] a line that has no stream yet, or another one by then, is no trouble", async () => {
    const { line, written } = noting();
    const none = {} as Redis;
    const gather = new Gather(() => [none, line]);
    gather.open();
    const before = line.stream;
    before.write("a");
    const other = noting();
    (line as { stream: unknown }).stream = other.line.stream;
    line.stream.write("b");
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([written, other.written], [["a"], ["b"]]);
  });
});

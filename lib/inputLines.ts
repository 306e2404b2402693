/**
 * inputLines: the lines of a stream as they come, no more read than is asked for. A line ends with \n or \r\n and
 * nothing else; a last one without its end is a line too. One that grows beyond every bound is given as far as it goes
 * over it: it is too long for whatever it was meant for.
 */
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** Lines without their ends; `maxUnits` bounds what is held, in UTF-16 units. */
export async function* inputLines(input: Readable, maxUnits: number): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8");
  let held = "";
  for await (const chunk of input as AsyncIterable<Buffer>) {
    const parts = (held + decoder.write(chunk)).split("\n");
    held = parts.pop() ?? "";
    for (const line of parts) yield withoutReturn(line);
    if (held.length > maxUnits) yield held;
  }
  held += decoder.end();
  if (held !== "") yield withoutReturn(held);
}

function withoutReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}

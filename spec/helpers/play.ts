/**
 * play: whole talks as text that anybody can read, run against a server. One line a step:
 *
 *     # a comment
 *     alice > LoginMes {"userId":200,"userPwd":"pw200","v":2}     alice says a message
 *     alice < LoginResMes {"code":200,"userName":"alice"}         the next frame that alice hears of this type has these fields
 *     alice ! SmsMes {"content":"secret"}                         until here alice has heard no such frame
 *     alice dial                                                  a new connection (the old one, if any, is let go)
 *     alice end · alice drop                                      ends cleanly · vanishes
 *     alice ended                                                 waits until the server has ended the connection
 *     store HSET users 100 {"userId":100,...}                     a Redis command by hand
 *
 * Expected fields are a part of what was heard. `"*"` is any value; `"$name"` is any value the first time, and that same
 * value from then on.
 */
import assert from "node:assert/strict";
import type { Redis } from "ioredis";
import { type Data, WireClient } from "./wireClient.ts";

export interface Stage {
  port: number;
  store: Redis;
}

/** Runs one play. Throws where it went otherwise, with the number and text of the line. */
export async function runPlay(text: string, { port, store }: Stage): Promise<void> {
  const cast = new Map<string, WireClient>();
  const names = new Map<string, unknown>();
  const actor = async (name: string): Promise<WireClient> => {
    const client = cast.get(name) ?? (await WireClient.connect(port));
    cast.set(name, client);
    return client;
  };
  const steps = text.split("\n").map((line, index) => ({ line: line.trim(), number: index + 1 }));
  for (const { line, number } of steps) {
    if (line === "" || line.startsWith("#")) continue;
    try {
      await step(line);
    } catch (error) {
      throw new Error(`line ${number}: ${line}\n${(error as Error).message}`, { cause: error });
    }
  }
  for (const client of cast.values()) client.destroy();

  async function step(line: string): Promise<void> {
    const [who = "", act = "", type = "", ...rest] = line.split(/ +/);
    if (who === "store") {
      const [command = "", ...args] = line.slice("store ".length).split(/ +/);
      await store.call(command, ...args);
      return;
    }
    if (act === "dial") {
      cast.get(who)?.destroy();
      cast.delete(who);
    }
    const client = await actor(who);
    const wanted = () => JSON.parse(rest.join(" ") || "{}") as Data;
    if (act === ">") client.say(type, filled(wanted(), names));
    else if (act === "<") {
      const { data } = await client.next(type);
      const problem = mismatch(data, wanted(), names);
      assert.equal(problem, null, `heard ${JSON.stringify(data)}: ${problem}`);
    } else if (act === "!") {
      const heard = client.all(type).filter((data) => mismatch(data, wanted(), new Map(names)) === null);
      assert.deepEqual(heard, [], `heard ${JSON.stringify(heard)}`);
    } else if (act === "end") await client.end();
    else if (act === "drop") client.destroy();
    else if (act === "ended") await client.closed;
    else if (act !== "dial") throw new Error(`unknown act ${act}`);
  }
}

/** The names in what is to be said, replaced by what they stand for. */
function filled(value: unknown, names: Map<string, unknown>): unknown {
  if (typeof value === "string" && names.has(value)) return names.get(value);
  if (Array.isArray(value)) return value.map((one) => filled(one, names));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, filled(one, names)]));
}

/** Null when `heard` has everything wanted, else where it has not. Lists have to have the same length. */
function mismatch(
  heard: unknown,
  wanted: unknown,
  names: Map<string, unknown>,
  path = "data",
): string | null {
  if (wanted === "*") return heard === undefined ? `${path} is missing` : null;
  if (typeof wanted === "string" && wanted.startsWith("$")) {
    if (!names.has(wanted)) names.set(wanted, heard);
    return mismatch(heard, names.get(wanted), new Map(), path);
  }
  if (typeof wanted !== "object" || wanted === null) {
    return heard === wanted ? null : `${path} is ${JSON.stringify(heard)}, wanted ${JSON.stringify(wanted)}`;
  }
  if (typeof heard !== "object" || heard === null) return `${path} is ${JSON.stringify(heard)}`;
  if (Array.isArray(wanted) && (!Array.isArray(heard) || heard.length !== wanted.length)) {
    return `${path} is ${JSON.stringify(heard)}, wanted ${wanted.length} entries`;
  }
  for (const [name, one] of Object.entries(wanted)) {
    const problem = mismatch((heard as Data)[name], one, names, `${path}.${name}`);
    if (problem) return problem;
  }
  return null;
}

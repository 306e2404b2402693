/**
 * serverAddress: where a client finds its chat: one server, or several of the same chat, as a person writes them and is
 * shown them (clauses [C-5], [X-1]). The first one names the chat: what is kept on disk of it is kept under that name.
 */
import { readUserId } from "./askPerson.ts";
import { quoted } from "./flags.ts";
import { serverAddressesMax } from "./limits.ts";

export interface ServerAddress {
  host: string;
  port: number;
}

/** The first one, and those that are tried when it does not answer. */
export interface ServerAddresses extends ServerAddress {
  fallbacks?: readonly ServerAddress[];
}

const wanted = "wanted [USER@]HOST[:PORT][,HOST[:PORT]…]";
const portDefault = 8889;

/** Reads `[USER@]HOST[:PORT][,HOST[:PORT]…]`; an IPv6 address stands in brackets. Throws an Error of one line. */
export function parseTarget(target: string): ServerAddresses & { userId: number | null } {
  const [, user, servers = ""] = /^(?:([^@]*)@)?([^@]*)$/.exec(target) ?? [];
  const [first, ...fallbacks] = servers.split(",").map((server) => readAddress(server, target));
  if (!first || fallbacks.length >= serverAddressesMax) {
    throw new Error(`${quoted(target)}: ${wanted}, at most ${serverAddressesMax} of them`);
  }
  const userId = user === undefined ? null : readUserId(user);
  if (user !== undefined && userId === null) {
    throw new Error(`${quoted(target)}: USER wants a user id, a whole number from 1 on`);
  }
  return { ...first, fallbacks, userId };
}

function readAddress(text: string, target: string): ServerAddress {
  const [, host, digits] = /^(\[[0-9a-fA-F:.]+\]|[^:@\s[\]]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const port = Number(digits ?? portDefault);
  if (!host || port < 1 || port > 65535) throw new Error(`${quoted(target)}: ${wanted}`);
  return { host: host.replace(/^\[|\]$/g, ""), port };
}

/** One server, for people. */
export function shownAddress({ host, port }: ServerAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** All of them, for people. */
export function shownAddresses({ fallbacks = [], ...first }: ServerAddresses): string {
  return [first, ...fallbacks].map(shownAddress).join(", ");
}

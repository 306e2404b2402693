/**
 * keys: every name that lies in Redis, design 4. The braces are hash tags: what one script touches together lies in
 * one slot of a cluster. Nothing is ever parsed back out of a key.
 */
import type { StoredConv } from "./conv.ts";

export const usersKey = "users";

export const logKey = (conv: StoredConv): string => `{c:${conv}}:log`;
export const metaKey = (conv: StoredConv): string => `{c:${conv}}:meta`;
/** Prefix of the mid hashes; append.lua adds `:<userId>:<day>`. */
export const midsKey = (conv: StoredConv): string => `{c:${conv}}:mids`;

export const convsKey = (userId: number): string => `{u:${userId}}:convs`;
export const cursorsKey = (userId: number): string => `{u:${userId}}:cursors`;
export const tokensKey = (userId: number): string => `{u:${userId}}:tokens`;
/** What the user's devices have received of private conversations, [B-1]: `<conv>` -> id, the furthest of them all;
 * `<device>|<conv>` (as in the cursors) -> its latest acknowledgements, `<id>@<Unix ms>` each, the newest first. */
export const receivedKey = (userId: number): string => `{u:${userId}}:received`;
/** When each shown device was last here, [B-4]: device -> `on <Unix ms> <node>` or `off <Unix ms>`. */
export const seenKey = (userId: number): string => `{u:${userId}}:seen`;
/** Field of the cursors hash. */
export const cursorField = (device: string, conv: StoredConv): string => `${device}|${conv}`;
/** Field beside the device's cursors: the number of its newest log-in. */
export const loginField = (device: string): string => `${device}|`;

export const onlineUsersKey = "{online}:users";
export const onlineNodesKey = "{online}:nodes";
export const onlineVersionKey = "{online}:version";
/** Since when leases are looked at without a pause, by whatever node, and when last: "<ms>|<ms>" of Redis' clock. */
export const onlineSweptKey = "{online}:swept";
/** Hash: node -> replication id of the Redis that it registered its users with. */
export const onlineReplidsKey = "{online}:replids";
/** Prefix of the hash of one node; the presence scripts add the node's name. */
export const onlineNodeKey = "{online}:node:";
/** What the name of a node that has left ends with; its users are counted until its lease has run out. */
export const leftEnding = ".left";
/** What a node says of itself, for operators. */
export const nodeFiguresKey = (node: string): string => `{online}:figures:${node}`;

export const accountThrottleKey = (userId: number): string => `{u:${userId}}:throttle`;
export const addressThrottleKey = (kind: "login" | "register", address: string): string =>
  `{ip:${address}}:${kind}`;

export const roomBell = "{c:all}:bell";
export const userBell = (userId: number): string => `{u:${userId}}:bell`;
export const presenceBell = "{online}:bell";

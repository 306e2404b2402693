/**
 * online: what a session was told of who is online, and people who are online on a server that is not there: put into
 * Redis by hand, as that server would.
 */
import type { SpecRedis } from "./redis.ts";
import type { Data, WireClient } from "./wireClient.ts";

export interface Told {
  online: number[];
  offline: number[];
}

/** What a session was told of some users, in order. */
export function toldOf(client: WireClient, userIds: number[]): Told[] {
  const ofThem = (id: number): boolean => userIds.includes(id);
  return client
    .all("PresenceMes")
    .map(({ online, offline }) => ({
      online: (online as { userId: number }[]).map(({ userId }) => userId).filter(ofThem),
      offline: (offline as number[]).filter(ofThem),
    }))
    .filter(({ online, offline }) => online.length + offline.length > 0);
}

export const came = (userId: number): Told => ({ online: [userId], offline: [] });
export const left = (userId: number): Told => ({ online: [], offline: [userId] });

/** UsersResMes. */
export interface Page {
  code: number;
  total: number;
  users: { userId: number; userName: string }[];
  more: boolean;
}

/** One page of who is online. */
export async function usersOf(client: WireClient, fields: Data): Promise<Page> {
  return (await client.ask("UsersMes", fields, "UsersResMes")) as unknown as Page;
}

/** Puts one session of each user on node `node`, named `put<userId>`; the servers are told that they missed something. */
export async function putOnline({ client }: SpecRedis, node: string, userIds: number[]): Promise<void> {
  const put = client.pipeline();
  put.zadd("{online}:nodes", Date.now() + 3_600_000, node);
  for (const userId of userIds) {
    put.hset(`{online}:node:${node}`, String(userId), JSON.stringify([1, `put${userId}`]));
    put.hincrby("{online}:users", String(userId), 1);
  }
  await put.exec();
  // A hole in the versions: whoever hears this reads the whole list.
  const version = await client.incrby("{online}:version", 2);
  await client.publish("{online}:bell", JSON.stringify({ version }));
}

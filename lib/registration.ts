/**
 * registration: making an account, as a client does it, on a connection of its own (clause ).
 */
import { type Clock, systemClock } from "./clock.ts";
import { ClientLink } from "./clientLink.ts";
import { clientPasswordDeadlineMs } from "./limits.ts";
import { encodeClient } from "./message.ts";
import type { ServerAddress, ServerAddresses } from "./serverAddress.ts";

interface NewUser {
  userId: number;
  userPwd: string;
  userName: string;
}

/**
 * Makes an account. Of several servers the next is asked only where one could not be reached: one that was asked and did
 * not answer may have made it, and the next would say that the id is taken. Throws an Error when none can be reached.
 */
export async function register(
  { host, port, fallbacks = [] }: ServerAddresses,
  user: NewUser,
  clock: Clock = systemClock,
): Promise<{ code: number; error: string }> {
  const [next, ...others] = fallbacks;
  try {
    return await registerAt({ host, port }, user, clock);
  } catch (error) {
    if (!next || !(error instanceof Unreached)) throw error;
    return register({ ...next, fallbacks: others }, user, clock);
  }
}

/** Nothing of what was to be said has reached a server. */
class Unreached extends Error {}

function registerAt(
  { host, port }: ServerAddress,
  user: NewUser,
  clock: Clock,
): Promise<{ code: number; error: string }> {
  return new Promise((resolve, reject) => {
    const link: ClientLink = new ClientLink({
      host,
      port,
      clock,
      first: encodeClient("RegisterMes", { user }),
      answerDeadlineMs: clientPasswordDeadlineMs,
      heard: (message) => {
        if (message.type !== "RegisterResMes") return;
        resolve({ code: message.fields.code, error: message.fields.error });
        link.end();
      },
      ended: (reason) => reject(link.isConnected ? new Error(reason) : new Unreached(reason)),
    });
  });
}

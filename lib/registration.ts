/**
 * registration: making an account, as a client does it, on a connection of its own (clause ).
 */
import { type Clock, systemClock } from "./clock.ts";
import { ClientLink } from "./clientLink.ts";
import { clientPasswordDeadlineMs } from "./limits.ts";
import { encodeClient } from "./message.ts";

/** Makes an account, on a connection of its own. Throws an Error when the server cannot be reached. */
export function register(
  { host, port }: { host: string; port: number },
  user: { userId: number; userPwd: string; userName: string },
  clock: Clock = systemClock,
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
      ended: (reason) => reject(new Error(reason)),
    });
  });
}

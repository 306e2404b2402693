/**
 * usersScript: `client.ts users`: who is online, page after page (clause [C-37]).
 */
import { usersPageMaxUsers } from "./limits.ts";
import type { LineWriter } from "./lineWriter.ts";
import { jsonLine, plain } from "./messageLine.ts";
import type { UsersFlags } from "./scriptFlags.ts";
import { paged } from "./scriptErrors.ts";
import { type ScriptWorld, claimScriptDevice, logIn } from "./scriptLogin.ts";

/** Runs it to its end. Throws ScriptError. */
export async function runUsers(flags: UsersFlags, world: ScriptWorld & { lines: LineWriter }): Promise<void> {
  const device = await claimScriptDevice(flags, world);
  const client = await logIn(flags, { ...world, device, presence: false });
  try {
    for (let after = 0, more = true; more;) {
      const page = await paged(flags, world.clock, client.users({ after, limit: usersPageMaxUsers }));
      for (const { userId, userName } of page.users) {
        const line = flags.json ? jsonLine({ userId, userName }) : `${userId}\t${plain(userName)}`;
        await world.lines.write(line);
        after = userId;
      }
      more = page.more && page.users.length > 0;
    }
  } finally {
    client.logout();
  }
}

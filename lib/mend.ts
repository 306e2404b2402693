/**
 * mend: hashes every plain password that lies in `users` (clause, [A-3]). Each record is set only if it is still
 * what was read, so it may run beside servers, be stopped at any moment, and be run again.
 */
import { availableParallelism } from "node:os";
import type { PasswordHasher } from "./password.ts";
import type { StoredUser, UserDao } from "./userDao.ts";

/** Hashes all plain records, as many at once as there are cores; `progress` hears of every slice. How many, and how many a log-in did meanwhile. */
export async function mendPasswords(
  userDao: UserDao,
  hasher: PasswordHasher,
  progress: (mended: number) => void,
): Promise<{ mended: number; changed: number }> {
  let [mended, changed] = [0, 0];
  const mend = async (user: StoredUser & { kind: "plain" }): Promise<void> => {
    const record = {
      ...user.record,
      pwd: await hasher.hash(user.userPwd, { patient: true, isWanted: () => true }),
    };
    // Who was changed meanwhile has logged in, which hashes too.
    if (await userDao.upgrade(user, record)) mended++;
    else changed++;
  };
  for await (const slice of userDao.slices()) {
    const plain = slice.filter((user) => user?.kind === "plain");
    const wasPlain = plain.length > 0;
    const lanes = Array.from({ length: availableParallelism() }, async () => {
      for (let user = plain.pop(); user; user = plain.pop()) await mend(user);
    });
    await Promise.all(lanes);
    if (wasPlain) progress(mended);
  }
  return { mended, changed };
}

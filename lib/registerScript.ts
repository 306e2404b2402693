/**
 * registerScript: `client.ts register`: makes an account (clause [C-37]).
 */
import { codes } from "./codes.ts";
import { ScriptError } from "./exitCodes.ts";
import { register } from "./registration.ts";
import type { RegisterFlags } from "./scriptFlags.ts";
import { exitCodeOf, lateAt, reasonText, unreachable } from "./scriptErrors.ts";
import { type ScriptWorld, newPassword } from "./scriptLogin.ts";
import { within } from "./within.ts";

/** Runs it to its end. Throws ScriptError. */
export async function runRegister(flags: RegisterFlags, { clock }: ScriptWorld): Promise<void> {
  const { userId, userName, texts } = flags;
  const userPwd = await newPassword(flags);
  const { code, error } = await within(register(flags, { userId, userPwd, userName }, clock), {
    clock,
    ...lateAt(flags, "login"),
  }).catch((fault: unknown) => {
    throw fault instanceof ScriptError ? fault : unreachable(flags, fault);
  });
  if (code === codes.ok) return;
  throw new ScriptError(exitCodeOf(code), texts.notRegistered(reasonText(flags, code, error)));
}

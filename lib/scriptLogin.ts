/**
 * scriptLogin: how a script comes in: by the token that is kept, else by its password file, else by whoever sits at the
 * terminal (clause [C-31]); on a device of its own, so that it throws nobody out (clause [C-38]). What goes wrong is a
 * ScriptError with its exit code.
 */
import { ChatClient, type ChatClientEvents, type LoginInfo } from "./chatClient.ts";
import { type Clock, delay } from "./clock.ts";
import { codes } from "./codes.ts";
import { claimScriptName } from "./deviceName.ts";
import { ScriptError, exitCodes } from "./exitCodes.ts";
import { scriptDeviceLookMs } from "./limits.ts";
import { askPassword, readPasswordFile } from "./passwordFile.ts";
import { lateAt, loginRefused, unreachable } from "./scriptErrors.ts";
import type { ScriptTarget } from "./scriptFlags.ts";
import { shownAddress } from "./serverAddress.ts";
import { stateFolder } from "./stateFiles.ts";
import { TokenStore } from "./tokenStore.ts";
import { within } from "./within.ts";

/** What the subcommands need of the world. */
export interface ScriptWorld {
  env: NodeJS.ProcessEnv;
  clock: Clock;
  /** Has something done before the script ends in whatever orderly way; what came last first. */
  beforeExit: (callback: () => void) => void;
}

export interface LoginOptions extends ScriptWorld {
  device: string;
  /** Whether the user is shown as online meanwhile. */
  presence: boolean;
  events?: ChatClientEvents;
}

/** A logged-in client: live from the head, acknowledging nothing by itself. */
export async function logIn(target: ScriptTarget, options: LoginOptions): Promise<ChatClient> {
  const { passwordFile, texts } = target;
  const { env, device } = options;
  const tokens = new TokenStore(stateFolder(env));
  const of = { ...target, device };
  const token = tokens.read(of);
  let password = passwordFile === null ? undefined : readPasswordFile(passwordFile, texts);
  if (token === undefined) password ??= await ask(target);
  const first = await attempt(target, { ...options, tokens, token, password });
  if (first.info.code === codes.ok) return first.client;
  if (first.info.code !== codes.wrongPassword || token === undefined || password !== undefined) {
    throw loginRefused(target, first.info);
  }
  // The token that was kept has run out.
  tokens.forget(of);
  const second = await attempt(target, { ...options, tokens, token: undefined, password: await ask(target) });
  if (second.info.code === codes.ok) return second.client;
  throw loginRefused(target, second.info);
}

/** A device name of its own; where too many scripts run at once it waits for one. */
export async function claimScriptDevice(
  target: ScriptTarget,
  { env, clock, beforeExit }: ScriptWorld,
): Promise<string> {
  const { timeoutMs, late } = lateAt(target, "login");
  const dueMs = timeoutMs === null ? Infinity : clock.monotonicMs() + timeoutMs;
  for (;;) {
    const claimed = claimScriptName(env);
    if (claimed) {
      beforeExit(claimed.release);
      return claimed.device;
    }
    if (clock.monotonicMs() >= dueMs) throw late();
    await delay(clock, scriptDeviceLookMs);
  }
}

/** The password of an account to be made: from its file, else from whoever sits at the terminal. */
export async function newPassword(target: ScriptTarget): Promise<string> {
  const { passwordFile, texts } = target;
  return passwordFile === null ? ask(target) : readPasswordFile(passwordFile, texts);
}

async function ask(target: ScriptTarget): Promise<string> {
  const { texts, userId, lang } = target;
  const password = await askPassword(texts.askPassword(`${userId}@${shownAddress(target)}`), lang);
  if (password === null) throw new ScriptError(exitCodes.usage, texts.noPassword);
  return password;
}

interface Attempt extends LoginOptions {
  tokens: TokenStore;
  token: string | undefined;
  password: string | undefined;
}

async function attempt(
  target: ScriptTarget,
  { clock, beforeExit, device, presence, events = {}, tokens, token, password }: Attempt,
): Promise<{ client: ChatClient; info: LoginInfo }> {
  const { host, port, fallbacks = [], userId } = target;
  const client: ChatClient = new ChatClient({
    host,
    port,
    fallbacks,
    userId,
    device,
    presence,
    clock,
    replay: "none",
    autoAck: false,
    ...(token !== undefined && { token }),
    ...(password !== undefined && { password }),
    events: {
      ...events,
      state: (state) => {
        // Each log-in gives a new one, also after a link that was lost.
        if (state.kind === "online" && client.token !== undefined) {
          tokens.write({ host, port, userId, device }, client.token);
        }
        events.state?.(state);
      },
    },
  });
  beforeExit(() => client.close());
  try {
    return { client, info: await within(client.login(), { clock, ...lateAt(target, "login") }) };
  } catch (error) {
    client.close();
    if (error instanceof ScriptError) throw error;
    throw unreachable(target, error);
  }
}

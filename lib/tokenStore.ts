/**
 * tokenStore: the log-in that is kept, so that a password is typed once on an installation (clause [C-20]): one file for
 * an account and a device, readable by its owner only. A file that others can read is no secret any more, and is not
 * used. Who cannot write there types the password each time.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { tokenMaxChars } from "./limits.ts";
import { accountName, readWhole, removeFile, writeWhole } from "./stateFiles.ts";

export interface TokenOf {
  host: string;
  port: number;
  userId: number;
  device: string;
}

/** The tokens of one installation. */
export class TokenStore {
  readonly #folder: string;

  /** `folder` is the state folder. */
  constructor(folder: string) {
    this.#folder = join(folder, "tokens");
  }

  /** The token of an account and device; undefined where none is kept. Never throws. */
  read(of: TokenOf): string | undefined {
    const path = this.#pathOf(of);
    try {
      const text = readWhole(path)?.trim();
      if (!text || text.length > tokenMaxChars) return undefined;
      return (statSync(path).mode & 0o077) === 0 ? text : undefined;
    } catch {
      return undefined;
    }
  }

  /** Keeps a token instead of the one before. Whether that could be done. */
  write(of: TokenOf, token: string): boolean {
    try {
      writeWhole(this.#pathOf(of), `${token}\n`);
      return true;
    } catch {
      return false;
    }
  }

  /** Forgets the token. */
  forget(of: TokenOf): void {
    removeFile(this.#pathOf(of));
  }

  /** Who logged in last on a server; null where nobody did, or they logged out. Never throws. */
  lastUser(server: { host: string; port: number }): number | null {
    try {
      const userId = Number(readWhole(this.#lastPath(server)) ?? "");
      return Number.isSafeInteger(userId) && userId > 0 ? userId : null;
    } catch {
      return null;
    }
  }

  /** Keeps who logged in last. Whether that could be done. */
  remember(server: { host: string; port: number }, userId: number): boolean {
    try {
      writeWhole(this.#lastPath(server), `${userId}\n`);
      return true;
    } catch {
      return false;
    }
  }

  forgetUser(server: { host: string; port: number }): void {
    removeFile(this.#lastPath(server));
  }

  #lastPath({ host, port }: { host: string; port: number }): string {
    return join(this.#folder, `${accountName({ host, port, userId: 0 })}.last`);
  }

  #pathOf({ device, ...account }: TokenOf): string {
    return join(this.#folder, `${accountName(account)}@${device}.token`);
  }
}

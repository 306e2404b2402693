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

  #pathOf({ device, ...account }: TokenOf): string {
    return join(this.#folder, `${accountName(account)}@${device}.token`);
  }
}

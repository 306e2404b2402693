/**
 * exitCodes: what the client's end says to a script (clauses [C-9], [C-30]), and the one error that knows its own.
 */
export const exitCodes = { done: 0, failed: 1, usage: 2, noConnection: 3, refused: 4, late: 5 } as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends a subcommand with this code; its message is one line for people. */
export class ScriptError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.name = "ScriptError";
    this.exitCode = exitCode;
  }
}

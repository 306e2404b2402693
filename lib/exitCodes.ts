/**
 * exitCodes: what the client's end says to a script (clause [C-9]).
 */
export const exitCodes = { done: 0, failed: 1, usage: 2, noConnection: 3, refused: 4, late: 5 } as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

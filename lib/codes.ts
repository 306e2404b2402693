/**
 * codes: the result codes of the wire and the one error class. The code decides; the text is for people and may
 * change; the inner cause stays in the journal. Clause [E-1] of spec/PROTOCOL.md lists the same table.
 */

export const codes = {
  ok: 200,
  malformed: 400,
  notLoggedIn: 401,
  wrongPassword: 403,
  notFound: 404,
  replaced: 409,
  tooLong: 413,
  slowDown: 429,
  userUnknown: 500,
  tryAgain: 503,
  taken: 505,
  unknown: 506,
} as const;

/** Why a client itself does not send what it was given; never on the wire. */
export const ownCodes = { notWritten: 1, outdated: 2, tooManyUnsent: 3 } as const;

export type Code = (typeof codes)[keyof typeof codes];

/** The text that goes with a code. Those of 403, 500, 505 and 506 are the first generation's own, letter for letter. */
export const codeTexts: Record<Code, string> = {
  200: "",
  400: "格式错误 malformed",
  401: "请先登录 log in first",
  403: "密码错误",
  404: "用户或会话不存在 no such user or conversation",
  409: "已在别处登录 replaced by a newer session",
  413: "内容过长 too long",
  429: "请慢一点 slow down",
  500: "用户不存在。。",
  503: "请稍后重试 try again",
  505: "用户已存在。。",
  506: "注册时发生未知错误.",
};

/** LoginResMes 505 of a legacy session: the same number as "id taken", another text. */
export const legacyInternalErrorText = "服务器内部错误...";

export interface CodedErrorOptions {
  /** What was wrong, for people; never holds a secret. */
  detail?: string;
  /** When trying again makes sense, in ms (429, 503). */
  retryMs?: number;
  cause?: unknown;
}

/** The one error class: a refusal that has a place on the wire. Anything else thrown is a fault of ours. */
export class CodedError extends Error {
  readonly code: Code;
  readonly detail: string | undefined;
  readonly retryMs: number | undefined;

  constructor(code: Code, { detail, retryMs, cause }: CodedErrorOptions = {}) {
    super(detail ? `${codeTexts[code]}: ${detail}` : codeTexts[code], { cause });
    this.name = "CodedError";
    this.code = code;
    this.detail = detail;
    this.retryMs = retryMs;
  }
}

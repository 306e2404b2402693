/**
 * redisAdvice: what to do about a Redis that cannot be reached, by what it or the network says, in both languages.
 */
import type { Lang } from "./lang.ts";

const advices: [reason: RegExp, en: string, zh: string][] = [
  [/^it is a part of/, "", ""],
  [/cluster support disabled/, "it is no Cluster; write redis://", "它不是 Cluster；请写 redis://"],
  [
    /WRONGPASS|NOAUTH|no password is set/,
    "give user and password as this Redis has them (ACL LIST)",
    "请给这个 Redis 认识的用户和密码（ACL LIST）",
  ],
  [
    /NOPERM/,
    "its user may do too little: take fixtures/redis/haiyu.acl",
    "这个用户权限太少：请用 fixtures/redis/haiyu.acl",
  ],
  [
    /ECONNRESET|certificate required|socket disconnected before secure|hung up/,
    "does it speak TLS (rediss://), and want a certificate (cert=FILE&key=FILE)?",
    "它用 TLS（rediss://）吗？要证书（cert=FILE&key=FILE）吗？",
  ],
  [
    /altnames|certificate is not for/i,
    "say which name it is made out to: servername=NAME",
    "请写明证书上的名字：servername=NAME",
  ],
  [
    /certificate|unable to verify/i,
    "name the authority that signed it: ca=FILE",
    "请给签发它的机构：ca=FILE",
  ],
  [
    /wrong version number|packet length too long|Protocol error/,
    "does it speak TLS? rediss:// is for one that does, redis:// for one that does not",
    "它用 TLS 吗？用的写 rediss://，不用的写 redis://",
  ],
  [/ENOTFOUND|EAI_AGAIN/, "is that its name?", "主机名对吗？"],
  [
    /All sentinels are unreachable/,
    "do the sentinels run, and know a group of this name? sentinelPassword=… where they have one",
    "哨兵在运行吗？认识这个组名吗？有密码时写 sentinelPassword=…",
  ],
];

/** What to do, "" where the reason says it. */
export function adviceOn(reason: string, lang: Lang): string {
  const [, en, zh] = advices.find(([pattern]) => pattern.test(reason)) ?? [
    null,
    "is it running?",
    "它在运行吗？",
  ];
  return lang === "zh" ? zh : en;
}

/** A Redis that is not there, or lets us not in. The message is one line in English, with what to do. */
export class RedisUnreachable extends Error {
  /** Its URL, without the password. */
  readonly shown: string;
  /** What it, or the network, says. */
  readonly reason: string;

  constructor(shown: string, { reason, cause }: { reason: string; cause: unknown }) {
    super(
      [`--redis ${shown}: cannot be reached (${reason})`, adviceOn(reason, "en")].filter(Boolean).join("; "),
      {
        cause,
      },
    );
    this.name = "RedisUnreachable";
    this.shown = shown;
    this.reason = reason;
  }
}

/**
 * redisAdvice: what to do about a Redis that cannot be reached, by what it or the network says. One half-sentence each.
 */
const advices: [RegExp, string][] = [
  [/^it is a part of/, ""],
  [/cluster support disabled/, "it is no Cluster; write redis://"],
  [/WRONGPASS|NOAUTH|no password is set/, "give user and password as this Redis has them (ACL LIST)"],
  [/NOPERM/, "its user may do too little: take fixtures/redis/haiyu.acl"],
  [
    /ECONNRESET|certificate required|socket disconnected before secure|hung up/,
    "does it speak TLS (rediss://), and want a certificate (cert=FILE&key=FILE)?",
  ],
  [/altnames|certificate is not for/i, "say which name it is made out to: servername=NAME"],
  [/certificate|unable to verify/i, "name the authority that signed it: ca=FILE"],
  [
    /wrong version number|packet length too long|Protocol error/,
    "does it speak TLS? rediss:// is for one that does, redis:// for one that does not",
  ],
  [/ENOTFOUND|EAI_AGAIN/, "is that its name?"],
  [
    /All sentinels are unreachable/,
    "do the sentinels run, and know a group of this name? sentinelPassword=… where they have one",
  ],
];

/** What to do, as the rest of a line after `reason`, `; ` included; "" where the reason says it. */
export function adviceOn(reason: string): string {
  const [, advice] = advices.find(([pattern]) => pattern.test(reason)) ?? [null, "is it running?"];
  return advice === "" ? "" : `; ${advice}`;
}

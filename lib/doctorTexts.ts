/**
 * doctorTexts: what the doctor says, in both languages: what was found and, unless it is fine, what to do (clause ).
 * The words that name a thing (`node`, `disk` …) are the same in both, for scripts.
 */
import type { Promised, Short } from "./durability.ts";
import type { Lang } from "./lang.ts";
import * as limits from "./limits.ts";
import { type RedisUnreachable, adviceOn } from "./redisAdvice.ts";

const en = {
  nodeOld: `; install Node ${limits.nodeMajorMin} or newer`,
  room: (count: number) => `room for ${count} connections a process`,
  raiseFiles: "; raise it: ulimit -n 100000, or LimitNOFILE=100000 in the systemd unit",
  backlog: (count: number) => `${count} connections may wait to be accepted`,
  raiseBacklog: `; sysctl -w net.core.somaxconn=${limits.listenBacklogConnections}`,
  free: (host: string) => `${host} is free`,
  taken: (host: string, flag: string) => `${host} is taken: fine if by haiyu, else give another --${flag}`,
  notListened: (host: string, code: string) => `${host} cannot be listened on (${code}); `,
  portAbove: (flag: string) => `give a --${flag} above 1023`,
  hostOfMachine: (flag: string) => `give a ${flag} of this machine`,
  noBinary: "is not on the PATH; sudo apt-get install redis-server, or give --redis URL",
  folderOpen: (folder: string) => `${folder} is open to others; chmod 700 ${folder}`,
  folderFine: (folder: string) => `${folder} can be written`,
  folderClosed: (folder: string, reason: string) =>
    `${folder} cannot be written (${reason}); give its owner, or another --data`,
  diskFree: (mib: number, at: string) => `${mib} MiB free at ${at}`,
  diskFull: "; make room: Redis ends when its file cannot grow",
  notRunning: (data: string) => `does not run on ${data}; start the server, ask again`,
  replicasHad: (count: number, wanted: number) => `has ${count} replicas, wanted ${wanted}`,
  given: "gives it",
  short: ({ lacks, advice }: Short, _promised: Promised, _replicas: number) => `${lacks}; ${advice}`,
  unreachable: ({ message }: RedisUnreachable) => message,
  versionOld: "; wanted 6.2 or newer",
  isReplica: "this is a replica, which takes no writes; give the primary, or redis+sentinel://",
  primary: (replicas: string) => `primary, ${replicas} replicas`,
  fewReplicas: (wanted: number) =>
    ` of the ${wanted} without which it takes no writes; start them, or CONFIG SET min-replicas-to-write 0`,
  noAof: "no append-only file: a crash loses messages; CONFIG SET appendonly yes, appendfsync always",
  aofBroken: "the append-only file cannot be written; look at disk and Redis' log",
  snapshotFailed: "the last snapshot failed, so it takes no writes; look at disk and Redis' log, then BGSAVE",
  synced: "append-only file, synced before each answer",
  configClosed: "CONFIG may not be asked, so answers say stored: memory; allow +config|get",
  fsync: (fsync: string) =>
    `appendfsync ${fsync}: a crash loses up to a second; CONFIG SET appendfsync always`,
  noEviction: "none: what is stored stays",
  evicts: (policy: string) =>
    `${policy}: Redis may throw messages away; CONFIG SET maxmemory-policy noeviction`,
  memory: (used: number, most: number) => `${used} of ${most} MiB`,
  memoryFull: "; give Redis more: what does not fit is answered 503",
  slow: "; every message waits for it: bring Redis nearer, or find what slows it",
  skew: (ms: number) => `${ms} ms between Redis and this machine`,
  useNtp: "; run an NTP client on both",
  leases: (count: number) => `${count} hold a lease`,
  twins: (count: number, label: string) =>
    `, ${count} of them are called ${label}; give each its own --node, to tell them apart`,
  silent: (count: number) => `, ${count} of them say nothing: just started, stopped, or of another version`,
  unreadable: (count: number) => `, ${count} cannot be read: those cannot log in`,
  hashed: (count: number) => `${count} hashed, none plain`,
  plain: (count: number, all: number) => `${count} of ${all} lie there in plain`,
  mendPlain: "; run doctor --mend, which hashes them",
  mended: (count: number) => `${count} hashed`,
  mendedAll: (count: number, changed: number) =>
    `${count} passwords hashed, ${changed} were by a log-in meanwhile`,
};

export type DoctorTexts = typeof en;

const zh: DoctorTexts = {
  nodeOld: `；请安装 Node ${limits.nodeMajorMin} 或更新版本`,
  room: (count) => `每个进程可容纳 ${count} 个连接`,
  raiseFiles: "；请调高：ulimit -n 100000，或在 systemd 单元里写 LimitNOFILE=100000",
  backlog: (count) => `可有 ${count} 个连接排队等待接入`,
  raiseBacklog: `；请执行 sysctl -w net.core.somaxconn=${limits.listenBacklogConnections}`,
  free: (host) => `${host} 空闲`,
  taken: (host, flag) => `${host} 已被占用：若是 haiyu 自己则无妨，否则换一个 --${flag}`,
  notListened: (host, code) => `${host} 无法监听（${code}）；`,
  portAbove: (flag) => `请给 1023 以上的 --${flag}`,
  hostOfMachine: (flag) => `请给本机地址 ${flag}`,
  noBinary: "PATH 里没有；请 sudo apt-get install redis-server，或给 --redis URL",
  folderOpen: (folder) => `${folder} 他人可读；请 chmod 700 ${folder}`,
  folderFine: (folder) => `${folder} 可写`,
  folderClosed: (folder, reason) => `${folder} 不可写（${reason}）；请改属主，或换一个 --data`,
  diskFree: (mib, at) => `${at} 剩余 ${mib} MiB`,
  diskFull: "；请腾出空间：文件不能再增长时 Redis 会退出",
  notRunning: (data) => `${data} 上没有在运行；请先启动服务器再查`,
  replicasHad: (count, wanted) => `有 ${count} 个副本，需要 ${wanted} 个`,
  given: "满足",
  short: ({ kind }, { appendonly, fsync, replicas: has }, replicas) =>
    ({
      unasked: "不说它怎样保存应答过的；请给它的用户 +config|get",
      settings: `appendonly ${appendonly}、appendfsync ${fsync}；请 CONFIG SET appendonly yes、appendfsync always，redis.conf 里也一样`,
      replicas: `在线副本 ${has} 个，需要 ${replicas} 个；请启动它们，或换有副本的 --redis，或把 --replicas 调小`,
    })[kind],
  unreachable: ({ shown, reason }) =>
    `--redis ${shown}：连不上（${reason}）；${adviceOn(reason, "zh")}`.replace(/；$/, ""),
  versionOld: "；需要 6.2 或更新版本",
  isReplica: "这是副本，不接受写入；请给主节点，或用 redis+sentinel://",
  primary: (replicas) => `主节点，${replicas} 个副本`,
  fewReplicas: (wanted) =>
    `，少于 ${wanted} 个时不接受写入；请启动它们，或 CONFIG SET min-replicas-to-write 0`,
  noAof: "没有 AOF：崩溃会丢消息；请 CONFIG SET appendonly yes、appendfsync always",
  aofBroken: "AOF 写不进去；请查磁盘和 Redis 日志",
  snapshotFailed: "上次快照失败，因此不接受写入；请查磁盘和 Redis 日志，再 BGSAVE",
  synced: "AOF，每次应答之前同步到磁盘",
  configClosed: "不许问 CONFIG，应答只能说 stored: memory；请授权 +config|get",
  fsync: (fsync) => `appendfsync ${fsync}：崩溃最多丢一秒；请 CONFIG SET appendfsync always`,
  noEviction: "不淘汰：存下的都在",
  evicts: (policy) => `${policy}：Redis 可能丢弃消息；请 CONFIG SET maxmemory-policy noeviction`,
  memory: (used, most) => `${used} / ${most} MiB`,
  memoryFull: "；请给 Redis 更多内存：放不下的一律答 503",
  slow: "；每条消息都要等它：把 Redis 移近些，或查是什么拖慢了它",
  skew: (ms) => `Redis 与本机相差 ${ms} ms`,
  useNtp: "；请在两边都运行 NTP",
  leases: (count) => `${count} 个节点持有租约`,
  twins: (count, label) => `，其中 ${count} 个都叫 ${label}；请各给一个 --node，以便区分`,
  silent: (count) => `，其中 ${count} 个没有声音：刚启动、已停住，或版本不同`,
  unreadable: (count) => `，${count} 个读不出来：这些人登录不了`,
  hashed: (count) => `${count} 个已散列，没有明文`,
  plain: (count, all) => `${all} 个里有 ${count} 个是明文`,
  mendPlain: "；请运行 doctor --mend，把它们散列",
  mended: (count) => `已散列 ${count} 个`,
  mendedAll: (count, changed) => `散列了 ${count} 个密码，另有 ${changed} 个在此期间因登录而散列`,
};

export const doctorTexts: Record<Lang, DoctorTexts> = { zh, en };

/**
 * scriptTexts: what client.ts says to whoever calls it from a script, in Chinese and in English. The Chinese table is
 * the shape of both. Each text is one line, the helps are not.
 */
import type { Lang } from "./lang.ts";

const zhCommon = `
  USER@HOST:PORT        用户号、服务器、端口（8889）；同一聊天的几台服务器用逗号隔开，一台不应就换下一台
  --password-file FILE  密码在这个文件的第一行；别人能读的文件不用。没有它时用本机同一设备上次登录留下的
                        令牌（每个游标文件、同时运行的每一个都是一台设备），再没有就在终端上问
  --timeout S           一步（登录、一条消息、一页）最多等 S 秒，0 = 一直等（30）
  --lang LANG           zh 或 en
  --help                这些说明

  退出码  0 完成  1 其他失败  2 用法错误  3 连不上  4 被拒绝（密码、没有这个用户、太长……）  5 超过 --timeout
`;

const enCommon = `
  USER@HOST:PORT        user id, server, port (8889); several of one chat with commas between:
                        the next is taken when one does not answer or goes away
  --password-file FILE  the password is the first line of this file; one that others can read is refused. Without it
                        the token of the same device's last log-in is used (each cursor file is one, and so is each
                        of several at once); without one it is asked for at a terminal
  --timeout S           seconds a step (log-in, a message, a page) may take; 0 = for ever (30)
  --lang LANG           zh or en
  --help                this text

  exit codes  0 done  1 other failure  2 usage  3 no connection  4 refused (password, unknown user, too long …)
              5 not within --timeout
`;

const zh = {
  help: {
    send: `client.ts send [选项] USER@HOST[:PORT][,…] [TEXT…]

  发一条消息；没有 TEXT 时标准输入每行一条（空行跳过）。严格按顺序，一条被拒绝就停。

  --to ID|all           发给谁（all）
  --wait WHAT           等到 stored（已存盘）或 delivered（对方至少一台设备已确认，只限私聊）（stored）
  --mid KEY             消息的键：同一个键重复多少次都只存一条；多行时第 n 行的键是 KEY.n。
                        没有它时每次运行都是新消息
${zhCommon}`,
    tail: `client.ts tail [选项] USER@HOST[:PORT][,…]

  每条消息一行，来一条写一条；缺口也是一行。断线自动重连，不丢不重。

  --conv C              只看 all 或与用户 C 的私聊（全部）
  --json                JSON 行：conv id time userId userName content；缺口：gap conv after before count reason
  --cursor FILE         读到哪里记在 FILE 里：写出一行之后才整个替换。随时被杀再启动都不丢；
                        最后一次替换之后写出的几行会再来一遍（按 id 去重）
  --since ID            FILE 还没有时从 ID 之后开始（0-0 = 最早；其他 ID 要有 --conv）。没有它时从现在开始
  --once                写完现有的就结束
${zhCommon}`,
    users: `client.ts users [选项] USER@HOST[:PORT][,…]

  谁在线，每人一行：用户号 制表符 昵称。

  --json                JSON 行：userId userName
${zhCommon}`,
    history: `client.ts history [选项] USER@HOST[:PORT][,…]

  说过的话，每条一行，旧的在前。

  --conv C              all 或与用户 C 的私聊（all）
  --limit N             最多 N 条（50）
  --before ID           ID 之前最新的
  --since ID            ID 之后最早的（0-0 = 从头）
  --json                JSON 行，与 tail 相同
${zhCommon}`,
    register: `client.ts register [选项] USER@HOST[:PORT][,…]

  注册用户；已存在是 4。

  --name NAME           昵称
${zhCommon}`,
  },
  seeHelp: (command: string) => `（见 client.ts ${command} --help）`,
  wantedTarget: "要写 USER@HOST[:PORT][,…]",
  wantedUser: "要写用户号：USER@HOST[:PORT][,…]",
  wantedConv: (name: string, given: string) => `--${name} ${given}：要 all 或用户号`,
  wantedId: (name: string, given: string) => `--${name} ${given}：要 <epoch>-<seq> 这样的消息 id`,
  wantedOneOf: (name: string, given: string, wanted: string) => `--${name} ${given}：要 ${wanted}`,
  wantedMid: (given: string, most: number) => `--mid ${given}：要 1 到 ${most} 个 ! 到 ~ 的字符`,
  wantedName: (most: number) => `--name：要 1 到 ${most} 个字，不能有控制字符`,
  wantedPassword: (most: number) => `密码要 1 到 ${most} 字节`,
  noReceipts: "--wait delivered 只限发给另一个用户的私聊",
  sinceWantsConv: (id: string) => `--since ${id}：0-0 以外要和 --conv 一起用`,
  onlyOne: (one: string, other: string) => `--${one} 和 --${other} 只能用一个`,
  emptyText: "消息是空的",
  passwordFile: (path: string, why: string) => `--password-file ${path}：${why}`,
  othersCanRead: "别人能读它，先 chmod 600",
  emptyFile: "第一行是空的",
  noPassword: "没有密码：用 --password-file，或先在终端上运行一次",
  askPassword: (who: string) => `${who} 的密码: `,
  noConnection: (target: string, why: string) => `连不上 ${target}（${why}）`,
  notLoggedIn: (why: string) => `登录失败：${why}`,
  notRegistered: (why: string) => `注册失败：${why}`,
  replaced: "同一设备在别处登录了",
  connectionLost: "连接断了",
  refusedText: (why: string) => `没有发出去：${why}`,
  refusedLine: (line: number, why: string) => `第 ${line} 行没有发出去：${why}`,
  refusedPage: (why: string) => `服务器拒绝了：${why}`,
  tooLong: (most: number) => `太长了，最多 ${most} 字`,
  notInTime: (what: string, seconds: number) => `${seconds} 秒内没有完成：${what}`,
  steps: { login: "登录", stored: "存盘", delivered: "送达", page: "读一页" },
  serverKnowsNoReceipts: "服务器不知道送达回执",
  cursorDamaged: (path: string) => `--cursor ${path}：不是完好的游标文件`,
  cursorOfAnother: (path: string, account: string) => `--cursor ${path}：属于另一个账户（${account}）`,
  cursorInUse: (path: string) => `--cursor ${path}：另一个 tail 正在用它`,
  cursorNotWritten: (path: string, why: string) => `--cursor ${path}：写不了（${why}）`,
  outputFailed: (why: string) => `写不了输出（${why}）`,
  gap: {
    trimmed: (count: number) => `…… ${count} 条已不再保存`,
    lost: (count: number) => `…… 至少 ${count} 条丢失`,
  },
};

export type ScriptTexts = typeof zh;

const en: ScriptTexts = {
  help: {
    send: `client.ts send [flags] USER@HOST[:PORT][,…] [TEXT…]

  Sends one message; without TEXT each line of stdin is one (empty lines are passed over). Strictly in order; at the
  first one that is refused it stops.

  --to ID|all           whom to (all)
  --wait WHAT           until it is stored, or delivered: at least one device of the other side has acknowledged it,
                        private messages only (stored)
  --mid KEY             key of the message: however often the same is sent it is stored once; of several lines the
                        n-th has the key KEY.n. Without it each run says something new
${enCommon}`,
    tail: `client.ts tail [flags] USER@HOST[:PORT][,…]

  One message a line, as they come; gaps are lines too. It reconnects by itself; nothing is lost, nothing comes twice.

  --conv C              only all, or the private conversation with user C (everything)
  --json                JSON lines: conv id time userId userName content; gaps: gap conv after before count reason
  --cursor FILE         how far it has read is kept in FILE, which is replaced whole, and only after a line was written
                        out. Killed at any point and started again it loses nothing; the lines since the last
                        replacement come again (the same id)
  --since ID            where there is no FILE yet, begin after ID (0-0: at the beginning; any other wants --conv).
                        Without it, begin now
  --once                end when everything there is has been written
${enCommon}`,
    users: `client.ts users [flags] USER@HOST[:PORT][,…]

  Who is online, one a line: user id, tab, name.

  --json                JSON lines: userId userName
${enCommon}`,
    history: `client.ts history [flags] USER@HOST[:PORT][,…]

  What was said, one message a line, oldest first.

  --conv C              all, or the private conversation with user C (all)
  --limit N             at most so many (50)
  --before ID           the newest before ID
  --since ID            the oldest after ID (0-0: from the beginning)
  --json                JSON lines, as tail has them
${enCommon}`,
    register: `client.ts register [flags] USER@HOST[:PORT][,…]

  Makes an account; one that exists is 4.

  --name NAME           the name that others see
${enCommon}`,
  },
  seeHelp: (command) => ` (see client.ts ${command} --help)`,
  wantedTarget: "wanted USER@HOST[:PORT][,…]",
  wantedUser: "wanted a user id: USER@HOST[:PORT][,…]",
  wantedConv: (name, given) => `--${name} ${given}: wanted all or a user id`,
  wantedId: (name, given) => `--${name} ${given}: wanted the id of a message, <epoch>-<seq>`,
  wantedOneOf: (name, given, wanted) => `--${name} ${given}: wanted ${wanted}`,
  wantedMid: (given, most) => `--mid ${given}: wanted 1 to ${most} characters from ! to ~`,
  wantedName: (most) => `--name: wanted 1 to ${most} characters, no control characters`,
  wantedPassword: (most) => `a password has 1 to ${most} bytes`,
  noReceipts: "--wait delivered is for private messages to somebody else",
  sinceWantsConv: (id) => `--since ${id}: only 0-0 goes without --conv`,
  onlyOne: (one, other) => `--${one} and --${other} exclude each other`,
  emptyText: "the message is empty",
  passwordFile: (path, why) => `--password-file ${path}: ${why}`,
  othersCanRead: "others can read it; chmod 600 it first",
  emptyFile: "its first line is empty",
  noPassword: "no password: use --password-file, or run it once at a terminal",
  askPassword: (who) => `Password of ${who}: `,
  noConnection: (target, why) => `cannot reach ${target} (${why})`,
  notLoggedIn: (why) => `not logged in: ${why}`,
  notRegistered: (why) => `not registered: ${why}`,
  replaced: "the same device has logged in elsewhere",
  connectionLost: "the connection was lost",
  refusedText: (why) => `not sent: ${why}`,
  refusedLine: (line, why) => `line ${line} not sent: ${why}`,
  refusedPage: (why) => `the server refuses: ${why}`,
  tooLong: (most) => `too long, at most ${most} characters`,
  notInTime: (what, seconds) => `not within ${seconds} s: ${what}`,
  steps: { login: "log-in", stored: "stored", delivered: "delivered", page: "reading a page" },
  serverKnowsNoReceipts: "the server knows no receipts",
  cursorDamaged: (path) => `--cursor ${path}: not a whole cursor file`,
  cursorOfAnother: (path, account) => `--cursor ${path}: belongs to another account (${account})`,
  cursorInUse: (path) => `--cursor ${path}: another tail is using it`,
  cursorNotWritten: (path, why) => `--cursor ${path}: cannot be written (${why})`,
  outputFailed: (why) => `cannot write the output (${why})`,
  gap: {
    trimmed: (count) => `… ${count} are no longer kept`,
    lost: (count) => `… at least ${count} were lost`,
  },
};

export const scriptTexts: Record<Lang, ScriptTexts> = { zh, en };

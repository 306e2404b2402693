/**
 * lang: every text the client shows, in Chinese and in English. The Chinese table is the shape of both. A text with
 * facts in it is a function of them; other people's names and words are made harmless before they come here.
 */

const zh = {
  welcome: "海语：欢迎登录多人聊天系统",
  server: (host: string, port: number) => `服务器 ${host}:${port}`,
  firstMenu: ["登录聊天室", "注册用户", "退出系统"],
  secondMenu: ["显示在线用户列表", "发送消息", "信息列表", "退出系统"],
  choose: (count: number) => `请选择(1-${count}): `,
  notAChoice: (given: string, count: number) => `没有“${given}”这一项，请输入 1 到 ${count}。`,
  askUserId: "请输入用户号: ",
  askPassword: "请输入密码: ",
  askUserName: "请输入昵称: ",
  badUserId: "用户号是 1 到 9007199254740991 的整数。",
  badPassword: (most: number) => `密码不能为空，最长 ${most} 字节。`,
  badUserName: (most: number) => `昵称要 1 到 ${most} 个字，不能有控制字符。`,
  registered: (userId: number) => `用户 ${userId} 注册成功，请登录。`,
  notRegistered: (why: string) => `注册失败：${why}`,
  loggedIn: (name: string, userId: number) => `恭喜 ${name}(${userId}) 登录成功`,
  notLoggedIn: (why: string) => `登录失败：${why}`,
  unread: (who: string, count: number) => `${who}：${count} 条未读`,
  everyone: "大家",
  unreachable: (target: string, why: string) =>
    `连不上 ${target}（${why}）。服务器开了吗？用 npm start 启动它。`,
  onlineList: (total: number) => `当前在线 ${total} 人：`,
  onlineOne: (userId: number, name: string) => `  ${userId}  ${name}`,
  onlineMore: (count: number) => `  ……还有 ${count} 人`,
  chatHint: "直接输入就发给大家；/msg 200 你好 是私聊；/help 看全部命令；/back 回菜单。",
  chatPrompt: "> ",
  offlinePrompt: (count: number) => (count === 0 ? "（离线）> " : `（离线，${count} 条待确认）> `),
  unsentPrompt: (count: number) => `（${count} 条待确认）> `,
  help: [
    "直接输入          发给大家（以 / 开头的话写成 //……）",
    "/msg 200 你好     私聊用户 200",
    "/users            谁在线",
    "/history [200]    大家的（或与 200 的）消息，再输入一次看更早的",
    "/back             回菜单",
    "/help             这些命令",
    "/quit             退出",
  ],
  unknownCommand: (given: string) => `没有命令 ${given}，/help 看全部命令。`,
  msgUsage: "用法：/msg 用户号 内容，比如 /msg 200 你好",
  historyUsage: "用法：/history 或 /history 用户号",
  emptyLine: "空行不会发送。",
  tooLong: (units: number, most: number) => `太长了：${units} 字，最多 ${most} 字，没有发送。`,
  me: "我",
  privateMark: "（私聊）",
  privateTo: (who: string) => `（私聊→${who}）`,
  refused: (why: string, content: string) => `没有发出去（${why}）：${content}`,
  unknownOutcome: (content: string) => `不知道是否送达：${content}`,
  waitingUnsent: (count: number) => `等 ${count} 条消息送达……`,
  cameOnline: (who: string) => `${who} 上线了`,
  wentOffline: (who: string) => `${who} 下线了`,
  comingsAndGoings: (came: number, left: number) => `上线 ${came} 人，下线 ${left} 人`,
  lost: (why: string, seconds: string) => `连接断了（${why}），${seconds} 秒后自动重连。没确认的消息会再发。`,
  back: (seconds: string) => `又连上了（断开 ${seconds} 秒）。`,
  replaced: "同一设备在别处登录了，这里已退出。",
  ended: "登录已失效，请重新登录。",
  gap: {
    skipped: (count: number) => `……${count} 条更早的消息没有在这里显示，见信息列表`,
    trimmed: (count: number) => `……${count} 条更早的消息已不再保存`,
    lost: (count: number) => `……至少 ${count} 条消息丢失（服务器存储故障）`,
  },
  askHistory: "谁的消息？回车 = 大家，或输入用户号: ",
  askOlder: "回车 = 更早的，q = 返回: ",
  noHistory: "没有消息。",
  historyStart: "（到头了）",
  notConnected: "现在没有连接，稍后再试。",
  bye: "再见。",
  codes: {
    400: "格式错误",
    401: "请先登录",
    403: "密码错误",
    404: "没有这个用户",
    409: "已在别处登录",
    413: "太长了",
    429: "太频繁了，请稍后再试",
    500: "用户不存在",
    503: "服务器暂时不可用，请稍后再试",
    505: "用户号已存在",
    506: "注册时发生未知错误",
  } as Record<number, string>,
};

export type Texts = typeof zh;

const en: Texts = {
  welcome: "haiyu: welcome to the chat",
  server: (host, port) => `server ${host}:${port}`,
  firstMenu: ["Log in", "Register", "Quit"],
  secondMenu: ["Who is online", "Send messages", "Message list", "Quit"],
  choose: (count) => `Choose (1-${count}): `,
  notAChoice: (given, count) => `There is no "${given}", type a number from 1 to ${count}.`,
  askUserId: "User id: ",
  askPassword: "Password: ",
  askUserName: "Name: ",
  badUserId: "A user id is a whole number from 1 to 9007199254740991.",
  badPassword: (most) => `A password is not empty and at most ${most} bytes long.`,
  badUserName: (most) => `A name has 1 to ${most} characters, no control characters among them.`,
  registered: (userId) => `User ${userId} is registered; log in now.`,
  notRegistered: (why) => `Not registered: ${why}`,
  loggedIn: (name, userId) => `Welcome, ${name}(${userId})`,
  notLoggedIn: (why) => `Not logged in: ${why}`,
  unread: (who, count) => `${who}: ${count} unread`,
  everyone: "everyone",
  unreachable: (target, why) =>
    `Cannot reach ${target} (${why}). Is the server running? npm start starts it.`,
  onlineList: (total) => `${total} online:`,
  onlineOne: (userId, name) => `  ${userId}  ${name}`,
  onlineMore: (count) => `  … and ${count} more`,
  chatHint:
    "Type, and everyone gets it; /msg 200 hello is private; /help lists the commands; /back is the menu.",
  chatPrompt: "> ",
  offlinePrompt: (count) => (count === 0 ? "(offline) > " : `(offline, ${count} unconfirmed) > `),
  unsentPrompt: (count) => `(${count} unconfirmed) > `,
  help: [
    "just type         to everyone (what begins with / is typed as //…)",
    "/msg 200 hello    privately to user 200",
    "/users            who is online",
    "/history [200]    messages of everyone (or with 200); once more for older ones",
    "/back             the menu",
    "/help             this list",
    "/quit             quit",
  ],
  unknownCommand: (given) => `There is no command ${given}; /help lists them.`,
  msgUsage: "Usage: /msg USER-ID TEXT, as in /msg 200 hello",
  historyUsage: "Usage: /history or /history USER-ID",
  emptyLine: "An empty line is not sent.",
  tooLong: (units, most) => `Too long: ${units} characters, at most ${most}; not sent.`,
  me: "me",
  privateMark: "(private) ",
  privateTo: (who) => `(private to ${who}) `,
  refused: (why, content) => `Not sent (${why}): ${content}`,
  unknownOutcome: (content) => `Not known to be sent: ${content}`,
  waitingUnsent: (count) => `Waiting for ${count} unconfirmed…`,
  cameOnline: (who) => `${who} is online`,
  wentOffline: (who) => `${who} has left`,
  comingsAndGoings: (came, left) => `${came} came, ${left} left`,
  lost: (why, seconds) =>
    `Connection lost (${why}); next try in ${seconds} s. What is unconfirmed is sent again.`,
  back: (seconds) => `Connected again (after ${seconds} s).`,
  replaced: "The same device has logged in elsewhere; logged out here.",
  ended: "The log-in is no longer valid; log in again.",
  gap: {
    skipped: (count) => `… ${count} older messages are not shown here; see the message list`,
    trimmed: (count) => `… ${count} older messages are no longer kept`,
    lost: (count) => `… at least ${count} messages were lost (the server's storage failed)`,
  },
  askHistory: "Whose messages? Enter = everyone, or a user id: ",
  askOlder: "Enter = older ones, q = back: ",
  noHistory: "No messages.",
  historyStart: "(the beginning)",
  notConnected: "There is no connection now; try again later.",
  bye: "Bye.",
  codes: {
    400: "malformed",
    401: "log in first",
    403: "wrong password",
    404: "no such user",
    409: "logged in elsewhere",
    413: "too long",
    429: "too often, try again later",
    500: "no such user",
    503: "the server cannot do it now, try again later",
    505: "the user id is taken",
    506: "unknown error of the registration",
  },
};

export type Lang = "zh" | "en";

export const texts: Record<Lang, Texts> = { zh, en };

/**
 * The language of a person: what the flag says, else what the environment's locale says. A locale that names no
 * language (C, POSIX, none) is Chinese, as the first generation was. Null when the flag names neither.
 */
export function langOf(flag: string | undefined, env: Record<string, string | undefined>): Lang | null {
  if (flag !== undefined) return flag === "zh" || flag === "en" ? flag : null;
  const locale = env.LC_ALL || env.LC_MESSAGES || env.LANG || "";
  return locale === "" || /^(zh|C\b|C\.|POSIX)/.test(locale) ? "zh" : "en";
}

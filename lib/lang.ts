/**
 * lang: every text the client shows, in Chinese and in English. The Chinese table is the shape of both. A text with
 * facts in it is a function of them; other people's names and words are made harmless before they come here.
 */

const zh = {
  welcome: "海语：欢迎登录多人聊天系统",
  server: (where: string) => `服务器 ${where}`,
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
  chatHint: "直接输入就发给大家；/msg 200 你好 是私聊；/help 看全部命令；/back 回菜单。",
  chatPrompt: (place: string, concerns: string) =>
    concerns === "" ? `${place}> ` : `（${concerns}）${place}> `,
  comma: "，",
  unreadCount: (count: number) => `${count} 条未读`,
  digestHint: "/next 去下一个未读的会话",
  stopHint: "Ctrl-C 停止",
  received: (who: string, content: string) => `${who} 收到了：${content}`,
  pasteAsk: (lines: number, units: number, canJoin: boolean) =>
    `一下来了 ${lines} 行（${units} 字）。s = 发 ${lines} 条，${canJoin ? "o = 合成一条发，" : ""}回车 = 不要: `,
  pasteDropped: (lines: number) => `${lines} 行没有发送。`,
  lineCut: (most: number) =>
    `终端一行最多 ${most} 字节，这一行被它截断了，没有采用。分几行粘贴再合成一条，或用 client.ts send。`,
  lineWithKeys:
    "这一行里有控制键（方向键、Esc 之类），没有采用，请重新输入。Ctrl-U 清空一行，Ctrl-R 再看一遍。",
  noHiding: "不能关掉这个终端的回显（缺 stty？），所以不在这里问密码。",
  me: "我",
  privateMark: "（私聊）",
  privateTo: (who: string) => `（私聊→${who}）`,
  refused: (why: string, content: string) => `没有发出去（${why}）：${content}`,
  unknownOutcome: (content: string) => `不知道是否送达：${content}`,
  kept: (content: string) => `还没确认，已存盘，下次登录再发：${content}`,
  keptCount: (count: number) => `${count} 条消息还没确认，已存盘，下次登录再发。`,
  noOutbox: (why: string) => `消息不能先存盘（${why}），没确认的消息只在内存里。`,
  waitingUnsent: (count: number) => `等 ${count} 条消息送达……`,
  cameOnline: (who: string) => `${who} 上线了`,
  wentOffline: (who: string) => `${who} 下线了`,
  comingsAndGoings: (came: number, left: number) => `上线 ${came} 人，下线 ${left} 人`,
  loginWaits: (why: string, seconds: string) => `还不能登录（${why}），${seconds} 秒后再试。`,
  lost: (why: string, seconds: string) => `连接断了（${why}），${seconds} 秒后自动重连。没确认的消息会再发。`,
  back: (seconds: string) => `又连上了（断开 ${seconds} 秒）。`,
  replaced: "同一设备在别处登录了，这里已退出。",
  ended: "登录已失效，请重新登录。",
  gap: {
    skipped: (count: number) => `……${count} 条更早的消息没有在这里显示，见信息列表`,
    trimmed: (count: number) => `……${count} 条更早的消息已不再保存`,
    lost: (count: number) => `……至少 ${count} 条消息丢失（服务器存储故障）`,
    missing: (count: number) => `……这里缺 ${count} 条，/history 会取`,
  },
  askHistory: "谁的消息？回车 = 大家，或输入用户号: ",
  askOlder: "回车 = 更早的，q = 返回: ",
  noHistory: "没有消息。",
  historyStart: "（到头了）",
  bye: "再见。",
  codes: {
    1: "没能写到本机磁盘",
    2: "放得太久，不再自动发送，以免变成两条",
    3: "没发出去的消息太多了",
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
  server: (where) => `server ${where}`,
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
  chatHint:
    "Type, and everyone gets it; /msg 200 hello is private; /help lists the commands; /back is the menu.",
  chatPrompt: (place, concerns) => (concerns === "" ? `${place}> ` : `(${concerns}) ${place}> `),
  comma: ", ",
  unreadCount: (count) => `${count} unread`,
  digestHint: "/next goes to the next unread conversation",
  stopHint: "Ctrl-C stops",
  received: (who, content) => `${who} has received: ${content}`,
  pasteAsk: (lines, units, canJoin) =>
    `${lines} lines came at once (${units} characters). s = send ${lines} messages, ${canJoin ? "o = send as one, " : ""}Enter = no: `,
  pasteDropped: (lines) => `${lines} lines are not sent.`,
  lineCut: (most) =>
    `A terminal takes ${most} bytes a line and has cut this one; it was not taken. Paste it in several lines and send them as one, or use client.ts send.`,
  lineWithKeys:
    "There are control keys in this line (arrows, Esc); it was not taken, type it again. Ctrl-U empties a line, Ctrl-R shows it again.",
  noHiding: "The echo of this terminal cannot be switched off (no stty?), so no password is asked for here.",
  me: "me",
  privateMark: "(private) ",
  privateTo: (who) => `(private to ${who}) `,
  refused: (why, content) => `Not sent (${why}): ${content}`,
  unknownOutcome: (content) => `Not known to be sent: ${content}`,
  kept: (content) => `Unconfirmed; kept on disk, sent again at the next log-in: ${content}`,
  keptCount: (count) =>
    `${count} ${count === 1 ? "message is" : "messages are"} unconfirmed; kept on disk, sent at the next log-in.`,
  noOutbox: (why) => `Messages cannot be kept on disk (${why}); what is unconfirmed is in memory only.`,
  waitingUnsent: (count) => `Waiting for ${count} unconfirmed…`,
  cameOnline: (who) => `${who} is online`,
  wentOffline: (who) => `${who} has left`,
  comingsAndGoings: (came, left) => `${came} came, ${left} left`,
  loginWaits: (why, seconds) => `Not logged in yet (${why}); next try in ${seconds} s.`,
  lost: (why, seconds) =>
    `Connection lost (${why}); next try in ${seconds} s. What is unconfirmed is sent again.`,
  back: (seconds) => `Connected again (after ${seconds} s).`,
  replaced: "The same device has logged in elsewhere; logged out here.",
  ended: "The log-in is no longer valid; log in again.",
  gap: {
    skipped: (count) => `… ${count} older messages are not shown here; see the message list`,
    trimmed: (count) => `… ${count} older messages are no longer kept`,
    lost: (count) => `… at least ${count} messages were lost (the server's storage failed)`,
    missing: (count) => `… ${count} missing here; /history fetches them`,
  },
  askHistory: "Whose messages? Enter = everyone, or a user id: ",
  askOlder: "Enter = older ones, q = back: ",
  noHistory: "No messages.",
  historyStart: "(the beginning)",
  bye: "Bye.",
  codes: {
    1: "it could not be written to this machine's disk",
    2: "kept too long to be sent by itself: it could become two",
    3: "too many messages are unsent",
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
  const locale = localeOf(env);
  return locale === "" || /^(zh|C\b|C\.|POSIX)/.test(locale) ? "zh" : "en";
}

/** The language of an operator, whose machine often names none: then it is that of OPERATIONS.md. Null as above. */
export function operatorLangOf(
  flag: string | undefined,
  env: Record<string, string | undefined>,
): Lang | null {
  if (flag !== undefined) return langOf(flag, env);
  return localeOf(env).startsWith("zh") ? "zh" : "en";
}

function localeOf(env: Record<string, string | undefined>): string {
  return env.LC_ALL || env.LC_MESSAGES || env.LANG || "";
}

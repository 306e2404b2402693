/**
 * delivered: a stored message as its readers get it. Built anew from checked fields ([S-5]); the first generation's
 * fields come first, in its order, userPwd always empty, userStatus the "\u0000" that client writes.
 */
import { type ServerFields } from "./message.ts";
import { formatId } from "./messageId.ts";
import type { Entry } from "./smsDao.ts";

/** SmsMes for a legacy reader, with the content it is to see. */
export function legacyFields(entry: Entry, content: string, userName: string): ServerFields<"SmsMes"> {
  return { content, userId: entry.sender, userPwd: "", userName, userStatus: "\u0000", sex: entry.sex };
}

/** SmsMes for a modern reader, who calls the conversation `conv`. */
export function deliveredFields(entry: Entry, conv: string): ServerFields<"SmsMes"> {
  return {
    ...legacyFields(entry, entry.content, entry.name),
    conv,
    id: formatId(entry.id),
    time: entry.time,
    mid: entry.mid,
  };
}

/**
 * messageLine: a message, or a gap, as one line for scripts (clause [C-34]): JSON, or fields with tabs between. Neither
 * has a character in it that could steer a terminal or look like a second line.
 */
import { harmless } from "./displayText.ts";
import type { Delivered } from "./chatClient.ts";
import type { ScriptTexts } from "./scriptTexts.ts";

/** Ids between which `count` messages are not there. */
export interface Gap {
  conv: string;
  after: string;
  before: string;
  count: number;
  reason: "trimmed" | "lost";
}

export interface LineStyle {
  json: boolean;
  texts: ScriptTexts;
}

/** The line of a message; of a time that is not known the field is empty. */
export function messageLine(message: Delivered, { json }: LineStyle): string {
  const { conv = "all", id = "", time = 0, userId, userName, content } = message;
  if (json) return jsonLine({ conv, id, time, userId, userName, content });
  return [new Date(time).toISOString(), conv, String(userId), plain(userName), plain(content)].join("\t");
}

/** The line of a gap. */
export function gapLine({ conv, after, before, count, reason }: Gap, { json, texts }: LineStyle): string {
  if (json) return jsonLine({ gap: true, conv, after, before, count, reason });
  return ["", conv, "", "", texts.gap[reason](count)].join("\t");
}

// What JSON leaves as it is, and a terminal obeys or shows as something else.
const steering =
  /[\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** One line of JSON that any terminal may show; read as JSON it is the same as before. */
export function jsonLine(value: object): string {
  return JSON.stringify(value).replace(steering, (char) =>
    Array.from({ length: char.length }, (_, index) => {
      const unit = char.charCodeAt(index).toString(16).padStart(4, "0");
      return `\\u${unit}`;
    }).join(""),
  );
}

/** Other people's text in one field: a backslash, a tab and a line's end are spelled, the rest is made harmless. */
export function plain(text: string): string {
  const spelled = { "\\": "\\\\", "\t": "\\t", "\r": "\\r", "\n": "\\n" } as Record<string, string>;
  return harmless(text.replace(/[\\\t\r\n]/g, (char) => spelled[char] ?? char));
}

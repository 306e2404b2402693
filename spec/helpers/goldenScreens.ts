/**
 * goldenScreens: the screens that are kept in fixtures/screens, made anew from one scene: the same at every run, since
 * clock, ids and people are the scene's own.
 */
import { type Lang } from "../../lib/lang.ts";
import type { Background, ColorDepth } from "../../lib/palette.ts";
import type { Cell } from "./screenTty.ts";
import { Stage } from "./screenStage.ts";

export interface GoldenScreen {
  name: string;
  lines: string[];
  cells: Cell[][];
  cursor: { row: number; column: number };
}

const sizes = [
  [40, 12],
  [80, 24],
  [120, 40],
] as const;

/** What terminals can show, but for 24 bits of colour on a dark background, which all sizes and languages have. */
const looks: { name: string; depth: ColorDepth; background: Background }[] = [
  { name: "-light", depth: "true", background: "light" },
  { name: "-256", depth: "256", background: "dark" },
  { name: "-256-light", depth: "256", background: "light" },
  { name: "-16", depth: "16", background: "dark" },
  { name: "-nocolor", depth: "none", background: "dark" },
];
const plainest: (typeof looks)[number] = { name: "", depth: "true", background: "dark" };

/** A scene of a morning: an absence, a talk, a private one, a refusal, a loss of the link. */
async function scene(
  lang: Lang,
  [columns, rows]: readonly [number, number],
  { name: look, depth, background } = plainest,
): Promise<GoldenScreen[]> {
  const stage = new Stage({ columns, rows, lang, depth, background });
  const size = `${columns}x${rows}${look}`;
  const taken: GoldenScreen[] = [];
  const take = (what: string): void => {
    const { lines, cells, cursor } = stage.tty;
    taken.push({ name: `${what}-${lang}-${size}`, lines, cells, cursor });
  };
  stage.log({ userId: 100, content: "see you tomorrow", agoMs: 15 * 3600_000 });
  stage.log({ userId: 300, content: "早 👩‍🚀，今天发布吗？", agoMs: 50 * 60_000 });
  stage.log({ userId: 100, content: "after the tests are green, @alice has the list", agoMs: 48 * 60_000 });
  stage.log({ conv: "u:300", userId: 300, content: "我下午不在，有事先说", agoMs: 30 * 60_000 });
  await stage.logIn({ read: { all: 1, "u:300": 0 } });
  take("away");
  await stage.type("good morning 🌅 the list is in the shared folder\r");
  await stage.stores("disk");
  stage.hears({ userId: 300, content: "收到，谢谢！" });
  stage.events.presence?.({ online: [{ userId: 400, userName: "bob" }], offline: [100], initial: false });
  await stage.settled();
  await stage.type("/msg 300 三点以前都在\r");
  await stage.stores("disk");
  await stage.type("\u001b1", "two lines,\u001b\rhalf typed");
  take("talk");
  await stage.type("\u0003", "/help\r");
  take("help");
  await stage.type("\u001b");
  stage.clock.advance(100);
  await stage.loseLink(4_000);
  await stage.type("said while the link is away\r");
  take("offline");
  stage.close();
  return taken;
}

/** All of them. */
export async function goldenScreens(): Promise<GoldenScreen[]> {
  const all: GoldenScreen[] = [];
  for (const lang of ["en", "zh"] as const) for (const size of sizes) all.push(...(await scene(lang, size)));
  for (const look of looks) all.push(...(await scene("en", [80, 24], look)));
  return all;
}

/**
 * A screen as the text of its file: a frame of |, the cursor's place, then the same frame with a letter for each cell's
 * style (a blank: plain), and what the letters mean.
 */
export function goldenText({ lines, cells, cursor }: GoldenScreen): string {
  const letters = new Map<string, string>([["", " "]]);
  const letterOf = (style: string): string => {
    const letter = letters.get(style) ?? String.fromCharCode(0x60 + letters.size);
    letters.set(style, letter);
    return letter;
  };
  const framed = (rows: string[]): string => rows.map((row) => `|${row}\n`).join("");
  const styles = cells.map((row) =>
    row
      .map(({ style }) => letterOf(style))
      .join("")
      .trimEnd(),
  );
  const legend = [...letters].slice(1).map(([style, letter]) => `${letter} ${style}\n`);
  return `${framed(lines)}cursor ${cursor.row}:${cursor.column}\n${framed(styles)}${legend.join("")}`;
}

/**
 * palette: roles (a name, a notice, the status bar) to SGR parameters, in 24-bit colour, 256, 16 or none, on a light or
 * a dark background. The colour of a person is made from the user id alone, so that it is the same for everybody and
 * for ever. Nothing is told by colour only: with NO_COLOR the same roles are bold, dim, reverse.
 */
import type { Style } from "./screenBuffer.ts";

export type ColorDepth = "none" | "16" | "256" | "true";
export type Background = "dark" | "light";

export type Role =
  | "plain"
  | "dim"
  | "own"
  | "private"
  | "notice"
  | "mention"
  | "warning"
  | "good"
  | "bar"
  | "barStrong"
  | "chosen"
  | "match"
  | "line";

export interface Palette {
  role(role: Role): Style;
  /** The colour of somebody's name. */
  person(userId: number): Style;
}

/** What the environment says of colour: NO_COLOR, COLORTERM, TERM. */
export function colorDepthOf(env: NodeJS.ProcessEnv): ColorDepth {
  if (env.NO_COLOR) return "none";
  if (/^(truecolor|24bit)$/i.test(env.COLORTERM ?? "")) return "true";
  const term = env.TERM ?? "";
  if (/^(dumb|vt\d+|.*-m|.*-mono)$/.test(term)) return "none";
  if (/direct|truecolor/.test(term)) return "true";
  return /256/.test(term) ? "256" : "16";
}

/** What COLORFGBG says ("15;0": the last number is the background's colour); null when it says nothing. */
export function backgroundFromEnv(env: NodeJS.ProcessEnv): Background | null {
  const match = /;(\d+)$/.exec(env.COLORFGBG ?? "");
  if (!match) return null;
  const color = Number(match[1]);
  return color === 7 || (color >= 9 && color <= 15) ? "light" : "dark";
}

/** Whether a background, red, green, blue from 0 to 1, is light. */
export function backgroundOf([red, green, blue]: [number, number, number]): Background {
  return 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 ? "light" : "dark";
}

/** Hue in degrees, and the two nearest colours of smaller palettes: of the 256, and of the 16. */
const hues: { degrees: number; of256: Record<Background, number>; of16: number }[] = [
  { degrees: 2, of256: { dark: 210, light: 124 }, of16: 1 },
  { degrees: 30, of256: { dark: 215, light: 130 }, of16: 3 },
  { degrees: 52, of256: { dark: 221, light: 94 }, of16: 3 },
  { degrees: 95, of256: { dark: 149, light: 64 }, of16: 2 },
  { degrees: 140, of256: { dark: 114, light: 28 }, of16: 2 },
  { degrees: 168, of256: { dark: 79, light: 29 }, of16: 6 },
  { degrees: 190, of256: { dark: 80, light: 30 }, of16: 6 },
  { degrees: 210, of256: { dark: 75, light: 25 }, of16: 4 },
  { degrees: 235, of256: { dark: 111, light: 62 }, of16: 4 },
  { degrees: 268, of256: { dark: 141, light: 92 }, of16: 5 },
  { degrees: 300, of256: { dark: 176, light: 127 }, of16: 5 },
  { degrees: 335, of256: { dark: 211, light: 161 }, of16: 1 },
];

const colorless: Record<Role, Style> = {
  plain: "",
  dim: "2",
  own: "1",
  private: "",
  notice: "2",
  mention: "1;7",
  warning: "1",
  good: "",
  bar: "7",
  barStrong: "1;7",
  chosen: "7",
  match: "1;4",
  line: "2",
};

/** Foregrounds of the roles that have one: of the 16, of the 256 on dark and light, 24 bit on dark and light. */
const foregrounds: Partial<Record<Role, [number, number, number, string, string]>> = {
  dim: [8, 245, 243, "138;138;148", "118;118;128"],
  own: [6, 116, 24, "126;205;220", "0;95;120"],
  private: [5, 182, 90, "215;170;225", "125;40;140"],
  notice: [8, 245, 243, "138;138;148", "118;118;128"],
  warning: [1, 209, 124, "255;140;105", "175;30;0"],
  good: [2, 114, 28, "130;210;140", "0;115;40"],
  line: [8, 240, 250, "88;88;98", "188;188;196"],
};
const bars: Record<"256" | "true", Record<Background, Style>> = {
  "256": { dark: "38;5;252;48;5;237", light: "38;5;236;48;5;253" },
  true: { dark: "38;2;214;214;222;48;2;48;52;64", light: "38;2;40;44;52;48;2;224;226;232" },
};
const mentions: Record<"16" | "256" | "true", Record<Background, Style>> = {
  "16": { dark: "30;43", light: "30;43" },
  "256": { dark: "38;5;16;48;5;222", light: "38;5;16;48;5;222" },
  true: { dark: "38;2;20;20;20;48;2;245;205;110", light: "38;2;20;20;20;48;2;250;215;120" },
};

/** The palette for a terminal. */
export function paletteFor(depth: ColorDepth, background: Background): Palette {
  return {
    role: (role) => roleStyle(role, depth, background),
    person: (userId) => personStyle(userId, depth, background),
  };
}

function roleStyle(role: Role, depth: ColorDepth, background: Background): Style {
  if (depth === "none") return colorless[role];
  if (role === "mention") return mentions[depth][background];
  if (role === "bar" || role === "barStrong" || role === "chosen") {
    if (depth === "16") return colorless[role];
    return `${role === "bar" ? "" : "1;"}${bars[depth][background]}`;
  }
  const foreground = foregrounds[role];
  if (!foreground) return colorless[role];
  const [of16, dark256, light256, darkTrue, lightTrue] = foreground;
  // A grey of the 16 is unreadable on many a background; dim is not.
  if (depth === "16") return of16 === 8 ? "2" : `${30 + of16}`;
  if (depth === "256") return `38;5;${background === "dark" ? dark256 : light256}`;
  return `38;2;${background === "dark" ? darkTrue : lightTrue}`;
}

function personStyle(userId: number, depth: ColorDepth, background: Background): Style {
  if (depth === "none") return "1";
  const mixed = mixOf(userId);
  const hue = hues[mixed % hues.length];
  if (!hue) return "";
  if (depth === "16") return `${30 + hue.of16}`;
  if (depth === "256") return `38;5;${hue.of256[background]}`;
  // Two people of one hue differ a little in it.
  const degrees = hue.degrees + ((mixed >>> 8) % 11) - 5;
  return `38;2;${rgbOf(degrees, background === "dark" ? 0.72 : 0.36).join(";")}`;
}

/** A number whose bits all depend on all of the id's. */
function mixOf(userId: number): number {
  let mixed = (userId % 0x1_0000_0000) ^ Math.floor(userId / 0x1_0000_0000);
  for (let round = 0; round < 2; round++) {
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b);
  }
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** HSL with a fixed saturation, 0 to 255. */
function rgbOf(degrees: number, lightness: number): number[] {
  const reach = 0.55 * Math.min(lightness, 1 - lightness);
  return [0, 8, 4].map((shift) => {
    const place = (shift + ((degrees + 360) % 360) / 30) % 12;
    return Math.round(255 * (lightness - reach * Math.max(-1, Math.min(place - 3, 9 - place, 1))));
  });
}

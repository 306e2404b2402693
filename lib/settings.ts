/**
 * settings: what a person has set (`/set`, `/lang`), and which first-run hints have done their work; one file in the
 * state folder. What cannot be read there is as it was at the beginning.
 */
import { join } from "node:path";
import type { Lang } from "./lang.ts";
import { readWhole, writeWhole } from "./stateFiles.ts";

export const settingValues = {
  /** Comings and goings: not at all, folded into one line, each. */
  presence: ["fold", "off", "all"],
  /** Whether a mention and a private message ring. */
  bell: ["on", "off"],
  /** Whether the wheel scrolls (and the terminal does not select). */
  mouse: ["on", "off"],
  sidebar: ["on", "off"],
  /** "auto": what the terminal says of its background. */
  background: ["auto", "dark", "light"],
} as const;

export type SettingName = keyof typeof settingValues;
export type HintName = "send" | "switch" | "help";
export type SettingsData = { [K in SettingName]: (typeof settingValues)[K][number] } & {
  lang: Lang | null;
  /** Hints that are not needed any more. */
  learnt: HintName[];
};

/** The settings of one installation; set ones are on disk at once where that can be done. */
export class Settings {
  readonly #path: string | null;
  readonly #data: SettingsData;

  private constructor(path: string | null, data: SettingsData) {
    this.#path = path;
    this.#data = data;
  }

  /** Reads them from the state folder; null: they are not kept. Never throws. */
  static open(folder: string | null): Settings {
    const path = folder === null ? null : join(folder, "settings.json");
    return new Settings(path, { ...beginnings(), ...(path === null ? {} : readSettings(path)) });
  }

  get(name: SettingName): string {
    return this.#data[name];
  }

  /** False when it has no such value. */
  set(name: SettingName, value: string): boolean {
    const fits = settingValues[name].find((one) => one === value);
    if (fits === undefined) return false;
    Object.assign(this.#data, { [name]: fits });
    this.#write();
    return true;
  }

  get lang(): Lang | null {
    return this.#data.lang;
  }

  setLang(lang: Lang): void {
    this.#data.lang = lang;
    this.#write();
  }

  hasLearnt(hint: HintName): boolean {
    return this.#data.learnt.includes(hint);
  }

  /** The hint has done its work. */
  learn(hint: HintName): void {
    if (this.hasLearnt(hint)) return;
    this.#data.learnt.push(hint);
    this.#write();
  }

  #write(): void {
    if (this.#path === null) return;
    try {
      writeWhole(this.#path, `${JSON.stringify(this.#data)}\n`);
    } catch {
      // A read-only home: then it is for this time only.
    }
  }
}

function beginnings(): SettingsData {
  return {
    presence: "fold",
    bell: "on",
    mouse: "on",
    sidebar: "on",
    background: "auto",
    lang: null,
    learnt: [],
  };
}

/** What of a file fits: anybody may have edited it. */
function readSettings(path: string): Partial<SettingsData> {
  let given: Record<string, unknown>;
  try {
    const value: unknown = JSON.parse(readWhole(path) ?? "{}");
    given = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
  const fitting = Object.entries(settingValues).flatMap(([name, values]) =>
    (values as readonly unknown[]).includes(given[name]) ? [[name, given[name]]] : [],
  );
  const hints: HintName[] = ["send", "switch", "help"];
  const learnt = Array.isArray(given.learnt)
    ? hints.filter((hint) => (given.learnt as unknown[]).includes(hint))
    : [];
  const lang = given.lang === "zh" || given.lang === "en" ? given.lang : null;
  return { ...(Object.fromEntries(fitting) as Partial<SettingsData>), lang, learnt };
}

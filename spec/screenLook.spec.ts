/**
 * screenLook.spec: what is told by colour is told without it too, names keep their colour, times stand by day.
 */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { backgroundFromEnv, backgroundOf, colorDepthOf, paletteFor } from "../lib/palette.ts";
import { Stage, closeStages } from "./helpers/screenStage.ts";

afterEach(closeStages);

test("[C-23] without colour own, private, mentioned and our own lines differ, and each day has its line", async () => {
  const stage = new Stage();
  stage.log({ userId: 100, content: "yesterday", agoMs: 24 * 3600_000 });
  stage.log({ userId: 100, content: "today" });
  stage.log({ userId: 100, content: "for @alice" });
  stage.log({ conv: "u:100", userId: 100, content: "between us" });
  await stage.logIn();
  await stage.type("mine\r", "/nothing\r");
  const of = (what: string): string => stage.lines.find((line) => line.includes(what))?.slice(22) ?? "";
  assert.equal(of("yesterday"), "09:41    scott(100): yesterday");
  assert.equal(of("for @alice"), "09:41  @ scott(100): for @alice");
  assert.equal(of("mine"), "09:41  … me: mine");
  assert.match(of("There is no command"), /^09:41 -- There is no command \/nothing/);
  assert.match(stage.text, /── 2026-11-23 Mon ──[\s\S]*yesterday[\s\S]*── 2026-11-24 Tue ──[\s\S]*today/);
  await stage.type("/go 100\r");
  assert.equal(of("between us"), "09:41    scott(100)» between us");
  const colours = new Set(
    stage.tty.cells.flat().map(({ style }) => style.replace(/bold|dim|reverse|underline| /g, "")),
  );
  assert.deepEqual([...colours], [""], "NO_COLOR is no colour at all");
});

test("[C-23] a name has one colour, made of the id alone, in every depth and on every background", () => {
  for (const depth of ["16", "256", "true"] as const) {
    for (const background of ["dark", "light"] as const) {
      const ids = Array.from({ length: 200 }, (_, index) => 100 + index * 7);
      const styles = ids.map((userId) => paletteFor(depth, background).person(userId));
      assert.deepEqual(
        ids.map((userId) => paletteFor(depth, background).person(userId)),
        styles,
      );
      assert.ok(
        new Set(styles).size >= (depth === "16" ? 5 : 10),
        `${depth}: ${new Set(styles).size} colours`,
      );
      for (const style of styles) assert.match(style, /^[0-9;]+$/);
    }
  }
  assert.equal(paletteFor("none", "dark").person(5), "1");
});

test("[C-23] the colours are what the environment and the terminal say", () => {
  assert.equal(colorDepthOf({ TERM: "xterm", NO_COLOR: "1", COLORTERM: "truecolor" }), "none");
  assert.equal(colorDepthOf({ TERM: "xterm", COLORTERM: "truecolor" }), "true");
  assert.equal(colorDepthOf({ TERM: "screen-256color" }), "256");
  assert.equal(colorDepthOf({ TERM: "linux" }), "16");
  assert.equal(colorDepthOf({ TERM: "vt100" }), "none");
  assert.equal(backgroundFromEnv({ COLORFGBG: "0;15" }), "light");
  assert.equal(backgroundFromEnv({ COLORFGBG: "15;0" }), "dark");
  assert.equal(backgroundFromEnv({}), null);
  assert.equal(backgroundOf([1, 1, 0.9]), "light");
  assert.equal(backgroundOf([0.1, 0.1, 0.2]), "dark");
});

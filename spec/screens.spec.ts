/**
 * screens.spec: the golden screens of fixtures/screens, cell by cell; `npm run screens` draws them anew.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { goldenScreens, goldenText } from "./helpers/goldenScreens.ts";
import { textOf } from "./helpers/sources.ts";

test("[C-23] [C-26] [C-41] the screens at 40x12, 80x24 and 120x40, in both languages, in every depth of colour, are those that are kept: text, styles, cursor", async () => {
  const screens = await goldenScreens();
  const kept = readdirSync(new URL("../fixtures/screens/", import.meta.url)).filter((name) =>
    name.endsWith(".txt"),
  );
  assert.deepEqual(kept.sort(), screens.map(({ name }) => `${name}.txt`).sort());
  for (const screen of screens) {
    assert.equal(
      goldenText(screen),
      textOf(`fixtures/screens/${screen.name}.txt`),
      `${screen.name}: npm run screens`,
    );
  }
});

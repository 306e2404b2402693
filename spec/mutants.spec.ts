/**
 * mutants.spec: the seeded bugs of fixtures/mutants still fit the code, so that `npm run mutants` can plant them.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { parseMutant } from "./mutants.ts";

const root = new URL("../", import.meta.url);
const folder = new URL("fixtures/mutants/", root);

test("[house] every mutant's lines stand once in its file, and its specs are there", () => {
  const files = readdirSync(folder);
  assert.ok(files.length >= 25, `${files.length} mutants`);
  for (const file of files) {
    const { changes, specs } = parseMutant(file, readFileSync(new URL(file, folder), "utf8"));
    for (const change of changes) {
      const count = readFileSync(new URL(change.file, root), "utf8").split(change.find).length - 1;
      assert.equal(count, 1, `${file}: lines found in ${change.file}`);
    }
    for (const spec of specs) assert.ok(existsSync(new URL(`spec/${spec}`, root)), `${file}: ${spec}`);
  }
});

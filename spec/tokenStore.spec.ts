/**
 * tokenStore.spec: the log-in that is kept in the state folder (clause [C-20]).
 */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TokenStore } from "../lib/tokenStore.ts";
import { scratchFolder } from "./helpers/scratch.ts";

const alice = { host: "chat.example", port: 8889, userId: 200, device: "terminal-1" };

/** The only file of a folder. */
function fileOf(folder: string): string {
  const names = fs.readdirSync(join(folder, "tokens"));
  assert.equal(names.length, 1, names.join(" "));
  return join(folder, "tokens", names[0] ?? "");
}

test("[C-20] a token is kept for its account and device, readable by its owner only, the new one instead of the old", () => {
  const folder = scratchFolder();
  const store = new TokenStore(folder);
  assert.equal(store.read(alice), undefined);
  assert.equal(store.write(alice, "first"), true);
  assert.equal(store.write(alice, "second"), true);
  assert.equal(new TokenStore(folder).read(alice), "second");
  assert.equal(fs.statSync(fileOf(folder)).mode & 0o777, 0o600);
  assert.equal(fs.statSync(join(folder, "tokens")).mode & 0o777, 0o700);
  for (const other of [
    { userId: 201 },
    { device: "terminal-2" },
    { port: 1 },
    { host: "chat.example.org" },
  ]) {
    assert.equal(store.read({ ...alice, ...other }), undefined, JSON.stringify(other));
  }
});

test("[C-20] a token that others can read is not used; a forgotten one is gone, and forgetting it twice is fine", () => {
  const folder = scratchFolder();
  const store = new TokenStore(folder);
  store.write(alice, "secret");
  fs.chmodSync(fileOf(folder), 0o640);
  assert.equal(store.read(alice), undefined);
  store.write(alice, "fresh");
  assert.equal(store.read(alice), "fresh");
  store.forget(alice);
  store.forget(alice);
  assert.equal(store.read(alice), undefined);
  assert.deepEqual(fs.readdirSync(join(folder, "tokens")), []);
});

test("[C-20] where nothing can be kept, nothing breaks: no folder, no text, a folder in the file's place", () => {
  const folder = scratchFolder();
  const store = new TokenStore(folder);
  store.write(alice, "x".repeat(1_000));
  assert.equal(store.read(alice), undefined, "a token is at most 128 characters");
  const path = fileOf(folder);
  fs.rmSync(path);
  fs.mkdirSync(path);
  assert.equal(store.read(alice), undefined);
  assert.equal(store.write(alice, "token"), false);
  fs.writeFileSync(join(folder, "file"), "");
  assert.equal(new TokenStore(join(folder, "file")).write(alice, "token"), false);
});

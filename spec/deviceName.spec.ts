/**
 * deviceName: where a client keeps its name and its messages, in odd homes too (clause [C-7]).
 */
import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { claimDeviceName } from "../lib/deviceName.ts";
import { stateFolder } from "../lib/stateFiles.ts";
import { scratchFolder } from "./helpers/scratch.ts";
import { spawnScript } from "./helpers/server.ts";

test("[C-7] the state folder is XDG's, else under HOME, else under the home that the system knows", () => {
  const known = join(userInfo().homedir, ".local/state/haiyu");
  const folders: [NodeJS.ProcessEnv, string][] = [
    [{ XDG_STATE_HOME: "/s", HOME: "/h" }, "/s/haiyu"],
    [{ HOME: "/h" }, "/h/.local/state/haiyu"],
    [{ XDG_STATE_HOME: "", HOME: "/h" }, "/h/.local/state/haiyu"],
    [{ XDG_STATE_HOME: "state", HOME: "/h" }, "/h/.local/state/haiyu"],
    [{ HOME: "" }, known],
    [{ HOME: "home" }, known],
    [{}, known],
  ];
  for (const [env, wanted] of folders) assert.equal(stateFolder(env), wanted, JSON.stringify(env));
});

test("[C-7] where nothing can be kept the name is for this time only", () => {
  const file = join(scratchFolder(), "a-file");
  writeFileSync(file, "");
  for (const state of ["/proc/haiyu", file, join(file, "state")]) {
    assert.match(claimDeviceName({ XDG_STATE_HOME: state }), /^temporary-/, state);
  }
});

test("[C-7] a client with no home to write to starts, and leaves nothing where it stands", async () => {
  const cwd = scratchFolder();
  const envs = [{ HOME: "/proc/haiyu" }, { HOME: scratchFolder(), XDG_STATE_HOME: "state" }];
  for (const env of envs) {
    const { child, output, ended } = spawnScript("client.ts", ["--lang", "en"], {
      cwd,
      env: { XDG_STATE_HOME: "", ...env },
    });
    child.stdin?.end("4\n");
    assert.equal(await ended, 0, output.err);
    assert.deepEqual(readdirSync(cwd), []);
  }
});

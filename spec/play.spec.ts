/**
 * play.spec: the plays of fixtures/plays, one for each row of what the first generation could do and more. Each runs on
 * an empty Redis and a server of its own.
 */
import { readFileSync, readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { runPlay } from "./helpers/play.ts";
import { type SpecRedis, startRedis } from "./helpers/redis.ts";
import { startSpecServer } from "./helpers/server.ts";

const folder = new URL("../fixtures/plays/", import.meta.url);
let redis: SpecRedis;
before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

const clauses: Record<string, string> = {
  1: "[P-5] [H-1] [K-3]",
  2: "[L-1] [G-3] [G-8]",
  3: "[L-1] [L-2] [L-3] [L-4] [L-7]",
  4: "[A-1] [L-8] [M-1] [M-4]",
  5: "[P-1] [P-2] [P-3]",
  6: "[S-1] [S-2] [S-4] [D-1] [D-2]",
  7: "[H-1] [H-2] [H-3] [D-4] [P-4] [K-1] [M-4]",
  8: "[G-6] [G-7] [G-8] [S-5]",
  9: "[M-5] [S-3]",
};

for (const file of readdirSync(folder).sort()) {
  test(`${clauses[file[0] ?? ""] ?? ""} play ${file}`, async () => {
    await redis.client.flushall();
    const server = await startSpecServer({ redis });
    try {
      await runPlay(readFileSync(new URL(file, folder), "utf8"), { port: server.port, store: redis.client });
    } finally {
      await server.close();
    }
  });
}

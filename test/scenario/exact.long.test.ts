import { describe, it } from "node:test";
import { deadline } from "../support/deadline.ts";
import { exactUnderKills } from "./exact-under-kills.ts";
import { openBench } from "./migration-bench.ts";

describe("exactness, the longer suite", () => {
  for (const [from, to] of [
    [13, 17],
    [18, 18],
    [14, 16],
  ] as const) {
    for (const seed of [1, 2, 3]) {
      it(`PostgreSQL ${from} to ${to}, seed ${seed}: killed ten times`, { timeout: deadline(300_000) }, async () => {
        await using bench = await openBench({ from, to, schema: from <= 15 && to >= from ? "move" : "existing" });
        await exactUnderKills(bench, { kills: 10, seed });
      });
    }
  }
});

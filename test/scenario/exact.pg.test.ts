import { describe, it } from "node:test";
import { deadline } from "../support/deadline.ts";
import { exactUnderKills } from "./exact-under-kills.ts";
import { openBench } from "./migration-bench.ts";

describe("exactness, with kill -9 and writers", () => {
  it("PostgreSQL 14 to 15: killed six times, every table equal, every acknowledged commit there once", {
    timeout: deadline(180_000),
  }, async () => {
    await using bench = await openBench({ from: 14, to: 15 });
    await exactUnderKills(bench, { kills: 6, seed: Number(process.env.PGHAUL_TEST_SEED ?? 20261121) });
  });
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deadline } from "../support/deadline.ts";
import { dieAt, POINTS, survive } from "./crash-lives.ts";

describe("kill -9 at every named point of run, each in a migration of its own, twice", () => {
  for (const point of Object.keys(POINTS)) {
    it(`${point}: nothing lost, nothing twice`, { timeout: deadline(120_000) }, () =>
      survive(async (bench) => {
        await dieAt(bench, point);
        const again = await bench.run(["run", "--until", "caught-up"], { PGHAUL_CRASH_AT: `${point}:3` });
        assert.ok(again.signal === "SIGKILL" || again.code === 0, again.stderr);
      }, point),
    );
  }
});

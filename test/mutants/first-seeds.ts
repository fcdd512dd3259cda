/** The engine's simulation for mutants: it stops at the first seed that finds one. `test/sim/simulation.test.ts` goes through all of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runSimulation } from "../sim/run-simulation.ts";

const SEEDS = 3_000;

test("the engine, simulated, is exact", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { failure } = await runSimulation(seed);
    assert.equal(failure, null, `seed ${seed}: ${failure?.message}`);
  }
});

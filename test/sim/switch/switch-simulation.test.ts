import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { again } from "../simulations.ts";
import { runSwitchSimulation } from "./run-switch-simulation.ts";
import { MUTANTS } from "./switch-mutants.ts";

const SEEDS = 500;
/** The rarest needs a death in the one moment that matters. */
const MUTANT_SEEDS = 2_000;

/** Without these in plenty the seeds would pass for want of trouble. */
const TROUBLE = [
  "acknowledged",
  "switched",
  "driver killed",
  "driver killed inside",
  "run killed",
  "frozen",
  "away",
  "CUTOVER_DEADLINE",
  "CUTOVER_UNSETTLED",
  "ROUTE_FAILED",
  "settled by the watchdog",
];

describe("the switch, simulated", () => {
  it(`${SEEDS} seeds: one primary at a time, nothing acknowledged lost, what the record says is so, and settled in the end`, async () => {
    const happened = new Map<string, number>();
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const outcome = await runSwitchSimulation(seed);
      assert.equal(outcome.failure, null, `seed ${seed}: ${outcome.failure?.message}\n  again: ${again("switch", seed)}`);
      for (const [what, times] of outcome.happened) happened.set(what, (happened.get(what) ?? 0) + times);
    }
    for (const what of TROUBLE) assert.ok((happened.get(what) ?? 0) >= 20, `${what}: only ${happened.get(what) ?? 0} times`);
  });

  it("the same seed makes the same choices", async () => {
    for (const seed of [3, 14, 159]) {
      assert.equal((await runSwitchSimulation(seed)).hash, (await runSwitchSimulation(seed)).hash);
    }
  });

  for (const { what, mutation } of MUTANTS) {
    it(`finds a switch without ${what}`, async () => {
      for (let seed = 1; seed <= MUTANT_SEEDS; seed += 1) if ((await runSwitchSimulation(seed, mutation)).failure !== null) return;
      assert.fail(`no seed of ${MUTANT_SEEDS} finds it`);
    });
  }
});

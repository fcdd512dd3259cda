import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runSimulation } from "./run-simulation.ts";
import { again } from "./simulations.ts";

const SEEDS = 2_000;

/** Without these in plenty the seeds would pass for want of trouble. */
const TROUBLE = [
  "crash",
  "connection lost",
  "source crash",
  "target crash",
  "target went back",
  "stop",
  "conflict",
  "truncate",
  "leaf made",
  "leaf attached anew",
  "move at the target",
  "move of an absent row",
  "re-read",
  "chunk merged",
  "table joined",
  "table held",
  "table emptied",
  "batch applied",
] as const;

describe("the engine, simulated", () => {
  it(`is exact at every commit of the target in ${SEEDS} seeds`, async () => {
    const happened = new Map<string, number>();
    const failures: string[] = [];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await runSimulation(seed);
      for (const [what, times] of outcome.happened) happened.set(what, (happened.get(what) ?? 0) + times);
      if (outcome.failure !== null) failures.push(`${outcome.failure.message}\n  again: ${again("stream", seed)}`);
    }
    assert.deepEqual(failures, []);
    for (const what of TROUBLE) assert.ok((happened.get(what) ?? 0) > SEEDS / 20, `${what}: only ${happened.get(what) ?? 0} times`);
  });

  it("replays a seed exactly", async () => {
    for (const seed of [3, 77, 2 ** 40 + 5]) {
      const [first, second] = [await runSimulation(seed, { trace: true }), await runSimulation(seed, { trace: true })];
      assert.equal(second.hash, first.hash);
      assert.deepEqual(second.trace, first.trace);
      assert.ok(first.trace.length > 100);
    }
    assert.notEqual((await runSimulation(4)).hash, (await runSimulation(3)).hash);
  });
});

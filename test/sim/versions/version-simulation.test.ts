import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { again } from "../simulations.ts";
import { runVersionSimulation } from "./run-version-simulation.ts";

const SEEDS = 2_000;

/** Without these in plenty the seeds would pass for want of trouble. */
const TROUBLE = [
  "crash",
  "connection lost",
  "source crash",
  "target crash",
  "append lost",
  "stop",
  "leaf made",
  "leaf attached anew",
  "append",
  "idle stretch",
  "move pending",
  "re-read",
  "chunk merged",
  "table loaded",
  "table forgotten",
] as const;

describe("the engine over a version target, simulated", () => {
  it(`is exact at every position of a published table in ${SEEDS} seeds`, async () => {
    const happened = new Map<string, number>();
    const failures: string[] = [];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await runVersionSimulation(seed);
      for (const [what, times] of outcome.happened) happened.set(what, (happened.get(what) ?? 0) + times);
      if (outcome.failure !== null) failures.push(`${outcome.failure.message}\n  again: ${again("versions", seed)}`);
    }
    assert.deepEqual(failures, []);
    for (const what of TROUBLE) assert.ok((happened.get(what) ?? 0) > SEEDS / 20, `${what}: only ${happened.get(what) ?? 0} times`);
  });

  it("replays a seed exactly", async () => {
    const [first, second] = [await runVersionSimulation(77, { trace: true }), await runVersionSimulation(77, { trace: true })];
    assert.equal(second.hash, first.hash);
    assert.deepEqual(second.trace, first.trace);
    assert.ok(first.trace.length > 100);
  });
});

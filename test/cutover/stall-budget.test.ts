import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StallBudget, type StallLimits } from "../../src/cutover/stall-budget.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";

const never = (): Promise<never> => new Promise(() => undefined);

async function missOf(
  limits: StallLimits,
  walk: (budget: StallBudget, pass: (millis: number) => void) => Promise<unknown>,
): Promise<PghaulError> {
  let clock = 0;
  const budget = new StallBudget(limits, () => clock);
  budget.begin();
  try {
    await walk(budget, (millis) => {
      clock += millis;
    });
  } catch (error) {
    assert.ok(error instanceof PghaulError);
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was missed" });
}

describe("what used the stall up", () => {
  it("a step that asks twice has one deadline for both", () => {
    let clock = 0;
    const budget = new StallBudget({ maxStallMillis: 1_000, deadlines: { route: 100 } }, () => clock);
    budget.begin();
    assert.equal(budget.limitOf("route"), 100);
    clock += 70;
    assert.equal(budget.limitOf("route"), 30);
    clock += 70;
    assert.equal(budget.limitOf("route"), 1);
  });

  it("names the step that took it, not the one that found nothing left", async () => {
    const error = await missOf({ maxStallMillis: 250, deadlines: {} }, async (budget, pass) => {
      budget.limitOf("pause");
      pass(8);
      budget.limitOf("fence");
      pass(240);
      await budget.within("drain", never);
    });
    assert.equal(error.code, "CUTOVER_DEADLINE");
    assert.match(error.message, /"fence" took 240 ms of the 250 ms .* nothing was left for "drain"/);
    assert.equal(error.context.step, "fence");
    assert.match(String(error.context.took), /^pause 8 ms, fence 240 ms, drain \d+ ms$/);
  });

  it("names the step itself where its own deadline was the limit, or it took most", async () => {
    const own = await missOf({ maxStallMillis: 5_000, deadlines: { drain: 5 } }, async (budget, pass) => {
      budget.limitOf("fence");
      pass(4_000);
      await budget.within("drain", never);
    });
    assert.match(own.message, /the step "drain" was not done within 5 ms/);
    const most = await missOf({ maxStallMillis: 20, deadlines: {} }, async (budget, pass) => {
      budget.limitOf("fence");
      pass(2);
      const missed = budget.within("drain", never);
      pass(18);
      await missed;
    });
    assert.match(most.message, /the step "drain" was not done within 18 ms/);
  });
});

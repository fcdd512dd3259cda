import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SwitchWatch } from "../../src/cutover/watch-switch.ts";
import { PghaulError } from "../../src/errors/pghaul-error.ts";
import { FakeWorld, Killed } from "./fake-switch.ts";

/** A switch that was killed behind its fence, and a watchdog that looks at it a few times a second. */
async function abandoned(): Promise<{ world: FakeWorld; watch: SwitchWatch; failures: number[]; after(millis: number): Promise<void> }> {
  const world = new FakeWorld();
  world.killAt = "cutover-after-fence";
  await assert.rejects(world.run("target"), Killed);
  world.revive();
  let now = 0;
  const failures: number[] = [];
  const watch = new SwitchWatch({
    attempt: () => world.attempt,
    isDriven: async () => false,
    settle: async () => void (await world.settle()),
    failed: (_, tries) => void failures.push(tries),
    now: () => now,
  });
  const after = async (millis: number): Promise<void> => {
    for (const until = now + millis; now < until; now += 250) await watch.look();
  };
  return { world, watch, failures, after };
}

describe("the watchdog of a switch", () => {
  it("settles what has lost its driver after a moment of grace, and at once where a process begins", async () => {
    const { world, after } = await abandoned();
    await after(1_000);
    assert.equal(world.attempt?.outcome, "running");
    await after(2_000);
    assert.equal(world.attempt?.outcome, "cancelled");
    const other = await abandoned();
    await other.watch.lookAtOnce();
    assert.equal(other.world.attempt?.outcome, "cancelled");
  });

  it("goes on until it is settled, ever more slowly, however long a side is away", async () => {
    const { world, failures, after } = await abandoned();
    world.source.away = true;
    await after(60_000);
    assert.ok(failures.length >= 6 && failures.length <= 20, `${failures.length} tries in a minute`);
    assert.deepEqual(
      failures,
      failures.map((_, index) => index + 1),
    );
    assert.equal(world.source.fenced, true);
    world.source.away = false;
    await after(11_000);
    assert.equal(world.attempt?.outcome, "cancelled");
    assert.equal(world.source.fenced, false);
  });

  it("needs no target to cancel what was never opened there", async () => {
    const { world, failures, after } = await abandoned();
    world.target.away = true;
    await after(3_000);
    assert.equal(world.attempt?.outcome, "cancelled");
    assert.deepEqual(failures, []);
  });

  it("asks the route again until it leads back", async () => {
    const world = new FakeWorld();
    world.route.failSwitch = new PghaulError("ROUTE_FAILED", "killed");
    world.route.movesAllTheSame = true;
    world.killAt = "cutover-after-route";
    await assert.rejects(world.run("target"), Killed);
    world.revive();
    world.route.movesAllTheSame = false;
    await world.settle();
    assert.equal(world.attempt?.outcome, "cancelled", "the databases do not wait for the route");
    assert.equal(world.source.fenced, false);
    assert.equal(world.attempt?.steps.route?.state, "left");
    await assert.rejects(world.settle(), (error: PghaulError) => error.code === "ROUTE_FAILED");
    assert.equal(world.journal.filter((kind) => kind === "undo-failed").length, 1);
    world.route.failSwitch = null;
    await world.settle();
    assert.equal(world.route.side, "source");
    assert.equal(world.attempt?.steps.route?.state, "undone");
  });
});

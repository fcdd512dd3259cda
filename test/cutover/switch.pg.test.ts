import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deadline } from "../support/deadline.ts";
import { openSwitchBench, takesWrites } from "./switch-bench.ts";

describe("cutover under load", () => {
  it("switches, and back: nothing lost, one primary at a time, a plan that must be the one reviewed", {
    timeout: deadline(240_000),
  }, async () => {
    await using stage = await openSwitchBench({ seed: "switch-and-back" });
    const { bench } = stage;

    const unconfirmed = await bench.run(["cutover", "run", "--json"]);
    assert.equal(unconfirmed.code, 30, unconfirmed.stdout);
    const closed = await stage.switchTo("target");
    assert.equal(closed.code, 11, closed.stdout);
    assert.deepEqual(
      closed
        .json()
        .result.gates.filter((gate: { open: boolean }) => !gate.open)
        .map((gate: { id: string }) => gate.id),
      ["verified"],
    );

    const verified = await bench.run(["verify", "run", "--json"]);
    assert.equal(verified.code, 0, verified.stdout);
    const check = await bench.run(["cutover", "check", "--json"]);
    assert.equal(check.code, 0, check.stdout);

    const there = await stage.switchAtLast("target");
    assert.equal(there.code, 0, there.stdout + there.stderr);
    assert.equal(there.json().result.state, "writes-on-target");
    assert.equal(stage.route(), "target");
    assert.equal(await takesWrites(stage.url("source")), false);
    assert.equal(await takesWrites(stage.url("target")), true);
    console.log(
      `stall to the target: ${there.json().result.stallMs} ms; steps ${JSON.stringify(there.json().result.steps.map(({ id, millis }: { id: string; millis: number }) => [id, millis]))}`,
    );
    await stage.writesAgain(10_000);

    const status = await bench.run(["cutover", "status", "--json"]);
    assert.deepEqual(status.json().result.possible, ["pghaul cutover rollback"]);
    const again = await stage.switchTo("target");
    assert.equal(again.code, 11, again.stdout);
    assert.equal(again.json().error?.code, "CUTOVER_STATE");

    const back = await stage.switchAtLast("source");
    assert.equal(back.code, 0, back.stdout + back.stderr);
    console.log(`stall back: ${back.json().result.stallMs} ms`);
    assert.equal(await takesWrites(stage.url("source")), true);
    assert.equal(await takesWrites(stage.url("target")), false);
    await stage.writesAgain(10_000);
    await stage.assertNothingLost();

    const log = await bench.run(["cutover", "log", "--json"]);
    assert.equal(log.code, 0, log.stdout);
    assert.equal(log.json().result.check.broken, null);
    const kinds = log.json().result.entries.map((entry: { kind: string }) => entry.kind);
    for (const kind of ["gate", "confirmed", "attempt-started", "step-done", "switched"]) assert.ok(kinds.includes(kind), kind);
  });
});

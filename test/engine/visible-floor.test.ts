import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ChangeLog, ReadView, SourceReader } from "../../src/engine/ports.ts";
import { VisibleFloor } from "../../src/engine/visible-floor.ts";
import type { TransactionHeader } from "../../src/model/change.ts";
import { headerAt, viewOf } from "./rows.ts";

const never = new AbortController().signal;

/** A log with commits at 10, 20, 30 that stands at 40, and a source whose next heartbeat sees the xids given. */
function floorOver(seen: bigint[]) {
  const world = {
    view: viewOf(...seen) as ReadView,
    passed: 40n,
    now: 0,
    heartbeats: 0,
    streams: 1,
    opensAnew: false,
    froms: [] as bigint[],
  };
  const log: Pick<ChangeLog, "start" | "passed" | "headers" | "streams"> = {
    start: () => 10n,
    streams: () => world.streams,
    passed: () => world.passed,
    async *headers({ from, to }): AsyncIterable<TransactionHeader> {
      world.froms.push(from);
      if (world.opensAnew) world.streams += 1;
      world.opensAnew = false;
      for (const lsn of [10n, 20n, 30n]) if (lsn >= from && lsn < to) yield headerAt(lsn);
    },
  };
  const source: Pick<SourceReader, "heartbeat"> = {
    heartbeat: async () => {
      world.heartbeats += 1;
      return world.view;
    },
  };
  const clock = { now: () => world.now, sleep: () => Promise.resolve() };
  return { world, floor: new VisibleFloor({ log: log as ChangeLog, source: source as SourceReader, clock }) };
}

describe("the visible floor", () => {
  it("starts where the log does", () => assert.equal(floorOver([]).floor.known, 10n));

  it("stands at the first commit that is not visible, whatever is visible behind it", async () => {
    const { floor } = floorOver([10n, 30n]);
    assert.equal(await floor.current(never), 20n);
    assert.equal(floor.known, 20n);
  });

  it("stands where the log does when everything in it is visible", async () => {
    assert.equal(await floorOver([10n, 20n, 30n]).floor.current(never), 40n);
  });

  it("is of one stream: where the source crashed between snapshot and log, both are asked again", async () => {
    const { world, floor } = floorOver([10n, 30n]);
    world.opensAnew = true;
    assert.equal(await floor.current(never), 20n);
    assert.equal(floor.proved, 20n);
    assert.equal(world.heartbeats, 2, "the first snapshot may take new transactions for those that were lost");
  });

  it("goes on from where it stood, a second later, and asks once for all who wait", async () => {
    const { world, floor } = floorOver([10n]);
    assert.deepEqual(await Promise.all([floor.current(never), floor.current(never)]), [20n, 20n]);
    assert.equal(world.heartbeats, 1);
    world.view = viewOf(10n, 20n, 30n);
    assert.equal(await floor.current(never), 20n);
    world.now = 1_001;
    assert.equal(await floor.current(never), 40n);
    assert.deepEqual(world.froms, [10n, 20n]);
  });

  it("never goes back, though the log's keepalives are forgotten after a restart", async () => {
    const { world, floor } = floorOver([10n, 20n, 30n]);
    await floor.current(never);
    world.passed = 35n;
    world.now = 2_000;
    assert.equal(await floor.current(never), 40n);
  });
});

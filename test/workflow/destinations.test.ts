import assert from "node:assert/strict";
import { test } from "node:test";
import type { Lsn } from "../../src/model/lsn.ts";
import { createProgressBus } from "../../src/observe/events.ts";
import { StreamWatch } from "../../src/workflow/run/watch-stream.ts";
import type { EngineStream } from "../../src/workflow/stream/engine-life.ts";
import { SharedRelease } from "../../src/workflow/stream/shared-release.ts";
import { temporaryState } from "../state/temporary-state.ts";

const at = (position: Lsn | null): EngineStream => ({ position }) as EngineStream;

test("what one destination still needs is not released for another's sake", async () => {
  const released: Lsn[] = [];
  const shared = new SharedRelease({ release: async (position) => void released.push(position) }, ["east", "west"]);
  await shared.release("east", 50n);
  assert.deepEqual(released, [], "west has not said anything yet");
  await shared.release("west", 30n);
  await shared.release("east", 90n);
  await shared.release("west", 60n);
  assert.deepEqual(released, [30n, 30n, 60n]);
});

test("a stream is as far as its last destination, and nowhere while one has no position", async (t) => {
  const state = await temporaryState(t);
  const destinations = [{ name: "east" }, { name: "west" }];
  const watch = new StreamWatch({ stream: "forward", destinations, state, bus: createProgressBus() });
  assert.equal(watch.position, null);
  watch.streaming("east", at(50n));
  assert.equal(watch.position, null);
  watch.streaming("west", at(30n));
  assert.equal(watch.position, 30n);
  watch.at("east").applied(3, 1, 50n, 5n);
  assert.equal(watch.lastApplied, null);
  watch.at("west").applied(4, 2, 30n, 3n);
  assert.deepEqual(watch.lastApplied, { position: 30n, commitMicros: 3n });
  assert.deepEqual([watch.counts.changes, watch.counts.transactions], [7, 3]);
  watch.streaming("west", null);
  assert.equal(watch.position, null);
  assert.throws(() => watch.at("north"), /no destination north/);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TailStore } from "../../src/state/tail-store.ts";
import { temporaryState } from "./temporary-state.ts";

const step = {
  durableLsn: 0x1_0000_0010n,
  xidReference: 5_000_000_000n,
  lastCommitMicros: 1_795_000_000_123_456n,
  transactions: 2,
  changes: 7,
  bytes: 900,
};

test("a stream starts at its slot's consistent point and adds up what it is told", async (t) => {
  const store = new TailStore(await temporaryState(t));
  assert.equal(store.get("forward"), null);
  const created = store.create("forward", { name: "pghaul_orders", startLsn: 0x1_0000_0000n, xidReference: 4_294_967_999n });
  assert.deepEqual(
    { ...created, updatedAt: "" },
    {
      stream: "forward",
      slot: "pghaul_orders",
      startLsn: 0x1_0000_0000n,
      durableLsn: 0x1_0000_0000n,
      xidReference: 4_294_967_999n,
      visibleFloor: null,
      lastCommitMicros: null,
      transactions: 0,
      changes: 0,
      bytes: 0,
      updatedAt: "",
    },
  );
  store.advance("forward", step);
  store.advance("forward", { ...step, durableLsn: 0x1_0000_0020n, lastCommitMicros: null });
  assert.deepEqual(
    { ...store.get("forward"), updatedAt: "" },
    {
      ...created,
      durableLsn: 0x1_0000_0020n,
      xidReference: 5_000_000_000n,
      lastCommitMicros: 1_795_000_000_123_456n,
      transactions: 4,
      changes: 14,
      bytes: 1800,
      updatedAt: "",
    },
  );
  assert.equal(store.get("reverse"), null);
});

test("64-bit positions and xids survive whole", async (t) => {
  const store = new TailStore(await temporaryState(t));
  const lsn = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  fc.assert(
    fc.property(lsn, lsn, (startLsn, xidReference) => {
      store.remove("reverse");
      store.create("reverse", { name: "s", startLsn, xidReference });
      store.setVisibleFloor("reverse", startLsn);
      const { startLsn: start, durableLsn, xidReference: xid, visibleFloor } = store.get("reverse") ?? {};
      assert.deepEqual([start, durableLsn, xid, visibleFloor], [startLsn, startLsn, xidReference, startLsn]);
    }),
    { numRuns: 50 },
  );
});

test("the position never goes back, and is compared as a number: 9/0 lies before 10/0", async (t) => {
  const store = new TailStore(await temporaryState(t));
  store.create("forward", { name: "s", startLsn: 9n << 32n, xidReference: 0n });
  store.advance("forward", { ...step, durableLsn: 16n << 32n });
  assert.throws(() => store.advance("forward", { ...step, durableLsn: 9n << 32n }), /cannot go back from 10\/0 to 9\/0/);
  assert.equal(store.get("forward")?.durableLsn, 16n << 32n);
});

test("the visible floor only rises", async (t) => {
  const store = new TailStore(await temporaryState(t));
  store.create("forward", { name: "s", startLsn: 1n, xidReference: 0n });
  store.setVisibleFloor("forward", 50n);
  store.setVisibleFloor("forward", 40n);
  assert.equal(store.get("forward")?.visibleFloor, 50n);
});

test("a second slot for a stream, and a step of a stream without one, are faults", async (t) => {
  const store = new TailStore(await temporaryState(t));
  assert.throws(() => store.advance("forward", step), /the forward stream has no slot/);
  store.create("forward", { name: "first", startLsn: 1n, xidReference: 0n });
  assert.throws(() => store.create("forward", { name: "second", startLsn: 1n, xidReference: 0n }), /has the slot first already/);
});

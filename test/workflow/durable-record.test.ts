import assert from "node:assert/strict";
import { test } from "node:test";
import { DurableRecord } from "../../src/workflow/stream/durable-record.ts";

test("the slot hears of what is on record here and stored elsewhere, whichever is less", () => {
  const heard: bigint[] = [];
  const recorded: bigint[] = [];
  let stored = 0n;
  const record = new DurableRecord({
    recordDurable: ({ lsn }) => recorded.push(lsn),
    acknowledge: (lsn) => heard.push(lsn),
    storedTo: () => stored,
    clock: { now: () => 0, sleep: () => Promise.resolve() },
    crashPoint: () => undefined,
  });
  const step = (lsn: bigint) => ({ lsn, xidReference: 1n, transactions: 1, changes: 1, bytes: 1, lastCommitMicros: null });
  stored = 900n;
  // Stored elsewhere by an earlier life, and nothing on record in this one.
  record.acknowledge();
  assert.deepEqual(heard, []);
  stored = 10n;
  record.add(step(100n));
  record.settle();
  assert.deepEqual(recorded, [100n]);
  assert.deepEqual(heard, [10n]);
  stored = 60n;
  record.acknowledge();
  stored = 500n;
  record.acknowledge();
  assert.deepEqual(heard, [10n, 60n, 100n]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { registerSecret } from "../../src/observe/redact.ts";
import { ProgressStore } from "../../src/state/progress-store.ts";
import { temporaryState } from "./temporary-state.ts";

test("nothing was said before anything ran", async (t) => {
  assert.equal(new ProgressStore(await temporaryState(t)).get(), null);
});

test("an update replaces the facts named and keeps the others", async (t) => {
  const store = new ProgressStore(await temporaryState(t));
  store.update({ phase: "loading", bytesPerSecond: 1.5e6 });
  const slot = { appliedLsn: "0/16B3748", name: "pghaul_orders_forward", retainedBytes: 5, walStatus: "reserved", safeWalBytes: null };
  store.update({ lag: { bytes: 2 ** 40, seconds: 0.25 }, slot, waiting: "a standby is behind" });
  store.update({ waiting: null, throttle: { held: true, why: "a standby is late" } });
  const { updatedAt, ...record } = store.get() ?? { updatedAt: "" };
  assert.match(updatedAt, /^\d{4}-\d\d-\d\dT/);
  assert.deepEqual(record, {
    phase: "loading",
    waiting: null,
    lag: { bytes: 2 ** 40, seconds: 0.25 },
    bytesPerSecond: 1.5e6,
    changesPerSecond: 0,
    slot,
    throttle: { held: true, why: "a standby is late" },
    lastError: null,
    pid: process.pid,
  });
});

test("a secret in an error's message does not reach the file", async (t) => {
  const database = await temporaryState(t);
  registerSecret("pr0gress-secret");
  new ProgressStore(database).update({
    lastError: { code: "SOURCE_LOST", message: "server said pr0gress-secret", at: "2026-11-21T00:00:00Z" },
  });
  assert.equal(new ProgressStore(database).get()?.lastError?.message, "server said [redacted]");
  assert.doesNotMatch(JSON.stringify(database.sqlite.prepare("select * from progress").all()), /pr0gress/);
});

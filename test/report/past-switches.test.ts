import assert from "node:assert/strict";
import { test } from "node:test";
import type { JournalEntry } from "../../src/state/audit/journal.ts";
import { pastBreaches, pastSwitches } from "../../src/workflow/report/past-switches.ts";

function journal(...entries: readonly (readonly [kind: string, evidence?: Record<string, unknown>])[]): JournalEntry[] {
  return entries.map(([kind, evidence = {}], index) => ({
    seq: index + 1,
    at: `2026-03-14T09:00:0${index}.000Z`,
    user: "ada",
    host: "h",
    pid: 1,
    kind,
    migration: "m",
    planDigest: "d1",
    evidence,
    prevHash: "",
    hash: "",
  }));
}

test("a switch is what the journal tells between its start and its end", () => {
  const [only, ...others] = pastSwitches(
    journal(
      ["gate", { id: "lag" }],
      ["attempt-started", { attempt: 4, to: "target" }],
      ["step-started", { step: "round-trips" }],
      ["step-done", { step: "round-trips", millis: [5, 7, 9] }],
      ["step-started", { step: "fence" }],
      ["step-done", { step: "fence", millis: 12 }],
      ["switched", { attempt: 4, to: "target", stallMillis: 88 }],
    ),
  );
  assert.deepEqual(others, []);
  assert.deepEqual(only, {
    attempt: 4,
    to: "target",
    startedAt: "2026-03-14T09:00:01.000Z",
    endedAt: "2026-03-14T09:00:06.000Z",
    outcome: "switched",
    why: null,
    stallMillis: 88,
    planDigest: "d1",
    steps: [
      { id: "round-trips", state: "done", millis: 21 },
      { id: "fence", state: "done", millis: 12 },
    ],
  });
});

test("a cancelled one says why and keeps how long its steps took; a killed one is running", () => {
  const [cancelled, killed] = pastSwitches(
    journal(
      ["attempt-started", { attempt: 1, to: "target" }],
      ["step-done", { step: "fence", millis: 12 }],
      ["step-failed", { step: "drain", error: "late" }],
      ["cancelling", { why: "late" }],
      ["step-undone", { step: "fence" }],
      ["cancelled", { why: "late" }],
      ["attempt-started", { attempt: 2, to: "source" }],
    ),
  );
  assert.equal(cancelled?.outcome, "cancelled");
  assert.equal(cancelled?.why, "late");
  assert.deepEqual(cancelled?.steps[0], { id: "fence", state: "undone", millis: 12 });
  assert.deepEqual([killed?.outcome, killed?.to, killed?.endedAt], ["running", "source", null]);
});

test("entries before the first attempt, or of no attempt, are nobody's", () => {
  assert.deepEqual(pastSwitches(journal(["confirmed"], ["step-done", { step: "fence" }], ["switched"])), []);
});

test("a breach of a fence is told by its last entry, whether the switch found it or the stream afterwards", () => {
  const breach = { side: "source", tables: ["public.t"], firstLsn: "0/1", at: "2026-03-14T09:00:00.000Z" };
  const found = pastBreaches(
    journal(
      ["stopped-past-return", { code: "FENCE_BREACH", error: "the fence at the source leaks" }],
      ["stopped-past-return", { code: "SOURCE_LOST", error: "gone" }],
      ["fence-breach", { ...breach, transactions: 1, lastLsn: "0/1" }],
      ["fence-breach", { ...breach, transactions: 3, lastLsn: "0/9" }],
    ),
  );
  assert.equal(found.length, 2);
  assert.equal(found[0], "the fence at the source leaks");
  assert.match(found[1] ?? "", /^3 transactions got past the fence at the source \(public\.t, from 0\/1 to 0\/9/);
});

import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { RunStore } from "../../src/state/audit/run-store.ts";
import { VerifyStore } from "../../src/state/verify-store.ts";
import type { TableVerdict } from "../../src/verify/ports.ts";
import { temporaryState } from "./temporary-state.ts";

const verdict: TableVerdict = {
  table: "public.a",
  equal: true,
  rows: 2n ** 60n,
  targetRows: 2n ** 60n,
  lsnFrom: 0xa_0000_0001n,
  lsn: 0x10_0000_0000n,
  chunks: 3,
  millis: 12.6,
  differences: [],
};

test("runs: newest first, with how each ended; one that was killed has no end", async (t) => {
  const store = new RunStore(await temporaryState(t));
  store.start("20261121T000001Z-aaa", "run");
  store.start("20261121T000002Z-bbb", "verify run");
  store.finish("20261121T000001Z-aaa", "SOURCE_LOST");
  store.finish("20261121T000001Z-aaa", "done");
  const [second, first] = store.recent(10);
  assert.deepEqual(
    [second?.id, second?.command, second?.pid, second?.host, second?.endedAt, second?.outcome],
    ["20261121T000002Z-bbb", "verify run", process.pid, hostname(), null, null],
  );
  assert.equal(first?.outcome, "SOURCE_LOST");
  assert.match(first?.endedAt ?? "", /Z$/);
  assert.deepEqual(
    store.recent(1).map(({ id }) => id),
    ["20261121T000002Z-bbb"],
  );
});

test("verdicts come back exactly, differences with them", async (t) => {
  const store = new VerifyStore(await temporaryState(t));
  const different: TableVerdict = {
    ...verdict,
    table: "public.b",
    equal: false,
    targetRows: 5n,
    differences: [
      { kind: "changed", key: ["\u00e9\u0001", "7"], columns: ["amount"] },
      { kind: "missing", key: ["8"], columns: [], times: 2 },
    ],
  };
  store.record("r1", verdict);
  store.record("r1", different);
  const found = store.ofRun("r1").map(({ at, runId, ...rest }) => ({ rest, runId, timed: at.endsWith("Z") }));
  assert.deepEqual(found, [
    { rest: { ...verdict, millis: 13 }, runId: "r1", timed: true },
    { rest: { ...different, millis: 13 }, runId: "r1", timed: true },
  ]);
});

test("the latest verdict on each table, and none is forgotten", async (t) => {
  const store = new VerifyStore(await temporaryState(t));
  store.record("r1", { ...verdict, table: "public.b" });
  store.record("r1", { ...verdict, equal: false });
  store.record("r2", verdict);
  assert.deepEqual(
    store.latest().map(({ table, runId, equal }) => [table, runId, equal]),
    [
      ["public.a", "r2", true],
      ["public.b", "r1", true],
    ],
  );
  assert.equal(store.ofRun("r1").length, 2);
  assert.deepEqual(store.ofRun("r3"), []);
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Target, TargetTransaction } from "../../../src/engine/ports.ts";
import { holdOf } from "../../../src/engine/refusal.ts";
import { namedRow } from "../../../src/engine/rows/refused-row.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import type { Row } from "../../../src/model/value.ts";
import { T } from "../rows.ts";

const REFUSAL = new PghaulError("ROW_REFUSED", "not these", { context: { sqlstate: "23514" } });
const ROWS: readonly Row[] = Array.from({ length: 23 }, (_, n) => [`${n}`, `u${n}`, "x"]);
const UNKNOWN = { lsn: null, key: null };

/** A target that takes all rows but these; how often it was asked, and whether anything stayed. */
function targetWithout(...bad: readonly string[]) {
  const seen = { asked: 0, committed: 0 };
  const transaction: Partial<TargetTransaction> = {
    attempt: (work) => work(),
    insertAbsent: async (_table, _raw, rows) => {
      seen.asked += 1;
      const [found] = rows.filter(([id]) => bad.includes(id ?? ""));
      if (found !== undefined) throw new PghaulError("ROW_REFUSED", "one of them", { context: { sqlstate: "P0001" } });
      return rows.length;
    },
  };
  const target: Pick<Target, "transaction"> = {
    transaction: async (_lane, work) => {
      const result = await work(transaction as TargetTransaction);
      seen.committed += 1;
      return result;
    },
  };
  const put = (open: TargetTransaction, rows: readonly Row[]) => open.insertAbsent(T, null, rows);
  return { seen, named: () => namedRow(target, REFUSAL, { table: T, rows: ROWS, put }) };
}

describe("which row was refused", () => {
  for (const bad of ["0", "11", "12", "22"]) {
    it(`is found by halves: ${bad} of 23, and nothing is left behind`, async () => {
      const { seen, named } = targetWithout(bad);
      assert.deepEqual(holdOf(await named(), UNKNOWN), { reason: "one of them", sqlstate: "P0001", lsn: null, key: [bad] });
      assert.equal(seen.committed, 0);
      assert.ok(seen.asked <= 6, `${seen.asked} times`);
    });
  }

  it("is the first of several", async () => {
    assert.deepEqual(holdOf(await targetWithout("17", "4", "20").named(), UNKNOWN).key, ["4"]);
  });

  it("is not told where all are taken the second time", async () => {
    assert.equal(await targetWithout().named(), REFUSAL);
  });
});

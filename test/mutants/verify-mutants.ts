import type { Mutant } from "./mutant.ts";

const COMPARE = "test/verify/compare-scope.test.ts";

export const VERIFY_MUTANTS: readonly Mutant[] = [
  {
    what: "rows that changed between the two reads are not compared",
    find: "equal: equalRest && touchedRows.differences.length === 0,",
    replace: "equal: equalRest,",
    killedBy: [COMPARE],
  },
  {
    what: "only rows that changed between the two reads are compared",
    find: "equal: equalRest && touchedRows.differences.length === 0,",
    replace: "equal: touchedRows.differences.length === 0,",
    killedBy: [COMPARE],
  },
  {
    what: "a TRUNCATE between the two reads is passed over",
    find: "source: truncated ? emptied(source.snapshot) : source.snapshot,",
    replace: "source: source.snapshot,",
    killedBy: [COMPARE],
  },
  {
    what: "as many rows are taken for the same rows",
    find: "return left.rows === right.rows && left.sum === right.sum;",
    replace: "return left.rows === right.rows;",
    killedBy: [COMPARE],
  },
  {
    what: "what a table without a key lost between the two reads is not counted",
    find: "sum: left.sum + added.sum - removed.sum };",
    replace: "sum: left.sum + added.sum };",
    killedBy: [COMPARE],
  },
  {
    what: "transactions that the snapshot holds count twice",
    find: "if (view.contains(piece.header)) continue;",
    replace: "",
    killedBy: [COMPARE],
  },
  {
    what: "the log is read before it has come to the target's position",
    find: "await log.waitPassed(target.position, signal);",
    replace: "",
    killedBy: [COMPARE],
  },
  {
    what: "a table is equal when one of its ranges is",
    find: "equal: scopes.every(({ equal }) => equal),",
    replace: "equal: scopes.some(({ equal }) => equal),",
    killedBy: ["test/verify/verify-tables.test.ts"],
  },
  {
    what: "a changed column is none",
    find: "source[index] === target[index] ? [] : [name]",
    replace: "[]",
    killedBy: [COMPARE],
  },
  {
    what: "the key of a deleted row is not compared",
    find: 'if ((change.kind === "update" || change.kind === "delete") && change.oldKey !== null) keys.set(keyText(change.oldKey), change.oldKey);',
    replace: "",
    killedBy: [COMPARE],
  },
  {
    what: "a table that was never compared opens the gate",
    find: "missing.length === 0 && different.length === 0 && changes.length === 0 && left > 0;",
    replace: "different.length === 0 && changes.length === 0 && left > 0;",
    killedBy: ["test/cutover/gates.test.ts"],
  },
  {
    what: "a comparison from last week opens the gate",
    find: "missing.length === 0 && different.length === 0 && changes.length === 0 && left > 0;",
    replace: "missing.length === 0 && different.length === 0 && changes.length === 0;",
    killedBy: ["test/cutover/gates.test.ts"],
  },
];

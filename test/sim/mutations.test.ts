/** That the simulation can fail: each rule of the specification, left out, is found out, and by which oracle. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OracleName } from "./failure.ts";
import {
  cursorNotRecorded,
  floorAtPassed,
  leavesAsOpened,
  leavesAsPlanned,
  lsnRule,
  noBarrier,
  noReread,
  noticedByTheStream,
  oneStream,
  positionApart,
  replacedByOperator,
  truncateIgnored,
} from "./mutations.ts";
import { type Mutation, runSimulation } from "./run-simulation.ts";

interface Case {
  readonly without: string;
  readonly mutation: Mutation;
  /** Seeds that must be found out, of so many at most. */
  readonly caught: number;
  readonly of: number;
  readonly oracles: readonly OracleName[];
  readonly blind?: readonly OracleName[];
}

const ROWS: readonly OracleName[] = ["wrong-row", "missing-row"];

const CASES: readonly Case[] = [
  { without: "the barrier behind slot creation", mutation: noBarrier, caught: 5, of: 200, oracles: ROWS },
  { without: "the xid rule, an LSN rule in its place", mutation: lsnRule, caught: 5, of: 200, oracles: ROWS },
  { without: "the point re-read", mutation: noReread, caught: 2, of: 1_000, oracles: ROWS },
  { without: "texts as names of rows, the operator in their place", mutation: replacedByOperator, caught: 1, of: 3_000, oracles: ROWS },
  { without: "the visible floor, the log's end in its place", mutation: floorAtPassed, caught: 5, of: 200, oracles: ROWS },
  { without: "TRUNCATE in the roll-forward", mutation: truncateIgnored, caught: 1, of: 3_000, oracles: ROWS },
  { without: "a look at the leaves after planning", mutation: leavesAsPlanned, caught: 5, of: 1_000, oracles: [...ROWS, "end"] },
  { without: "a look at the leaves after the last chunk", mutation: leavesAsOpened, caught: 2, of: 2_000, oracles: [...ROWS, "end"] },
  { without: "the streams of the log, over a crash of the source", mutation: oneStream, caught: 2, of: 3_000, oracles: ROWS },
  {
    without: "the load's lanes noticing a target that went back",
    mutation: noticedByTheStream,
    caught: 3,
    of: 1_000,
    oracles: [...ROWS, "end", "position"],
  },
  { without: "a position in the rows' own transaction", mutation: positionApart, caught: 5, of: 200, oracles: ROWS },
  { without: "a cursor on record before the first merge", mutation: cursorNotRecorded, caught: 5, of: 50, oracles: ["position"] },
  {
    without: "that cursor, and the oracle that asks for it",
    mutation: cursorNotRecorded,
    caught: 3,
    of: 200,
    oracles: ROWS,
    blind: ["position"],
  },
];

describe("the simulation finds wrong rows", () => {
  for (const { without, mutation, caught, of, oracles, blind } of CASES) {
    it(`without ${without}`, async () => {
      let found = 0;
      const verdicts = new Map<string, number>();
      for (let seed = 1; seed <= of && found < caught; seed++) {
        const { failure } = await runSimulation(seed, { mutation, blind: blind ?? [] });
        if (failure === null) continue;
        verdicts.set(failure.oracle, (verdicts.get(failure.oracle) ?? 0) + 1);
        if (oracles.includes(failure.oracle)) found += 1;
      }
      assert.equal(found, caught, `of ${of} seeds: ${JSON.stringify(Object.fromEntries(verdicts))}`);
    });
  }
});

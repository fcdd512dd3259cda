/** That the simulation of the version way can fail: each rule, left out, is found out, and by which oracle. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OracleName } from "../failure.ts";
import { floorAtPassed, leavesAsOpened, leavesAsPlanned, lsnRule, noBarrier, oneStream } from "../mutations.ts";
import { runVersionSimulation, type VersionSimulationOptions } from "./run-version-simulation.ts";
import {
  acceptedFirst,
  acceptedIsDurable,
  appendRepeated,
  countedTwice,
  floorAfterSnapshot,
  movesForgotten,
  ofSource,
  publishedEarly,
  settledUnseen,
} from "./version-mutations.ts";

interface Case extends VersionSimulationOptions {
  readonly without: string;
  /** Seeds that must be found out, of so many at most. */
  readonly caught: number;
  readonly of: number;
  readonly oracles: readonly OracleName[];
}

const ROWS: readonly OracleName[] = ["wrong-row", "missing-row"];

const CASES: readonly Case[] = [
  { without: "the barrier behind slot creation", mutation: ofSource(noBarrier), caught: 3, of: 400, oracles: ROWS },
  { without: "the visible floor, the log's end in its place", mutation: ofSource(floorAtPassed), caught: 3, of: 400, oracles: ROWS },
  { without: "the floor before the snapshot, one behind it in its place", mutation: floorAfterSnapshot, caught: 3, of: 400, oracles: ROWS },
  { without: "the xid rule, an LSN rule in its place", mutation: ofSource(lsnRule), caught: 3, of: 400, oracles: ROWS },
  { without: "the floor as a read's version, its end in its place", fault: { readAtHi: true }, caught: 3, of: 400, oracles: ROWS },
  { without: "the order of updates", fault: { olderPatchWins: true }, caught: 5, of: 50, oracles: ROWS },
  { without: "the order of TRUNCATE", fault: { truncateLast: true }, caught: 3, of: 400, oracles: ROWS },
  { without: "the view of a table without a key", fault: { viewIgnored: true }, caught: 3, of: 400, oracles: ROWS },
  { without: "the point re-read of moved rows", mutation: movesForgotten, caught: 2, of: 2_000, oracles: ROWS },
  { without: "a floor above the moves that a re-read settles", mutation: settledUnseen, caught: 1, of: 3_000, oracles: ROWS },
  { without: "the wait for the end of the reads", mutation: publishedEarly, caught: 3, of: 400, oracles: ROWS },
  { without: "a look at what was accepted before the next append", mutation: appendRepeated, caught: 2, of: 1_000, oracles: ROWS },
  { without: "accepting and appending in one step", mutation: acceptedFirst, caught: 3, of: 400, oracles: ROWS },
  { without: "the difference of accepted and durable", mutation: acceptedIsDurable, caught: 2, of: 1_000, oracles: ["log"] },
  { without: "the ids of what was loaded", mutation: countedTwice, caught: 2, of: 1_000, oracles: ROWS },
  { without: "a look at the leaves after planning", mutation: ofSource(leavesAsPlanned), caught: 3, of: 1_000, oracles: ROWS },
  { without: "a look at the leaves after the last chunk", mutation: ofSource(leavesAsOpened), caught: 1, of: 3_000, oracles: ROWS },
  { without: "the streams of the log, over a crash of the source", mutation: ofSource(oneStream), caught: 1, of: 3_000, oracles: ROWS },
];

describe("the simulation of the version way finds wrong rows", () => {
  for (const { without, caught, of, oracles, ...broken } of CASES) {
    it(`without ${without}`, async () => {
      let found = 0;
      const verdicts = new Map<string, number>();
      for (let seed = 1; seed <= of && found < caught; seed++) {
        const { failure } = await runVersionSimulation(seed, broken);
        if (failure === null) continue;
        verdicts.set(failure.oracle, (verdicts.get(failure.oracle) ?? 0) + 1);
        if (oracles.includes(failure.oracle)) found += 1;
      }
      assert.equal(found, caught, `of ${of} seeds: ${JSON.stringify(Object.fromEntries(verdicts))}`);
    });
  }
});

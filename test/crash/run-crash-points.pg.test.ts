import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deadline } from "../support/deadline.ts";
import { announcedPoints, BUCKET_POINTS, dieAt, HELD_POINTS, POINTS, survive, VERSION_HOLD_POINTS, VERSION_POINTS } from "./crash-lives.ts";

/** Each a migration that dies at one point after the other. In the order of a load: what lies behind is not passed again. */
const LIVES: readonly (readonly string[])[] = [
  ["before-segment-sync", "after-copy-before-merge", "before-join", "before-stream-commit"],
  ["after-segment-sync", "after-merge-before-record", "before-whole-commit", "after-stream-commit"],
  ["before-seal", "before-record", "before-acknowledge", "before-cursor-recorded", "after-reread-before-replace"],
];

describe("kill -9 at every named point of run", () => {
  it("names every point that the code announces, and dies at each", () => {
    const apart = [...HELD_POINTS.hold, ...HELD_POINTS.reload, ...VERSION_POINTS, ...VERSION_HOLD_POINTS, ...BUCKET_POINTS];
    assert.deepEqual(announcedPoints(), [...Object.keys(POINTS), ...apart].toSorted());
    assert.deepEqual(LIVES.flat().toSorted(), Object.keys(POINTS).toSorted());
  });

  for (const points of LIVES) {
    it(`${points.join(", then ")}: nothing lost, nothing twice`, { timeout: deadline(180_000) }, () =>
      survive(async (bench) => {
        for (const point of points) await dieAt(bench, point);
      }, points.join()),
    );
  }
});

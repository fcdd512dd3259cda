import assert from "node:assert/strict";
import { test } from "node:test";
import type { SeriesPoint } from "../../src/model/series-point.ts";
import { pieces, timeRange } from "../../src/report/series.ts";
import { EXAMPLE } from "./example-report.ts";

function points(count: number, from = 0, width = 1_000): SeriesPoint[] {
  const base = EXAMPLE.series.at(-1) as SeriesPoint;
  return Array.from({ length: count }, (_, index) => ({
    ...base,
    at: from + index * width,
    widthMillis: width,
    changesPerSecond: index,
    changesPerSecondMax: index * 2,
  }));
}

test("a stop of the process breaks the line, a slow second does not", () => {
  const series = [...points(5), ...points(5, 8_000), ...points(3, 60_000)];
  assert.deepEqual(
    pieces(series, "changesPerSecond").map((piece) => piece.length),
    [10, 3],
  );
});

test("what was not measured is not drawn as zero", () => {
  assert.deepEqual(pieces([{ ...(points(1)[0] as SeriesPoint), lagBytes: null }], "lagBytes"), []);
});

test("thinned out, the highest value survives", () => {
  const series = points(5_000).map((point, index) => (index === 3_333 ? { ...point, changesPerSecondMax: 1_000_000 } : point));
  const [piece = []] = pieces(series, "changesPerSecond");
  assert.ok(piece.length <= 480 && piece.length > 400, `${piece.length} points`);
  assert.equal(Math.max(...piece.map(({ max }) => max)), 1_000_000);
});

test("the time covered reaches to the end of the last sample", () => {
  assert.deepEqual(timeRange(points(3, 10_000)), { from: 10_000, to: 13_000 });
  assert.equal(timeRange([]), null);
});

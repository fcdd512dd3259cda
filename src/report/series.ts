import type { SeriesPoint } from "../model/series-point.ts";

/** One line of a plot, thinned out to what a screen can show. */
export interface PlottedPoint {
  readonly at: number;
  readonly mean: number;
  readonly max: number;
}

export interface Range {
  readonly from: number;
  readonly to: number;
}

/** More points than pixels only make the file large. */
const MOST_POINTS = 480;

/** A silence of more than this many samples is a stop of the process, not a slow second: the line breaks there. */
const GAP_SAMPLES = 5;

type Measure = "lagBytes" | "lagSeconds" | "bytesPerSecond" | "changesPerSecond";

/** The stretches in which a measure was known. */
export function pieces(series: readonly SeriesPoint[], measure: Measure): readonly (readonly PlottedPoint[])[] {
  const known = series.filter((point) => point[measure] !== null);
  const stretches: SeriesPoint[][] = [];
  for (const point of known) {
    const last = stretches.at(-1)?.at(-1);
    if (last === undefined || point.at - last.at > GAP_SAMPLES * Math.max(last.widthMillis, point.widthMillis)) stretches.push([point]);
    else stretches.at(-1)?.push(point);
  }
  const perPoint = Math.max(1, Math.ceil(known.length / MOST_POINTS));
  return stretches.map((stretch) => thinOut(stretch, measure, perPoint));
}

/** The time that the series covers; null for an empty one. */
export function timeRange(series: readonly SeriesPoint[]): Range | null {
  const [first, last] = [series.at(0), series.at(-1)];
  return first === undefined || last === undefined ? null : { from: first.at, to: last.at + last.widthMillis };
}

function thinOut(stretch: readonly SeriesPoint[], measure: Measure, perPoint: number): readonly PlottedPoint[] {
  const points: PlottedPoint[] = [];
  for (let index = 0; index < stretch.length; index += perPoint) {
    const some = stretch.slice(index, index + perPoint);
    const means = some.map((point) => point[measure] ?? 0);
    points.push({
      at: some[0]?.at ?? 0,
      mean: means.reduce((sum, value) => sum + value, 0) / some.length,
      max: Math.max(...some.map((point) => point[`${measure}Max`] ?? 0)),
    });
  }
  return points;
}

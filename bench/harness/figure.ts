import type { CurvePoint } from "./memory-curve.ts";
import type { Use } from "./process-use.ts";

/** A measured pair: both ran in the same minute, on the same machine, over the same data. */
export interface Pair {
  readonly ours: number;
  readonly peer: number;
  /** What the clients needed for it; null for a limit, which needs nothing. */
  readonly use: { readonly ours: Use; readonly peer: Use | null };
}

/** A run that was timed. */
export interface Timed {
  readonly seconds: number;
  readonly use: Use;
}

export function pairOf(ours: Timed, peer: Timed): Pair {
  return { ours: ours.seconds, peer: peer.seconds, use: { ours: ours.use, peer: peer.use } };
}

/** One figure: what we need against what a peer needs for the same work. A ratio below 1 is better than the peer. */
export interface Figure {
  readonly name: string;
  readonly measures: string;
  readonly against: string;
  readonly unit: "s" | "ms" | "MB";
  /** Of one run each, in the order in which they ran. */
  readonly pairs: readonly Pair[];
  /** What a reader must know to judge the ratio. */
  readonly note: string;
  /** Memory over time. */
  readonly curve?: readonly CurvePoint[];
}

/** A figure that could not be taken here, and what would help. */
export interface Skipped {
  readonly name: string;
  readonly why: string;
}

export interface Summary {
  readonly ratio: number;
  readonly lowest: number;
  readonly highest: number;
  readonly ours: number;
  readonly peer: number;
  /** Medians; null for a limit. */
  readonly use: { readonly ours: Use; readonly peer: Use | null };
}

/**
 * The median of the ratios, not the ratio of the medians: the machine is shared, and what slows one pair down slows both of its runs.
 */
export function summarise({ pairs }: Figure): Summary {
  const ratios = pairs.map(({ ours, peer }) => ours / peer);
  return {
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
    ours: median(pairs.map(({ ours }) => ours)),
    peer: median(pairs.map(({ peer }) => peer)),
    use: {
      ours: medianUse(pairs.map(({ use }) => use.ours)),
      peer: pairs.some(({ use }) => use.peer === null) ? null : medianUse(pairs.flatMap(({ use }) => use.peer ?? [])),
    },
  };
}

function medianUse(uses: readonly Use[]): Use {
  return { cpuSeconds: median(uses.map(({ cpuSeconds }) => cpuSeconds)), peakBytes: median(uses.map(({ peakBytes }) => peakBytes)) };
}

function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("no median of nothing");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

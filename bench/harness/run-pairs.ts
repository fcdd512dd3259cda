import type { Timed } from "./figure.ts";
import type { Use } from "./process-use.ts";

export interface PairOf<Ours, Peer> {
  readonly ours: Ours;
  readonly peer: Peer;
}

/** Runs A B, A B ... so that both meet the same neighbours on a shared machine. `run` counts from 0, ours and peer alike. */
export async function runPairs<Ours, Peer>(
  count: number,
  ours: (run: number) => Promise<Ours>,
  peer: (run: number) => Promise<Peer>,
): Promise<PairOf<Ours, Peer>[]> {
  const pairs: PairOf<Ours, Peer>[] = [];
  for (let run = 0; run < count; run++) {
    const ourResult = await ours(run);
    pairs.push({ ours: ourResult, peer: await peer(run) });
  }
  return pairs;
}

/** Who takes part in a piece of work, and so whose use of the machine counts. */
export type Measure = <T>(work: () => Promise<T>) => Promise<{ readonly result: T; readonly use: Use }>;

/** Times `work`. */
export async function timed(measure: Measure, work: () => Promise<unknown>): Promise<Timed> {
  const begun = performance.now();
  const { use } = await measure(work);
  return { seconds: (performance.now() - begun) / 1000, use };
}

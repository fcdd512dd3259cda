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

/** Seconds that `work` takes. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
}

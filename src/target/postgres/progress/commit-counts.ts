import { PghaulError } from "../../../errors/pghaul-error.ts";
import { type SideName, sideCode } from "../../../model/side.ts";
import type { LaneRow } from "../../../side/postgres/bookkeeping/progress-queries.ts";

/**
 * How many transactions each lane has committed, as we remember it and as the server says.
 *
 * A server that crashed forgets its last asynchronous commits, and a standby that was behind when it was promoted forgets any of them. When
 * that happens between two transactions nothing fails: the next one just opens another session. Going on from our own memory would pass by
 * what was forgotten, rows, merged chunks, cursors and positions alike. What is lost is always the end of the server's WAL, so it takes the
 * last commit of some lane with it: who finds every lane where we left it has lost nothing, whatever lane he is himself.
 */
export class CommitCounts {
  readonly #side: SideName;
  readonly #known = new Map<string, bigint>();

  constructor(side: SideName) {
    this.#side = side;
  }

  /** What the server must remember from now on. Take it before the question is sent: other lanes commit while the answer is on its way. */
  expected(): ReadonlyMap<string, bigint> {
    return new Map(this.#known);
  }

  /** Takes the server's word for the truth. */
  learn(rows: readonly LaneRow[]): void {
    this.#known.clear();
    for (const { lane, commits } of rows) this.#known.set(lane, BigInt(commits));
  }

  committed(lane: string, commits: bigint): void {
    this.#known.set(lane, commits);
  }

  /** `own`: the lane that asks. Nobody else commits on it, so there even a commit that we do not know of is a difference. Throws *_LOST. */
  insistOn(expected: ReadonlyMap<string, bigint>, own: string, rows: readonly LaneRow[]): void {
    const found = new Map(rows.map(({ lane, commits }) => [lane, BigInt(commits)]));
    for (const [lane, commits] of expected) {
      const there = found.get(lane) ?? 0n;
      if (lane === own ? there === commits : there >= commits) continue;
      const what = there < commits ? lost(this.#side, lane, commits - there) : `somebody else commits as ${lane}`;
      throw new PghaulError(sideCode(this.#side, "LOST"), what);
    }
  }
}

function lost(side: SideName, lane: string, commits: bigint): string {
  return `the ${side} has lost its last commits: ${commits === 1n ? "1 transaction" : `${commits} transactions`} of ${lane}`;
}

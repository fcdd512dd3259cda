import type { ChangeLog, Clock, TargetProgress } from "../../engine/ports.ts";
import { type Lsn, minLsn } from "../../model/lsn.ts";
import type { OpenTarget } from "../../target/target.ts";

export interface LogReleaseOptions {
  readonly log: Pick<ChangeLog, "release">;
  readonly target: Pick<OpenTarget, "makeDurable">;
  readonly clock: Pick<Clock, "now">;
  /** What is needed no more stays this long. */
  readonly retainMillis: number;
  /** Positions from which the log is needed; empty while nobody knows. */
  readonly needed: () => readonly Lsn[];
}

/** Lets the log drop what neither the stream nor a loading table will read again, some time after. */
export class LogRelease {
  readonly #options: LogReleaseOptions;
  readonly #later: { readonly at: number; readonly position: Lsn }[] = [];

  constructor(options: LogReleaseOptions) {
    this.#options = options;
  }

  /** To be called now and then. Throws what the target throws. */
  async step(): Promise<void> {
    const { log, target, clock, retainMillis, needed } = this.#options;
    const positions = needed();
    // The stream commits asynchronously: only after this is its recorded position one that a crash of the target cannot take back. And a target
    // that went back is noticed here also while nobody has anything to write.
    await target.makeDurable();
    if (positions.length > 0) this.#keep(clock.now() + retainMillis, positions.reduce(minLsn));
    for (let due = this.#later[0]; due !== undefined && due.at <= clock.now(); due = this.#later[0]) {
      await log.release(due.position);
      this.#later.shift();
    }
  }

  /** A stream that rests for days needs one note, not one a step. */
  #keep(at: number, position: Lsn): void {
    if (this.#later.at(-1)?.position !== position) this.#later.push({ at, position });
  }
}

/** Where the loads of the tables stand that have begun and not joined. */
export function unfinishedCursors({ tables }: Pick<TargetProgress, "tables">): readonly Lsn[] {
  return [...tables.values()].flatMap(({ state, cursor }) => (state === "loading" || state === "loaded" ? [cursor] : []));
}

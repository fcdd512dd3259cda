import { type Lsn, minLsn } from "../../model/lsn.ts";
import type { StreamName } from "../../model/side.ts";
import type { ProgressBus } from "../../observe/events.ts";
import type { StateDatabase } from "../../state/state-database.ts";
import type { Destination } from "../../target/kind.ts";
import type { EngineStream } from "../stream/engine-life.ts";
import { type AppliedMark, type EngineCounts, EngineWatch } from "./watch-engine.ts";

interface StreamWatchParts {
  readonly stream: StreamName;
  readonly destinations: readonly Pick<Destination, "name">[];
  readonly state: StateDatabase;
  readonly bus: ProgressBus;
}

interface Watched {
  readonly watch: EngineWatch;
  /** Null while its engine does not run. */
  engine: EngineStream | null;
}

/** One stream, watched: each of its destinations has an engine, a position, and facts in the state of its own. */
export class StreamWatch {
  readonly stream: StreamName;
  readonly #at: ReadonlyMap<string, Watched>;

  constructor({ stream, destinations, state, bus }: StreamWatchParts) {
    this.stream = stream;
    this.#at = new Map(
      destinations.map(({ name }) => [name, { watch: new EngineWatch({ stream, destination: name, state, bus }), engine: null }]),
    );
  }

  at(destination: string): EngineWatch {
    return this.#of(destination).watch;
  }

  /** A destination's engine has begun a life; null: it has ended. */
  streaming(destination: string, engine: EngineStream | null): void {
    this.#of(destination).engine = engine;
  }

  /** By name of the destination; null while its engine does not run, or nothing has joined there. */
  get positions(): ReadonlyMap<string, Lsn | null> {
    return new Map([...this.#at].map(([name, { engine }]) => [name, engine?.position ?? null]));
  }

  /** Everything committed below it is at every destination; null while one has no position. */
  get position(): Lsn | null {
    return [...this.positions.values()].reduce((least, one) => (least === null || one === null ? null : minLsn(least, one)));
  }

  /** The last batch that the destination furthest behind made durable; null before its first of this process. */
  get lastApplied(): AppliedMark | null {
    const marks = [...this.#at.values()].map(({ watch }) => watch.lastApplied);
    return marks.reduce((least, one) => (least === null || one === null ? null : least.position <= one.position ? least : one));
  }

  /** Of all destinations together. */
  get counts(): EngineCounts {
    const counts = [...this.#at.values()].map(({ watch }) => watch.counts);
    return counts.reduce((sum, one) => ({
      changes: sum.changes + one.changes,
      transactions: sum.transactions + one.transactions,
      rows: sum.rows + one.rows,
      bytes: sum.bytes + one.bytes,
    }));
  }

  #of(destination: string): Watched {
    const watched = this.#at.get(destination);
    if (watched === undefined) throw new Error(`watch: the ${this.stream} stream has no destination ${destination}`);
    return watched;
  }
}

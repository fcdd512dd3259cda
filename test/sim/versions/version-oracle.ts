/** The judge of the version way: a published table, merged at a position from which it is complete, is the source's table at that position. */
import type { Lsn } from "../../../src/model/lsn.ts";
import { isComplete, type Row } from "../../../src/model/value.ts";
import { SimulationFailure } from "../failure.ts";
import { TableReplay } from "../model.ts";
import { rowText } from "../postgres/tables.ts";
import type { Commit } from "../postgres/transaction.ts";
import type { Random } from "../random.ts";
import { type MergedTable, type MergeFault, mergeTable } from "./merge-versions.ts";
import type { VersionState } from "./version-state.ts";

/** How often a step of the target is looked at; the end always is. */
const LOOKS = 0.25;

export class VersionOracle {
  readonly #commits: readonly Commit[];
  readonly #random: Random;
  readonly #fault: MergeFault;
  readonly #replays = new Map<string, TableReplay>();
  /** Where a table was found published: it must hold from there on for good, until it is forgotten. */
  readonly #seen = new Map<string, Lsn>();

  constructor(commits: readonly Commit[], random: Random, fault: MergeFault) {
    this.#commits = commits;
    this.#random = random;
    this.#fault = fault;
  }

  afterStep(state: VersionState): void {
    for (const [id, { published }] of state.loaded) {
      const accepted = state.accepted;
      if (published === null || accepted === null || accepted < published) continue;
      const isNew = this.#seen.get(id) !== published;
      this.#seen.set(id, published);
      if (isNew) this.#judge(state, id, published);
      if (this.#random.chance(LOOKS)) this.#judge(state, id, this.#between(published, accepted));
    }
  }

  /** When everything has ended: all tables are published, nothing is pending, and what is merged is the source's own, and the model's. */
  atEnd(state: VersionState, live: ReadonlyMap<string, readonly Row[]>): void {
    const last = this.#commits.at(-1)?.header.endLsn ?? 0n;
    const pending = state.progress().pending;
    if (pending.length > 0) throw new SimulationFailure("end", `${pending[0]?.table} has pending moves at the end`);
    for (const id of state.sims.keys()) {
      if ((state.loaded.get(id)?.published ?? null) === null) throw new SimulationFailure("end", `${id} is not published at the end`);
      const merged = this.#judge(state, id, last);
      const target = [...merged.rows.values()]
        .map((row) => rowText(row as Row))
        .concat([...merged.bag].flatMap(([text, { count }]) => Array<string>(count).fill(text)));
      const source = (live.get(id) ?? []).map(rowText);
      if (target.toSorted().join() !== source.toSorted().join()) throw new SimulationFailure("end", `${id}: target and source differ`);
    }
  }

  #judge(state: VersionState, id: string, position: Lsn): MergedTable {
    const merged = mergeTable(state, id, position, this.#fault);
    const truth = this.#replayOf(id).at(position);
    const open = state.openKeys(id, position);
    for (const [key, row] of merged.rows) {
      if (open.has(key)) continue;
      const wanted = truth.rows.get(key);
      if (wanted === undefined) throw new SimulationFailure("wrong-row", `${id}: ${key} is not at the source at ${position}`);
      if (!isComplete(row) || rowText(row) !== rowText(wanted))
        throw new SimulationFailure(
          "wrong-row",
          `${id}: ${key} at ${position} is ${row.map(String).join()}, the source has ${wanted.join()}`,
        );
    }
    for (const key of truth.rows.keys())
      if (!merged.rows.has(key) && !open.has(key)) throw new SimulationFailure("missing-row", `${id}: ${key} is missing at ${position}`);
    for (const text of new Set([...merged.bag.keys(), ...truth.bag.keys()])) {
      const [there, wanted] = [merged.bag.get(text)?.count ?? 0, truth.bag.get(text) ?? 0];
      if (there !== wanted)
        throw new SimulationFailure("wrong-row", `${id}: ${there} copies of ${text} at ${position}, the source has ${wanted}`);
    }
    return merged;
  }

  #between(low: Lsn, high: Lsn): Lsn {
    if (this.#random.chance(0.5)) return high;
    const ends = this.#commits.flatMap(({ header: { endLsn } }) => (endLsn > low && endLsn < high ? [endLsn] : []));
    return ends.length === 0 ? high : this.#random.pick(ends);
  }

  #replayOf(table: string): TableReplay {
    const replay = this.#replays.get(table) ?? new TableReplay(this.#commits, table);
    this.#replays.set(table, replay);
    return replay;
  }
}

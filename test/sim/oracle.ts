/**
 * The judge. After every commit at the target: each table equals the source at its own position, restricted to the keys that merged chunks
 * cover, pending keys excepted (research, section 3, invariant I(A)); a loaded or joined table equals it whole.
 */
import type { Lsn } from "../../src/model/lsn.ts";
import type { Row } from "../../src/model/value.ts";
import { type OracleName, SimulationFailure } from "./failure.ts";
import { TableReplay, type TableState } from "./model.ts";
import { inRange, keyOf, rowText } from "./postgres/tables.ts";
import type { Commit } from "./postgres/transaction.ts";
import type { DurableStore } from "./store.ts";
import type { TableRows } from "./target/table-rows.ts";
import type { TargetState } from "./target/target-state.ts";

export class Oracle {
  readonly #store: DurableStore;
  readonly #commits: readonly Commit[];
  readonly #blind: readonly OracleName[];
  readonly #replays = new Map<string, TableReplay>();

  /** `blind`: verdicts that are not given, so that a test sees what follows from what they would have stopped. */
  constructor(commits: readonly Commit[], store: DurableStore, blind: readonly OracleName[]) {
    this.#commits = commits;
    this.#store = store;
    this.#blind = blind;
  }

  /** After a commit at the target that wrote `touched`. */
  afterCommit(state: TargetState, touched: ReadonlySet<string>, streamMoved: boolean): void {
    for (const [id, rows] of state.tables) {
      const progress = state.progress.get(id)?.state;
      const joined = progress === "joined";
      // Behind, and known to be: what it holds is nobody's promise until it is loaded anew.
      if (progress === "held") continue;
      // What somebody else is in the middle of writing is judged when that ends.
      if (state.locks.has(id)) continue;
      if (touched.has(id) || (streamMoved && joined)) this.#judge(state, rows);
    }
  }

  /** When everything has ended: all tables joined, nothing pending, all rows equal to the source's own, and the model's. */
  atEnd(state: TargetState, live: ReadonlyMap<string, readonly Row[]>): void {
    const last = this.#commits.at(-1)?.header.endLsn ?? 0n;
    for (const [id, rows] of state.tables) {
      const name = state.progress.get(id)?.state;
      if (name !== "joined") throw new SimulationFailure("end", `${id} is ${name ?? "untouched"} at the end`);
      this.#whole(rows, this.#replayOf(id).at(last), "end");
      const target = [...rows.rows.values()].map(rowText).concat([...rows.bag].flatMap(([text, copies]) => Array(copies).fill(text)));
      const source = (live.get(id) ?? []).map(rowText);
      if (target.toSorted().join() !== source.toSorted().join()) throw new SimulationFailure("end", `${id}: target and source differ`);
    }
  }

  #judge(state: TargetState, rows: TableRows): void {
    const id = rows.sim.table.id;
    const progress = state.progress.get(id);
    if (progress === undefined) {
      if (!rows.empty && !this.#blind.includes("position"))
        throw new SimulationFailure("position", `${id} holds rows before a cursor is on record`);
      return;
    }
    if (progress.state === "loading" && progress.filter !== null) return;
    const position = progress.state === "joined" ? max(progress.cursor, state.stream ?? 0n) : progress.cursor;
    const source = this.#replayOf(id).at(position);
    const pending = state.pending.get(id);
    if (progress.state === "loading" && rows.sim.table.key !== null) {
      this.#sameRows(rows, source);
      this.#covered(state, rows, { source, position });
    } else {
      if (progress.state !== "loading" && pending !== undefined && pending.size > 0) {
        throw new SimulationFailure("end", `${id} is ${progress.state} with pending keys`);
      }
      this.#whole(rows, source, "missing-row");
    }
  }

  /** Every row at the target is the source's. */
  #sameRows({ sim, rows }: TableRows, source: TableState): void {
    for (const [key, row] of rows) {
      const truth = source.rows.get(key);
      if (truth === undefined)
        throw new SimulationFailure("wrong-row", `${sim.table.id}: ${key} is not at the source (any more): ${rowText(row)}`);
      if (!sameRow(row, truth))
        throw new SimulationFailure("wrong-row", `${sim.table.id}: ${key} is ${rowText(row)}, the source has ${rowText(truth)}`);
    }
  }

  /** Every row of the source that a merged chunk covers is at the target, unless its key is pending. */
  #covered(
    state: TargetState,
    { sim, rows }: TableRows,
    { source, position }: { readonly source: TableState; readonly position: Lsn },
  ): void {
    const leafId = (place: number) => sim.leaves.idAt(place, position);
    const pending = state.pending.get(sim.table.id);
    const merged = this.#store.chunks.filter(({ table, id }) => table === sim.table.id && state.merged.has(id));
    for (const [key, row] of source.rows) {
      if (rows.has(key) || pending?.has(key)) continue;
      const chunk = merged.find(({ range }) => inRange(sim, range, keyOf(sim, row), leafId));
      if (chunk !== undefined)
        throw new SimulationFailure("missing-row", `${sim.table.id}: ${key} of chunk ${chunk.id} is not at the target`);
    }
  }

  #whole(rows: TableRows, source: TableState, missing: OracleName): void {
    this.#sameRows(rows, source);
    const id = rows.sim.table.id;
    for (const key of source.rows.keys())
      if (!rows.rows.has(key)) throw new SimulationFailure(missing, `${id}: ${key} is not at the target`);
    for (const text of new Set([...rows.bag.keys(), ...source.bag.keys()])) {
      const [there, truth] = [rows.bag.get(text) ?? 0, source.bag.get(text) ?? 0];
      if (there !== truth) throw new SimulationFailure("wrong-row", `${id}: ${there} copies of ${text}, the source has ${truth}`);
    }
  }

  #replayOf(table: string): TableReplay {
    let replay = this.#replays.get(table);
    if (replay === undefined) {
      replay = new TableReplay(this.#commits, table);
      this.#replays.set(table, replay);
    }
    return replay;
  }
}

function sameRow(a: Row, b: Row): boolean {
  return a === b || (a.length === b.length && a.every((value, index) => value === b[index]));
}

function max(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b;
}

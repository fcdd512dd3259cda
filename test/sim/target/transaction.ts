/** One transaction at the simulated target, by the letter of `ports.ts`: an undo log, a savepoint around a folded apply. */

import {
  type ChunkRows,
  ConstraintConflict,
  type PendingKey,
  type RowOps,
  type TableProgress,
  type TargetTransaction,
  type Tolerance,
} from "../../../src/engine/ports.ts";
import { PghaulError } from "../../../src/errors/pghaul-error.ts";
import type { Change } from "../../../src/model/change.ts";
import type { Lsn } from "../../../src/model/lsn.ts";
import { keyText, type Table } from "../../../src/model/table.ts";
import { carryForward, isComplete, type PartialRow, type Row } from "../../../src/model/value.ts";
import { Crashed } from "../crash.ts";
import { SimulationFailure } from "../failure.ts";
import { decodeRow, SimRows } from "../postgres/rows.ts";
import { keyOf } from "../postgres/tables.ts";
import { type TableRows, UniqueViolation } from "./table-rows.ts";
import type { SimTargetParts } from "./target-state.ts";

type Undo = (step: () => void) => void;

export class SimTargetTransaction implements TargetTransaction {
  readonly side = "target";
  readonly touched = new Set<string>();
  streamMoved = false;
  readonly #parts: SimTargetParts;
  /** Throws when this transaction's connection, or its process, is gone. */
  readonly #demandConnection: () => void;
  readonly #undo: (() => void)[] = [];
  #over = false;

  constructor(parts: SimTargetParts, demandConnection: () => void) {
    this.#parts = parts;
    this.#demandConnection = demandConnection;
  }

  /** Returns how to take it back all the same, should the target lose it. */
  commit(): (() => void)[] {
    this.#over = true;
    this.#unlock();
    return this.#undo.splice(0);
  }

  rollBack(): void {
    this.#over = true;
    for (const step of this.#undo.splice(0).toReversed()) step();
    this.#unlock();
  }

  async apply(table: Table, ops: RowOps, tolerance: Tolerance): Promise<readonly Row[]> {
    const rows = await this.#open(table.id);
    const savepoint = this.#undo.length;
    try {
      // As an exclusion constraint may: the engine must cope with a refusal at any time.
      if (this.#parts.random.chance(0.02)) throw new UniqueViolation("simulated");
      return this.#applyFolded(rows, ops, tolerance);
    } catch (error) {
      if (!(error instanceof UniqueViolation)) throw error;
      this.#parts.note("conflict");
      for (const step of this.#undo.splice(savepoint).toReversed()) step();
      throw new ConstraintConflict(error.message);
    }
  }

  async applyInOrder(tables: ReadonlyMap<string, Table>, changes: readonly Change[], tolerance: Tolerance): Promise<readonly PendingKey[]> {
    const missing: PendingKey[] = [];
    for (const change of changes) {
      if (change.kind === "truncate" || !tables.has(change.table)) throw new Error(`simulation: unexpected ${change.kind}`);
      const rows = await this.#open(change.table);
      const key = this.#unique(() => this.#applyChange(rows, change, tolerance));
      if (key !== null) missing.push({ table: change.table, key });
    }
    return missing;
  }

  async move(table: Table, oldKey: Row, row: PartialRow): Promise<boolean> {
    const rows = await this.#open(table.id);
    const old = rows.remove(keyText(oldKey), this.#later);
    this.#parts.note(old === null ? "move of an absent row" : "move at the target");
    if (old === null) return false;
    this.#unique(() => rows.insert(carryForward(old, row), this.#later));
    return true;
  }

  async truncate(tables: readonly Table[]): Promise<void> {
    for (const { id } of tables) (await this.#open(id)).clear(this.#later);
    this.#parts.note("truncate");
  }

  empty(table: Table): Promise<void> {
    return this.truncate([table]);
  }

  async insertAbsent(table: Table, raw: ChunkRows | null, rows: readonly Row[]): Promise<number> {
    const target = await this.#open(table.id);
    let inserted = 0;
    for (const row of [...(raw instanceof SimRows ? raw.rows : []), ...rows]) {
      if (target.rows.has(keyText(keyOf(target.sim, row)))) continue;
      this.#unique(() => target.insert(row, this.#later));
      inserted += 1;
    }
    return inserted;
  }

  async replace(table: Table, keys: readonly Row[], rows: readonly Row[]): Promise<void> {
    const target = await this.#open(table.id);
    for (const key of keys) target.remove(keyText(key), this.#later);
    for (const row of rows) this.#unique(() => target.insert(row, this.#later));
    this.#parts.note("re-read");
  }

  async loadWhole(table: Table, copyText: AsyncIterable<Uint8Array>): Promise<number> {
    const target = await this.#open(table.id);
    if (!target.empty) throw new SimulationFailure("wrong-row", `${table.id} is loaded whole over rows that are there`);
    let count = 0;
    for await (const line of copyText) {
      this.#demandConnection();
      target.insert(decodeRow(line), this.#later);
      count += 1;
    }
    return count;
  }

  async setStreamPosition(position: Lsn): Promise<void> {
    await this.#turn();
    const { state } = this.#parts;
    const before = state.stream;
    if (before !== null && position < before) throw new SimulationFailure("position", `the stream went back from ${before} to ${position}`);
    this.#set(() => {
      state.stream = position;
      return () => {
        state.stream = before;
      };
    });
    this.streamMoved = true;
  }

  async setTableProgress(table: string, progress: TableProgress): Promise<void> {
    await this.#open(table);
    const known = this.#parts.state.progress;
    const before = known.get(table);
    if (before !== undefined && progress.cursor < before.cursor) {
      throw new SimulationFailure("position", `${table}'s cursor went back from ${before.cursor} to ${progress.cursor}`);
    }
    this.#set(() => {
      known.set(table, progress);
      return () => {
        if (before === undefined) known.delete(table);
        else known.set(table, before);
      };
    });
  }

  async setChunkMerged(table: string, chunk: number): Promise<void> {
    await this.#open(table);
    const { merged } = this.#parts.state;
    if (merged.has(chunk)) throw new SimulationFailure("wrong-row", `chunk ${chunk} of ${table} was merged twice`);
    this.#set(() => {
      merged.set(chunk, table);
      return () => merged.delete(chunk);
    });
  }

  async attempt<T>(work: () => Promise<T>): Promise<T> {
    await this.#turn();
    const savepoint = this.#undo.length;
    try {
      return await work();
    } catch (error) {
      this.#demandConnection();
      for (const step of this.#undo.splice(savepoint).toReversed()) step();
      throw error;
    }
  }

  async forgetTable(table: string): Promise<void> {
    await this.#open(table);
    const { progress, merged } = this.#parts.state;
    const known = progress.get(table);
    if (known !== undefined) {
      this.#set(() => {
        progress.delete(table);
        return () => progress.set(table, known);
      });
    }
    for (const chunk of [...merged].flatMap(([id, of]) => (of === table ? [id] : []))) {
      this.#set(() => {
        merged.delete(chunk);
        return () => merged.set(chunk, table);
      });
    }
    await this.removePending(table, [...this.#pendingOf(table).values()]);
    this.#parts.note("table emptied");
  }

  async addPending(table: string, keys: readonly Row[]): Promise<void> {
    await this.#open(table);
    const pending = this.#pendingOf(table);
    for (const key of keys) {
      const text = keyText(key);
      if (pending.has(text)) continue;
      this.#set(() => {
        pending.set(text, key);
        return () => pending.delete(text);
      });
    }
  }

  async removePending(table: string, keys: readonly Row[]): Promise<void> {
    await this.#open(table);
    const pending = this.#pendingOf(table);
    for (const key of keys) {
      const text = keyText(key);
      if (!pending.has(text)) continue;
      this.#set(() => {
        pending.delete(text);
        return () => pending.set(text, key);
      });
    }
  }

  #applyFolded(rows: TableRows, { deletes, patches, puts }: RowOps, tolerance: Tolerance): Row[] {
    const absent: Row[] = [];
    for (const key of deletes) {
      if (rows.remove(keyText(key), this.#later) === null && tolerance === "strict") throw drift(rows, "delete");
    }
    for (const patch of patches) {
      const key = (rows.sim.table.key ?? []).map((index) => patch[index] as string);
      const old = rows.remove(keyText(key), this.#later);
      if (old !== null) rows.insert(carryForward(old, patch), this.#later);
      else if (tolerance === "strict") throw drift(rows, "patch");
      else absent.push(key);
    }
    for (const put of puts) rows.insert(put, this.#later);
    return absent;
  }

  /** Returns the key of an incomplete update that found no row. */
  #applyChange(rows: TableRows, change: Exclude<Change, { kind: "truncate" }>, tolerance: Tolerance): Row | null {
    const strict = tolerance === "strict";
    switch (change.kind) {
      case "insert":
        if (!strict && rows.sim.table.key !== null) rows.remove(keyText(keyOf(rows.sim, change.row)), this.#later);
        rows.insert(change.row, this.#later);
        return null;
      case "delete":
        if (rows.remove(keyText(change.oldKey), this.#later) === null && strict) throw drift(rows, "delete");
        return null;
      case "update":
        return this.#update(rows, change, strict);
      default:
        // The snapshot's filter says exactly which changes the rows lack, so even while the table loads each must find its row.
        if (!rows.removeCopy(change.old, this.#later)) throw drift(rows, change.kind);
        if (change.kind === "update-row") rows.insert(change.row, this.#later);
        return null;
    }
  }

  #update(rows: TableRows, { oldKey, row }: Extract<Change, { kind: "update" }>, strict: boolean): Row | null {
    const key = (rows.sim.table.key ?? []).map((index) => row[index] as string);
    const old = rows.remove(keyText(oldKey ?? key), this.#later);
    if (old === null && strict) throw drift(rows, "update");
    if (!strict && oldKey !== null) rows.remove(keyText(key), this.#later);
    if (old !== null) rows.insert(carryForward(old, row), this.#later);
    else if (isComplete(row)) rows.insert(row, this.#later);
    else return key;
    return null;
  }

  /** Row by row in the source's own order over a subset of its rows: here no unique index may ever refuse. */
  #unique<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      if (error instanceof UniqueViolation) throw new SimulationFailure("unique", error.message);
      throw error;
    }
  }

  #pendingOf(table: string): Map<string, Row> {
    const { pending } = this.#parts.state;
    let keys = pending.get(table);
    if (keys === undefined) {
      keys = new Map();
      pending.set(table, keys);
    }
    return keys;
  }

  /** Waits for the table, as for row locks. */
  async #open(table: string): Promise<TableRows> {
    await this.#turn();
    const { state, life } = this.#parts;
    while ((state.locks.get(table) ?? this) !== this) await life.turn("target.lock");
    this.#demandConnection();
    state.locks.set(table, this);
    this.touched.add(table);
    const rows = state.tables.get(table);
    if (rows === undefined) throw new Error(`simulation: no table ${table} at the target`);
    return rows;
  }

  async #turn(): Promise<void> {
    if (this.#parts.random.chance(0.5)) await this.#parts.life.turn("target.call");
    this.#demandConnection();
  }

  #unlock(): void {
    const { locks } = this.#parts.state;
    for (const [table, holder] of locks) if (holder === this) locks.delete(table);
  }

  /** A continuation that was already under way when the process died, or the connection broke, leaves nothing behind. */
  readonly #later: Undo = (step) => {
    this.#undo.push(step);
    if (!this.#over) return;
    this.rollBack();
    throw new Crashed("a write after the end of its transaction");
  };

  #set(write: () => () => void): void {
    this.#later(write());
  }
}

function drift(rows: TableRows, what: string): PghaulError {
  return new PghaulError("TARGET_DRIFT", `${rows.sim.table.id}: a ${what} found no row`);
}

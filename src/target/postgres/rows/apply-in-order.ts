/**
 * Changes applied one by one, in the order in which the source made them: what a batch falls back to when a unique value changes hands
 * inside it, and the only exact way for a table without a key.
 */

import type { PendingKey, Tolerance } from "../../../engine/ports.ts";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import type { Change } from "../../../model/change.ts";
import { shellWord } from "../../../model/shell-word.ts";
import { type SideName, sideCode } from "../../../model/side.ts";
import type { Table } from "../../../model/table.ts";
import { isComplete, type PartialRow, type Row } from "../../../model/value.ts";
import type { TargetSession } from "../target-session.ts";
import { insertPuts, keyRow, knownColumns, updateStatements } from "./apply-ops.ts";
import { provideRows, stageRows } from "./provide-rows.ts";
import { deleteByKey, deleteImage, insertRows, moveByKey, replaceImage, updateImage } from "./row-queries.ts";
import { DELETE_OP, literalSource, PUT_OP, type RowSource, type SourceRow } from "./row-source.ts";
import type { TargetTable } from "./target-table.ts";
import { truncateTables } from "./truncate-tables.ts";

/** What is sent in one round trip. */
const SCRIPT_STATEMENTS = 200;
const SCRIPT_BYTES = 256 * 1024;

/** What it means when a statement finds no row: nothing, drift, or a key that only the source can tell. */
type OnMiss = "nothing" | "drift" | { readonly pending: Row };

interface Statement {
  readonly target: TargetTable;
  readonly sql: string;
  readonly onMiss: OnMiss;
}

type Write = (source: RowSource) => readonly { readonly sql: string; readonly onMiss: OnMiss }[];

/**
 * Returns the keys whose incomplete update found no row (tolerant only). Throws *_DRIFT for a strict one, and for any row of a
 * table without a key: such a table is loaded whole from one snapshot, so even while it loads every row that changes is there.
 */
export async function applyInOrder(
  session: TargetSession,
  tables: ReadonlyMap<string, Table>,
  changes: readonly Change[],
  tolerance: Tolerance,
): Promise<readonly PendingKey[]> {
  const script = new Script(session, tolerance);
  for (let index = 0; index < changes.length; ) {
    const change = changes[index] as Change;
    if (change.kind === "truncate") {
      await script.truncate(change.tables.flatMap((id) => tables.get(id) ?? []));
      index += 1;
      continue;
    }
    const table = tables.get(change.table);
    if (table === undefined) throw new Error(`apply in order: unknown table ${change.table}`);
    const target = await session.target(table);
    const run = insertRun(changes, index);
    // Only where an insert is no upsert can many of them go at once.
    if (run.length > 1 && (tolerance === "strict" || table.key === null)) await script.insertAll(target, run);
    else await script.change(target, change);
    index += tolerance === "strict" || table.key === null ? Math.max(run.length, 1) : 1;
  }
  await script.send();
  return script.pending;
}

/** The rows of the inserts into one table that follow each other from `start`. */
function insertRun(changes: readonly Change[], start: number): Row[] {
  const rows: Row[] = [];
  const first = changes[start];
  if (first?.kind !== "insert") return rows;
  for (let index = start; index < changes.length; index++) {
    const change = changes[index] as Change;
    if (change.kind !== "insert" || change.table !== first.table) break;
    rows.push(change.row);
  }
  return rows;
}

class Script {
  readonly pending: PendingKey[] = [];
  readonly #session: TargetSession;
  readonly #tolerance: Tolerance;
  #statements: Statement[] = [];
  #bytes = 0;

  constructor(session: TargetSession, tolerance: Tolerance) {
    this.#session = session;
    this.#tolerance = tolerance;
  }

  async change(target: TargetTable, change: Exclude<Change, { kind: "truncate" }>): Promise<void> {
    switch (change.kind) {
      case "insert":
        return this.#insert(target, change.row);
      case "delete":
        return this.#write(target, [keyRow(target, change.oldKey)], (source) => [{ sql: deleteByKey(target, source), onMiss: this.#miss }]);
      case "update":
        return change.oldKey === null ? this.#update(target, change.row) : this.#rekey(target, change.oldKey, change.row);
      case "update-row":
        return this.#write(
          target,
          [
            { op: DELETE_OP, values: change.old },
            { op: 1, values: change.row },
          ],
          (source) => [{ sql: imageToImage(target, change)(target, source, nullsOf(change.old)), onMiss: "drift" }],
        );
      case "delete-row":
        return this.#write(target, [{ op: DELETE_OP, values: change.old }], (source) => [
          { sql: deleteImage(target, source, nullsOf(change.old)), onMiss: "drift" },
        ]);
    }
  }

  async insertAll(target: TargetTable, rows: readonly Row[]): Promise<void> {
    await this.send();
    await insertPuts(this.#session, target, rows);
  }

  async truncate(tables: readonly Table[]): Promise<void> {
    await this.send();
    if (tables.length > 0) await truncateTables(this.#session, tables);
  }

  async send(): Promise<void> {
    const statements = this.#statements;
    if (statements.length === 0) return;
    this.#statements = [];
    this.#bytes = 0;
    const context = { table: [...new Set(statements.map(({ target }) => target.table.id))].join(", ") };
    const results = await this.#session.script(
      statements.map(({ sql }) => sql),
      context,
    );
    statements.forEach(({ target, onMiss }, index) => {
      if (onMiss === "nothing" || (results[index]?.rowCount ?? 0) > 0) return;
      if (onMiss === "drift") throw drift(target.table.id, target.side);
      this.pending.push({ table: target.table.id, key: onMiss.pending });
    });
  }

  get #miss(): OnMiss {
    return this.#tolerance === "strict" ? "drift" : "nothing";
  }

  #insert(target: TargetTable, row: Row): Promise<void> {
    const put = { op: PUT_OP, values: row };
    if (this.#tolerance === "strict" || target.table.key === null) {
      return this.#write(target, [put], (source) => [{ sql: insertRows(target, source), onMiss: "nothing" }]);
    }
    return this.#upsert(target, [keyOfRow(target, row)], row);
  }

  #update(target: TargetTable, row: PartialRow): Promise<void> {
    if (this.#tolerance === "tolerant" && isComplete(row)) return this.#upsert(target, [keyOfRow(target, row)], row);
    const onMiss = this.#tolerance === "strict" ? "drift" : { pending: keyOfRow(target, row) };
    return this.#write(target, [{ op: 1, values: row }], (source) => {
      const statements = updateStatements(target, source, [1, 1], knownColumns(row));
      return statements.map((sql, place) => ({ sql, onMiss: place === statements.length - 1 ? onMiss : "nothing" }));
    });
  }

  /** A tolerant complete row replaces whatever the old key and the new key hold; everything else moves the row in place. */
  #rekey(target: TargetTable, oldKey: Row, row: PartialRow): Promise<void> {
    const newKey = keyOfRow(target, row);
    if (this.#tolerance === "tolerant" && isComplete(row)) return this.#upsert(target, [oldKey, newKey], row);
    const onMiss = this.#tolerance === "strict" ? "drift" : { pending: newKey };
    return this.#write(target, moveRows(target, oldKey, row), (source) => [{ sql: moveByKey(target, source, knownColumns(row)), onMiss }]);
  }

  #upsert(target: TargetTable, keys: readonly Row[], row: Row): Promise<void> {
    const rows = [...keys.map((key) => keyRow(target, key)), { op: PUT_OP, values: row }];
    return this.#write(target, rows, (source) => [
      { sql: deleteByKey(target, source), onMiss: "nothing" },
      { sql: insertRows(target, source), onMiss: "nothing" },
    ]);
  }

  /** Queues the statements over these rows. Staged rows are used at once: there is one stage for a table. */
  async #write(target: TargetTable, rows: readonly SourceRow[], write: Write): Promise<void> {
    const literals = literalSource(target, rows);
    if (literals !== null) {
      this.#queue(target, write(literals));
      if (this.#statements.length >= SCRIPT_STATEMENTS || this.#bytes >= SCRIPT_BYTES) await this.send();
      return;
    }
    await this.send();
    const { source, after } = await stageRows(this.#session, target, rows);
    this.#queue(target, [...write(source), ...after.map((sql) => ({ sql, onMiss: "nothing" as const }))]);
    await this.send();
  }

  #queue(target: TargetTable, writes: ReturnType<Write>): void {
    for (const { sql, onMiss } of writes) {
      this.#statements.push({ target, sql, onMiss });
      this.#bytes += sql.length;
    }
  }
}

/** Moves the row of a key to another key in place, so that what the stream did not carry stays. False when the key is not there. */
export async function moveRow(session: TargetSession, target: TargetTable, oldKey: Row, row: PartialRow): Promise<boolean> {
  const { source, after } = await provideRows(session, target, moveRows(target, oldKey, row));
  const results = await session.script([moveByKey(target, source, knownColumns(row)), ...after], { table: target.table.id });
  return (results[0]?.rowCount ?? 0) > 0;
}

function moveRows(target: TargetTable, oldKey: Row, row: PartialRow): SourceRow[] {
  return [keyRow(target, oldKey), { op: 1, values: row }];
}

function imageToImage(target: TargetTable, { old, row }: Extract<Change, { kind: "update-row" }>): typeof updateImage {
  const anew = target.columns.some(({ updatable }, column) => !updatable && old[column] !== row[column]);
  return anew ? replaceImage : updateImage;
}

function keyOfRow({ table }: TargetTable, row: PartialRow): Row {
  if (table.key === null) throw new Error(`apply in order: ${table.id} has no key`);
  return table.key.map((column) => row[column] as string);
}

function nullsOf(row: Row): ReadonlySet<number> {
  return new Set(row.flatMap((value, column) => (value === null ? [column] : [])));
}

function drift(table: string, side: SideName): PghaulError {
  return new PghaulError(sideCode(side, "DRIFT"), `${table}: a row that the stream changes does not exist at the ${side}`, {
    context: { table },
    suggestion: `pghaul verify diff --table ${shellWord(table)}`,
  });
}

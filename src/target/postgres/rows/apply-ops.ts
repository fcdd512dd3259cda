import type { RowOps, Tolerance } from "../../../engine/ports.ts";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { shellWord } from "../../../model/shell-word.ts";
import { sideCode } from "../../../model/side.ts";
import { type PartialRow, type Row, UNCHANGED } from "../../../model/value.ts";
import type { TargetSession } from "../target-session.ts";
import { copyBlocks } from "./copy-in.ts";
import { provideRows } from "./provide-rows.ts";
import { copyIntoTable, deleteByKey, insertRows, reinsertByKey, selectAbsent, selectPresent, updateByKey } from "./row-queries.ts";
import { DELETE_OP, literalSource, PUT_OP, type RowSource, type SourceRow } from "./row-source.ts";
import { RELEASE, SAVEPOINT, undoneOnConflict } from "./savepoint.ts";
import { keyOf, type TargetTable } from "./target-table.ts";

/** Patches that know the same columns, numbered `first` to `last`: one UPDATE. */
interface PatchGroup {
  readonly first: number;
  readonly last: number;
  readonly known: readonly number[];
}

/**
 * Applies folded operations of one table in sets: deletes, patches, puts, in one round trip after the rows have arrived.
 *
 * Returns the keys of tolerant patches that found no row. Throws *_DRIFT when a strict delete or patch finds none (the
 * transaction is then to be rolled back), ConstraintConflict after undoing its own part.
 */
export async function applyOps(session: TargetSession, target: TargetTable, ops: RowOps, tolerance: Tolerance): Promise<readonly Row[]> {
  const { patches, groups } = groupPatches(ops.patches);
  const rows = sourceRows(target, { ...ops, patches });
  if (rows.length === 0) return [];
  if (rows.length === ops.puts.length && target.strays.length === 0 && literalSource(target, rows) === null) {
    await copyPuts(session, target, ops.puts);
    return [];
  }
  const { source, after } = await provideRows(session, target, rows);
  const found = await runStatements(session, target, { statements: setStatements(target, source, { ops, groups, tolerance }), after });
  if (tolerance === "tolerant") return found.absent.map((op) => keyValues(target, patches[op - 1] as PartialRow));
  expectAll(target, { what: "to delete", asked: ops.deletes.length, found: found.deleted });
  expectAll(target, { what: "to update", asked: patches.length, found: found.patched });
  return [];
}

/** `tells`: what the statement's answer is good for. */
interface SetStatement {
  readonly sql: string;
  readonly tells: "deleted" | "patched" | "absent" | null;
}

interface Asked {
  readonly ops: RowOps;
  readonly groups: readonly PatchGroup[];
  readonly tolerance: Tolerance;
}

/** The absent are looked up before the puts: a put may bring the key of a patch that missed, and it has missed all the same. */
function setStatements(target: TargetTable, source: RowSource, { ops, groups, tolerance }: Asked): readonly SetStatement[] {
  const statements: SetStatement[] = [];
  if (ops.deletes.length > 0) statements.push({ sql: deleteByKey(target, source), tells: "deleted" });
  for (const { first, last, known } of groups) {
    const [update, ...before] = updateStatements(target, source, [first, last], known).toReversed();
    for (const sql of before) statements.push({ sql, tells: null });
    statements.push({ sql: update as string, tells: "patched" });
  }
  if (tolerance === "tolerant") {
    for (const { first, last } of groups) statements.push({ sql: selectAbsent(target, source, [first, last]), tells: "absent" });
  }
  if (ops.puts.length > 0) statements.push({ sql: insertRows(target, source), tells: null });
  return statements;
}

interface Found {
  deleted: number;
  patched: number;
  /** The `op` of patches without a row. */
  readonly absent: number[];
}

interface Script {
  readonly statements: readonly SetStatement[];
  readonly after: readonly string[];
}

async function runStatements(session: TargetSession, target: TargetTable, { statements, after }: Script): Promise<Found> {
  const script = [SAVEPOINT, ...statements.map(({ sql }) => sql), RELEASE, ...after];
  const results = await undoneOnConflict(session, after, () => session.script(script, { table: target.table.id }));
  const found: Found = { deleted: 0, patched: 0, absent: [] };
  statements.forEach(({ tells }, index) => {
    const result = results[index + 1];
    if (tells === "absent") for (const row of result?.rows ?? []) found.absent.push(Number((row as { op: string | number }).op));
    else if (tells !== null) found[tells] += result?.rowCount ?? 0;
  });
  return found;
}

/** A run of complete rows, into the table itself: few as one INSERT, many by COPY. */
export async function insertPuts(session: TargetSession, target: TargetTable, puts: readonly Row[]): Promise<void> {
  const rows = puts.map((values) => ({ op: PUT_OP, values }));
  const context = { table: target.table.id };
  if (target.strays.length === 0 && literalSource(target, rows) === null) {
    await session.copyIn(copyIntoTable(target), copyBlocks(puts), context);
    return;
  }
  const { source, after } = await provideRows(session, target, rows);
  await session.script([insertRows(target, source), ...after], context);
}

async function copyPuts(session: TargetSession, target: TargetTable, puts: readonly Row[]): Promise<void> {
  await session.script([SAVEPOINT]);
  await undoneOnConflict(session, [], () => session.copyIn(copyIntoTable(target), copyBlocks(puts), { table: target.table.id }));
  await session.script([RELEASE]);
}

/** Brings what the patches `ops` know to their rows. The row count of the last statement tells how many were there. */
export function updateStatements(
  target: TargetTable,
  source: RowSource,
  ops: readonly [first: number, last: number],
  known: readonly number[],
): readonly string[] {
  const reinsert = reinsertByKey(target, source, ops, known);
  const columns = settableColumns(target, known);
  const update = columns.length === 0 ? selectPresent(target, source, ops) : updateByKey(target, source, ops, columns);
  return reinsert === null ? [update] : [reinsert, update];
}

/** Puts patches that know the same columns side by side. */
function groupPatches(patches: readonly PartialRow[]): { patches: readonly PartialRow[]; groups: readonly PatchGroup[] } {
  const byColumns = new Map<string, { known: readonly number[]; patches: PartialRow[] }>();
  for (const patch of patches) {
    const signature = unchangedColumns(patch);
    let group = byColumns.get(signature);
    if (group === undefined) {
      group = { known: knownColumns(patch), patches: [] };
      byColumns.set(signature, group);
    }
    group.patches.push(patch);
  }
  const sorted: PartialRow[] = [];
  const groups = [...byColumns.values()].map((group) => {
    const first = sorted.length + 1;
    for (const patch of group.patches) sorted.push(patch);
    return { first, last: sorted.length, known: group.known };
  });
  return { patches: sorted, groups };
}

function unchangedColumns(patch: PartialRow): string {
  let signature = "";
  for (let column = 0; column < patch.length; column++) if (patch[column] === UNCHANGED) signature += `${column},`;
  return signature;
}

export function knownColumns(patch: PartialRow): readonly number[] {
  return patch.flatMap((value, column) => (value === UNCHANGED ? [] : [column]));
}

/** Those that UPDATE may set; the key names the row and stays. */
function settableColumns(target: TargetTable, known: readonly number[]): readonly number[] {
  const key = new Set(keyOf(target));
  return known.filter((column) => !key.has(column) && target.columns[column]?.updatable === true);
}

function sourceRows(target: TargetTable, { deletes, patches, puts }: RowOps): SourceRow[] {
  return [
    ...deletes.map((key) => keyRow(target, key)),
    ...patches.map((values, index) => ({ op: index + 1, values })),
    ...puts.map((values) => ({ op: PUT_OP, values })),
  ];
}

/** Key values, in key order, spread over a row that is NULL elsewhere. */
export function keyRow(target: TargetTable, key: Row): SourceRow {
  const values = new Array<string | null>(target.columns.length).fill(null);
  for (const [index, column] of keyOf(target).entries()) values[column] = key[index] ?? null;
  return { op: DELETE_OP, values };
}

function keyValues(target: TargetTable, row: PartialRow): Row {
  return keyOf(target).map((column) => row[column] as string);
}

function expectAll(target: TargetTable, { what, asked, found }: { what: string; asked: number; found: number }): void {
  if (asked === found) return;
  const table = target.table.id;
  throw new PghaulError(sideCode(target.side, "DRIFT"), `${table}: of ${asked} rows ${what}, the ${target.side} holds ${found}`, {
    context: { table, asked, found },
    suggestion: `pghaul verify diff --table ${shellWord(table)}`,
  });
}

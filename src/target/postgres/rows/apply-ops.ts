import type { RowOps, Tolerance } from "../../../engine/ports.ts";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import { type PartialRow, type Row, UNCHANGED } from "../../../model/value.ts";
import type { TargetSession } from "../target-session.ts";
import { copyBlocks } from "./copy-in.ts";
import { copyIntoTable, deleteByKey, insertRows, selectAbsent, selectPresent, updateByKey } from "./row-queries.ts";
import { DELETE_OP, literalSource, PUT_OP, type RowSource, type SourceRow, stagedSource } from "./row-source.ts";
import { RELEASE, SAVEPOINT, undoneOnConflict } from "./savepoint.ts";
import { keyOf, type TargetTable } from "./target-table.ts";

/** Patches that set the same columns, numbered `first` to `last`: one UPDATE. */
interface PatchGroup {
  readonly first: number;
  readonly last: number;
  readonly columns: readonly number[];
}

/**
 * Applies folded operations of one table in sets: deletes, patches, puts, in one round trip after the rows have arrived.
 *
 * Returns the keys of tolerant patches that found no row. Throws TARGET_DRIFT when a strict delete or patch finds none (the
 * transaction is then to be rolled back), ConstraintConflict after undoing its own part.
 */
export async function applyOps(session: TargetSession, target: TargetTable, ops: RowOps, tolerance: Tolerance): Promise<readonly Row[]> {
  const { deletes, puts } = ops;
  const { patches, groups } = groupPatches(target, ops.patches);
  const rows = sourceRows(target, { deletes, patches, puts });
  if (rows.length === 0) return [];
  const literals = literalSource(target, rows);
  if (literals === null && deletes.length === 0 && patches.length === 0) {
    await copyPuts(session, target, puts);
    return [];
  }
  const stage = literals === null ? await session.guarded({ table: target.table.id }, () => session.stages.fill(target, rows)) : null;
  const source = literals ?? stagedSource(stage as string);
  const updates = groups.map((group) => updateGroup(target, source, group));
  // SELECT of the absent comes before the puts: a put may bring a key that a patch missed, and the patch missed it all the same.
  const lookups = tolerance === "tolerant" ? groups.map((group) => selectAbsent(target, source, [group.first, group.last])) : [];
  const statements = [
    SAVEPOINT,
    ...(deletes.length > 0 ? [deleteByKey(target, source)] : []),
    ...updates,
    ...lookups,
    ...(puts.length > 0 ? [insertRows(target, source)] : []),
    RELEASE,
  ];
  const empty = stage === null ? [] : [session.stages.emptySql(stage)];
  const results = await undoneOnConflict(session, () => session.script([...statements, ...empty], { table: target.table.id }))
    .catch(async (error: unknown) => {
      if (stage !== null && error instanceof Error && error.name === "ConstraintConflict") await session.script(empty);
      throw error;
    });

  let next = 1;
  const counts = (number: number): number => sum(results.slice(next, (next += number)).map((result) => result.rowCount));
  const deleted = deletes.length > 0 ? counts(1) : 0;
  const patched = counts(updates.length);
  if (tolerance === "strict") {
    expectAll(target, { what: "to delete", asked: deletes.length, found: deleted });
    expectAll(target, { what: "to update", asked: patches.length, found: patched });
    return [];
  }
  const absent = results.slice(next, next + lookups.length).flatMap((result) => result.rows as { op: string | number }[]);
  return absent.map(({ op }) => keyValues(target, patches[Number(op) - 1] as PartialRow));
}

/** A run of complete rows, into the table itself: few as one INSERT, many by COPY. Both under a savepoint of their own. */
export async function insertPuts(session: TargetSession, target: TargetTable, puts: readonly Row[]): Promise<void> {
  const literals = literalSource(target, puts.map((values) => ({ op: PUT_OP, values })));
  if (literals === null) await session.copyIn(copyIntoTable(target), copyBlocks(puts), { table: target.table.id });
  else await session.script([insertRows(target, literals)], { table: target.table.id });
}

async function copyPuts(session: TargetSession, target: TargetTable, puts: readonly Row[]): Promise<void> {
  await session.script([SAVEPOINT]);
  await undoneOnConflict(session, () => session.copyIn(copyIntoTable(target), copyBlocks(puts), { table: target.table.id }));
  await session.script([RELEASE]);
}

function updateGroup(target: TargetTable, source: RowSource, { first, last, columns }: PatchGroup): string {
  if (columns.length === 0) return selectPresent(target, source, [first, last]);
  return updateByKey(target, source, [first, last], columns);
}

/** Puts patches that know the same columns side by side. */
function groupPatches(target: TargetTable, patches: readonly PartialRow[]): { patches: readonly PartialRow[]; groups: readonly PatchGroup[] } {
  const byColumns = new Map<string, { columns: readonly number[]; patches: PartialRow[] }>();
  for (const patch of patches) {
    const signature = unchangedColumns(patch);
    let group = byColumns.get(signature);
    if (group === undefined) {
      group = { columns: settableColumns(target, patch), patches: [] };
      byColumns.set(signature, group);
    }
    group.patches.push(patch);
  }
  const sorted: PartialRow[] = [];
  const groups = [...byColumns.values()].map((group) => {
    const first = sorted.length + 1;
    for (const patch of group.patches) sorted.push(patch);
    return { first, last: sorted.length, columns: group.columns };
  });
  return { patches: sorted, groups };
}

function unchangedColumns(patch: PartialRow): string {
  let signature = "";
  for (let column = 0; column < patch.length; column++) if (patch[column] === UNCHANGED) signature += `${column},`;
  return signature;
}

/** Known columns that UPDATE may set; the key names the row and stays. */
export function settableColumns(target: TargetTable, patch: PartialRow): readonly number[] {
  const key = new Set(keyOf(target));
  return patch.flatMap((value, column) => (value !== UNCHANGED && !key.has(column) && target.columns[column]?.updatable === true ? [column] : []));
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
  keyOf(target).forEach((column, index) => (values[column] = key[index] ?? null));
  return { op: DELETE_OP, values };
}

function keyValues(target: TargetTable, row: PartialRow): Row {
  return keyOf(target).map((column) => row[column] as string);
}

function expectAll(target: TargetTable, { what, asked, found }: { what: string; asked: number; found: number }): void {
  if (asked === found) return;
  const table = target.table.id;
  throw new PghaulError("TARGET_DRIFT", `${table}: of ${asked} rows ${what}, the target holds ${found}`, {
    context: { table, asked, found },
    suggestion: `pghaul verify diff --table ${table}`,
  });
}

function sum(counts: readonly (number | null)[]): number {
  return counts.reduce<number>((total, count) => total + (count ?? 0), 0);
}

/**
 * A table whose columns changed at the side that a stream reads. The stream stops before the first change in the new shape, with everything
 * before it applied; once the other side has followed, the next run goes on with the columns that the stream brings. Nothing is guessed: who changed what, and
 * whether the other side shall have it too, is the operator's to say.
 */

import { PghaulError } from "../../errors/pghaul-error.ts";
import { downstreamOf, type StreamName, streamOutOf, upstreamOf } from "../../model/side.ts";
import { type Table, withoutTypeOids } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { readTables } from "../../source/catalog.ts";
import type { StateDatabase } from "../../state/state-database.ts";
import { DocumentStore } from "../../state/storage/document-store.ts";
import { TableStore } from "../../state/table-store.ts";
import type { Downstream } from "../../target/kind.ts";
import type { Migration } from "../open-migration.ts";
import { downstream } from "./downstream.ts";

/** Columns in the stream's order, as it stands at `lsn`. */
interface Drift {
  readonly stream: StreamName;
  readonly table: string;
  readonly lsn: string;
  readonly columns: readonly string[];
}

function driftStore(state: StateDatabase): DocumentStore<Drift | null> {
  return new DocumentStore(state, "drift");
}

/** Remembers what a stream stopped at, when it was a change of columns. */
export function noteDrift(state: StateDatabase, error: unknown): void {
  if (!(error instanceof PghaulError) || error.code !== "SCHEMA_DRIFT") return;
  const { table, lsn, columns } = error.context;
  if (table === undefined || lsn === undefined || typeof columns !== "string") return;
  // The stream that runs beside it is ended by the same error: only the side says whose it is.
  const stream = streamOutOf(error.kind === "target" ? "target" : "source");
  const store = driftStore(state);
  store.put({ stream, table, lsn, columns: JSON.parse(columns) as string[] }, store.get()?.version ?? 0);
}

/** The tables as they are to be streamed now. Throws SCHEMA_DRIFT, with what is missing at the other side, when the change cannot be followed yet. */
export async function adoptDrift(migration: Migration, bus: ProgressBus): Promise<readonly Table[]> {
  const records = new TableStore(migration.state).all();
  const tables = records.map(({ table }) => table);
  const store = driftStore(migration.state);
  const seen = store.get();
  const record = records.find(({ table }) => table.id === seen?.body?.table);
  if (seen?.body == null || record === undefined) return tables;

  const upstream = upstreamOf(seen.body.stream);
  const now = await migration.session(upstream, "prepare", (client) => readTables(client, migration.config.tables));
  const current = now.find(({ id }) => id === record.table.id);
  const changed = current === undefined ? null : reshaped(record.table, current, seen.body);
  if (changed === null || (record.phase !== "joined" && record.phase !== "live")) throw cannotFollow(migration, seen.body);
  const down = downstream(migration.target, seen.body.stream);
  const differences = await down.differences([changed]);
  if (differences.length > 0) throw await notFollowed(seen.body, down, changed, differences);

  new TableStore(migration.state).redefine(changed);
  store.put(null, seen.version);
  bus.emit({ kind: "warning", code: "TABLE_CHANGED", message: `${changed.id} continues with the columns ${seen.body.columns.join(", ")}` });
  return tables.map((table) => (table.id === changed.id ? changed : table));
}

/** The table is loaded anew as it is now: what a stream met of it before does not matter any more. */
export function forgetDrift(state: StateDatabase, table: string): void {
  const store = driftStore(state);
  const seen = store.get();
  if (seen?.body?.table === table) store.put(null, seen.version);
}

/** `before` with the columns that the stream brings; null when more than whole columns came or went. */
function reshaped(before: Table, current: Table, { stream, columns: names }: Drift): Table | null {
  const columns = current.columns.filter(({ name }) => names.includes(name));
  const typeBefore = new Map(before.columns.map(({ name, type }) => [name, type]));
  const retyped = columns.some(({ name, type }) => (typeBefore.get(name) ?? type) !== type);
  const keyOf = (table: Table): string => JSON.stringify(table.key?.map((index) => table.columns[index]?.name));
  if (columns.length !== names.length || retyped || keyOf(before) !== keyOf(current)) return null;
  const key = current.key?.map((index) => columns.findIndex(({ name }) => name === current.columns[index]?.name)) ?? null;
  return { ...before, columns: stream === "forward" ? columns : withoutTypeOids(columns), key };
}

/** The error that stops until the side downstream has followed, with the statements that make it. */
async function notFollowed(
  { stream, table, lsn }: Drift,
  down: Downstream,
  changed: Table,
  differences: readonly string[],
): Promise<PghaulError> {
  const side = upstreamOf(stream);
  const what = `${table} changed at the ${side}, but not at the ${downstreamOf(stream)}: ${differences.join("; ")}`;
  const { statements, remark } = await down.statementsToFollow(changed);
  return new PghaulError("SCHEMA_DRIFT", what, {
    context: { table, lsn },
    side,
    ...(statements.length === 0 ? {} : { suggestion: `${statements.join(" ")}   -- ${remark}; then: pghaul run` }),
  });
}

function cannotFollow({ config }: Migration, { stream, table, lsn }: Drift): PghaulError {
  return new PghaulError("SCHEMA_DRIFT", `${table} changed at the ${upstreamOf(stream)} in a way that pghaul cannot follow`, {
    context: { table, lsn },
    side: upstreamOf(stream),
    suggestion: `run pghaul cdc teardown; then empty the target and set state.dir to another directory than ${config.state.dir}; then pghaul run`,
  });
}

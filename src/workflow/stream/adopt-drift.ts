/**
 * A table whose columns changed at the side that a stream reads. The stream stops before the first change in the new shape, with everything
 * before it applied; once the other side has followed, the next run goes on with the columns that the stream brings. Nothing is guessed: who changed what, and
 * whether the other side shall have it too, is the operator's to say.
 */

import { PghaulError } from "../../errors/pghaul-error.ts";
import { downstreamOf, type StreamName, streamOutOf, upstreamOf } from "../../model/side.ts";
import type { Table } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { qualifiedName, quoteIdent } from "../../postgres/quote.ts";
import { readTables } from "../../source/catalog.ts";
import type { StateDatabase } from "../../state/state-database.ts";
import { DocumentStore } from "../../state/storage/document-store.ts";
import { TableStore } from "../../state/table-store.ts";
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
  const changed = current === undefined ? null : reshaped(record.table, current, seen.body.columns);
  if (changed === null || (record.phase !== "joined" && record.phase !== "live")) throw cannotFollow(migration, seen.body);
  const differences = await downstream(migration.target, seen.body.stream).differences([changed]);
  if (differences.length > 0) throw notFollowed(seen.body, record.table, changed, differences);

  const adopted = tables.map((table) => (table.id === changed.id ? changed : table));
  new TableStore(migration.state).plan(adopted);
  store.put(null, seen.version);
  bus.emit({ kind: "warning", code: "TABLE_CHANGED", message: `${changed.id} goes on with ${seen.body.columns.join(", ")}` });
  return adopted;
}

/** `before` with the columns that the stream brings; null when more than whole columns came or went. */
function reshaped(before: Table, current: Table, names: readonly string[]): Table | null {
  const columns = current.columns.filter(({ name }) => names.includes(name));
  const typeBefore = new Map(before.columns.map(({ name, type }) => [name, type]));
  const retyped = columns.some(({ name, type }) => (typeBefore.get(name) ?? type) !== type);
  const keyOf = (table: Table): string => JSON.stringify(table.key?.map((index) => table.columns[index]?.name));
  if (columns.length !== names.length || retyped || keyOf(before) !== keyOf(current)) return null;
  const key = current.key?.map((index) => columns.findIndex(({ name }) => name === current.columns[index]?.name)) ?? null;
  return { ...before, columns, key };
}

function notFollowed({ stream, table, lsn }: Drift, before: Table, changed: Table, differences: readonly string[]): PghaulError {
  const [up, down] = [upstreamOf(stream), downstreamOf(stream)];
  const relation = qualifiedName(changed.schema, changed.name);
  const known = new Set(before.columns.map(({ name }) => name));
  const added = changed.columns.filter(({ name }) => !known.has(name));
  const now = new Set(changed.columns.map(({ name }) => name));
  const [gone, ...moreGone] = before.columns.filter(({ name }) => !now.has(name));
  const [first, ...moreAdded] = added;
  // A column that went while another of its type came was renamed, most often; nothing in the stream tells.
  const renamed = gone !== undefined && gone.type === first?.type && moreGone.length + moreAdded.length === 0;
  const statements = renamed
    ? [`alter table ${relation} rename column ${quoteIdent(gone.name)} to ${quoteIdent(first.name)};`]
    : added.map(({ name, type }) => `alter table ${relation} add column ${quoteIdent(name)} ${type};`);
  const remark = renamed ? `at the ${down}, if that is what was done at the ${up}` : `at the ${down}, with the ${up}'s default`;
  return new PghaulError("SCHEMA_DRIFT", `${table} changed at the ${up}, and the ${down} has not followed: ${differences.join("; ")}`, {
    context: { table, lsn },
    side: up,
    ...(statements.length === 0 ? {} : { suggestion: `${statements.join(" ")}   -- ${remark}; then: pghaul run` }),
  });
}

function cannotFollow({ config }: Migration, { stream, table, lsn }: Drift): PghaulError {
  return new PghaulError("SCHEMA_DRIFT", `${table} changed at the ${upstreamOf(stream)} in a way that cannot be followed`, {
    context: { table, lsn },
    side: upstreamOf(stream),
    suggestion: `pghaul cdc teardown; then an empty target and another state directory than ${config.state.dir}; then pghaul run`,
  });
}

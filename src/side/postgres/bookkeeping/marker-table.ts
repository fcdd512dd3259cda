import type pg from "pg";
import { type Table, tableId } from "../../../model/table.ts";
import { qualifiedName } from "../../../postgres/quote.ts";

/** A row of a migration's own table of markers. */
export interface Marker {
  /** Qualified and quoted. */
  readonly table: string;
  readonly id: string;
}

const COLUMNS = [
  { name: "id", type: "text", notNull: true },
  { name: "at", type: "timestamp with time zone", notNull: true },
] as const;

/**
 * The migration's table of markers streams like any table of the application: what is behind it in the stream has arrived when it has. It is
 * ours, so it is in no list of tables that an operator sees.
 */
export async function markerTable(client: pg.Client, markers: string): Promise<Table> {
  const place = { schema: "pghaul", name: markers };
  const { rows } = await client.query<{ oid: string }>("select $1::regclass::oid::text as oid", [qualifiedName(place.schema, place.name)]);
  return {
    id: tableId(place),
    ...place,
    oid: Number(rows[0]?.oid),
    columns: COLUMNS.map((column) => ({ ...column, identityAlways: false })),
    key: [0],
    partitioned: false,
    leaves: [{ id: rows[0]?.oid ?? "", ...place, bytes: 0, rows: 0 }],
  };
}

/** Writes the marker, or writes it anew: a row for the stream to carry. */
export async function touchMarker(client: pg.Client, { table, id }: Marker): Promise<void> {
  await client.query(`insert into ${table} (id) values ($1) on conflict (id) do update set at = clock_timestamp()`, [id]);
}

export async function deleteMarker(client: pg.Client, { table, id }: Marker): Promise<void> {
  await client.query(`delete from ${table} where id = $1`, [id]);
}

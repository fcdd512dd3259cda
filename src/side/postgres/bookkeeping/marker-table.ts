import type pg from "pg";
import type { Table } from "../../../model/table.ts";

export const MARKER_TABLE = "pghaul.marker";

const COLUMNS = [
  { name: "id", type: "text", notNull: true },
  { name: "at", type: "timestamp with time zone", notNull: true },
  { name: "note", type: "text", notNull: false },
] as const;

/**
 * `pghaul.marker` streams like any table of the application: what is behind it in the stream has arrived when it has. It is ours, so it is in
 * no list of tables that an operator sees.
 */
export async function markerTable(client: pg.Client): Promise<Table> {
  const { rows } = await client.query<{ oid: string }>("select 'pghaul.marker'::regclass::oid::text as oid");
  return {
    id: MARKER_TABLE,
    schema: "pghaul",
    name: "marker",
    oid: Number(rows[0]?.oid),
    columns: COLUMNS.map((column) => ({ ...column, identityAlways: false })),
    key: [0],
    partitioned: false,
    leaves: [{ id: rows[0]?.oid ?? "", schema: "pghaul", name: "marker", bytes: 0, rows: 0 }],
  };
}

/** Writes the marker, or writes it anew: a row for the stream to carry. */
export async function touchMarker(client: pg.Client, id: string): Promise<void> {
  await client.query("insert into pghaul.marker (id) values ($1) on conflict (id) do update set at = clock_timestamp()", [id]);
}

export async function deleteMarker(client: pg.Client, id: string): Promise<void> {
  await client.query("delete from pghaul.marker where id = $1", [id]);
}

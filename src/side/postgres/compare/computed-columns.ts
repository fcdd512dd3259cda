import type { Table } from "../../../model/table.ts";
import type { PostgresServer } from "../server.ts";

/**
 * The tables with their generated columns, those that both sides compute. Neither COPY nor the stream carries them, so nothing but a comparison
 * of what is stored, or computed as it is read (virtual ones, 18), tells whether both compute the same.
 */
export async function withComputed(
  servers: readonly [PostgresServer, PostgresServer],
  tables: readonly Table[],
): Promise<readonly Table[]> {
  const [source, target] = await Promise.all([selectComputed(servers[0], tables), selectComputed(servers[1], tables)]);
  return tables.map((table, place) => {
    const there = new Set(target.filter((row) => row.place === String(place + 1)).map(({ column }) => column));
    const both = source.filter((row) => row.place === String(place + 1) && there.has(row.column));
    return both.length === 0 ? table : { ...table, computed: both.map(({ column, type }) => ({ name: column, type })) };
  });
}

interface ComputedRow {
  readonly place: string;
  readonly column: string;
  readonly type: string;
}

async function selectComputed(server: PostgresServer, tables: readonly Table[]): Promise<ComputedRow[]> {
  return server.session("verify", async (client) => {
    const { rows } = await client.query<ComputedRow>(
      `select t.place::text, a.attname::text as column, pg_catalog.format_type(a.atttypid, a.atttypmod) as type
         from unnest($1::text[], $2::text[]) with ordinality as t(schema, name, place)
         join pg_catalog.pg_namespace n on n.nspname = t.schema
         join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.name
         join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attgenerated <> '' and not a.attisdropped
        order by t.place, a.attnum`,
      [tables.map(({ schema }) => schema), tables.map(({ name }) => name)],
    );
    return rows;
  });
}

import type pg from "pg";

export interface OtherDatabase {
  readonly name: string;
  /** Null: this role may not see the size. */
  readonly bytes: number | null;
}

/** `pg_database_size` needs CONNECT (manual: "Database Object Size Functions"); a database that is closed to us has no size here. */
export async function selectOtherDatabases(client: pg.Client): Promise<readonly OtherDatabase[]> {
  const { rows } = await client.query<{ name: string; bytes: string | null }>(`
    select d.datname::text as name, case when has_database_privilege(d.oid, 'connect') then pg_database_size(d.oid)::text end as bytes
      from pg_catalog.pg_database d
     where d.datallowconn and not d.datistemplate and d.datname not in (current_database(), 'postgres')
     order by d.datname`);
  return rows.map(({ name, bytes }) => ({ name, bytes: bytes === null ? null : Number(bytes) }));
}

import type pg from "pg";
import type { Config } from "../../config/config.ts";
import { formatBytes, formatCount } from "../../observe/units.ts";
import { connect } from "../../postgres/connect.ts";
import { resolveConnection } from "../../postgres/resolve-connection.ts";
import { readCatalog } from "../../source/catalog.ts";

/** What `init` shows of the source. Bytes are the catalog's estimates for the tables selected, TOAST included. */
export interface SourceSight {
  readonly version: string;
  readonly database: string;
  readonly tables: number;
  readonly bytes: number;
  /** Other databases of the server, in the order of their names; null bytes: this role may not see the size. */
  readonly otherDatabases: readonly { readonly name: string; readonly bytes: number | null }[];
  /** Why tables that were selected cannot be moved as they are. */
  readonly leftOut: readonly string[];
  /** Patterns that match no table. */
  readonly unmatched: readonly string[];
}

/** Looks once, reading only the catalog. Throws SOURCE_* when it cannot. */
export async function lookAtSource(config: Config): Promise<SourceSight> {
  const spec = resolveConnection({ targetSessionAttrs: "primary", ...config.source.connection });
  const client = await connect(spec, { side: "source", purpose: "init" });
  try {
    const { version, database } = await readServer(client);
    const { tables, leftOut, unmatched } = await readCatalog(client, config.tables);
    return {
      version,
      database,
      tables: tables.length,
      bytes: tables.reduce((sum, { leaves }) => sum + leaves.reduce((bytes, leaf) => bytes + leaf.bytes, 0), 0),
      otherDatabases: await readOtherDatabases(client),
      leftOut: leftOut.map(({ detail }) => detail),
      unmatched,
    };
  } finally {
    await client.end();
  }
}

/** One line for people. */
export function describeSource({ version, database, tables, bytes }: SourceSight): string {
  return `PostgreSQL ${version}, database ${database}, ${formatCount(tables)} ${tables === 1 ? "table" : "tables"}, ${formatBytes(bytes)}`;
}

async function readServer(client: pg.Client): Promise<{ readonly version: string; readonly database: string }> {
  const { rows } = await client.query<{ version: string; database: string }>(
    "select current_setting('server_version') as version, current_database()::text as database",
  );
  return rows[0] ?? { version: "unknown", database: "unknown" };
}

/** `pg_database_size` needs CONNECT (manual: "Database Object Size Functions"); a database that is closed to us has no size here. */
async function readOtherDatabases(client: pg.Client): Promise<SourceSight["otherDatabases"]> {
  const { rows } = await client.query<{ name: string; bytes: string | null }>(`
    select d.datname::text as name, case when has_database_privilege(d.oid, 'connect') then pg_database_size(d.oid)::text end as bytes
      from pg_catalog.pg_database d
     where d.datallowconn and not d.datistemplate and d.datname not in (current_database(), 'postgres')
     order by d.datname`);
  return rows.map(({ name, bytes }) => ({ name, bytes: bytes === null ? null : Number(bytes) }));
}

import type { Config } from "../../config/config.ts";
import { formatBytes, formatCount } from "../../observe/units.ts";
import { connect } from "../../postgres/connect.ts";
import { resolveConnection } from "../../postgres/resolve-connection.ts";
import { askOf } from "../../side/postgres/catalog/ask.ts";
import { readOwnRole } from "../../side/postgres/facts/own-role.ts";
import { readServer } from "../../side/postgres/facts/server.ts";
import { readCatalog } from "../../source/catalog.ts";
import { type OtherDatabase, selectOtherDatabases } from "../../source/queries/server-queries.ts";

/** What `init` shows of the source. Bytes are the catalog's estimates for the tables selected, TOAST included. */
export interface SourceSight {
  readonly version: string;
  readonly database: string;
  readonly tables: number;
  readonly bytes: number;
  /** Other databases of the server, in the order of their names; null bytes: this role may not see the size. */
  readonly otherDatabases: readonly OtherDatabase[];
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
    const ask = askOf(client);
    const { release: version } = await readServer(ask);
    const { database } = await readOwnRole(ask);
    const { tables, leftOut, unmatched } = await readCatalog(client, config.tables);
    return {
      version,
      database,
      tables: tables.length,
      bytes: tables.reduce((sum, { leaves }) => sum + leaves.reduce((bytes, leaf) => bytes + leaf.bytes, 0), 0),
      otherDatabases: await selectOtherDatabases(client),
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

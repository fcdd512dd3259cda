import type pg from "pg";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { Table } from "../model/table.ts";
import { qualifiedName, quoteIdent } from "../postgres/quote.ts";
import { asPghaulError, sqlState } from "../postgres/wrap-error.ts";

/**
 * Makes the publication, or brings its list of tables to the one wanted. It is only ever altered: a slot decodes with the catalog of its
 * WAL position, and a publication that was dropped in between breaks it (research, section 9).
 *
 * Partitions are published as their root (publish_via_partition_root), so that a partition attached tomorrow is in it.
 * Throws SOURCE_PRIVILEGE naming what is needed.
 */
export async function ensurePublication(client: pg.Client, name: string, tables: readonly Table[]): Promise<void> {
  const wanted = new Set(tables.map((table) => qualifiedName(table.schema, table.name)));
  try {
    const published = await publishedTables(client, name);
    if (published === null) {
      await client.query(
        `create publication ${quoteIdent(name)} for table only ${[...wanted].join(", only ")} with (publish_via_partition_root = true)`,
      );
      return;
    }
    const missing = [...wanted].filter((table) => !published.has(table));
    const extra = [...published].filter((table) => !wanted.has(table));
    if (missing.length > 0) await client.query(`alter publication ${quoteIdent(name)} add table only ${missing.join(", only ")}`);
    if (extra.length > 0) await client.query(`alter publication ${quoteIdent(name)} drop table only ${extra.join(", only ")}`);
  } catch (error) {
    if (sqlState(error) !== "42501") throw asPghaulError(error, "source", { step: "publication" });
    throw new PghaulError("SOURCE_PRIVILEGE", "a publication needs CREATE on the database and ownership of every table in it", {
      context: { step: "publication" },
      suggestion: "select format('grant create on database %I to %I', current_database(), current_user) \\gexec",
    });
  }
}

/** Qualified names of what the publication lists; null when there is no such publication. */
async function publishedTables(client: pg.Client, name: string): Promise<ReadonlySet<string> | null> {
  const found = await client.query("select 1 from pg_publication where pubname = $1", [name]);
  if (found.rowCount === 0) return null;
  // pg_publication_rel, not pg_publication_tables: the view lists what is published in the end, the catalog what was named.
  const { rows } = await client.query<{ schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name
     from pg_publication_rel r join pg_publication p on p.oid = r.prpubid join pg_class c on c.oid = r.prrelid join pg_namespace n on n.oid = c.relnamespace
     where p.pubname = $1`,
    [name],
  );
  return new Set(rows.map((row) => qualifiedName(row.schema, row.name)));
}

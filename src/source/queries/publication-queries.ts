import type { Queryable } from "../../postgres/queryable.ts";
import { quoteIdent } from "../../postgres/quote.ts";

export interface PublicationRow {
  readonly all_tables: string;
  /** Publishes INSERT, UPDATE, DELETE and TRUNCATE, partitions as their root. */
  readonly complete: string;
}

export async function selectPublication(db: Queryable, name: string): Promise<PublicationRow | null> {
  const { rows } = await db.query<PublicationRow>(
    `select puballtables::text as all_tables, (pubinsert and pubupdate and pubdelete and pubtruncate and pubviaroot)::text as complete
       from pg_catalog.pg_publication where pubname = $1`,
    [name],
  );
  return rows[0] ?? null;
}

export interface PublishedRow {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  /** A row filter or a column list (15 and later). */
  readonly partial: string;
}

/** What the publication names. The view pg_publication_tables would tell what is published in the end. */
export async function selectPublished(db: Queryable, name: string): Promise<readonly PublishedRow[]> {
  // Read through jsonb, for 13 and 14 have neither column.
  const { rows } = await db.query<PublishedRow>(
    `select c.oid::text, n.nspname::text as schema, c.relname::text as name,
            (to_jsonb(r) ->> 'prqual' is not null or to_jsonb(r) ->> 'prattrs' is not null)::text as partial
       from pg_catalog.pg_publication_rel r
       join pg_catalog.pg_publication p on p.oid = r.prpubid
       join pg_catalog.pg_class c on c.oid = r.prrelid
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where p.pubname = $1`,
    [name],
  );
  return rows;
}

/** ONLY: a table that others inherit from is published without them; each of those is a table of its own here. */
export function createPublicationSql(name: string, tables: readonly string[]): string {
  return `create publication ${quoteIdent(name)} for table ${onlyEach(tables)} with (publish_via_partition_root = true)`;
}

export function addTablesSql(name: string, tables: readonly string[]): string {
  return `alter publication ${quoteIdent(name)} add table ${onlyEach(tables)}`;
}

export function dropPublicationSql(name: string): string {
  return `drop publication if exists ${quoteIdent(name)}`;
}

export function dropTablesSql(name: string, tables: readonly string[]): string {
  return `alter publication ${quoteIdent(name)} drop table ${onlyEach(tables)}`;
}

export function completeOptionsSql(name: string): string {
  return `alter publication ${quoteIdent(name)} set (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)`;
}

function onlyEach(tables: readonly string[]): string {
  return tables.map((table) => `only ${table}`).join(", ");
}

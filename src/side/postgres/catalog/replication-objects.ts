/** The publications of a database that are not pghaul's. None is moved: each belongs to a stream of somebody else. */
import type { PublicationFact } from "../../../conditions/activity-facts.ts";
import { readServer } from "../facts/server.ts";
import type { Ask } from "./ask.ts";

export async function readPublications(ask: Ask): Promise<readonly PublicationFact[]> {
  const { version } = await readServer(ask);
  const rows = await ask<{ name: string; tables: string | null; schemas: string | null; options: string; all: string }>(
    publicationsSql(version),
  );
  return rows.map(({ name, tables, schemas, options, all }) => {
    const members = [...(tables === null ? [] : [`table ${tables}`]), ...(schemas === null ? [] : [`tables in schema ${schemas}`])];
    const what = all === "true" ? " for all tables" : members.length === 0 ? "" : ` for ${members.join(", ")}`;
    return { name, statement: `create publication ${name}${what} with (${options})` };
  });
}

/** Schemas, columns and row filters came with 15. */
function publicationsSql(version: number): string {
  const is15 = version >= 150_000;
  const columns = `(select string_agg(pg_catalog.quote_ident(a.attname), ', ' order by k.place) from unnest(r.prattrs) with ordinality as k(attnum, place)
                      join pg_catalog.pg_attribute a on a.attrelid = r.prrelid and a.attnum = k.attnum)`;
  const filter = is15
    ? `|| coalesce(' (' || ${columns} || ')', '') || coalesce(' where (' || pg_catalog.pg_get_expr(r.prqual, r.prrelid) || ')', '')`
    : "";
  const schemas = is15
    ? "(select string_agg(pg_catalog.quote_ident(n.nspname), ', ' order by n.nspname) from pg_catalog.pg_publication_namespace s join pg_catalog.pg_namespace n on n.oid = s.pnnspid where s.pnpubid = p.oid)"
    : "null::text";
  return `
    select pg_catalog.quote_ident(p.pubname) as name, p.puballtables::text as all, ${schemas} as schemas,
           (select string_agg(pg_catalog.format('only %I.%I', n.nspname, c.relname) ${filter}, ', ' order by n.nspname, c.relname)
              from pg_catalog.pg_publication_rel r join pg_catalog.pg_class c on c.oid = r.prrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where r.prpubid = p.oid) as tables,
           pg_catalog.format('publish = %L', concat_ws(', ', case when pubinsert then 'insert' end, case when pubupdate then 'update' end,
                      case when pubdelete then 'delete' end, case when pubtruncate then 'truncate' end))
             || case when pubviaroot then ', publish_via_partition_root = true' else '' end as options
      from pg_catalog.pg_publication p where not starts_with(p.pubname::text, 'pghaul_') order by 1`;
}

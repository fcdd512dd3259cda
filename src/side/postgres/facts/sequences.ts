import type { SequenceFact } from "../../../conditions/side-facts.ts";
import type { Ask } from "../catalog/ask.ts";

interface SequenceRow {
  readonly name: string;
  readonly owner_schema: string | null;
  readonly owner_name: string | null;
  readonly readable: string;
  readonly settable: string;
}

/** Every sequence but temporary ones and our own. A partition's belongs to the root's column, through which it was made. */
export async function readSequenceFacts(ask: Ask): Promise<readonly SequenceFact[]> {
  const rows = await ask<SequenceRow>(
    `select format('%I.%I', n.nspname, s.relname) as name, o.schema as owner_schema, o.name as owner_name,
            has_sequence_privilege(s.oid, 'select')::text as readable, has_sequence_privilege(s.oid, 'update')::text as settable
       from pg_catalog.pg_class s join pg_catalog.pg_namespace n on n.oid = s.relnamespace
       left join lateral (
         select tn.nspname::text as schema, t.relname::text as name
           from pg_catalog.pg_depend d join pg_catalog.pg_class t on t.oid = d.refobjid join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
          where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = s.oid and d.refclassid = 'pg_catalog.pg_class'::regclass
            and d.deptype in ('a', 'i') and not t.relispartition
          order by 1, 2 limit 1) o on true
      where s.relkind = 'S' and s.relpersistence <> 't' and n.nspname <> 'pghaul' order by 1`,
  );
  return rows.map(({ name, owner_schema, owner_name, readable, settable }) => ({
    name,
    owner: owner_schema === null || owner_name === null ? null : { schema: owner_schema, name: owner_name },
    readable: readable === "true",
    settable: settable === "true",
  }));
}

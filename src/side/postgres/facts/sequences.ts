import type { SequenceFact } from "../../../conditions/table-facts.ts";
import type { Ask } from "../catalog/ask.ts";

interface SequenceRow {
  readonly name: string;
  readonly schema: string;
  readonly owner_schema: string | null;
  readonly owner_name: string | null;
  readonly users: string;
  readonly readable: string;
  readonly settable: string;
}

/** Every sequence but temporary ones and our own. A partition's belongs to the root, with which it moves. */
export async function readSequenceFacts(ask: Ask): Promise<readonly SequenceFact[]> {
  const rows = await ask<SequenceRow>(
    `select format('%I.%I', n.nspname, s.relname) as name, n.nspname::text as schema, o.schema as owner_schema, o.name as owner_name,
            (select count(distinct ad.adrelid) from pg_catalog.pg_depend d join pg_catalog.pg_attrdef ad on d.classid = 'pg_catalog.pg_attrdef'::regclass and d.objid = ad.oid
              where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = s.oid)::text as users,
            has_sequence_privilege(s.oid, 'select')::text as readable, has_sequence_privilege(s.oid, 'update')::text as settable
       from pg_catalog.pg_class s join pg_catalog.pg_namespace n on n.oid = s.relnamespace
       left join lateral (
         select tn.nspname::text as schema, t.relname::text as name
           from pg_catalog.pg_depend d join pg_catalog.pg_class t on t.oid = coalesce(pg_catalog.pg_partition_root(d.refobjid), d.refobjid)
           join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
          where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = s.oid and d.refclassid = 'pg_catalog.pg_class'::regclass
            and d.refobjsubid > 0 and d.deptype in ('a', 'i')
          order by 1, 2 limit 1) o on true
      where s.relkind = 'S' and s.relpersistence <> 't' and n.nspname <> 'pghaul' order by 1`,
  );
  return rows.map(({ name, schema, owner_schema, owner_name, users, readable, settable }) => ({
    name,
    schema,
    owner: owner_schema === null || owner_name === null ? null : { schema: owner_schema, name: owner_name },
    users: Number(users),
    readable: readable === "true",
    settable: settable === "true",
  }));
}

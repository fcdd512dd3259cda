/** How tables are emptied that foreign keys point to: TRUNCATE of one alone is refused (manual: "TRUNCATE"). */
import type { Emptying } from "../../../conditions/table-facts.ts";
import type { Ask } from "./ask.ts";

/** `full`: what holds the rows, as TRUNCATE takes it (TableReach.holders). `moved`: quoted, qualified names of all tables that are moved. */
export async function emptying(ask: Ask, full: readonly string[], moved: readonly string[]): Promise<Emptying> {
  const rows = await ask<{ name: string; kind: string; ours: string }>(
    `with recursive given(oid) as (select w.name::regclass::oid from unnest($1::text[]) as w(name)),
     reach(oid) as (
       select oid from given
       union
       select coalesce(pg_catalog.pg_partition_root(c.conrelid)::oid, c.conrelid) from reach r join pg_catalog.pg_constraint c on c.confrelid = r.oid and c.contype = 'f')
     select i.identity as name, c.relkind::text as kind,
            (r.oid in (select to_regclass(w.name)::oid from unnest($2::text[]) as w(name))
             and not exists (select from pg_catalog.pg_partition_tree(r.oid) p join pg_catalog.pg_class f on f.oid = p.relid and f.relkind = 'f'))::text as ours
       from reach r join pg_catalog.pg_class c on c.oid = r.oid cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::regclass, r.oid, 0) as i
      where r.oid not in (select g.oid from given g union select pg_catalog.pg_partition_root(g.oid)::oid from given g where pg_catalog.pg_partition_root(g.oid) is not null)
      order by 1`,
    [full.map((name) => name.replace(/^only /, "")), moved],
  );
  const others = rows.filter(({ ours }) => ours !== "true").map(({ name }) => name);
  const pointing = rows.map(({ name, kind }) => (kind === "r" ? `only ${name}` : name));
  return { statement: others.length > 0 ? null : `truncate ${[...full, ...pointing].join(", ")}`, others };
}

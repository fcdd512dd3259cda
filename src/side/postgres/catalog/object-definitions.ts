/**
 * What an object does, in the words of its own server: SQL expressions over the aliases of `object-queries.ts`. The path must be empty, so that
 * every name is printed in full. Never what may hold a secret (options of servers and mappings), nor what only costs time (COST, storage).
 */

/** How a trigger, rule or event trigger fires, from its catalog's letter: nothing for the usual way. */
export function firingSql(letter: string): string {
  return `case ${letter} when 'D' then 'disable' when 'R' then 'enable replica' when 'A' then 'enable always' end`;
}

export const DEFINED_AS = {
  /** With its options: whose rights it uses (security_invoker), whether it leaks (security_barrier), what may be written (check_option). */
  view: `case when c.relkind in ('v', 'm') then concat_ws(E'\\n', (select string_agg(o, ', ' order by o) from unnest(c.reloptions) as o where c.relkind = 'v'),
           pg_catalog.pg_get_viewdef(c.oid)) end`,
  sequence: `(select concat_ws(' ', q.seqtypid::regtype, q.seqincrement, q.seqmin, q.seqmax, q.seqstart, q.seqcache, q.seqcycle) from pg_catalog.pg_sequence q where q.seqrelid = s.oid)`,
  default: "pg_catalog.pg_get_expr(d.adbin, d.adrelid)",
  trigger: `concat_ws(' ', pg_catalog.pg_get_triggerdef(g.oid), ${firingSql("g.tgenabled")})`,
  rule: `concat_ws(' ', pg_catalog.pg_get_ruledef(r.oid), ${firingSql("r.ev_enabled")})`,
  /** Its roles are compared with the grants. */
  policy: `jsonb_build_array(p.polpermissive, p.polcmd, pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))::text`,
  /** A domain, a composite type, a range; an enum's labels are objects of their own. */
  type: `case t.typtype
           when 'd' then concat_ws(' ', pg_catalog.format_type(t.typbasetype, t.typtypmod), case when t.typnotnull then 'not null' end, 'default ' || t.typdefault)
           when 'c' then (select string_agg(concat_ws(' ', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum)
                            from pg_catalog.pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped)
           when 'r' then (select pg_catalog.format_type(r.rngsubtype, null) from pg_catalog.pg_range r where r.rngtypid = t.oid) end`,
  eventTrigger: `concat_ws(' ', e.evtevent, (select string_agg(tag, ', ' order by tag) from unnest(e.evttags) as tag), e.evtfoid::regproc, ${firingSql("e.evtenabled")})`,
} as const;

/** Of `p`, a row of pg_proc: all that decides what a call does and with whose rights. A body that was parsed when it was made came with 14. */
export function functionSql(version: number): string {
  const parsed = version >= 140_000 ? "pg_catalog.pg_get_function_sqlbody(p.oid)" : "null::text";
  return `jsonb_build_array(p.prokind, p.prosrc, p.probin, ${parsed}, (select lanname from pg_catalog.pg_language l where l.oid = p.prolang),
             p.proargnames, p.proargmodes, pg_catalog.pg_get_expr(p.proargdefaults, 0), case p.prokind when 'f' then pg_catalog.pg_get_function_result(p.oid) end, p.prosecdef, p.proleakproof, p.provolatile, p.proisstrict, p.proparallel,
             (select jsonb_agg(c order by c) from unnest(p.proconfig) as c),
             (select concat_ws(' ', a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggtranstype::regtype, a.agginitval) from pg_catalog.pg_aggregate a where a.aggfnoid = p.oid))::text`;
}

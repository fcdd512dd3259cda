import type { Queryable } from "../../postgres/queryable.ts";

export interface EventTriggerRow {
  readonly name: string;
  readonly event: string;
  /** `O`: not for sessions in replica role; `R`: only for those; `A`: always. */
  readonly enabled: string;
  /** Comma-separated; null for every command. */
  readonly tags: string | null;
  readonly function: string;
}

/** Event triggers that are on and hear one of the commands, apart from those of extensions and of logins. */
export async function selectEventTriggers(db: Queryable, tags: readonly string[] | null): Promise<readonly EventTriggerRow[]> {
  const { rows } = await db.query<EventTriggerRow>(
    `select quote_ident(e.evtname) as name, e.evtevent::text as event, e.evtenabled::text as enabled,
            array_to_string(e.evttags, ', ') as tags, format('%I.%I', n.nspname, p.proname) as function
       from pg_catalog.pg_event_trigger e
       join pg_catalog.pg_proc p on p.oid = e.evtfoid join pg_catalog.pg_namespace n on n.oid = p.pronamespace
      where e.evtenabled <> 'D' and e.evtevent <> 'login' and (e.evttags is null or $1::text[] is null or e.evttags && $1::text[])
        and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_event_trigger'::regclass and d.objid = e.oid and d.deptype = 'e')
      order by e.evtname`,
    [tags],
  );
  return rows;
}

export interface LeftFenceRow {
  readonly table: string;
  readonly trigger: string;
  /** Refuses writes: it is on, and no row of `pghaul.opening` opens it. */
  readonly closed: boolean;
}

/** Triggers of earlier fences of ours on these tables and leaves. Where the table of openings is not there for us, one that is on counts as closed. */
export async function selectLeftFences(db: Queryable, oids: readonly number[]): Promise<readonly LeftFenceRow[]> {
  const { rows: known } = await db.query<{ known: string }>(
    `select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                     where n.nspname = 'pghaul' and c.relname = 'opening'
                       and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'))::text as known`,
  );
  const opened = known[0]?.known === "true" ? "exists (select from pghaul.opening o where o.fence = t.tgname)" : "false";
  const { rows } = await db.query<{ table: string; trigger: string; closed: string }>(
    `select format('%I.%I', n.nspname, c.relname) as table, quote_ident(t.tgname) as trigger, (t.tgenabled <> 'D' and not ${opened})::text as closed
       from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where t.tgrelid = any($1::oid[]) and starts_with(t.tgname::text, 'pghaul_fence_') and not t.tgisinternal
      order by 1, 2`,
    [oids],
  );
  return rows.map(({ closed, ...row }) => ({ ...row, closed: closed === "true" }));
}

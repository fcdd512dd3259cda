import type { ActivityFacts, EventTriggerFact, LeftFence } from "../../../conditions/activity-facts.ts";
import type { Table } from "../../../model/table.ts";
import { type Ask, inOneSnapshot } from "../catalog/ask.ts";
import { readPublications } from "../catalog/replication-objects.ts";
import { readSubscriptions } from "../catalog/subscriptions.ts";
import { readLeftSecrets } from "../foreign/secret-options.ts";
import { readHolders } from "./holders.ts";
import { GIVEN, namesOfAll } from "./names-of.ts";
import { readTransactions } from "./transactions.ts";

export function activityFacts(ask: Ask): ActivityFacts {
  return {
    transactions: (olderThanMillis) => readTransactions(ask, olderThanMillis),
    holders: (tables) => readHolders(ask, tables),
    subscriptions: (tables) => readSubscriptions(ask, tables),
    publications: () => inOneSnapshot(ask, () => readPublications(ask)),
    eventTriggers: (commands) => readEventTriggers(ask, commands),
    leftSecrets: () => readLeftSecrets(ask),
    fencesLeft: (tables) => readFencesLeft(ask, tables),
  };
}

function readEventTriggers(ask: Ask, commands: readonly string[] | null): Promise<readonly EventTriggerFact[]> {
  return ask<EventTriggerFact>(
    `select quote_ident(e.evtname) as name, e.evtevent::text as event, e.evtenabled::text as enabled,
            array_to_string(e.evttags, ', ') as tags, format('%I.%I', n.nspname, p.proname) as function
       from pg_catalog.pg_event_trigger e
       join pg_catalog.pg_proc p on p.oid = e.evtfoid join pg_catalog.pg_namespace n on n.oid = p.pronamespace
      where e.evtenabled <> 'D' and e.evtevent <> 'login' and (e.evttags is null or $1::text[] is null or e.evttags && $1::text[])
        and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_event_trigger'::regclass and d.objid = e.oid and d.deptype = 'e')
      order by e.evtname`,
    [commands],
  );
}

/** Where the table of openings is not there for us, one that is on counts as closed. */
async function readFencesLeft(ask: Ask, tables: readonly Table[]): Promise<readonly LeftFence[]> {
  const [openings] = await ask<{ known: string }>(
    `select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                     where n.nspname = 'pghaul' and c.relname = 'opening'
                       and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select'))::text as known`,
  );
  const opened = openings?.known === "true" ? "exists (select from pghaul.opening o where o.fence = t.tgname)" : "false";
  const rows = await ask<Omit<LeftFence, "closed"> & { closed: string }>(
    `select format('%I.%I', n.nspname, c.relname) as table, quote_ident(t.tgname) as trigger, (t.tgenabled <> 'D' and not ${opened})::text as closed
       from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where t.tgrelid = any(${GIVEN}) and starts_with(t.tgname::text, 'pghaul_fence_') and not t.tgisinternal
      order by 1, 2`,
    namesOfAll(tables),
  );
  return rows.map(({ closed, ...row }) => ({ ...row, closed: closed === "true" }));
}

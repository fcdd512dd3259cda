import type { NotOwned } from "../../../conditions/role-facts.ts";
import type { Table } from "../../../model/table.ts";
import type { Ask } from "../catalog/ask.ts";
import { namesOf } from "./names-of.ts";
import { WITH_PARTITIONS } from "./with-partitions.ts";

/** A partition has an owner of its own. */
export async function readNotOwned(ask: Ask, tables: readonly Table[]): Promise<readonly NotOwned[]> {
  const rows = await ask<Omit<NotOwned, "partition"> & { partition: string }>(
    `select format('%I.%I', n.nspname, c.relname) as table, pg_get_userbyid(c.relowner)::text as owner, bool_and(c.oid <> rc.oid)::text as partition,
            format('grant %I to %I', pg_get_userbyid(c.relowner), current_user) as grant
       from unnest($1::text[], $2::text[]) as r(schema, name) ${WITH_PARTITIONS}
      where not pg_has_role(current_user, c.relowner, 'usage') group by n.nspname, c.relname, c.relowner order by 1`,
    namesOf(tables),
  );
  return rows.map((row) => ({ ...row, partition: row.partition === "true" }));
}

/** 15 and later: GRANT SET ON PARAMETER deadlock_timeout. */
export async function maySetDeadlockTimeout(ask: Ask): Promise<boolean> {
  try {
    await ask("select set_config('deadlock_timeout', current_setting('deadlock_timeout'), true)");
    return true;
  } catch {
    return false;
  }
}

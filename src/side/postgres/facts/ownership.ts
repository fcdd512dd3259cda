import type { Table } from "../../../model/table.ts";
import type { Ask } from "../catalog/ask.ts";
import { namesOf } from "./names-of.ts";
import { WITH_PARTITIONS } from "./with-partitions.ts";

/** A partition has an owner of its own. */
export function readNotOwned(ask: Ask, tables: readonly Table[]): Promise<readonly { readonly table: string; readonly owner: string }[]> {
  return ask<{ table: string; owner: string }>(
    `select distinct format('%I.%I', n.nspname, c.relname) as table, pg_get_userbyid(c.relowner)::text as owner
       from unnest($1::text[], $2::text[]) as r(schema, name) ${WITH_PARTITIONS}
      where not pg_has_role(current_user, c.relowner, 'usage') order by 1`,
    namesOf(tables),
  );
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

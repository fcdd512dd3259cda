import type pg from "pg";
import { quoteIdent } from "../../../postgres/quote.ts";
import { sqlState } from "../../../postgres/wrap-error.ts";

const TRIES = 20;
const LOCK_NOT_AVAILABLE = "55P03";

/**
 * Drops the triggers of fences that let everybody pass, of whatever migration: nobody needs them, and the next migration from here would meet
 * them. One that refuses writes stays. DROP TRIGGER bars readers for a moment, so each lock is asked for briefly, again and again.
 */
export async function dropOpenFences(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ table: string; trigger: string }>(
    `select format('%I.%I', n.nspname, c.relname) as table, t.tgname::text as trigger
       from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where starts_with(t.tgname::text, 'pghaul_fence_') and not t.tgisinternal
        and (t.tgenabled = 'D' or exists (select from pghaul.opening o where o.fence = t.tgname))`,
  );
  for (const { table, trigger } of rows) await dropTrigger(client, `drop trigger if exists ${quoteIdent(trigger)} on ${table}`);
}

async function dropTrigger(client: pg.Client, sql: string): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    try {
      await client.query(`begin; set local lock_timeout = '250ms'; ${sql}; commit`);
      return;
    } catch (error) {
      await client.query("rollback");
      if (sqlState(error) !== LOCK_NOT_AVAILABLE || tried === TRIES) throw error;
    }
  }
}

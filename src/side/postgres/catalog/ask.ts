import { CATALOG_ATTEMPTS, isPassing } from "../../../postgres/lock-refused.ts";
import type { Queryable } from "../../../postgres/queryable.ts";

/** Asks one database: a statement in, rows out. Values come as text. */
export type Ask = <Row extends object>(sql: string, values?: readonly unknown[]) => Promise<readonly Row[]>;

/**
 * Runs `work` in one snapshot of the catalog, and so that pg_get_* print every name in full: they leave out the schema of what the path finds. The
 * session must not be in a transaction. Where a table is locked, or goes away meanwhile, `work` is done again.
 */
export async function inOneSnapshot<T>(ask: Ask, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once(ask, work);
    } catch (error) {
      if (attempt === CATALOG_ATTEMPTS || !isPassing(error)) throw error;
    }
  }
}

async function once<T>(ask: Ask, work: () => Promise<T>): Promise<T> {
  await ask("begin isolation level repeatable read read only");
  try {
    await ask("select set_config('search_path', '', true), set_config('quote_all_identifiers', 'off', true)");
    return await work();
  } finally {
    await ask("rollback");
  }
}

/** The same over a client. */
export function askOf(client: Queryable): Ask {
  return async <Row extends object>(sql: string, values: readonly unknown[] = []) => (await client.query(sql, [...values])).rows as Row[];
}

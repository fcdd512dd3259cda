import { query } from "../../test/support/database.ts";
import type { PgServer } from "../../test/support/pg-server.ts";

/** A database at one of the servers. */
export interface Place {
  readonly server: PgServer;
  readonly database: string;
}

/** Throws unless these tables hold the same rows at both places: a fast wrong result is no result. */
export async function requireEqual(one: Place, other: Place, tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    const [left, right] = [await digest(one, table), await digest(other, table)];
    if (left !== right) throw new Error(`${table} differs: ${one.database} holds ${left}, ${other.database} holds ${right}`);
  }
}

/** Rows and a sum over them, by PostgreSQL alone: nothing of ours has a part in the check. */
async function digest({ server, database }: Place, table: string): Promise<string> {
  const sql = `select count(*) || ' rows, sum ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) as digest from ${table} t`;
  const [row] = await query<{ digest: string }>(server.url(database), sql);
  return row?.digest ?? "nothing";
}

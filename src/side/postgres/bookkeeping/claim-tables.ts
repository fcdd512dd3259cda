import type pg from "pg";
import { PghaulError } from "../../../errors/pghaul-error.ts";
import type { SideName } from "../../../model/side.ts";
import { withQuietEventTriggers } from "../../../postgres/quiet-ddl.ts";
import { quoteIdent, quoteLiteral } from "../../../postgres/quote.ts";
import { asPghaulError } from "../../../postgres/wrap-error.ts";

export interface Claim {
  readonly side: SideName;
  readonly migration: string;
  /** The migration's own table of markers, by name. */
  readonly markers: string;
  /** Ids of all tables that it moves. */
  readonly tables: readonly string[];
}

/**
 * Takes the tables for this migration at one side, and makes its table of markers: its marker in another's stream would say of rows that
 * they have arrived, and a table of two migrations has two fences. Repeatable; what an earlier try took and is not named any more is let
 * go. `client` must not be in a transaction, the schema `pghaul` must be there. Throws TABLE_CLAIMED, and then nothing was written.
 */
export async function claimTables(client: pg.Client, claim: Claim): Promise<void> {
  try {
    await withQuietEventTriggers(client, () => take(client, claim));
  } catch (error) {
    throw asPghaulError(error, claim.side, { step: "claim" });
  }
}

/** Lets go of all of them, for a run that was refused at its other side. */
export async function releaseTables(client: pg.Client, { migration }: Claim): Promise<void> {
  await client.query("delete from pghaul.claim where migration = $1", [migration]);
}

async function take(client: pg.Client, claim: Claim): Promise<void> {
  const { migration, markers, tables } = claim;
  await client.query("begin");
  try {
    // One migration goes first: an INSERT that waits for another's would be told by a unique index, and not by us.
    await client.query("select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('pghaul'))");
    await client.query("delete from pghaul.claim where migration = $1 and table_id <> all ($2::text[])", [migration, tables]);
    await client.query(
      `insert into pghaul.claim (table_id, migration) select table_id, $1 from unnest($2::text[]) as u(table_id)
       on conflict (table_id) do nothing`,
      [migration, tables],
    );
    const { rows } = await client.query<ClaimRow>(
      "select table_id, migration from pghaul.claim where migration <> $1 and table_id = any ($2::text[]) order by 1",
      [migration, tables],
    );
    if (rows.length > 0) throw claimed(claim.side, rows);
    await client.query(
      `create table if not exists pghaul.${quoteIdent(markers)} (id text primary key, at timestamptz not null default clock_timestamp())`,
    );
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  }
}

interface ClaimRow {
  readonly table_id: string;
  readonly migration: string;
}

const NAMED = 5;

function claimed(side: SideName, rows: readonly ClaimRow[]): PghaulError {
  const named = rows.slice(0, NAMED).map(({ table_id, migration }) => `${table_id} (${migration})`);
  const more = rows.length > NAMED ? ` and ${rows.length - NAMED} more` : "";
  const [{ migration }] = rows as [ClaimRow];
  return new PghaulError("TABLE_CLAIMED", `another migration moves these tables at the ${side}: ${named.join(", ")}${more}`, {
    suggestion: `end it first, with its own configuration: pghaul cdc teardown; or, if nothing is left of it: delete from pghaul.claim where migration = ${quoteLiteral(migration)};`,
  });
}

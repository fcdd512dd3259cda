import type { Queryable } from "../../postgres/queryable.ts";

/** Statements about replication slots. Every value is cast to text, whatever types the client parses. */

/** Makes the slot; the consistent point as text. In a transaction of its own, for the timeout's sake. */
export async function callCreateSlot(
  db: Queryable,
  slot: { readonly name: string; readonly failover: boolean; readonly timeoutMillis: number; readonly version: number },
): Promise<string> {
  const failover = slot.failover && slot.version >= 170000 ? ", failover => true" : "";
  await db.query("begin");
  try {
    await db.query("select pg_catalog.set_config('statement_timeout', $1, true)", [String(slot.timeoutMillis)]);
    const { rows } = await db.query<{ lsn: string }>(
      `select lsn::text from pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput', false${failover})`,
      [slot.name],
    );
    await db.query("commit");
    return rows[0]?.lsn ?? "0/0";
  } catch (error) {
    // What failed is the error; a rollback that fails as well adds nothing.
    await db.query("rollback").catch(() => undefined);
    throw error;
  }
}

/** Begins to make a temporary slot, which is gone with the session, and gives up after `millis`. */
export async function callProbeSlot(db: Queryable, name: string, millis: number): Promise<void> {
  await db.query("select pg_catalog.set_config('statement_timeout', $1, false)", [String(millis)]);
  await db.query("select from pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput', true)", [name]);
}

export async function callAdvanceSlot(db: Queryable, name: string, lsn: string): Promise<void> {
  await db.query("select from pg_catalog.pg_replication_slot_advance($1, $2::pg_lsn)", [name, lsn]);
}

export async function callDropSlot(db: Queryable, name: string): Promise<void> {
  await db.query("select pg_catalog.pg_drop_replication_slot(slot_name) from pg_catalog.pg_replication_slots where slot_name = $1", [name]);
}

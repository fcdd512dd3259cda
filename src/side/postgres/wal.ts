/** Where a server's WAL and its transaction ids are. `client` is a session at that server. */
import type pg from "pg";
import { type Lsn, parseLsn } from "../../model/lsn.ts";
import { type Ask, askOf } from "./catalog/ask.ts";

/** The database cluster behind a session; a log or a state of one never fits another. */
export async function systemIdentifier(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ id: string }>("select system_identifier::text as id from pg_control_system()");
  return rows[0]?.id ?? "";
}

/** Where its WAL ends now. */
export async function insertLsn(client: pg.Client): Promise<Lsn> {
  return readInsertLsn(askOf(client));
}

/** The same over whatever asks. */
export async function readInsertLsn(ask: Ask): Promise<Lsn> {
  const [found] = await ask<{ lsn: string }>("select pg_current_wal_insert_lsn()::text as lsn");
  return parseLsn(found?.lsn ?? "0/0");
}

/** The first xid, 64 bits, that is not given out yet, and a place in WAL at which that was so. */
export async function newestXid(client: pg.Client): Promise<{ readonly xid: bigint; readonly at: Lsn }> {
  // The select list is evaluated after the statement's snapshot was taken, so the LSN is read with it or later.
  const { rows } = await client.query<{ xid: string; at: string }>(
    "select pg_snapshot_xmax(pg_current_snapshot())::text as xid, pg_current_wal_insert_lsn()::text as at",
  );
  return { xid: BigInt(rows[0]?.xid ?? 0), at: parseLsn(rows[0]?.at ?? "0/0") };
}

/** Writes a transaction of one logical message, so that a stream out of the server has something to carry. */
export async function emitMessage(client: pg.Client): Promise<void> {
  await client.query("select pg_logical_emit_message(true, 'pghaul', '')");
}

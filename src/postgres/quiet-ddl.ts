import type pg from "pg";
import { sqlState } from "./wrap-error.ts";

/**
 * Puts the session into replica role, where the role may do that: the operator's event triggers then leave our DDL alone, but for those that
 * are ENABLE ALWAYS or ENABLE REPLICA (manual: "ALTER EVENT TRIGGER"). One that writes into a moved table would be refused by our own guard,
 * one that forbids DDL would stop us half way. Must not be called inside a transaction. Returns whether the role may; `check` names what
 * fires all the same.
 */
export async function quietEventTriggers(client: Pick<pg.Client, "query">): Promise<boolean> {
  try {
    await client.query("set session_replication_role = replica");
    return true;
  } catch (error) {
    if (sqlState(error) === "42501") return false;
    throw error;
  }
}

/** Runs `work` so, and leaves the session as it was. */
export async function withQuietEventTriggers<T>(client: Pick<pg.Client, "query">, work: () => Promise<T>): Promise<T> {
  const quiet = await quietEventTriggers(client);
  try {
    return await work();
  } finally {
    // A session that is lost keeps nothing.
    if (quiet) await client.query("reset session_replication_role").catch(() => undefined);
  }
}

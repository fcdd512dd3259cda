import type pg from "pg";
import type { SideName } from "../../model/side.ts";
import { type ConnectOptions, connect } from "../../postgres/connect.ts";
import { explained } from "../../postgres/lock-refused.ts";
import type { ConnectionSpec } from "../../postgres/resolve-connection.ts";

export type SessionOptions = Pick<ConnectOptions, "replication" | "settings" | "signal">;

/** A PostgreSQL database at one end of a migration, and the way to it. */
export interface PostgresServer {
  readonly side: SideName;
  readonly spec: ConnectionSpec;
  /** Opens a session; `purpose` is what a DBA reads in pg_stat_activity. Throws SOURCE_* or TARGET_*, by the side. */
  connect(purpose: string, options?: SessionOptions): Promise<pg.Client>;
  /** Opens a session for `work` and ends it. */
  session<T>(purpose: string, work: (client: pg.Client) => Promise<T>, options?: SessionOptions): Promise<T>;
}

/**
 * What text depends on beside the canonical settings. Without a search path every name comes out qualified (types, regclass values), the same
 * on both sides, and no function of somebody's is called by chance: the server's own apply worker does so too. money prints by lc_monetary.
 */
const SETTINGS = { search_path: "pg_catalog", lc_monetary: "C" };

/** Talks to nobody yet. */
export function postgresServer(side: SideName, spec: ConnectionSpec): PostgresServer {
  const open: PostgresServer["connect"] = (purpose, options = {}) =>
    connect(spec, { side, purpose, ...options, settings: { ...SETTINGS, ...options.settings } });
  return {
    side,
    spec,
    connect: open,
    session: async (purpose, work, options) => withSession(side, await open(purpose, options), work),
  };
}

/** Runs `work` over a session and ends it. An error for want of a lock names who holds it. */
export async function withSession<T>(side: SideName, client: pg.Client, work: (client: pg.Client) => Promise<T>): Promise<T> {
  try {
    return await work(client);
  } catch (error) {
    throw await explained(error, side, client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

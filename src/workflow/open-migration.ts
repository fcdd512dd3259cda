/**
 * A migration, opened: its configuration, its state on this machine, and sessions to both databases. Where everything begins; wires nothing
 * that works on its own. What only looks at the databases opens its sides alone, and leaves nothing on this machine.
 */

import { createHash } from "node:crypto";
import type pg from "pg";
import type { Config } from "../config/config.ts";
import { type ConfigLocation, loadConfig } from "../config/load-config.ts";
import type { SideName } from "../model/side.ts";
import { type ConnectOptions, connect } from "../postgres/connect.ts";
import { explained } from "../postgres/lock-refused.ts";
import { type ConnectionSpec, resolveConnection } from "../postgres/resolve-connection.ts";
import { openState } from "../state/open-state.ts";
import type { StateDatabase } from "../state/state-database.ts";

/** What is configured, and the way to both databases. */
export interface Sides {
  readonly name: string;
  readonly config: Config;
  readonly specs: Readonly<Record<SideName, ConnectionSpec>>;
  /** Opens a session at a side; `purpose` is what a DBA reads in pg_stat_activity. */
  readonly connect: (side: SideName, purpose: string, options?: SessionOptions) => Promise<pg.Client>;
  /** Opens a session for `work` and ends it. */
  readonly session: <T>(side: SideName, purpose: string, work: (client: pg.Client) => Promise<T>) => Promise<T>;
}

export interface Migration extends Sides {
  readonly state: StateDatabase;
  close(): void;
}

export type SessionOptions = Pick<ConnectOptions, "replication" | "settings" | "signal">;

/** Opens the migration, runs `work`, closes it. */
export async function withMigration<T>(location: ConfigLocation, work: (migration: Migration) => Promise<T>): Promise<T> {
  const migration = await openMigration(location);
  try {
    return await work(migration);
  } finally {
    migration.close();
  }
}

/**
 * What text depends on beside the canonical settings. Without a search path every name comes out qualified (types, regclass values), the same
 * on both sides, and no function of somebody's is called by chance: the server's own apply worker does so too. money prints by lc_monetary.
 */
const SETTINGS = { search_path: "pg_catalog", lc_monetary: "C" };

/** Reads the configuration; talks to no database yet, and needs no state. Throws CONFIG_*. */
export function openSides(location: ConfigLocation): Sides {
  const config = loadConfig(location);
  const specs = {
    source: resolveConnection({ targetSessionAttrs: "primary", ...config.source.connection }),
    target: resolveConnection({ targetSessionAttrs: "read-write", ...config.target.connection }),
  };
  const open: Sides["connect"] = (side, purpose, options = {}) =>
    connect(specs[side], { side, purpose, ...options, settings: { ...SETTINGS, ...options.settings } });
  return {
    name: config.migration,
    config,
    specs,
    connect: open,
    async session(side, purpose, work) {
      const client = await open(side, purpose);
      try {
        return await work(client);
      } catch (error) {
        throw await explained(error, side, client);
      } finally {
        await client.end().catch(() => undefined);
      }
    },
  };
}

/** Opens configuration and state; talks to no database yet. */
export async function openMigration(location: ConfigLocation): Promise<Migration> {
  const sides = openSides(location);
  const state = await openState(sides.config.state.dir);
  return { ...sides, state, close: () => state.close() };
}

/**
 * What our appliers show to the fence. It need not be secret, only unlikely to be set by chance, and the same for every process of the
 * migration.
 */
export function applierToken(migration: string): string {
  return createHash("sha256").update(`pghaul applier ${migration}`).digest("hex").slice(0, 32);
}

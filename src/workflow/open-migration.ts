/**
 * A migration, opened: its configuration, its state on this machine, and sessions to both databases. Where everything begins; wires nothing
 * that works on its own. What only looks at the databases opens its sides alone, and leaves nothing on this machine.
 */

import { createHash } from "node:crypto";
import type pg from "pg";
import type { Config } from "../config/config.ts";
import { type ConfigLocation, loadConfig } from "../config/load-config.ts";
import { PghaulError } from "../errors/pghaul-error.ts";
import type { SideName } from "../model/side.ts";
import { resolveConnection } from "../postgres/resolve-connection.ts";
import { type PostgresServer, postgresServer, type SessionOptions } from "../side/postgres/server.ts";
import { openState } from "../state/open-state.ts";
import type { StateDatabase } from "../state/state-database.ts";
import type { TargetSide } from "../target/kind.ts";
import { markersName, originPrefix } from "./names.ts";
import { openTargetSide } from "./target-kinds.ts";

/** What is configured, and the way to both sides. */
export interface Sides {
  readonly name: string;
  readonly config: Config;
  readonly source: PostgresServer;
  readonly target: TargetSide;
  /** The PostgreSQL database at a side. Throws TARGET_KIND where the target is none: only what its capabilities promise may be asked of it. */
  readonly server: (side: SideName) => PostgresServer;
  /** Opens a session at a side; `purpose` is what a DBA reads in pg_stat_activity. */
  readonly connect: (side: SideName, purpose: string, options?: SessionOptions) => Promise<pg.Client>;
  /** Opens a session for `work` and ends it. */
  readonly session: <T>(side: SideName, purpose: string, work: (client: pg.Client) => Promise<T>) => Promise<T>;
}

export interface Migration extends Sides {
  readonly state: StateDatabase;
  close(): void;
}

/** Opens the migration, runs `work`, closes it. */
export async function withMigration<T>(location: ConfigLocation, work: (migration: Migration) => Promise<T>): Promise<T> {
  const migration = await openMigration(location);
  try {
    return await work(migration);
  } finally {
    migration.close();
  }
}

/** Reads the configuration; talks to no database yet, and needs no state. Throws CONFIG_*. */
export function openSides(location: ConfigLocation): Sides {
  return sidesOf(loadConfig(location));
}

/** Talks to nobody yet. */
export function sidesOf(config: Config): Sides {
  const source = postgresServer("source", resolveConnection({ targetSessionAttrs: "primary", ...config.source.connection }));
  const target = openTargetSide(config.target, {
    migration: config.migration,
    source,
    stateDirectory: config.state.dir,
    originPrefix: originPrefix(config.migration),
    applierToken: applierToken(config.migration),
    markers: markersName(config.migration),
  });
  const server = (side: SideName): PostgresServer =>
    side === "source" ? source : (target.wayBack?.upstream ?? target.checkedServer ?? noServer(config));
  return {
    name: config.migration,
    config,
    source,
    target,
    server,
    connect: (side, purpose, options) => server(side).connect(purpose, options),
    session: (side, purpose, work) => server(side).session(purpose, work),
  };
}

function noServer({ target }: Config): never {
  throw new PghaulError("TARGET_KIND", `a target of the kind ${target.kind} is not a PostgreSQL database and does not support this`);
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

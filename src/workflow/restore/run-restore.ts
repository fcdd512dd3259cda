/** `pghaul restore`: the tables of a file target, as they were at one position, into a PostgreSQL database. Needs no configuration and no state. */
import path from "node:path";
import { PghaulError } from "../../errors/pghaul-error.ts";
import { formatLsn, type Lsn, parseLsn } from "../../model/lsn.ts";
import type { Table } from "../../model/table.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { parseConninfo } from "../../postgres/parse-conninfo.ts";
import { resolveConnection } from "../../postgres/resolve-connection.ts";
import { PostgresOrigin } from "../../side/postgres/compare/postgres-sides.ts";
import { type PostgresServer, postgresServer } from "../../side/postgres/server.ts";
import type { SchemaMemory, TargetSide } from "../../target/kind.ts";
import type { Digest } from "../../verify/ports.ts";
import { crashPoints } from "../crash-point.ts";
import { namedTables } from "../named-tables.ts";
import { markersName, originPrefix } from "../names.ts";
import { applierToken } from "../open-migration.ts";
import { onlyDestination } from "../stream/downstream.ts";
import { systemClock } from "../system-clock.ts";
import { openRestorable, openRestored } from "../target-kinds.ts";

export interface RestoreTask {
  /** Directory of the file target. */
  readonly from: string;
  /** Connection string of the database to restore into, without a password. */
  readonly to: string;
  /** An LSN as text; null: the newest position. */
  readonly at: string | null;
  /** Ids or patterns of tables; null: all. */
  readonly only: readonly string[] | null;
  /** Directory for temporary files. */
  readonly scratch: string;
  readonly bus: ProgressBus;
  readonly signal: AbortSignal;
}

export interface RestoreResult {
  readonly migration: string;
  /** The position at which the tables are. */
  readonly lsn: string;
  readonly tables: readonly { readonly table: string; readonly rows: string; readonly digest: string }[];
}

/**
 * Throws USAGE, TARGET_SCHEMA and TARGET_NOT_EMPTY before anything is written; CONFIG_CHANGED where a restore to another position was begun;
 * TARGET_DAMAGED for files that are not what was written.
 */
export async function runRestore(task: RestoreTask): Promise<RestoreResult> {
  const { bus, signal } = task;
  const source = await openRestorable(path.resolve(task.from));
  const all = [...source.tables, ...source.notBegun];
  const chosen = task.only === null ? new Set(all.map(({ id }) => id)) : namedTables(all, task.only, "restore");
  const asked = askedPosition(task.at);
  // What cannot be restored is refused before anything is written.
  source.position(chosen, asked);
  const { server, target } = openDatabase(source.migration, task.to);
  await target.prepare(signal);
  const opened = await onlyDestination(target).openEngine({ loadLanes: 1, crashPoint: crash(), signal });
  if (opened.takes !== "rows") throw new Error("restore: PostgreSQL takes rows");
  try {
    const { tables: begun } = await opened.target.progress();
    // The files may have grown since a restore was begun here: it goes on at its own position.
    const position = source.position(chosen, asked ?? [...begun.values()][0]?.cursor ?? null);
    const tables = source.tablesAt(chosen, position);
    await requireFit(target, { tables: tables.filter(({ id }) => !begun.has(id)), bus, signal });
    bus.emit({ kind: "phase", phase: "loading", detail: `${tables.length} tables, as they were at ${formatLsn(position)}` });
    const restored = await source.restore({
      tables: chosen,
      position,
      target: opened.target,
      scratch: path.resolve(task.scratch),
      digest: (table) => digestOf(server, table, signal),
      begun: (table) => bus.emit({ kind: "step", id: table, title: table, state: "running" }),
      restored: ({ table, rows }) => bus.emit({ kind: "step", id: table, title: `${table}: ${rows} rows`, state: "done" }),
      crashPoint: crash(),
      signal,
    });
    return {
      migration: source.migration,
      lsn: formatLsn(position),
      tables: restored.map(({ table, rows, digest }) => ({ table, rows: String(rows), digest: String(digest.sum) })),
    };
  } finally {
    await opened.target.close();
  }
}

function crash() {
  return crashPoints(process.env.PGHAUL_CRASH_AT);
}

function askedPosition(text: string | null): Lsn | null {
  if (text === null) return null;
  try {
    return parseLsn(text);
  } catch {
    throw new PghaulError("USAGE", `--at ${text} is not an LSN`, {
      suggestion: "An LSN looks like 16/B374D848; position.json has the newest.",
    });
  }
}

/** A database of its own, with progress of its own: `restore-MIGRATION`. */
function openDatabase(migration: string, url: string): { readonly server: PostgresServer; readonly target: TargetSide } {
  const { password, sslpassword } = parseConninfo(url);
  if (password !== undefined || sslpassword !== undefined) {
    throw new PghaulError("USAGE", "everybody on this machine can read a password on the command line", {
      suggestion: "Leave it out of --to; use PGPASSWORD, ~/.pgpass or a service file, as with psql.",
    });
  }
  const name = `restore-${migration}`;
  const connection = { url };
  const server = postgresServer("target", resolveConnection({ targetSessionAttrs: "read-write", ...connection }));
  const target = openRestored(connection, {
    migration: name,
    // It computes generated columns by its own settings: there is no other server to ask.
    source: server,
    stateDirectory: "",
    originPrefix: originPrefix(name),
    applierToken: applierToken(name),
    markers: markersName(name),
  });
  return { server, target };
}

/** These tables are there, fit and are empty. */
async function requireFit(
  side: TargetSide,
  { tables, bus, signal }: { readonly tables: readonly Table[]; readonly bus: ProgressBus; readonly signal: AbortSignal },
): Promise<void> {
  const memory: SchemaMemory = { has: () => false, reach: () => undefined, isUntouched: () => true };
  const schema = await side.openSchema({ tables, memory, bus, signal });
  await schema.prepare();
}

async function digestOf(server: PostgresServer, table: Table, signal: AbortSignal): Promise<Digest> {
  const origin = new PostgresOrigin({ side: "target", connect: (purpose) => server.connect(purpose), sleep: systemClock.sleep });
  const { snapshot } = await origin.open(table, signal);
  return snapshot.digest(null).finally(() => snapshot.close());
}

/** `pghaul snapshot reload`: asks the process that streams to load held tables anew, and waits for it. */
import { PghaulError } from "../../errors/pghaul-error.ts";
import type { ProgressBus } from "../../observe/events.ts";
import { HoldStore } from "../../state/hold-store.ts";
import { type LeaseHolder, leaseHolder } from "../../state/lease.ts";
import { TableStore } from "../../state/table-store.ts";
import { heldError } from "../held-tables.ts";
import { namedTables } from "../named-tables.ts";
import type { Migration } from "../open-migration.ts";
import { readTables } from "../read-status.ts";
import { onlyDestination } from "../stream/downstream.ts";
import { systemClock } from "../system-clock.ts";
import { sourceIsPrimary } from "./reload-requests.ts";

export interface ReloadTask {
  readonly migration: Migration;
  /** Ids or patterns. */
  readonly names: readonly string[];
  readonly wait: boolean;
  readonly bus: ProgressBus;
  readonly signal: AbortSignal;
}

export interface ReloadResult {
  readonly tables: readonly { readonly table: string; readonly phase: string }[];
  readonly chunks: { readonly done: number; readonly total: number };
}

const POLL_MILLIS = 250;

/**
 * Throws USAGE for what is no held table, CUTOVER_STATE where the source is not the primary, TABLE_HELD when the table could not be loaded anew,
 * or a row is refused again.
 */
export async function askReload({ migration, names, wait, bus, signal }: ReloadTask): Promise<ReloadResult> {
  const { state } = migration;
  if (!sourceIsPrimary(state)) {
    throw new PghaulError(
      "CUTOVER_STATE",
      "a table can be reloaded only while the source is the primary, because it is first emptied at the target",
      {
        suggestion: "pghaul cutover status",
      },
    );
  }
  // What is loaded anew leaves the files as they were behind, so nothing is lost by it, and any table may be.
  const holds = new HoldStore(state);
  const anyTable = migration.target.capabilities.takes === "versions";
  const tables = anyTable ? namedAmong(migration, names) : heldAmong(migration, names);
  const at = { stream: "forward", destination: onlyDestination(migration.target).name } as const;
  for (const table of tables) if (!holds.askReload(table)) holds.wishReload(at, table);
  if (!wait) return resultOf(migration, tables);
  await joined(migration, tables, { bus, signal });
  return resultOf(migration, tables);
}

/** Takes the wishes back that are not fulfilled yet; the tables stay held. Throws USAGE for what is no held table. */
export function withdrawReload(migration: Migration, names: readonly string[]): ReloadResult {
  const tables = heldAmong(migration, names);
  for (const table of tables) new HoldStore(migration.state).endReload(table, null);
  return resultOf(migration, tables);
}

function namedAmong({ state }: Migration, names: readonly string[]): ReadonlySet<string> {
  return namedTables(
    new TableStore(state).all().map(({ table }) => table),
    names,
    "snapshot reload",
  );
}

function heldAmong(migration: Migration, names: readonly string[]): ReadonlySet<string> {
  const { state } = migration;
  const held = new Set(new HoldStore(state).all().flatMap(({ stream, table }) => (stream === "forward" ? [table] : [])));
  const named = namedAmong(migration, names);
  const chosen = new Set([...named].filter((table) => held.has(table)));
  if (chosen.size > 0) return chosen;
  const which = held.size === 0 ? "no table is" : `held: ${[...held].join(", ")}`;
  throw new PghaulError("USAGE", `${[...named].join(", ")}: not held; ${which}. Only a held table can be reloaded`, {
    suggestion: "pghaul status",
  });
}

async function joined(
  migration: Migration,
  tables: ReadonlySet<string>,
  { bus, signal }: Pick<ReloadTask, "bus" | "signal">,
): Promise<void> {
  const { state, config } = migration;
  const asked = new HoldStore(state);
  for (;;) {
    const waiting = asked.reloadsAsked().filter((table) => tables.has(table));
    const again = waiting.length > 0 ? null : heldError(state, (table) => tables.has(table));
    if (again !== null) throw again;
    const left = readTables(state).filter(({ table, phase }) => tables.has(table) && phase !== "joined" && phase !== "live");
    if (waiting.length === 0 && left.length === 0) return;
    refuseWithoutLoader(await leaseHolder(config.state.dir, "stream"));
    const first = left[0];
    bus.emit({
      kind: "waiting",
      why:
        first === undefined
          ? "the table is about to be emptied"
          : `${first.table} is ${first.phase}: ${first.chunks.done} of ${first.chunks.total} chunks`,
    });
    await systemClock.sleep(POLL_MILLIS, signal).catch(() => {
      throw new PghaulError("INTERRUPTED", "the reload goes on in the streaming process", { suggestion: "pghaul status" });
    });
  }
}

/** Only `run` loads; to wait for anybody else would be to wait for ever. */
function refuseWithoutLoader(holder: LeaseHolder | null): void {
  if (holder !== null && holder.command !== "cdc start") return;
  const who = holder === null ? "no process is streaming" : `pghaul cdc start (pid ${holder.pid}) loads no tables`;
  throw new PghaulError("STREAM_NOT_RUNNING", `${who}; the request is recorded, and the next "pghaul run" will carry it out`, {
    suggestion: holder === null ? "pghaul run" : "pghaul cdc stop && pghaul run",
  });
}

function resultOf({ state }: Migration, tables: ReadonlySet<string>): ReloadResult {
  const chosen = readTables(state).filter(({ table }) => tables.has(table));
  return {
    tables: chosen.map(({ table, phase }) => ({ table, phase })),
    chunks: {
      done: chosen.reduce((sum, { chunks }) => sum + chunks.done, 0),
      total: chosen.reduce((sum, { chunks }) => sum + chunks.total, 0),
    },
  };
}

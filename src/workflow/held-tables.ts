/** Tables of which the target refused a row, in words. Keys are shown, as `verify diff` shows them; other values never. */
import { PghaulError } from "../errors/pghaul-error.ts";
import { downstreamOf } from "../model/side.ts";
import { type HeldTable, HoldStore, WISHED } from "../state/hold-store.ts";
import type { StateDatabase } from "../state/state-database.ts";

/** Which table, which row, where, and what the server said. */
export function heldSentence({ stream, table, reason, lsn, key, sqlstate }: HeldTable): string {
  if (key === null && sqlstate === null && reason === WISHED) return `${table} is about to be loaded anew`;
  // No row was refused: the table itself cannot be followed.
  if (key === null && sqlstate === null) return `${table} is held${lsn === null ? "" : ` from ${lsn} on`}: ${reason}`;
  const row = key === null ? "a row" : `the row with key (${key.join(", ")})`;
  const place = lsn === null ? "read by the load" : `changed by the transaction committed at ${lsn}`;
  return `${table} is held: the ${downstreamOf(stream)} refuses ${row} ${place}: ${reason}`;
}

/** A held table as plans, gates and reports tell of it: without the row's key, for they are kept and passed on. */
export interface ToldHold {
  readonly table: string;
  readonly why: string;
  readonly fix: string;
}

export function toldHolds(state: StateDatabase): readonly ToldHold[] {
  return new HoldStore(state)
    .all()
    .map((held) => ({ table: held.table, why: heldSentence({ ...held, key: null }), fix: reloadAdvice(held) }));
}

/** What to do about it. */
export function reloadAdvice({ stream, table, reloadAsked, reloadRefused, sqlstate, key, lsn }: AdvisedTable): string {
  if (stream === "reverse") return FINAL;
  if (reloadAsked !== null) return "it will be reloaded";
  const before = reloadRefused === null ? "" : `it could not be reloaded: ${reloadRefused}; `;
  if (sqlstate === null && key === null && lsn !== null)
    return `${before}to have it read again with the columns it has now, run: ${reloadCommand(table)}`;
  return `${before}remove the cause at the target, then run: ${reloadCommand(table)}`;
}

type AdvisedTable = Pick<HeldTable, "stream" | "table" | "reloadAsked" | "reloadRefused" | "sqlstate" | "key" | "lsn">;

/** Of a table that the source refused on the way back: to empty it there would take the only other copy of its rows. */
const FINAL =
  "this cannot be undone: on the way back no table is reloaded, so the way back stays closed and the target stays the primary; end the migration with pghaul cdc teardown";

function reloadCommand(table: string): string {
  return `pghaul snapshot reload --table '${table.replaceAll("'", "'\\''")}'`;
}

/** The error of a command that cannot do its work without the tables that are held; null when none is. */
export function heldError(state: StateDatabase, only: (table: string) => boolean = () => true): PghaulError | null {
  const held = new HoldStore(state).all().filter(({ stream, table }) => stream === "forward" && only(table));
  const [first, ...more] = held;
  if (first === undefined) return null;
  const others = more.length === 0 ? "" : ` (and ${more.map(({ table }) => table).join(", ")})`;
  const refused = first.reloadRefused === null ? "" : `; it could not be reloaded: ${first.reloadRefused}`;
  return new PghaulError("TABLE_HELD", `${heldSentence(first)}${others}${refused}`, {
    context: { table: first.table, ...(first.lsn === null ? {} : { lsn: first.lsn }) },
    suggestion: reloadCommand(first.table),
  });
}

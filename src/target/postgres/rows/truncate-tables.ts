import type { Table } from "../../../model/table.ts";
import { type InUse, inUse, LOCK_NOT_AVAILABLE } from "../../../postgres/lock-refused.ts";
import { sqlState } from "../../../postgres/wrap-error.ts";
import type { TargetSession } from "../target-session.ts";

const SAVEPOINT = "savepoint pghaul_truncate";
const RELEASE = "release savepoint pghaul_truncate";
const UNDO = ["rollback to savepoint pghaul_truncate", RELEASE];

/**
 * Empties the tables in one statement, as the source did. A foreign key from a table outside the list makes TRUNCATE refuse even when
 * that table is empty (manual: "TRUNCATE"); while tables are still loading that is no fault, and DELETE does the same, slower.
 */
export async function truncateTables(session: TargetSession, tables: readonly Table[]): Promise<void> {
  const targets: string[] = [];
  for (const table of tables) targets.push(...(await session.reach(table)).holders);
  if (targets.length === 0) return;
  const table = tables.map(({ id }) => id).join(", ");
  try {
    await session.script([SAVEPOINT, `truncate ${targets.join(", ")}`, RELEASE], { table });
  } catch (error) {
    // feature_not_supported: "cannot truncate a table referenced in a foreign key constraint".
    if (sqlState(error) !== "0A000") throw await named(session, error, { table, relations: targets });
    await session.script([...UNDO, SAVEPOINT]);
    const deletes = targets.map((relation) => `delete from ${relation}`);
    await session.script([...deletes, RELEASE], { table }).catch(async (refused: unknown) => {
      throw await named(session, refused, { table, relations: targets });
    });
  }
}

/** Takes every row of a table that nobody is to use now; gives up soon where somebody does: whoever comes for it next waits behind us. */
export async function emptyTable(session: TargetSession, table: Table): Promise<void> {
  await session.script(["set local lock_timeout = '2s'"]);
  await truncateTables(session, [table]);
}

/** A lock that was not granted, with the name of who holds it. */
async function named(session: TargetSession, error: unknown, { table, relations }: InUse): Promise<unknown> {
  if (sqlState(error) !== LOCK_NOT_AVAILABLE || session.lost) return error;
  await session.script(UNDO);
  return inUse(session.client, session.side, { table, relations: relations.map((holder) => holder.replace(/^only /, "")) });
}

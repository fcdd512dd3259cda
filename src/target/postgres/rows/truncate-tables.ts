import type { Table } from "../../../model/table.ts";
import { sqlState } from "../../../postgres/wrap-error.ts";
import type { TargetSession } from "../target-session.ts";

/**
 * Empties the tables in one statement, as the source did. A foreign key from a table outside the list makes TRUNCATE refuse even when
 * that table is empty (manual: "TRUNCATE"); while tables are still loading that is no fault, and DELETE does the same, slower.
 */
export async function truncateTables(session: TargetSession, tables: readonly Table[]): Promise<void> {
  const targets: string[] = [];
  for (const table of tables) targets.push(...(await session.reach(table)).holders);
  if (targets.length === 0) return;
  const context = { table: tables.map(({ id }) => id).join(", ") };
  try {
    await session.script(["savepoint pghaul_truncate", `truncate ${targets.join(", ")}`, "release savepoint pghaul_truncate"], context);
  } catch (error) {
    // feature_not_supported: "cannot truncate a table referenced in a foreign key constraint".
    if (sqlState(error) !== "0A000") throw error;
    await session.script(["rollback to savepoint pghaul_truncate", "release savepoint pghaul_truncate"]);
    await session.script(
      targets.map((relation) => `delete from ${relation}`),
      context,
    );
  }
}

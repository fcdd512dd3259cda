import { sqlState } from "../../../postgres/wrap-error.ts";
import type { Ask } from "../catalog/ask.ts";

/** Whether the statement finds a row; null when it did not end in time or may not be asked. Other errors are thrown. */
export async function findsRow(ask: Ask, sql: string, millis: number): Promise<boolean | null> {
  try {
    await ask(`begin read only; set local search_path = pg_catalog; set local statement_timeout = ${Math.max(1, Math.ceil(millis))}`);
    return (await ask(sql)).length > 0;
  } catch (error) {
    if (["57014", "42501", "55P03"].includes(sqlState(error) ?? "")) return null;
    throw error;
  } finally {
    await ask("rollback").catch(() => undefined);
  }
}

import type pg from "pg";
import type { ChunkRows } from "../../engine/ports.ts";
import type { Table } from "../../model/table.ts";
import { quoteIdent } from "../../postgres/quote.ts";
import { asPghaulError } from "../../postgres/wrap-error.ts";
import { copyIn } from "./rows/copy-in.ts";

/** An index entry holds less than a third of a page (manual: "B-Tree Indexes"); the sample's need not hold the whole key. */
const KEY_CHARACTERS = 200;

/**
 * Milliseconds that the target takes for a sample of a table's rows, through one session, into a temporary table with an index like the key's.
 * All columns are text, for the table's own types may not be there yet. A temporary table writes no WAL, so a real one takes longer. Nothing
 * is left behind. `client` must not be in a transaction. Throws TARGET_*.
 */
export async function sampleWrite(client: pg.Client, table: Table, rows: ChunkRows): Promise<number> {
  const columns = table.columns.map(({ name }) => quoteIdent(name));
  const key = (table.key ?? []).map((index) => `left(${columns[index]}, ${KEY_CHARACTERS})`);
  try {
    await client.query("begin");
    await client.query(`create temporary table pghaul_sample (${columns.map((column) => `${column} text`).join(", ")}) on commit drop`);
    if (key.length > 0) await client.query(`create index on pghaul_sample (${key.map((part) => `(${part})`).join(", ")})`);
    const started = performance.now();
    await copyIn(client, "copy pghaul_sample from stdin", rows.copyText());
    return performance.now() - started;
  } catch (error) {
    throw asPghaulError(error, "target", { step: "sample", table: table.id });
  } finally {
    await client.query("rollback").catch(() => undefined);
  }
}

import type { Table } from "../../../model/table.ts";
import { qualifiedName, quoteLiteral } from "../../../postgres/quote.ts";
import { sqlState } from "../../../postgres/wrap-error.ts";
import type { Ask } from "../catalog/ask.ts";
import { findsRow } from "./finds-row.ts";

export interface Misencoding {
  readonly tables: readonly Table[];
  readonly encoding: string;
  /** For all together. */
  readonly millis: number;
}

/** No catalog knows which bytes a SQL_ASCII database holds, so rows are read, for a while. Partitions are named with the server's own words. */
export async function findMisencoded(ask: Ask, { tables, encoding, millis }: Misencoding): Promise<readonly string[]> {
  const until = performance.now() + millis;
  const refused: string[] = [];
  for (const leaf of tables.flatMap(({ leaves }) => leaves)) {
    const left = until - performance.now();
    if (left <= 0) break;
    try {
      await findsRow(ask, misencodedRowSql(leaf, encoding), left);
    } catch (error) {
      if (sqlState(error) !== "22021") throw error;
      refused.push(`${leaf.schema}.${leaf.name} (${(error as Error).message})`);
    }
  }
  return refused;
}

/** Statement that fails (22021) at a row of the relation that is no valid text in `encoding`; for a database of SQL_ASCII. */
function misencodedRowSql(relation: { readonly schema: string; readonly name: string }, encoding: string): string {
  const bytes = "convert_to(t::text, 'SQL_ASCII')";
  return `select from only ${qualifiedName(relation.schema, relation.name)} as t
           where t::text ~ '[^\\x01-\\x7f]' and convert_from(${bytes}, ${quoteLiteral(encoding)}) is null limit 1`;
}

import { tableId } from "../../model/table.ts";
import { quoteIdent } from "../../postgres/quote.ts";
import type { RelationRow, SetApartRow } from "../queries/catalog-queries.ts";

/** A table that the selection does not reach: its rows stay where they are, and the operator is to know that. */
export interface OutsideTable {
  /** `tableId`. */
  readonly id: string;
  readonly reason: "excluded" | "not-selected" | "extension" | "system-schema";
  /** A sentence for the operator. */
  readonly detail: string;
  /** psql's commands that carry its rows over, a line each; null where nothing has to be done. */
  readonly fix: string | null;
}

/** Of the tables that patterns can name, those that they do not, or that are excluded again. */
export function outsideTable(row: RelationRow, excluded: boolean): OutsideTable {
  const id = tableId(row);
  if (excluded) return { id, reason: "excluded", detail: `${id} is excluded by tables.exclude`, fix: null };
  return { id, reason: "not-selected", detail: `${id} matches no pattern of tables.include`, fix: null };
}

/**
 * Tables of extensions and in the system's schemas, which no pattern reaches. CREATE EXTENSION makes the former at the target, with the rows
 * that the extension brings; pg_dump carries the rows that a user has put into a configuration table (manual: "Extension Configuration
 * Tables"), and so does the fix.
 */
export function setApartTable(row: SetApartRow): OutsideTable {
  const id = tableId(row);
  if (row.extension === null)
    return { id, reason: "system-schema", detail: `${id} is in a system schema: no publication can include it`, fix: null };
  const detail = `${id} belongs to the extension ${row.extension}`;
  if (row.condition === null) return { id, reason: "extension", detail: `${detail}, which creates it at the target`, fix: null };
  return { id, reason: "extension", detail: `${detail}, and holds your own rows, which are not moved`, fix: copyOver(row, row.condition) };
}

/** `\copy` stands on one line, whatever the condition is made of. */
function copyOver({ schema, name, columns }: SetApartRow, condition: string): string {
  const table = `${quoteIdent(schema)}.${quoteIdent(name)}`;
  const file = `'${tableId({ schema, name }).replace(/[^\w.-]/g, "_")}.copy'`;
  const list = (JSON.parse(columns) as string[]).map(quoteIdent).join(", ");
  return [
    `\\copy (select ${list} from only ${table} ${condition.replace(/\s+/g, " ").trim()}) to ${file}`.replace("  ", " ").replace(" )", ")"),
    `\\copy ${table} (${list}) from ${file}   -- at the target`,
  ].join("\n");
}

/**
 * Rows on their way into a statement: written out as VALUES when they are few and small, otherwise copied into a temporary staging
 * table of the session. Statements see the same thing, an alias with columns `op`, `c0` ... `cN` (N counts `Table.columns`).
 *
 * `op` tells what a row is for: DELETE_OP names a row to delete (or, for a move, the row as it was), PUT_OP a row to insert,
 * 1, 2, 3 ... the patches.
 */
import { isUtf8 } from "node:buffer";
import { UNCHANGED, type Value } from "../../../model/value.ts";
import { quoteLiteral } from "../../../postgres/quote.ts";
import type { TargetTable } from "./target-table.ts";

export const DELETE_OP = -1;
export const PUT_OP = 0;

export interface SourceRow {
  readonly op: number;
  /** As wide as `Table.columns`; UNCHANGED, and what the operation does not need, goes as NULL. */
  readonly values: readonly Value[];
}

export interface RowSource {
  /** A FROM item of the rows with op in [low, high], holding at least `columns`, and the condition that goes with it. */
  from(
    alias: string,
    ops: readonly [low: number, high: number],
    columns: readonly number[],
  ): { readonly item: string; readonly where: string };
}

/** Past either bound a staged COPY is faster than parsing constants (measured: 50 rows of 20 columns, 1.2 ms each way). */
const LITERAL_ROWS = 50;
const LITERAL_BYTES = 32 * 1024;

/** The rows as VALUES, or null when they are too many, too large, or not text that can stand in a statement. */
export function literalSource(target: TargetTable, rows: readonly SourceRow[]): RowSource | null {
  if (!fitsLiterals(rows)) return null;
  return {
    from(alias, [low, high], columns) {
      const chosen = rows.filter(({ op }) => op >= low && op <= high);
      const lines = chosen.map(({ op, values }, line) => {
        const cells = columns.map((column) => {
          const text = literal(values[column]);
          // The first line gives the columns their types; the constants below it then go through the same input functions.
          return line === 0 ? `${text}::${target.columns[column]?.bareType}` : text;
        });
        return `(${[op, ...cells].join(", ")})`;
      });
      const names = ["op", ...columns.map((column) => `c${column}`)];
      return { item: `(values ${lines.join(", ")}) as ${alias}(${names.join(", ")})`, where: "true" };
    },
  };
}

/** Rows that were copied into `stage`, whose columns are `op`, `c0` ... */
export function stagedSource(stage: string): RowSource {
  return {
    from: (alias, [low, high]) => ({ item: `${stage} as ${alias}`, where: `${alias}.op between ${low} and ${high}` }),
  };
}

function fitsLiterals(rows: readonly SourceRow[]): boolean {
  if (rows.length > LITERAL_ROWS) return false;
  let bytes = 0;
  for (const { values } of rows) {
    for (const value of values) {
      if (typeof value !== "string") continue;
      bytes += value.length;
      if (bytes > LITERAL_BYTES || !isText(value)) return false;
    }
  }
  return true;
}

const BEYOND_ASCII = /[\x80-\xff]/;

/** A statement is sent as UTF-8; other bytes, as a SQL_ASCII database may hold them, only COPY can carry. */
function isText(value: string): boolean {
  return !BEYOND_ASCII.test(value) || isUtf8(Buffer.from(value, "latin1"));
}

function literal(value: Value | undefined): string {
  if (value === null || value === undefined || value === UNCHANGED) return "null";
  return quoteLiteral(BEYOND_ASCII.test(value) ? Buffer.from(value, "latin1").toString("utf8") : value);
}

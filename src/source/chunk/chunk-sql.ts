/**
 * The SQL text of chunk reads. COPY takes no parameters, so key values stand in it as typed constants.
 */
import type { ChunkRange, KeyBound } from "../../engine/ports.ts";
import type { Table } from "../../model/table.ts";
import type { Row } from "../../model/value.ts";
import { qualifiedName, quoteIdent } from "../../postgres/quote.ts";
import type { QualifiedName, TableReach } from "../../side/postgres/catalog/partition-tree.ts";
import { byteLiteral } from "./byte-literal.ts";
import type { Comparison, KeyOrder } from "./key-order.ts";

export interface RangeRead {
  readonly range: ChunkRange;
  readonly order: KeyOrder;
  /** Rows, at most. */
  readonly limit: number;
}

/** Rows of one leaf between two bounds, in the order of the key's index, the first `limit` of them. */
export function copyRangeSql(table: Table, leaf: QualifiedName, { range, order, limit }: RangeRead): string {
  return `copy (select ${columnList(table)} from only ${qualifiedName(leaf.schema, leaf.name)} as t${whereSql(range, order)}
    order by ${order.map(({ expression, operators }) => `${expression} using ${operators.lt}`).join(", ")} limit ${limit}) to stdout`;
}

/**
 * The rows of some keys, in no order. Where equal keys have different texts (`1.0` and `1.00`, citext), a row may come for a key that was
 * not asked for, or for two that were.
 */
export function copyKeysSql(table: Table, { from }: TableReach, keys: readonly Row[], order: KeyOrder): string {
  const values = keys.map((key) => `(${order.map(({ type }, place) => literal(key[place], type)).join(", ")})`);
  const on = order.map(({ expression, operators }, place) => `${expression} ${operators.eq} k.k${place}`);
  return `copy (select ${columnList(table)} from (values ${values.join(", ")}) as k(${order.map((_, place) => `k${place}`).join(", ")})
    join ${from} as t on ${on.join(" and ")}) to stdout`;
}

export function copyWholeSql(table: Table, { from }: TableReach): string {
  return `copy (select ${columnList(table)} from ${from} as t) to stdout`;
}

/** ` where ...`, or nothing for an unbounded range. */
function whereSql(range: ChunkRange, order: KeyOrder): string {
  const conditions = [
    ...(range.from === null ? [] : [boundSql(order, range.from, range.from.inclusive ? "ge" : "gt")]),
    ...(range.to === null ? [] : [boundSql(order, range.to, range.to.inclusive ? "le" : "lt")]),
  ];
  return conditions.length === 0 ? "" : ` where ${conditions.join(" and ")}`;
}

/**
 * Compares a prefix of the key with the bound. As a row comparison the index can use it whole (manual: "Row Constructor Comparison"),
 * but that takes one operator for all columns; keys that mix schemas of operators get the same in longhand.
 */
function boundSql(order: KeyOrder, { values }: KeyBound, comparison: Comparison): string {
  const columns = order.slice(0, values.length);
  const operators = new Set(columns.map((column) => column.operators[comparison]));
  const literals = columns.map(({ type }, place) => literal(values[place], type));
  const [operator] = operators;
  if (operators.size === 1) return `(${columns.map(({ expression }) => expression).join(", ")}) ${operator} (${literals.join(", ")})`;
  const strict: Comparison = comparison === "ge" || comparison === "gt" ? "gt" : "lt";
  const loose: Comparison = strict === "gt" ? "ge" : "le";
  const alternatives = columns.map((column, place) => {
    const equal = columns.slice(0, place).map(({ expression, operators: { eq } }, before) => `${expression} ${eq} ${literals[before]}`);
    const last = place === columns.length - 1 ? comparison : strict;
    return `(${[...equal, `${column.expression} ${column.operators[last]} ${literals[place]}`].join(" and ")})`;
  });
  // The first condition follows from the others; the index can use it.
  return `${columns[0]?.expression} ${columns[0]?.operators[loose]} ${literals[0]} and (${alternatives.join(" or ")})`;
}

function columnList(table: Table): string {
  return table.columns.map(({ name }) => `t.${quoteIdent(name)}`).join(", ");
}

function literal(value: string | null | undefined, type: string): string {
  if (value === null || value === undefined) throw new RangeError("a key value is missing");
  return `${byteLiteral(value)}::${type}`;
}

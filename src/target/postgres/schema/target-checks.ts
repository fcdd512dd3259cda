/** What must hold of the target's tables before the load, and what must be the same where the operator made the schema. */

import { PghaulError } from "../../../errors/pghaul-error.ts";
import type { Table } from "../../../model/table.ts";
import type { Queryable } from "../../../postgres/queryable.ts";
import { qualifiedName, quoteIdent } from "../../../postgres/quote.ts";
import { askOf } from "../../../side/postgres/catalog/ask.ts";
import { emptying } from "../../../side/postgres/catalog/emptying.ts";
import { readReach } from "../../../side/postgres/catalog/table-reach.ts";
import { selectColumns, selectIndexColumns, selectRelation } from "../rows/catalog-queries.ts";

/** Of the tables (those whose load has not begun), the ids of those that hold rows already. */
export async function tablesWithRows(target: Queryable, tables: readonly Table[]): Promise<readonly string[]> {
  const held: string[] = [];
  for (const table of tables) {
    const { from } = await readReach(askOf(target), "target", table);
    const { rowCount } = await target.query(`select from ${from} t limit 1`);
    if ((rowCount ?? 0) > 0) held.push(table.id);
  }
  return held;
}

/** Throws TARGET_NOT_EMPTY when one of the tables holds rows. */
export async function requireEmpty(target: Queryable, tables: readonly Table[]): Promise<void> {
  const held = await tablesWithRows(target, tables);
  if (held.length === 0) return;
  const holders: string[] = [];
  for (const table of tables) if (held.includes(table.id)) holders.push(...(await readReach(askOf(target), "target", table)).holders);
  throw new PghaulError("TARGET_NOT_EMPTY", `tables at the target already hold rows: ${held.join(", ")}`, {
    context: { table: held.join(", ") },
    suggestion: await adviceToEmpty(target, holders, tables),
  });
}

async function adviceToEmpty(target: Queryable, holders: readonly string[], tables: readonly Table[]): Promise<string> {
  const moved = tables.map(({ schema, name }) => qualifiedName(schema, name));
  const { statement, others } = await emptying(askOf(target), holders, moved);
  return statement === null
    ? `at the target, drop the foreign keys of ${others.join(", ")} that refer to them; then empty them`
    : `${statement};`;
}

/** Everything by which the target's schema does not fit the source's tables, a sentence each; empty when it does. */
export async function schemaDifferences(target: Queryable, tables: readonly Table[]): Promise<readonly string[]> {
  const differences: string[] = [];
  for (const table of tables) differences.push(...(await tableDifferences(target, table)));
  return differences;
}

/** Throws TARGET_SCHEMA with every difference. */
export async function requireSameSchema(target: Queryable, tables: readonly Table[]): Promise<void> {
  const differences = await schemaDifferences(target, tables);
  if (differences.length > 0) throw new PghaulError("TARGET_SCHEMA", `the target's schema does not fit: ${differences.join("; ")}`);
}

async function tableDifferences(target: Queryable, table: Table): Promise<readonly string[]> {
  const relation = await selectRelation(target, table.schema, table.name);
  if (relation === null) return [`${table.id} is missing`];
  if (relation.relkind !== "r" && relation.relkind !== "p") return [`${table.id} is not a table`];
  const columns = await selectColumns(target, relation.oid);
  const byName = new Map(columns.map((column) => [column.name, column]));
  const differences: string[] = [];
  for (const column of table.columns) {
    const found = byName.get(column.name);
    const title = `${table.id}.${quoteIdent(column.name)}`;
    if (found === undefined) differences.push(`${title} is missing`);
    else if (found.generated !== "") differences.push(`${title} is generated at the target but not at the source`);
    else if (found.type !== column.type && found.base_type !== column.type)
      differences.push(`${title} is ${found.type}, at the source ${column.type}`);
  }
  // A column that only the target has must be able to fill itself.
  const known = new Set(table.columns.map(({ name }) => name));
  for (const extra of columns) {
    if (known.has(extra.name) || extra.fills_itself === "true") continue;
    differences.push(`${table.id}.${quoteIdent(extra.name)} does not exist at the source, and is NOT NULL without a default`);
  }
  if (table.key !== null && !(await hasKey(target, relation.oid, table, columns))) {
    differences.push(
      `${table.id} has no unique index on (${table.key.map((index) => quoteIdent(table.columns[index]?.name ?? "")).join(", ")})`,
    );
  }
  return differences;
}

/** Some unique index of exactly the key's columns, in any order: without it every change would read the whole table. */
async function hasKey(
  target: Queryable,
  oid: string,
  table: Table,
  columns: readonly { readonly attnum: string; readonly name: string }[],
): Promise<boolean> {
  const wanted = (table.key ?? []).map((index) => columns.find(({ name }) => name === table.columns[index]?.name)?.attnum);
  const indexes = Map.groupBy(await selectIndexColumns(target, oid), ({ index }) => index);
  return [...indexes.values()].some(
    (parts) =>
      parts[0]?.is_unique === "true" &&
      parts[0].columns === String(wanted.length) &&
      wanted.every((attnum) => parts.some((part) => part.attnum === attnum)),
  );
}

import type { Table } from "../../../model/table.ts";

/** Parameters of queries over tables: schemas and names, side by side. */
export function namesOf(tables: readonly Pick<Table, "schema" | "name">[]): readonly [readonly string[], readonly string[]] {
  return [tables.map(({ schema }) => schema), tables.map(({ name }) => name)];
}

/** The same of the tables and their leaf partitions. */
export function namesOfAll(tables: readonly Pick<Table, "schema" | "name" | "leaves">[]): ReturnType<typeof namesOf> {
  return namesOf(tables.flatMap((table) => [table, ...table.leaves]));
}

/**
 * Oids of relations that are named by two parameters, as `namesOf` gives them. Not by to_regclass, which refuses to say so to a role without USAGE on
 * the schema.
 */
export const GIVEN = `array(
        select c.oid from unnest($1::text[], $2::text[]) as r(schema, name)
          join pg_catalog.pg_namespace n on n.nspname = r.schema join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = r.name)`;

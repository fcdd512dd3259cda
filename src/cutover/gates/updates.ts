import { qualifiedName, quoteLiteral } from "../../postgres/quote.ts";
import { sqlState } from "../../postgres/wrap-error.ts";
import { type Gate, type GateSide, tableNames } from "../gate.ts";

interface TableRow {
  readonly schema: string;
  readonly name: string;
  readonly column: string | null;
}

/**
 * A publication of somebody's may make a side refuse UPDATE and DELETE of a table (its column list or row filter lacks the replica identity,
 * or the table has none). Then the application fails at the new primary, or our applier on the way back. What one side refuses and the other
 * takes closes the gate; what both refuse nobody does.
 */
export const updatesGate: Gate = {
  id: "updates",
  title: "no publication makes one side refuse an UPDATE that the other takes",
  async ask({ from, to, tables }) {
    const [here, there] = [await refusals(from, tableNames(tables)), await refusals(to, tableNames(tables))];
    const faults = [
      ...[...here].filter(([table]) => !there.has(table)).map(([table, why]) => ({ side: from.name, table, why })),
      ...[...there].filter(([table]) => !here.has(table)).map(([table, why]) => ({ side: to.name, table, why })),
    ];
    const [first] = faults;
    return {
      open: faults.length === 0,
      evidence: { refused: faults.map(({ side, table, why }) => `${side}: ${table}: ${why}`).slice(0, 5) },
      ...(first === undefined
        ? {}
        : {
            fix: `select pubname, tablename from pg_publication_tables where format('%I.%I', schemaname, tablename)::regclass = ${quoteLiteral(first.table)}::regclass;   -- at the ${first.side}; then alter or drop the publication that has the column list or row filter`,
          }),
    };
  },
};

/** Statement and reason by table. EXPLAIN opens the table for an UPDATE as the UPDATE would, writes nothing and fires no trigger. */
async function refusals(side: GateSide, names: ReturnType<typeof tableNames>): Promise<ReadonlyMap<string, string>> {
  const rows = await side.query<TableRow>(COLUMNS, names);
  const found = new Map<string, string>();
  for (const { schema, name, column } of rows) {
    const table = qualifiedName(schema, name);
    const statements = [
      ...(column === null ? [] : [`explain update only ${table} set ${column} = ${column} where false`]),
      `explain delete from only ${table} where false`,
    ];
    for (const statement of statements) {
      const refusal = await side.query(`begin; set local lock_timeout = '500ms'; ${statement}`).then(
        () => null,
        (error: unknown) => error,
      );
      await side.query("rollback");
      if (refusal === null) continue;
      const state = sqlState(refusal);
      // 42P10: a column list or row filter without the identity; 55000: no identity at all. Rights are asked for elsewhere.
      if (state === "42P10" || state === "55000") found.set(table, (refusal as Error).message);
      // A table that could not be asked, because somebody has it locked, is not one that takes the UPDATE.
      else if (state !== "42501") throw refusal;
    }
  }
  return found;
}

/** The moved tables with all their partitions, and a column of each that UPDATE may name; none where nobody but us publishes anything. */
const COLUMNS = `
  select distinct n.nspname::text as schema, c.relname::text as name,
         (select quote_ident(a.attname) from pg_catalog.pg_attribute a
           where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity <> 'a' order by a.attnum limit 1) as column
    from unnest($1::text[], $2::text[]) as r(schema, name)
    join pg_catalog.pg_namespace rn on rn.nspname = r.schema
    join pg_catalog.pg_class rc on rc.relnamespace = rn.oid and rc.relname = r.name
   cross join lateral (select rc.oid as relid union select p.relid::oid from pg_catalog.pg_partition_tree(rc.oid) p) as tree
    join pg_catalog.pg_class c on c.oid = tree.relid and c.relkind in ('r', 'p')
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where exists (select from pg_catalog.pg_publication p where not starts_with(p.pubname::text, 'pghaul_'))
   order by 1, 2`;

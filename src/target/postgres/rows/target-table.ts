import { PghaulError } from "../../../errors/pghaul-error.ts";
import { type SideName, sideCode } from "../../../model/side.ts";
import type { Table } from "../../../model/table.ts";
import type { Queryable } from "../../../postgres/queryable.ts";
import { qualifiedName, quoteIdent } from "../../../postgres/quote.ts";
import { askOf } from "../../../side/postgres/catalog/ask.ts";
import { readReach } from "../../../side/postgres/catalog/table-reach.ts";
import { type IndexColumnRow, type StrayLeaf, selectColumns, selectIndexColumns, selectRelation, selectStrays } from "./catalog-queries.ts";

/** A table as the target's own catalog describes it, in the terms that statements are made of. Columns are those of `table.columns`. */
export interface TargetTable {
  readonly table: Table;
  /** Where it is: the source, on the way back. */
  readonly side: SideName;
  /** Quoted, with its schema. */
  readonly relation: string;
  /** `only "s"."t"`, for a plain table may have inheritance children of its own; a partitioned root without ONLY. */
  readonly reach: string;
  readonly partitioned: boolean;
  /**
   * `only "s"."leaf"` of each leaf that is ours, where the root also leads to others, which no statement of ours may name; null where it leads
   * to ours alone.
   */
  readonly leaves: readonly string[] | null;
  /** The leaves that are not ours, where there are some: a row of ours that the bounds lead into one must not be written. */
  readonly strays: readonly StrayLeaf[];
  readonly columns: readonly TargetColumn[];
}

export interface TargetColumn {
  /** Quoted. */
  readonly name: string;
  /** A domain's base type: a domain may refuse the NULL that stands for "not in this row" in a staged delete or patch. */
  readonly type: string;
  /** `type` without its modifier: what is too long for the column must be refused by it, where a cast would cut it off in silence. */
  readonly bareType: string;
  /** UPDATE may not name a GENERATED ALWAYS AS IDENTITY column but to set it to DEFAULT. */
  readonly updatable: boolean;
  /** Equality by the type's btree operator family, `operator("s".=)`: found whatever search_path hides an extension's type. */
  readonly equals: string;
  /**
   * False where `equals` may hold between values of different text: numeric 0.5 and 0.50, float -0, interval, jsonb, citext, arrays and
   * composites of such, a nondeterministic collation. btree tells by its support function 4, `equalimage` (manual: "B-Tree Support Functions").
   */
  readonly equalImage: boolean;
  /** True when some index starts with this column. */
  readonly indexed: boolean;
}

/** Errors: *_SCHEMA when the table or a column of it is missing at the side, or is generated there. */
export async function readTargetTable(db: Queryable, side: SideName, table: Table): Promise<TargetTable> {
  const fault = (what: string): PghaulError =>
    new PghaulError(sideCode(side, "SCHEMA"), `${table.id} ${what} at the ${side}`, { context: { table: table.id } });
  const relation = await selectRelation(db, table.schema, table.name);
  if (relation === null) throw fault("is missing");
  if (relation.relkind !== "r" && relation.relkind !== "p") throw fault("is not a table");
  const columns = new Map((await selectColumns(db, relation.oid)).map((column) => [column.name, column]));
  const indexed = await selectIndexColumns(db, relation.oid);
  const name = qualifiedName(table.schema, table.name);
  const partitioned = relation.relkind === "p";
  return {
    table,
    side,
    relation: name,
    reach: partitioned ? name : `only ${name}`,
    partitioned,
    ...(partitioned ? await readLeaves(db, side, table) : { leaves: null, strays: [] }),
    columns: table.columns.map((column) => {
      const found = columns.get(column.name);
      if (found === undefined) throw fault(`has no column ${quoteIdent(column.name)}`);
      if (found.generated !== "") throw fault(`has ${quoteIdent(column.name)} as a generated column, which the stream fills,`);
      const index = indexed.find(({ attnum }) => attnum === found.attnum);
      return {
        name: quoteIdent(column.name),
        type: found.base_type,
        bareType: found.bare_type,
        updatable: found.identity !== "a",
        equals: equality(index),
        equalImage: index?.equal_image === "always" || (index?.equal_image === "deterministic" && found.deterministic === "true"),
        indexed: indexed.some(({ attnum, place }) => attnum === found.attnum && place === "1"),
      };
    }),
  };
}

/** As in `TargetTable`. A root without a leaf of ours stands for itself: it holds no row. */
export async function readLeaves(db: Queryable, side: SideName, table: Table): Promise<Pick<TargetTable, "leaves" | "strays">> {
  const { holders, from, others } = await readReach(askOf(db), side, table);
  if (holders.length === 1 && holders[0] === from) return { leaves: null, strays: [] };
  return {
    leaves: holders.length > 0 ? holders : [`only ${qualifiedName(table.schema, table.name)}`],
    strays: await selectStrays(db, others),
  };
}

/** The key's column indexes. A table without a key has no business in a keyed operation. */
export function keyOf({ table }: TargetTable): readonly number[] {
  if (table.key === null) throw new Error(`${table.id} has no key`);
  return table.key;
}

function equality(index: IndexColumnRow | undefined): string {
  return index === undefined ? "=" : `operator(${quoteIdent(index.operator_schema)}.${index.operator_name})`;
}

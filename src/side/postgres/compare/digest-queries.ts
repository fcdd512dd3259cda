/**
 * The SQL of digests. A digest is (count, sum over rows of 64 bits of an MD5): a sum does not depend on order, so no two servers need to
 * agree on a collation, and chunks can be added and subtracted. The text under the MD5 is typed output under canonical settings, each
 * value with its length before it, so that no two rows collide by shifting text between columns (peers: concat collisions).
 */
import type { ChunkRange, KeyBound } from "../../../engine/ports.ts";
import type { Column, Key, Table } from "../../../model/table.ts";
import { displayText } from "../../../model/value.ts";
import { quoteIdent, quoteLiteral } from "../../../postgres/quote.ts";

/** Rows to look at: a range of the key (null = all), and among them only, or all but, the keys of parameter arrays $1, $2 ... */
export interface DigestScope {
  readonly range: ChunkRange | null;
  readonly keys: "all" | "listed";
  /** An item of FROM that yields the table's rows (`readReach`). */
  readonly from: string;
  /** The server keeps text in another encoding than UTF8: hashes are taken of its UTF8 form, as on the other side. */
  readonly converted?: boolean;
}

/** Buckets into which a differing scope is narrowed. */
const BUCKETS = 1024;

export function digestSql(table: Table, scope: DigestScope): string {
  return `select count(*)::text as rows, coalesce(sum(${hash64(rowTextSql(table, scope), scope)}), 0)::text as sum ${fromSql(table, scope)}`;
}

/** The same of rows given as text, one parameter array a column: as if they stood in the table. Not for a table without columns. */
export function digestOfRowsSql(table: Table, scope: DigestScope): string {
  const columns = listed(table.columns).map((value, index) => `${value} as ${quoteIdent(table.columns[index]?.name ?? "")}`);
  return `
    select count(*)::text as rows, coalesce(sum(${hash64(rowTextSql(table, scope), scope)}), 0)::text as sum from (select ${columns.join(", ")}) t`;
}

/** Digests a bucket, buckets by a hash of the key (of the row, where there is no key). */
export function bucketsSql(table: Table, scope: DigestScope): string {
  return `
    select ${bucketSql(table, scope)} as bucket, count(*)::text as rows, sum(${hash64(rowTextSql(table, scope), scope)})::text as sum
    ${fromSql(table, scope)} group by 1`;
}

/** Row hash, then key values, of every row in these buckets. */
export function rowHashesSql(table: Table, scope: DigestScope, buckets: readonly number[]): string {
  const key = (table.key ?? []).map((index) => column(table, index));
  const narrowed = `${fromSql(table, scope)} and ${bucketSql(table, scope)} in (${buckets.map(Number).join(", ")})`;
  return `select ${[md5Sql(rowTextSql(table, scope), scope), ...key].join(", ")} ${narrowed}`;
}

/**
 * Full rows of listed keys. The columns stand bare: the wire carries their output functions' text, as the stream does, while `::text` says
 * `true` for `t` and drops the blanks of char(n).
 */
export function rowsSql(table: Table, from: string): string {
  const values = table.columns.map((_, index) => column(table, index));
  return `select ${values.join(", ")} ${fromSql(table, { range: null, keys: "listed", from })}`;
}

function listedKeysSql(table: Table, key: readonly number[]): string {
  const values = listed(key.map((index) => table.columns[index] as Column));
  return `(${key.map((index) => column(table, index)).join(", ")}) in (select ${values.join(", ")})`;
}

/**
 * Parameter arrays as rows, one array a column, for a select list: in FROM, unnest would spread a composite value over columns. It takes
 * an array of arrays apart to the last element, so arrays come as text and are cast one by one; any other type may have a cast from text
 * that is not its input function.
 */
function listed(columns: readonly Column[]): readonly string[] {
  return columns.map(({ type }, place) =>
    type.endsWith("[]") ? `unnest($${place + 1}::text[])::${type}` : `unnest($${place + 1}::${type}[])`,
  );
}

function fromSql(table: Table, scope: DigestScope): string {
  const conditions = [...rangeConditions(table, scope.range)];
  if (scope.keys === "listed") conditions.push(listedKeysSql(table, keyOf(table)));
  return `from ${scope.from} t where ${conditions.length === 0 ? "true" : conditions.join(" and ")}`;
}

/** Which of the listed keys lie in a range: their places in the list, from 1 on, each as a row `place`. */
export function keysInRangeSql(table: Table, range: ChunkRange): string {
  const key = keyOf(table);
  const values = listed(key.map((index) => table.columns[index] as Column));
  const columns = values.map((value, place) => `${value} as ${quoteIdent(table.columns[key[place] as number]?.name ?? "")}`);
  return `
    select pghaul_place::text as place from (select ${columns.join(", ")}, generate_subscripts($1, 1) as pghaul_place) t
     where ${rangeConditions(table, range).join(" and ") || "true"}`;
}

function rangeConditions(table: Table, range: ChunkRange | null): string[] {
  if (range === null) return [];
  const { from, to } = range;
  return [
    ...(from === null ? [] : [boundSql(table, from, from.inclusive ? ">=" : ">")]),
    ...(to === null ? [] : [boundSql(table, to, to.inclusive ? "<=" : "<")]),
  ];
}

function boundSql(table: Table, bound: KeyBound, operator: string): string {
  const columns = keyOf(table).slice(0, bound.values.length);
  const literals = bound.values.map((value, position) => {
    const type = table.columns[columns[position] as number]?.type;
    return `${quoteLiteral(displayText(value ?? ""))}::${type}`;
  });
  return `(${columns.map((index) => column(table, index)).join(", ")}) ${operator} (${literals.join(", ")})`;
}

function rowTextSql(table: Table, scope: DigestScope): string {
  if (table.columns.length === 0) return "''";
  // A function call takes at most 100 arguments (manual: "PostgreSQL Limits"); || takes any number.
  return table.columns.map((_, index) => valueSql(table, index, scope)).join(" || ");
}

/**
 * The types of pg_catalog whose cast to text is not their output function: xml keeps an encoding declaration that output leaves out, bool says
 * `true` for `t`, char(n) drops its blanks, inet adds a mask. For all others of its types without a dot in their name `::text` is the output.
 */
export const CASTS_TO_OTHER_TEXT: ReadonlySet<string> = new Set(['"char"', "boolean", "character", "cidr", "inet", "name", "xml"]);

/**
 * `length:text`, or `-` for NULL, where text is what the output function gives, for that is what COPY and the stream carry. A cast to text
 * may say more or less than it (manual: CREATE CAST); `concat` calls the output function, and only that.
 */
function valueSql(table: Table, index: number, scope: DigestScope): string {
  const value = column(table, index);
  if (!needsOutput(table.columns[index]?.type ?? "")) return `coalesce(${withLengthSql(`${value}::text`, scope)}, '-')`;
  // Not IS NULL, which is also true for a composite value of NULLs.
  return `case when num_nulls(${value}) = 1 then '-' else ${withLengthSql(`concat(${value})`, scope)} end`;
}

function needsOutput(type: string): boolean {
  return type.includes(".") || CASTS_TO_OTHER_TEXT.has(type.replace(/\(.*$/, ""));
}

/** In bytes of UTF8: what `length` counts differs between SQL_ASCII and the others. */
function withLengthSql(text: string, { converted }: DigestScope): string {
  return `octet_length(${converted ? `convert_to(${text}, 'UTF8')` : text})::text || ':' || ${text}`;
}

function bucketSql(table: Table, scope: DigestScope): string {
  const text = table.key === null ? rowTextSql(table, scope) : table.key.map((index) => valueSql(table, index, scope)).join(" || ");
  return `(('x' || substr(${md5Sql(text, scope)}, 17, 4))::bit(16)::int % ${BUCKETS})`;
}

function hash64(text: string, scope: DigestScope): string {
  return `('x' || substr(${md5Sql(text, scope)}, 1, 16))::bit(64)::bigint::numeric`;
}

function md5Sql(text: string, { converted }: DigestScope): string {
  return `md5(${converted ? `convert_to(${text}, 'UTF8')` : text})`;
}

function column(table: Table, index: number): string {
  return `t.${quoteIdent(table.columns[index]?.name ?? "")}`;
}

function keyOf(table: Table): NonNullable<Key> {
  if (table.key === null) throw new Error(`digest: ${table.id} has no key`);
  return table.key;
}

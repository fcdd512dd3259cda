/** Every statement that changes rows, over a `RowSource`. One function a statement; what they share is at the end. */
import { quoteLiteral } from "../../../postgres/quote.ts";
import { DELETE_OP, PUT_OP, type RowSource } from "./row-source.ts";
import { keyOf, type TargetTable } from "./target-table.ts";

type OpRange = readonly [low: number, high: number];
const DELETES: OpRange = [DELETE_OP, DELETE_OP];
const PUTS: OpRange = [PUT_OP, PUT_OP];

/**
 * `copy "s"."t" ("a", "b") from stdin`: generated columns are not in the list, identity columns take what comes. Not for a table with strays: COPY
 * has a WHERE, but computes no NOT of an operator in it ("cache lookup failed for function 0"), as bounds of a default partition have.
 */
export function copyIntoTable(target: TargetTable): string {
  return `copy ${target.relation} (${names(target)}) from stdin`;
}

export function deleteByKey(target: TargetTable, source: RowSource): string {
  const { item, where } = source.from("s", DELETES, keyOf(target));
  const which = `using ${item} where ${where} and ${matches(target, "s")}`;
  if (target.leaves !== null) return `with ${gone(target, which, ["1"])} select from gone`;
  return `delete from ${target.reach} as t ${which}`;
}

/** Sets `columns` of the rows that the patches `ops` name; their key stays. */
export function updateByKey(target: TargetTable, source: RowSource, ops: OpRange, columns: readonly number[]): string {
  const known = [...new Set([...keyOf(target), ...columns])];
  const { item, where } = source.from("s", ops, known);
  // A leaf cannot hand a row on to another one; only the root can, and that leads to the others too.
  if (target.leaves !== null) return insertAnew(target, `using ${item} where ${where} and ${matches(target, "s")}`, known);
  return `update ${target.reach} as t set ${assignments(target, columns)} from ${item} where ${where} and ${matches(target, "s")}`;
}

/**
 * The rows that the patches `ops` name, and whose GENERATED ALWAYS identity changes, are deleted and inserted anew: no UPDATE may name such a
 * column, though the source's `update t set c = default` did. Of `known` columns the patch has the value, of the others the row. Null where
 * no such column is known; otherwise to be run ahead of `updateByKey`.
 */
export function reinsertByKey(target: TargetTable, source: RowSource, ops: OpRange, known: readonly number[]): string | null {
  const key = new Set(keyOf(target));
  const fixed = fixedColumns(target, known).filter((column) => !key.has(column));
  if (fixed.length === 0) return null;
  const { item, where } = source.from("s", ops, [...new Set([...key, ...known])]);
  const changed = fixed.map((column) => `t.${target.columns[column]?.name} is distinct from s.c${column}`).join(" or ");
  return insertAnew(target, `using ${item} where ${where} and ${matches(target, "s")} and (${changed})`, known);
}

/** For a patch that has nothing to set: its row must be there all the same. The row count is the answer. */
export function selectPresent(target: TargetTable, source: RowSource, ops: OpRange): string {
  const { item, where } = source.from("s", ops, keyOf(target));
  return `select from ${rowsOf(target)} as t, ${item} where ${where} and ${matches(target, "s")}`;
}

/** The `op` of every patch whose row is not there. */
export function selectAbsent(target: TargetTable, source: RowSource, ops: OpRange): string {
  const { item, where } = source.from("s", ops, keyOf(target));
  return `select s.op from ${item} where ${where} and not exists (select from ${rowsOf(target)} as t where ${matches(target, "s")})`;
}

/** OVERRIDING SYSTEM VALUE: an identity column takes the source's number (manual: "INSERT"). No-op on other columns. */
export function insertRows(target: TargetTable, source: RowSource): string {
  return insertInto(target, putsOf(target, source));
}

export function insertAbsentRows(target: TargetTable, source: RowSource): string {
  const present = `select from ${rowsOf(target)} as t where ${matches(target, "s")}`;
  return insertInto(target, `${putsOf(target, source)} and not exists (${present})`);
}

function putsOf(target: TargetTable, source: RowSource): string {
  const { item, where } = source.from("s", PUTS, allColumns(target));
  return `select ${values(target)} from ${item} where ${where}`;
}

/** Moves the row of an old key (a DELETE_OP row) to a new key, and sets what else is known (op 1). */
export function moveByKey(target: TargetTable, source: RowSource, columns: readonly number[]): string {
  const old = source.from("o", DELETES, keyOf(target));
  const next = source.from("s", [1, 1], columns);
  if (target.leaves !== null || fixedColumns(target, columns).length > 0) {
    return insertAnew(target, `using ${old.item}, ${next.item} where ${old.where} and ${next.where} and ${matches(target, "o")}`, columns);
  }
  return `update ${target.reach} as t set ${assignments(target, columns)} from ${old.item}, ${next.item}
    where ${old.where} and ${next.where} and ${matches(target, "o")}`;
}

/** Deletes one copy of a whole row (a DELETE_OP row); a table without a key is a multiset. */
export function deleteImage(target: TargetTable, source: RowSource, nulls: ReadonlySet<number>): string {
  if (target.leaves !== null) return `with ${goneImage(target, source, nulls)} select from gone`;
  return `delete from ${target.reach} as t using (${oneImage(target, source, nulls)}) as i where ${AT_PLACE}`;
}

/** Turns one copy of a whole row (DELETE_OP) into another (op 1). */
export function updateImage(target: TargetTable, source: RowSource, nulls: ReadonlySet<number>): string {
  if (target.leaves !== null) return replaceImage(target, source, nulls);
  const columns = allColumns(target).filter((column) => target.columns[column]?.updatable === true);
  const next = source.from("s", [1, 1], columns);
  return `update ${target.reach} as t set ${assignments(target, columns)} from (${oneImage(target, source, nulls)}) as i, ${next.item}
    where ${next.where} and ${AT_PLACE}`;
}

/** The same where a GENERATED ALWAYS identity changes, which no UPDATE may name. */
export function replaceImage(target: TargetTable, source: RowSource, nulls: ReadonlySet<number>): string {
  const { item, where } = source.from("s", [1, 1], allColumns(target));
  return `with ${goneImage(target, source, nulls)}
    ${insertInto(target, `select ${values(target)} from ${item} where ${where} and exists (select from gone)`)}`;
}

const AT_PLACE = "t.tableoid = i.part and t.ctid = i.place";

/** Leaf by leaf the image is looked up once: of two copies, each leaf might find another. */
function goneImage(target: TargetTable, source: RowSource, nulls: ReadonlySet<number>): string {
  if (target.leaves === null) return gone(target, `using (${oneImage(target, source, nulls)}) as i where ${AT_PLACE}`, ["1"]);
  return `i as materialized (${oneImage(target, source, nulls)}), ${gone(target, `using i where ${AT_PLACE}`, ["1"])}`;
}

/**
 * Where one copy of the row lies. `*=` compares the bytes of records (manual: "Composite Type Comparison"), for json, point and xml
 * have no equality at all. Equal bytes are equal values, so that any index the table happens to have may narrow the search.
 */
function oneImage(target: TargetTable, source: RowSource, nulls: ReadonlySet<number>): string {
  const columns = allColumns(target);
  const { item, where } = source.from("o", DELETES, columns);
  // Both sides in base types: `*=` refuses records whose column types differ. A cast keeps two ROWs from being compared by column.
  const stored = columns.map((column) => `x.${target.columns[column]?.name}::${target.columns[column]?.type}`);
  const wanted = columns.map((column) => `o.c${column}::${target.columns[column]?.type}`);
  const narrowed = columns
    .filter((column) => target.columns[column]?.indexed === true && !nulls.has(column))
    .map((column) => `x.${target.columns[column]?.name} ${target.columns[column]?.equals} o.c${column} and `);
  return `select x.tableoid as part, x.ctid as place from ${rowsOf(target)} as x, ${item}
    where ${where} and ${narrowed.join("")}row(${stored.join(", ")})::record *= row(${wanted.join(", ")})::record limit 1`;
}

/**
 * A key names a row by its text, as everywhere in the engine. The operator finds candidates through the index; where it also takes other
 * texts for equal, only the row with the very bytes counts: the equal key of another text is another row of another time, and what is done
 * to the one must not be done to the other.
 */
function matches(target: TargetTable, alias: string): string {
  return keyOf(target)
    .flatMap((column) => {
      const { name, equals, equalImage, type } = target.columns[column] as TargetTable["columns"][number];
      const found = `t.${name} ${equals} ${alias}.c${column}`;
      return equalImage ? [found] : [found, `row(t.${name}::${type})::record *= row(${alias}.c${column}::${type})::record`];
    })
    .join(" and ");
}

/** Deletes rows and inserts each of them again, with the values of `s` where they are known. Its row count is that of the rows. */
function insertAnew(target: TargetTable, which: string, known: readonly number[]): string {
  const kept = allColumns(target).map((column) => (known.includes(column) ? `s.c${column}` : `t.${target.columns[column]?.name}`));
  return `with ${gone(target, which, kept)}
    ${insertInto(target, `select ${kept.map((_, place) => `r${place}`).join(", ")} from gone`)}`;
}

/** `select` yields all columns in their order. */
function insertInto(target: TargetTable, select: string): string {
  const into = `insert into ${target.relation} (${names(target)}) overriding system value`;
  const astray = refuseStrays(target);
  return astray === null ? `${into} ${select}` : `${into} select * from (${select}) as r(${names(target)}) where ${astray}`;
}

/**
 * A condition over the columns of a row that is to be inserted: true, or an error that names the leaf (`strayIn` reads it) where the target's bounds
 * lead the row into one that is not ours. It leans on a column, for PostgreSQL computes a constant before it looks at any row. Null: there is none.
 */
function refuseStrays({ strays, columns }: TargetTable): string | null {
  if (strays.length === 0) return null;
  const cases = strays.map(({ leaf, parent, takes }) => {
    const told = quoteLiteral(`${STRAY}${JSON.stringify([leaf, parent])}`);
    return `when (${takes}) is not false then (${told} || left(coalesce(${columns[0]?.name}::text, ''), 0))::int = 0`;
  });
  return `case ${cases.join(" ")} else true end`;
}

const STRAY = "pghaul: a row belongs to ";

/** The leaf that a row was kept out of, and its parent; null for any other message of the server. */
export function strayIn(message: string): { readonly leaf: string; readonly parent: string } | null {
  const at = message.indexOf(STRAY);
  if (at < 0) return null;
  const [leaf, parent] = JSON.parse(message.slice(at + STRAY.length, message.lastIndexOf("]") + 1)) as [string, string];
  return { leaf, parent };
}

/**
 * Items of a WITH clause: `gone` deletes rows of ours and holds what is asked of each as r0, r1 ... Where a root also leads to leaves that are
 * not ours (a foreign table, one that is left out), PostgreSQL plans and locks them all whatever the condition says, so each leaf is named
 * alone. The parts see one snapshot, so no row is met twice (manual: "Data-Modifying Statements in WITH").
 */
function gone(target: TargetTable, which: string, returning: readonly string[]): string {
  const asked = returning.map((value, place) => `${value} as r${place}`).join(", ");
  const deleted = (relation: string): string => `(delete from ${relation} as t ${which} returning ${asked})`;
  if (target.leaves === null) return `gone as ${deleted(target.reach)}`;
  const parts = target.leaves.map((leaf, place) => `d${place} as ${deleted(leaf)}`);
  return `${parts.join(", ")}, gone as (${parts.map((_, place) => `select * from d${place}`).join(" union all ")})`;
}

/** An item of FROM: the rows that are ours, with their place. */
function rowsOf(target: TargetTable): string {
  if (target.leaves === null) return target.reach;
  return `(${target.leaves.map((leaf) => `select tableoid, ctid, ${names(target)} from ${leaf}`).join(" union all ")})`;
}

/** Those that no UPDATE may name. */
function fixedColumns(target: TargetTable, columns: readonly number[]): readonly number[] {
  return columns.filter((column) => target.columns[column]?.updatable === false);
}

function assignments(target: TargetTable, columns: readonly number[]): string {
  return columns.map((column) => `${target.columns[column]?.name} = s.c${column}`).join(", ");
}

function names(target: TargetTable): string {
  return target.columns.map(({ name }) => name).join(", ");
}

function values(target: TargetTable): string {
  return allColumns(target)
    .map((column) => `s.c${column}`)
    .join(", ");
}

function allColumns(target: TargetTable): readonly number[] {
  return target.columns.map((_, column) => column);
}

/** The tables of a simulated source, and the keys, ranges and values that a seed draws for them. */
import type { ChunkRange } from "../../../src/engine/ports.ts";
import { keyText, type Table, type TableLeaf } from "../../../src/model/table.ts";
import type { Row } from "../../../src/model/value.ts";
import type { Random } from "../random.ts";
import { Leaves } from "./leaves.ts";
import type { Transaction } from "./transaction.ts";

export interface SimTable {
  readonly table: Table;
  /** Index of the column with a unique index of its own, or null. */
  readonly unique: number | null;
  /** Index of the column that is stored out of line when it is large. */
  readonly big: number;
  /** Every key that can occur; few, so that transactions meet. */
  readonly keys: readonly Row[];
  /** Equal for the texts of a key that the key's operator finds equal (numeric 1 and 1.0); its unique index holds one of them at a time. */
  nameOf(key: Row): string;
  /** The source's collation: JavaScript's order of the same texts is another one, as with ICU. */
  compare(a: Row, b: Row): number;
  /** The place (`Leaves`) of a key. */
  placeOf(key: Row): number;
  readonly leaves: Leaves;
}

export function makeTables(random: Random): SimTable[] {
  const count = random.between(1, 3);
  const tables = Array.from({ length: count }, (_, index) => keyedTable(`public.t${index}`, index, random));
  if (random.chance(0.35)) tables.push(keylessTable("public.nokey", 9));
  return tables;
}

function keyedTable(id: string, oid: number, random: Random): SimTable {
  const composite = random.chance(0.25);
  const partitioned = !composite && random.chance(0.25);
  const numeric = !composite && random.chance(0.35);
  const keys = composite ? compositeKeys() : numeric ? numericKeys(random) : integerKeys(random);
  const names = [...(composite ? ["a", "b"] : ["id"]), "u", "v", "big"];
  const keyLength = composite ? 2 : 1;
  const unique = random.chance(0.6) ? keyLength : null;
  const leaves = new Leaves(partitioned ? [random.chance(0.8), random.chance(0.6)] : [true]);
  const order = !numeric && (composite || random.chance(0.5)) ? compareScrambled : compareNumbers;
  return {
    table: describe(id, oid, { names, key: Array.from(names.slice(0, keyLength).keys()), leaves, partitioned }),
    leaves,
    unique,
    big: names.length - 1,
    keys,
    nameOf: (key) => (numeric ? String(Number(key[0])) : keyText(key)),
    compare: order,
    placeOf: (key) => (partitioned ? Number(key[0]) % 2 : 0),
  };
}

function keylessTable(id: string, oid: number): SimTable {
  const leaves = new Leaves([true]);
  return {
    table: describe(id, oid, { names: ["v", "big"], key: null, leaves, partitioned: false }),
    leaves,
    unique: null,
    big: 1,
    keys: [],
    nameOf: () => "",
    compare: () => 0,
    placeOf: () => 0,
  };
}

interface Shape {
  readonly names: readonly string[];
  readonly key: readonly number[] | null;
  readonly leaves: Leaves;
  readonly partitioned: boolean;
}

/** As planned: what becomes of the leaves later is the engine's to find out. */
function describe(id: string, oid: number, { names, key, leaves, partitioned }: Shape): Table {
  const columns = names.map((name) => ({ name, type: "text", identityAlways: false, notNull: false }));
  const name = id.slice("public.".length);
  const planned = leavesSeenBy(leaves, name, () => true);
  return { id, schema: "public", name, oid, columns, key, partitioned, leaves: planned };
}

/** The leaves of a table for who sees these transactions. */
export function leavesSeenBy(leaves: Leaves, name: string, sees: (maker: Transaction) => boolean): TableLeaf[] {
  return leaves.places.flatMap((place) => {
    const id = leaves.idSeenBy(place, sees);
    return id === null ? [] : [{ id, schema: "public", name: `${name}_${place}`, bytes: 8192, rows: 10 }];
  });
}

function integerKeys(random: Random): Row[] {
  return Array.from({ length: random.between(6, 24) }, (_, index) => [String(index + 1)]);
}

function numericKeys(random: Random): Row[] {
  return Array.from({ length: random.between(3, 8) }, (_, index) => String(index + 1)).flatMap((text) => [
    [text],
    [`${text}.0`],
    [`${text}.00`],
  ]);
}

function compositeKeys(): Row[] {
  return ["1", "12", "2"].flatMap((a) => ["1", "2", "21", "x"].map((b) => [a, b]));
}

function compareNumbers(a: Row, b: Row): number {
  return Number(a[0]) - Number(b[0]);
}

/** Text in an order that no comparison of strings gives. */
function compareScrambled(a: Row, b: Row): number {
  for (const [index, left] of a.entries()) {
    const order = rank(left as string) - rank(b[index] as string);
    if (order !== 0) return order;
  }
  return 0;
}

function rank(text: string): number {
  let hash = 7;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x9e3779b1) >>> 0;
  return hash;
}

/** What unique indexes hold of a row: its key, as equal as the operator finds it, and the value of the other one. */
export function uniqueValues(sim: SimTable, row: Row): string[] {
  const value = sim.unique === null ? null : (row[sim.unique] as string | null);
  return [...(sim.table.key === null ? [] : [`key ${sim.nameOf(keyOf(sim, row))}`]), ...(value === null ? [] : [value])];
}

/** Random bounds over the key, so that every key of these leaves lies in exactly one range. */
export function drawRanges(sim: SimTable, leaves: readonly TableLeaf[], random: Random): ChunkRange[] {
  return leaves.flatMap(({ id: leaf }) => {
    const bounds = [...new Map(sim.keys.filter(() => random.chance(0.15)).map((key) => [sim.nameOf(key), key])).values()]
      .toSorted(sim.compare)
      .map((values) => ({ values, inclusive: random.chance(0.5) }));
    return [null, ...bounds].map((low, index) => ({
      leaf,
      from: low === null ? null : { values: low.values, inclusive: !low.inclusive },
      to: bounds[index] ?? null,
    }));
  });
}

/** Whether a range holds a key while the key's place has this leaf. */
export function inRange(sim: SimTable, range: ChunkRange, key: Row, leafId: (place: number) => string | null): boolean {
  if (leafId(sim.placeOf(key)) !== range.leaf) return false;
  if (range.from !== null) {
    const order = sim.compare(key, range.from.values);
    if (order < 0 || (order === 0 && !range.from.inclusive)) return false;
  }
  if (range.to !== null) {
    const order = sim.compare(key, range.to.values);
    if (order > 0 || (order === 0 && !range.to.inclusive)) return false;
  }
  return true;
}

export function keyOf(sim: SimTable, row: Row): Row {
  return (sim.table.key ?? []).map((index) => row[index] as string);
}

/** A multiset member of a table without a key; also how rows are compared. */
export function rowText(row: Row): string {
  return keyText(row.map((value) => (value === null ? "n" : `v${value}`)));
}

/** Narrows a difference: buckets by a hash of the key, then the rows of differing buckets, then columns. No order, no collation. */
import type { ChunkRange } from "../engine/ports.ts";
import { type KeyText, keyText, type Table } from "../model/table.ts";
import { displayText, type Row } from "../model/value.ts";
import { diffRow } from "./diff-row.ts";
import type { HashedRow, RowDifference, TableSnapshot } from "./ports.ts";

export interface DiffSides {
  readonly table: Table;
  readonly range: ChunkRange | null;
  readonly source: TableSnapshot;
  readonly target: TableSnapshot;
}

/** At most `limit` differing rows outside of `settled` keys. */
export async function diffRows(sides: DiffSides, settled: ReadonlySet<KeyText>, limit: number): Promise<RowDifference[]> {
  const { table, range, source, target } = sides;
  const [left, right] = await Promise.all([source.buckets(range), target.buckets(range)]);
  const buckets = [...new Set([...left.keys(), ...right.keys()])].filter((bucket) => {
    const [a, b] = [left.get(bucket), right.get(bucket)];
    return a?.rows !== b?.rows || a?.sum !== b?.sum;
  });
  if (buckets.length === 0) return [];
  const [ours, theirs] = await Promise.all([source.rowHashes(range, buckets), target.rowHashes(range, buckets)]);
  if (table.key === null) return diffMultiset(ours, theirs).slice(0, limit);
  return diffKeyed(sides, differingKeys(ours, theirs, settled).slice(0, limit));
}

async function diffKeyed({ table, source, target }: DiffSides, keys: readonly Row[]): Promise<RowDifference[]> {
  const [ours, theirs] = await Promise.all([source.rows(keys), target.rows(keys)]);
  return keys.flatMap((key) => {
    const difference = diffRow(table, key, ours.get(keyText(key)), theirs.get(keyText(key)));
    if (difference !== null) return [difference];
    // Their hashes differ, so it is what the rows do not carry.
    const computed = (table.computed ?? []).map(({ name }) => name);
    return computed.length === 0
      ? []
      : [{ kind: "changed" as const, key: key.map((value) => displayText(value ?? "")), columns: computed }];
  });
}

function differingKeys(ours: readonly HashedRow[], theirs: readonly HashedRow[], settled: ReadonlySet<KeyText>): Row[] {
  const left = new Map(ours.map(({ key, hash }) => [keyText(key), { key, hash }]));
  const differing: Row[] = [];
  for (const { key, hash } of theirs) {
    const text = keyText(key);
    const same = left.get(text)?.hash === hash;
    left.delete(text);
    if (!same && !settled.has(text)) differing.push(key);
  }
  for (const [text, { key }] of left) if (!settled.has(text)) differing.push(key);
  return differing;
}

/** Rows without a key: how many copies of each row more or fewer. The row is named by its hash. */
function diffMultiset(ours: readonly HashedRow[], theirs: readonly HashedRow[]): RowDifference[] {
  const surplus = new Map<string, number>();
  for (const { hash } of ours) surplus.set(hash, (surplus.get(hash) ?? 0) + 1);
  for (const { hash } of theirs) surplus.set(hash, (surplus.get(hash) ?? 0) - 1);
  return [...surplus].flatMap(([hash, times]) => {
    if (times === 0) return [];
    return [{ kind: times > 0 ? ("missing" as const) : ("extra" as const), key: [hash], columns: [], times: Math.abs(times) }];
  });
}

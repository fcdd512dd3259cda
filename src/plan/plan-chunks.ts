/**
 * The first ranges of a table: enough for several readers to work at once, no more. They need not be equal, nor small: a read that uses up
 * its budget is cut, and the rest goes on as a chunk of its own.
 */
import type { ChunkRange } from "../engine/ports.ts";
import { WHOLE } from "../engine/table-loading.ts";
import type { Table, TableLeaf } from "../model/table.ts";

/** What is known of the leading key column in one leaf. `values` are in the order of the key's index. */
export interface LeafValues {
  readonly values: readonly string[];
  readonly extremes: { readonly min: bigint; readonly max: bigint } | null;
}

const MOST_RANGES = 64;

/**
 * Ranges that together hold every key of these leaves exactly once, leaf by leaf; a table without a key is one whole range. `samples` are in
 * the order of `leaves`; a leaf without one gets a single range. `chunkBytes` is what one chunk is to read, about.
 */
export function planChunks(
  { key }: Pick<Table, "key">,
  leaves: readonly TableLeaf[],
  samples: readonly LeafValues[],
  chunkBytes: number,
): readonly ChunkRange[] {
  if (key === null) return [WHOLE];
  return leaves.flatMap(({ id, bytes }, place) => {
    const wanted = Math.min(MOST_RANGES, Math.max(1, Math.ceil(bytes / chunkBytes)));
    const sample = samples[place];
    return rangesBetween(id, sample === undefined ? [] : boundaries(sample, wanted));
  });
}

/** Each boundary begins a range. The first is open below, the last above: rows that come later have a place as well. */
function rangesBetween(leaf: string, bounds: readonly string[]): ChunkRange[] {
  return [null, ...bounds].map((lower, place) => {
    const upper = bounds[place] ?? null;
    return {
      leaf,
      from: lower === null ? null : { values: [lower], inclusive: true },
      to: upper === null ? null : { values: [upper], inclusive: false },
    };
  });
}

/** At most `wanted - 1` different values, evenly spread, the smallest left out: nothing lies below it. */
function boundaries({ values, extremes }: LeafValues, wanted: number): string[] {
  if (values.length > 0) return evenly(values, wanted);
  if (extremes === null) return [];
  const width = extremes.max - extremes.min + 1n;
  const count = width < BigInt(wanted) ? Number(width) : wanted;
  return Array.from({ length: count - 1 }, (_, place) => String(extremes.min + (width * BigInt(place + 1)) / BigInt(count)));
}

function evenly(values: readonly string[], wanted: number): string[] {
  const picked = new Set<string>();
  for (let place = 1; place < wanted; place++) {
    const value = values[Math.floor((place * values.length) / wanted)];
    if (value !== undefined && value !== values[0]) picked.add(value);
  }
  return [...picked];
}

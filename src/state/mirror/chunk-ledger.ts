import type { ChunkRange } from "../../engine/ports.ts";
import type { StateDatabase } from "../state-database.ts";

/** What a load decides on chunks; in order, a fact says all that counts of its chunk. */
export type ChunkFact = { readonly id: number; readonly table: string; readonly range: ChunkRange } | { readonly forgotten: string };

/** Keeps the facts that a machine must not take with it. */
export interface ChunkLedger {
  /** In the order in which the state has taken them. */
  note(fact: ChunkFact): void;
  /** Settles when everything noted so far is kept. */
  kept(): Promise<void>;
}

/** Without a bucket the state directory keeps them, and has done so before anybody asks. */
export const STATE_KEEPS: ChunkLedger = { note: () => undefined, kept: () => Promise.resolve() };

/** Brings a state to what the facts say; those that it knows change nothing. */
export function applyChunkFacts(database: StateDatabase, facts: readonly ChunkFact[]): void {
  database.write(() => {
    const put = database.sqlite.prepare(
      `insert into chunk (id, table_id, leaf, from_key, from_inclusive, to_key, to_inclusive) values (?, ?, ?, ?, ?, ?, ?)
       on conflict (id) do update set to_key = excluded.to_key, to_inclusive = excluded.to_inclusive`,
    );
    const merges = database.sqlite.prepare("delete from chunk_merge where chunk_id in (select id from chunk where table_id = ?)");
    const chunks = database.sqlite.prepare("delete from chunk where table_id = ?");
    for (const fact of facts) {
      if ("forgotten" in fact) for (const forget of [merges, chunks]) forget.run(fact.forgotten);
      else put.run(fact.id, fact.table, fact.range.leaf, ...boundColumns(fact.range.from), ...boundColumns(fact.range.to));
    }
  });
}

/** JSON keeps a latin1 string exactly: every code unit is below 256, so nothing is normalised, merged or replaced. */
export function boundColumns(bound: ChunkRange["from"]): readonly [string | null, number] {
  return bound === null ? [null, 0] : [JSON.stringify(bound.values), bound.inclusive ? 1 : 0];
}

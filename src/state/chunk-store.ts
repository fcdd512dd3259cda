import type { ChunkRange, ChunkRecord, KeyBound, LoadStore } from "../engine/ports.ts";
import type { Row } from "../model/value.ts";
import { boundColumns, type ChunkLedger, STATE_KEEPS } from "./mirror/chunk-ledger.ts";
import type { StateDatabase } from "./state-database.ts";

interface ChunkRow {
  readonly id: number;
  readonly table_id: string;
  readonly leaf: string;
  readonly from_key: string | null;
  readonly from_inclusive: number;
  readonly to_key: string | null;
  readonly to_inclusive: number;
  readonly merged: number;
}

/** Its parameter: the destination. */
const SELECT = `
  select c.id, c.table_id, c.leaf, c.from_key, c.from_inclusive, c.to_key, c.to_inclusive, m.chunk_id is not null as merged
  from chunk c left join chunk_merge m on m.chunk_id = c.id and m.destination = ?`;

/** The load's memory: which chunks a table has, for all destinations, and which of them one destination holds. */
export class ChunkStore implements LoadStore {
  readonly #database: StateDatabase;
  readonly #destination: string;
  readonly #ledger: ChunkLedger;

  constructor(database: StateDatabase, destination: string, ledger: ChunkLedger = STATE_KEEPS) {
    this.#database = database;
    this.#destination = destination;
    this.#ledger = ledger;
  }

  chunks(table: string): readonly ChunkRecord[] {
    return this.#database.read(() => this.#select(table));
  }

  planChunks(table: string, ranges: readonly ChunkRange[]): readonly ChunkRecord[] {
    const { all, made } = this.#database.write(() => {
      const covered = new Set(this.#select(table).map(({ range }) => range.leaf));
      const missing = ranges.filter((range) => !covered.has(range.leaf));
      const made = missing.map((range) => this.#insert(table, range));
      return { all: this.#select(table), made };
    });
    for (const chunk of made) this.#ledger.note(chunk);
    return all;
  }

  cutChunk(chunk: number, after: Row): ChunkRecord {
    const rest = this.#database.write(() => {
      const { table, range } = this.#get(chunk);
      // Who has merged it holds all of its range: what is behind the cut would be loaded twice, or never.
      if (this.#database.sqlite.prepare("select 1 from chunk_merge where chunk_id = ?").get(chunk) !== undefined)
        throw new Error(`state: chunk ${chunk} is merged and cannot be cut`);
      this.#database.sqlite.prepare("update chunk set to_key = ?, to_inclusive = 1 where id = ?").run(JSON.stringify(after), chunk);
      return this.#insert(table, { leaf: range.leaf, from: { values: after, inclusive: false }, to: range.to });
    });
    this.#ledger.note(this.#database.read(() => this.#get(chunk)));
    this.#ledger.note(rest);
    return rest;
  }

  /** The first word counts: on resume the engine repeats it without counts, because only the target's note survived. */
  chunkMerged(chunk: number, rows: number, bytes: number): void {
    this.#database.note(() => {
      this.#get(chunk);
      this.#database.sqlite
        .prepare(
          `insert into chunk_merge (chunk_id, destination, merged_at, row_count, byte_count) values (?, ?, ?, ?, ?)
          on conflict (chunk_id, destination) do nothing`,
        )
        .run(chunk, this.#destination, new Date().toISOString(), rows, bytes);
    });
  }

  chunkLost(chunk: number): void {
    this.#database.write(() => {
      this.#database.sqlite.prepare("delete from chunk_merge where chunk_id = ? and destination = ?").run(chunk, this.#destination);
    });
  }

  /** At this destination; what others hold of the table stays planned, and theirs. */
  forgetTable(table: string): void {
    this.#database.write(() => {
      const { sqlite } = this.#database;
      const at = [table, this.#destination] as const;
      sqlite.prepare("delete from chunk_merge where chunk_id in (select id from chunk where table_id = ?) and destination = ?").run(...at);
      sqlite
        .prepare("delete from chunk where table_id = ? and not exists (select 1 from chunk_merge where chunk_id = chunk.id)")
        .run(table);
      sqlite.prepare("delete from hold where stream = 'forward' and table_id = ? and destination = ?").run(...at);
      sqlite
        .prepare(
          `update table_state set phase = 'pending', loading_at = null, loaded_at = null, joined_at = null, live_at = null
          where table_id = ? and destination = ?`,
        )
        .run(...at);
      sqlite.prepare("update migration_table set changed_at = ? where id = ?").run(new Date().toISOString(), table);
    });
    this.#ledger.note({ forgotten: table });
  }

  kept(): Promise<void> {
    return this.#ledger.kept();
  }

  #select(table: string): readonly ChunkRecord[] {
    return this.#database.sqlite
      .prepare<[string, string], ChunkRow>(`${SELECT} where c.table_id = ? order by c.id`)
      .all(this.#destination, table)
      .map(toRecord);
  }

  #get(chunk: number): ChunkRecord {
    const row = this.#database.sqlite.prepare<[string, number], ChunkRow>(`${SELECT} where c.id = ?`).get(this.#destination, chunk);
    if (row === undefined) throw new Error(`state: there is no chunk ${chunk}`);
    return toRecord(row);
  }

  #insert(table: string, range: ChunkRange): ChunkRecord {
    const { lastInsertRowid } = this.#database.sqlite
      .prepare("insert into chunk (table_id, leaf, from_key, from_inclusive, to_key, to_inclusive) values (?, ?, ?, ?, ?, ?)")
      .run(table, range.leaf, ...boundColumns(range.from), ...boundColumns(range.to));
    return { id: Number(lastInsertRowid), table, range, merged: false };
  }
}

function toBound(key: string | null, inclusive: number): KeyBound | null {
  return key === null ? null : { values: JSON.parse(key) as Row, inclusive: inclusive === 1 };
}

function toRecord(row: ChunkRow): ChunkRecord {
  return {
    id: row.id,
    table: row.table_id,
    range: { leaf: row.leaf, from: toBound(row.from_key, row.from_inclusive), to: toBound(row.to_key, row.to_inclusive) },
    merged: row.merged === 1,
  };
}

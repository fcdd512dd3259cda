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

const COLUMNS = "id, table_id, leaf, from_key, from_inclusive, to_key, to_inclusive, merged_at is not null as merged";

/** The load's memory: which chunks a table has, and which of them the target holds. */
export class ChunkStore implements LoadStore {
  readonly #database: StateDatabase;
  readonly #ledger: ChunkLedger;

  constructor(database: StateDatabase, ledger: ChunkLedger = STATE_KEEPS) {
    this.#database = database;
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
      const { table, range, merged } = this.#get(chunk);
      // The target holds all of a merged chunk's range: what is behind the cut would be loaded twice, or never.
      if (merged) throw new Error(`state: chunk ${chunk} is merged and cannot be cut`);
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
      const { changes } = this.#database.sqlite
        .prepare("update chunk set merged_at = ?, row_count = ?, byte_count = ? where id = ? and merged_at is null")
        .run(new Date().toISOString(), rows, bytes, chunk);
      if (changes === 0) this.#get(chunk);
    });
  }

  chunkLost(chunk: number): void {
    this.#database.write(() => {
      this.#database.sqlite.prepare("update chunk set merged_at = null, row_count = 0, byte_count = 0 where id = ?").run(chunk);
    });
  }

  forgetTable(table: string): void {
    this.#database.write(() => {
      const { sqlite } = this.#database;
      sqlite.prepare("delete from chunk where table_id = ?").run(table);
      sqlite.prepare("delete from hold where stream = 'forward' and table_id = ?").run(table);
      sqlite
        .prepare(
          `update migration_table set phase = 'pending', loading_at = null, loaded_at = null, joined_at = null, live_at = null, changed_at = ?
          where id = ?`,
        )
        .run(new Date().toISOString(), table);
    });
    this.#ledger.note({ forgotten: table });
  }

  kept(): Promise<void> {
    return this.#ledger.kept();
  }

  #select(table: string): readonly ChunkRecord[] {
    return this.#database.sqlite
      .prepare<[string], ChunkRow>(`select ${COLUMNS} from chunk where table_id = ? order by id`)
      .all(table)
      .map(toRecord);
  }

  #get(chunk: number): ChunkRecord {
    const row = this.#database.sqlite.prepare<[number], ChunkRow>(`select ${COLUMNS} from chunk where id = ?`).get(chunk);
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
